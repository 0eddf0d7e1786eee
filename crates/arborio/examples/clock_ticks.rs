//! A clock that ticks every four seconds, and a task that it is ended with.

use arborio::{
    EventLoop,
    time::{Clock, Duration, clock, interval, sleep},
};

async fn tick() {
    let mut ticks = interval(Duration::from_secs(4));
    loop {
        ticks.tick().await;
        println!("tick at {} s", clock().as_secs());
    }
}

fn main() {
    EventLoop::builder().clock(Clock::simulated()).run(async {
        let ticking = arborio::spawn(tick());
        sleep(Duration::from_secs(10)).await;
        ticking.abort();
        println!("{}", ticking.is_finished());
    });
}

// takes: 0s..0.5s
// prints:
// tick at 0 s
// tick at 4 s
// tick at 8 s
// true
