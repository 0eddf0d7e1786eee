//! Any future may be a member of a group, a sleep too.

use arborio::{
    TaskGroup,
    time::{Duration, sleep},
};

async fn say(word: &'static str, after: u64) {
    sleep(Duration::from_secs(after)).await;
    println!("{word}");
}

fn main() {
    arborio::run(async {
        let group = TaskGroup::new();
        group.spawn(say("hello", 1));
        group.add(sleep(Duration::from_secs(2)));
        group.wait_all().await;
        println!("world");
    });
}

// takes: 2.0s..2.6s
// prints:
// hello
// world
