//! An event loop that knows neither time nor I/O: what it waits for is another thread.
//!
//! Run with `cargo run -p arborio-executor --example loop_without_timers`.

use std::{sync::Arc, thread};

use arborio_executor::{
    Handle, LoopOptions, Notify, Park, Passed, RunError, Tasks, Wait, drive, spawn, yield_now,
};

/// Wakes the thread that sleeps in [`Sleeper`].
struct Unpark(thread::Thread);

impl Notify for Unpark {
    fn notify(&self) {
        self.0.unpark();
    }
}

/// Sleeps until another thread has something for the loop. If there is no other one, nothing can happen any more.
struct Sleeper;

impl Park for Sleeper {
    fn pass(&mut self, wait: Wait) -> Passed {
        match wait {
            Wait::Never => Passed::Looked,
            Wait::Alone => Passed::Stalled,
            Wait::Allowed => {
                thread::park();
                Passed::Looked
            }
        }
    }
}

fn run<F: Future>(main: F) -> Result<F::Output, RunError> {
    let tasks = Tasks::new(Arc::new(Unpark(thread::current())));
    let tell = |report: arborio_executor::Report<'_>| eprintln!("{report}");
    drive(tasks, &mut Sleeper, LoopOptions::default(), &tell, main)
}

fn main() {
    let words = run(async {
        let handle = Handle::current().expect("a loop runs here");
        let sender = thread::spawn(move || {
            let mut word = handle.spawn(async { "sent" }); // ready tasks run in the order in which they came
            word.wait().expect("the loop runs on")
        });
        let ours = spawn(async {
            yield_now().await;
            "spawned"
        });
        while !sender.is_finished() {
            yield_now().await;
        }
        [
            ours.await.expect("no panic"),
            sender.join().expect("no panic"),
        ]
    });
    let words = words.expect("nothing stalls");
    assert_eq!(words, ["spawned", "sent"]);
    println!("{}", words.join(", "));

    let stalled = run(std::future::pending::<()>()).expect_err("nobody can wake it");
    assert!(matches!(stalled, RunError::Stalled(_)), "{stalled}");
    println!("a loop that nobody can wake says so");
}

// prints:
// spawned, sent
// a loop that nobody can wake says so
