//! Two tasks are sent to a loop from the main thread, which waits for them without being async.

use arborio::{
    EventLoop, WaitError,
    time::{Duration, sleep},
};

async fn say(word: &'static str, after: u64) -> &'static str {
    sleep(Duration::from_secs(after)).await;
    word
}

fn main() -> std::io::Result<()> {
    let handle = EventLoop::get_or_create()?;
    let mut hello = handle.spawn(say("hello", 1));
    let mut world = handle.spawn(say("world", 2));

    // A wait that runs out of time leaves the task alone.
    let early = hello.wait_timeout(Duration::from_millis(50));
    assert!(matches!(early, Err(WaitError::TimedOut)));

    println!("{}", hello.wait().unwrap());
    println!("{}", world.wait().unwrap());
    Ok(())
}

// takes: 2.0s..2.6s
// prints:
// hello
// world
