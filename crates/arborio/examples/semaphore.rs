//! A semaphore of two permits: two tasks at a time, the third waits for a permit.

use std::rc::Rc;

use arborio::{
    EventLoop, spawn_local,
    sync::local::Semaphore,
    time::{Clock, Duration, clock, sleep},
};

async fn say(semaphore: Rc<Semaphore>, word: &'static str, seconds: u64) {
    let _permit = semaphore.acquire().await.expect("nobody closes it");
    sleep(Duration::from_secs(seconds)).await;
    println!("{} s: {word}", clock().as_secs());
}

fn main() {
    EventLoop::builder().clock(Clock::simulated()).run(async {
        let semaphore = Rc::new(Semaphore::new(2));
        for (word, seconds) in [("hello", 1), ("world", 1), ("hello world", 2)] {
            spawn_local(say(Rc::clone(&semaphore), word, seconds)).detach();
        }
    });
}

// takes: 0s..0.5s
// prints:
// 1 s: hello
// 1 s: world
// 3 s: hello world
