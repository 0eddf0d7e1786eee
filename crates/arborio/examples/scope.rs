//! Ten tasks of three seconds in one scope: together they take three seconds.

use arborio::{
    Interrupt, Scope,
    time::{Duration, sleep},
};

fn main() {
    let ended: Result<(), Interrupt> = arborio::run(async {
        let scope = Scope::builder().timeout(Duration::from_secs(10));
        scope
            .run(async |s| {
                for _ in 0..10 {
                    s.spawn(sleep(Duration::from_secs(3)));
                }
                Ok(())
            })
            .await
    });
    ended.unwrap();
    println!("all ten have ended");
}

// takes: 3.0s..3.6s
// prints:
// all ten have ended
