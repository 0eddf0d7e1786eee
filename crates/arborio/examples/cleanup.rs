//! When the time is up, a task may clean up, and await while it does.

use arborio::{
    Interrupt, Scope,
    cancel::finally,
    time::{Duration, sleep},
};

async fn work() {
    println!("working");
    sleep(Duration::from_secs(60)).await;
    println!("never printed");
}

async fn clean_up() {
    println!("cleaning up");
    sleep(Duration::from_millis(100)).await;
    println!("clean");
}

fn main() {
    let ended: Result<(), Interrupt> = arborio::run(async {
        let scope = Scope::builder().timeout(Duration::from_millis(200));
        scope
            .run(async |s| {
                s.spawn(finally(work(), clean_up));
                Ok(())
            })
            .await
    });
    match ended {
        Err(Interrupt::TimedOut) => println!("timed out"),
        other => println!("{other:?}"),
    }
}

// takes: 0.3s..0.8s
// prints:
// working
// cleaning up
// clean
// timed out
