//! A task that is cancelled ends where it waits; the other one does not notice.

use arborio::{
    spawn,
    time::{Duration, sleep},
};

async fn say(word: &'static str, after: u64) {
    sleep(Duration::from_secs(after)).await;
    println!("{word}");
}

fn main() {
    arborio::run(async {
        let hello = spawn(say("hello", 1));
        let world = spawn(say("world", 2));
        hello.cancel();
        assert!(hello.await.is_err());
        world.await.unwrap();
    });
}

// takes: 2.0s..2.6s
// prints:
// world
