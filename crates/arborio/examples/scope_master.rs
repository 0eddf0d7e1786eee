//! When a master has ended, the others are asked to end, and that is no failure.

use arborio::{
    Interrupt, Scope,
    time::{Duration, sleep},
};

async fn fetch() {
    sleep(Duration::from_secs(10)).await;
    println!("fetched");
}

async fn trivial() {
    sleep(Duration::from_millis(10)).await;
    println!("the master is done");
}

fn main() {
    let ended: Result<(), Interrupt> = arborio::run(async {
        let scope = Scope::builder().timeout(Duration::from_millis(500));
        scope
            .run(async |s| {
                s.spawn(fetch());
                s.task().master(true).spawn(trivial());
                Ok(())
            })
            .await
    });
    println!("ended well: {}", ended.is_ok());
}

// takes: 0.0s..0.4s
// prints:
// the master is done
// ended well: true
