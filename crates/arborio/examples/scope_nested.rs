//! A fork has more time than the scope that it is forked from: the shorter one counts.

use arborio::{
    Interrupt, Scope,
    cancel::catch_cancel,
    time::{Duration, sleep},
};

async fn job() {
    if catch_cancel(sleep(Duration::from_secs(10))).await.is_err() {
        println!("inside: cancelled");
    }
}

fn main() {
    let ended: Result<(), Interrupt> = arborio::run(async {
        let outer = Scope::builder().timeout(Duration::from_millis(200));
        outer
            .run(async |outer| {
                let inner = outer.fork::<Interrupt>();
                let inner = inner.timeout(Duration::from_millis(500));
                inner
                    .run(async |inner| {
                        inner.spawn(job());
                        Ok(())
                    })
                    .await
            })
            .await
    });
    match ended {
        Err(Interrupt::TimedOut) => println!("outside: timed out"),
        other => println!("{other:?}"),
    }
}

// takes: 0.2s..0.7s
// prints:
// inside: cancelled
// outside: timed out
