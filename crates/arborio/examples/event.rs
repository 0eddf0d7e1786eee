//! An event is a gate: setting it lets everybody through who waits.

use std::rc::Rc;

use arborio::{
    EventLoop, spawn_local,
    sync::local::Event,
    time::{Clock, Duration, clock, sleep},
};

async fn say(event: Rc<Event>, word: &'static str) {
    event.wait().await;
    println!("{} s: {word}", clock().as_secs());
}

fn main() {
    EventLoop::builder().clock(Clock::simulated()).run(async {
        let event = Rc::new(Event::new());
        spawn_local(say(Rc::clone(&event), "hello")).detach();
        spawn_local(say(Rc::clone(&event), "world")).detach();
        sleep(Duration::from_secs(2)).await;
        event.set();
    });
}

// takes: 0s..0.5s
// prints:
// 2 s: hello
// 2 s: world
