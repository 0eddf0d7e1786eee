//! A mutex is handed over in the order in which the tasks came, and may be held
//! across an await: the sleeps follow each other.

use std::rc::Rc;

use arborio::{
    EventLoop, spawn_local,
    sync::local::Mutex,
    time::{Clock, Duration, clock, sleep},
};

async fn say(lock: Rc<Mutex<()>>, word: &'static str, seconds: u64) {
    let _guard = lock.lock().await;
    sleep(Duration::from_secs(seconds)).await;
    println!("{} s: {word}", clock().as_secs());
}

fn main() {
    EventLoop::builder().clock(Clock::simulated()).run(async {
        let lock = Rc::new(Mutex::new(()));
        for (word, seconds) in [("hello", 1), ("world", 1), ("hello world", 2)] {
            spawn_local(say(Rc::clone(&lock), word, seconds)).detach();
        }
    });
}

// takes: 0s..0.5s
// prints:
// 1 s: hello
// 2 s: world
// 4 s: hello world
