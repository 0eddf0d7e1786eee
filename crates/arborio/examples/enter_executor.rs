//! A part of a task goes to a thread where it may block for two seconds, and back. The loop goes on
//! meanwhile.

use std::thread::{self, ThreadId};

use arborio::{
    blocking::enter_executor,
    spawn,
    time::{Duration, sleep},
};

fn say(when: &str) -> ThreadId {
    let id = thread::current().id();
    println!("{when}: {id:?}");
    id
}

fn main() {
    let ids = arborio::run(async {
        let ticker = spawn(async {
            sleep(Duration::from_secs(1)).await;
            println!("the loop is free");
        });
        let before = say("before entering");
        let inside = enter_executor(async {
            let entered = say("after entering");
            thread::sleep(Duration::from_secs(2));
            sleep(Duration::from_millis(10)).await;
            [entered, say("before exiting")]
        });
        let [entered, exits] = inside.await.unwrap();
        ticker.await.unwrap();
        [before, entered, exits, say("after exiting")]
    });
    assert_eq!(ids, [ids[0], ids[1], ids[1], ids[0]]);
    assert_ne!(ids[0], ids[1]);
}

// takes: 2.0s..3s
// prints:
// before entering: ThreadId([..])
// after entering: ThreadId([..])
// the loop is free
// before exiting: ThreadId([..])
// after exiting: ThreadId([..])
