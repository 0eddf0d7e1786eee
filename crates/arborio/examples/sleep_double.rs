//! Sleeps twice as long as it is told, on a simulated clock: no time passes.

use arborio::{
    EventLoop,
    time::{Clock, Duration, clock, sleep},
};

async fn sleep_double(seconds: u64) {
    let start = clock();
    println!("going to sleep for {} s", 2 * seconds);
    sleep(Duration::from_secs(2 * seconds)).await;
    println!("slept for {:.2} s", (clock() - start).as_secs_f64());
}

fn main() {
    EventLoop::builder()
        .clock(Clock::simulated())
        .run(async { sleep_double(2).await });
}

// takes: 0s..0.5s
// prints:
// going to sleep for 4 s
// slept for 4.00 s
