//! An error that does not bubble stays with its task: the scope goes on, until its
//! time is up.

use arborio::{
    Interrupt, Scope,
    time::{Duration, sleep},
};

async fn fetch() -> Result<(), Interrupt> {
    sleep(Duration::from_secs(10)).await;
    println!("fetched");
    Ok(())
}

async fn trivial() -> Result<(), Interrupt> {
    sleep(Duration::from_millis(10)).await;
    println!("trivial fails");
    Err(Interrupt::Closed)
}

fn main() {
    let ended: Result<(), Interrupt> = arborio::run(async {
        let scope = Scope::builder().timeout(Duration::from_millis(500));
        scope
            .run(async |s| {
                s.spawn(fetch());
                s.task().bubble(false).spawn(trivial());
                Ok(())
            })
            .await
    });
    match ended {
        Err(Interrupt::TimedOut) => println!("timed out"),
        other => println!("{other:?}"),
    }
}

// takes: 0.5s..1.0s
// prints:
// trivial fails
// timed out
