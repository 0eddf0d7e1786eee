//! A loop in a thread of its own, used from a program that is not async.

use arborio::{
    EventLoop,
    time::{Duration, sleep},
};

async fn greet() {
    println!("hello");
    sleep(Duration::from_secs(1)).await;
    println!("world");
}

fn main() -> std::io::Result<()> {
    let event_loop = EventLoop::builder().name("greeter").start()?;
    event_loop.run(greet()).unwrap();

    // The loop is still there, for whatever comes next.
    let words = ["one", "more", "thing"];
    let length = event_loop.run(async { words.len() });
    assert_eq!(length.unwrap(), 3);

    event_loop.stop();
    assert!(event_loop.run(greet()).is_err());
    Ok(())
}

// takes: 1.0s..1.6s
// prints:
// hello
// world
