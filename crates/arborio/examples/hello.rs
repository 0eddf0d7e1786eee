//! Runs one async function: the program ends when it has.

use arborio::time::{Duration, sleep};

#[arborio::main]
async fn main() {
    println!("hello");
    sleep(Duration::from_secs(1)).await;
    println!("world");
}

// takes: 1.0s..1.6s
// prints:
// hello
// world
