//! Runs one future: `run` returns when it has ended.

use arborio::time::{Duration, sleep};

fn main() {
    arborio::run(async {
        println!("hello");
        sleep(Duration::from_secs(1)).await;
        println!("world");
    });
}

// takes: 1.0s..1.6s
// prints:
// hello
// world
