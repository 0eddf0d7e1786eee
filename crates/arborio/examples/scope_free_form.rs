//! A scope without a body: opened, given tasks, finalized, awaited.

use arborio::{
    Interrupt, Scope,
    time::{Duration, sleep},
};

fn main() {
    let ended: Result<(), Interrupt> = arborio::run(async {
        let scope = Scope::builder().timeout(Duration::from_secs(10)).open();
        for _ in 0..10 {
            scope.spawn(sleep(Duration::from_secs(3)));
        }
        println!("ten tasks sleep");
        scope.finalize(); // from now on it ends when they have
        scope.await
    });
    println!("all at once: {ended:?}");
}

// takes: 3s..3.6s
// prints:
// ten tasks sleep
// all at once: Ok(())
