//! Two tasks of a group overlap: together they take as long as the longer one.

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
        group.spawn(say("world", 2));
        group.wait_all().await;
    });
}

// takes: 2.0s..2.6s
// prints:
// hello
// world
