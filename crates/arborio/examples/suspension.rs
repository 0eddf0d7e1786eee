//! Giving others a turn: one that is ready runs before one that skips a ready
//! cycle, and ten ready cycles run before one that skips a poll cycle.

use arborio::{
    spawn,
    task::{skip_poll_cycle, skip_ready_cycle},
};

async fn after_the_others() {
    skip_ready_cycle().await;
    println!("world");
}

async fn after_a_look_at_io() {
    skip_poll_cycle().await;
    println!("world");
}

async fn after_ten_ready_cycles() {
    for _ in 0..10 {
        skip_ready_cycle().await;
    }
    println!("hello");
}

fn main() {
    arborio::run(async {
        let second = spawn(after_the_others());
        let first = spawn(async { println!("hello") });
        first.await.unwrap();
        second.await.unwrap();
    });
    arborio::run(async {
        let second = spawn(after_a_look_at_io());
        let first = spawn(after_ten_ready_cycles());
        first.await.unwrap();
        second.await.unwrap();
    });
}

// takes: 0s..0.5s
// prints:
// hello
// world
// hello
// world
