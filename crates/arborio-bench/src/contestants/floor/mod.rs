//! The floor: the least code that does the work of a scenario on one thread, and nothing else.
//!
//! `Rc` tasks, one `VecDeque`, no atomics, no catching of panics, no limits. Its wakers are **not**
//! `Send`, whatever their type says: a waker that leaves the thread is undefined behaviour. That is
//! what makes it a floor to measure against and not a runtime; no scenario lets a waker travel.

pub(crate) mod sync;
mod task;
mod timers;

use std::future::Future;
use std::time::Duration;

use crate::runtime::{Runtime, SelfWake};

/// The hand-written minimum.
pub(crate) struct Floor;

impl Runtime for Floor {
    const NAME: &'static str = super::FLOOR;

    fn run<F>(main: F) -> F::Output
    where
        F: Future + 'static,
        F::Output: 'static,
    {
        task::run(main)
    }

    fn spawn<F>(future: F) -> impl Future<Output = F::Output> + 'static
    where
        F: Future + 'static,
        F::Output: 'static,
    {
        task::spawn(future)
    }

    fn detach<F: Future<Output = ()> + 'static>(future: F) {
        drop(task::spawn(future));
    }

    fn yield_now() -> impl Future<Output = ()> + 'static {
        SelfWake::default()
    }

    fn sleep(duration: Duration) -> impl Future + 'static {
        timers::Sleep::new(duration)
    }

    fn timeout<F: Future>(limit: Duration, future: F) -> impl Future {
        timers::Timeout::new(limit, future)
    }
}
