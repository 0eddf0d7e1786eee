//! A parent spawns two children and joins them: they sleep side by side.

use arborio::{
    EventLoop, spawn,
    time::{Clock, Duration, clock, sleep},
};

async fn child(number: u32, seconds: u64) {
    println!("[child {number}] gonna sleep for {seconds} s");
    sleep(Duration::from_secs(seconds)).await;
    println!("[child {number}] I woke up at {} s", clock().as_secs());
}

async fn parent() {
    println!("[parent] spawning");
    let start = clock();
    let (first, second) = (spawn(child(1, 1)), spawn(child(2, 2)));
    println!("[parent] children spawned, awaiting completion");
    first.await.unwrap();
    second.await.unwrap();
    let took = (clock() - start).as_secs_f64();
    println!("[parent] all done after {took:.2} s");
}

fn main() {
    EventLoop::builder().clock(Clock::simulated()).run(parent());
}

// takes: 0s..0.5s
// prints:
// [parent] spawning
// [parent] children spawned, awaiting completion
// [child 1] gonna sleep for 1 s
// [child 2] gonna sleep for 2 s
// [child 1] I woke up at 1 s
// [child 2] I woke up at 2 s
// [parent] all done after 2.00 s
