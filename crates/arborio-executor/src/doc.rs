//! A loop for this crate's own examples: it parks its thread and knows no I/O.

use std::{sync::Arc, thread};

use arborio_task::{Notify, Tasks};

use crate::{LoopOptions, Park, Passed, Wait, drive};

struct Unpark(thread::Thread);

impl Notify for Unpark {
    fn notify(&self) {
        self.0.unpark();
    }
}

/// Waits for other threads, and for nothing else.
struct ThreadPark;

impl Park for ThreadPark {
    fn pass(&mut self, wait: Wait) -> Passed {
        if wait != Wait::Never {
            thread::park();
        }
        Passed::Looked
    }
}

/// Runs `main` on this thread.
///
/// # Panics
/// As [`drive`], and if a loop runs on this thread already.
///
/// # Examples
/// ```
/// assert_eq!(arborio_executor::doc::run(async { 1 }), 1);
/// ```
#[track_caller]
pub fn run<F: Future>(main: F) -> F::Output {
    let tasks = Tasks::new(Arc::new(Unpark(thread::current())));
    drive(
        tasks,
        &mut ThreadPark,
        LoopOptions::default(),
        &|_| {},
        main,
    )
    .unwrap_or_else(|error| panic!("{error}"))
}
