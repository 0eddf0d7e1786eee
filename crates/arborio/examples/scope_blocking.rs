//! A job on a thread outlives the scope that has given it up: the scope ends in time, and the
//! job, which nothing can end from outside, goes on until it returns or the program ends.

use std::{sync::mpsc, thread};

use arborio::{
    Interrupt, Scope,
    blocking::spawn_blocking_with,
    time::{Duration, Instant, sleep},
};

fn main() {
    let start = Instant::now();
    arborio::run(async move {
        let (told, was_told) = mpsc::channel();
        let scope = Scope::builder().timeout(Duration::from_millis(200));
        let ended: Result<(), Interrupt> = scope
            .run(async |s| {
                s.spawn(async {
                    let job = spawn_blocking_with(move |token| {
                        println!("the job begins");
                        thread::sleep(Duration::from_millis(400));
                        if token.is_cancelled() {
                            println!("the job sees that nobody waits for it");
                            told.send(()).unwrap();
                        }
                        thread::sleep(Duration::from_secs(10));
                        println!("the program has ended before this");
                    });
                    job.await.unwrap();
                });
                Ok(())
            })
            .await;
        match ended {
            Err(Interrupt::TimedOut) => println!("the scope has timed out"),
            other => println!("{other:?}"),
        }
        if Instant::now() - start > Duration::from_millis(390) {
            println!("and it has waited for the job");
        }
        // The loop is free all the time.
        while was_told.try_recv().is_err() {
            sleep(Duration::from_millis(10)).await;
        }
        println!("run ends while the job still runs");
    });
}

// takes: 0.4s..3s
// prints:
// the job begins
// the scope has timed out
// the job sees that nobody waits for it
// run ends while the job still runs
