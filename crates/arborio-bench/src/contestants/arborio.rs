//! Arborio's event loop, through the facade, as an application has it.

use std::future::Future;
use std::time::Duration;

use crate::runtime::{Runtime, Unwrapped};

/// Arborio.
pub(crate) struct Arborio;

impl Runtime for Arborio {
    const NAME: &'static str = super::ARBORIO;

    fn run<F>(main: F) -> F::Output
    where
        F: Future + 'static,
        F::Output: 'static,
    {
        arborio::run(main)
    }

    fn spawn<F>(future: F) -> impl Future<Output = F::Output> + 'static
    where
        F: Future + 'static,
        F::Output: 'static,
    {
        Unwrapped(arborio::spawn_local(future))
    }

    fn detach<F: Future<Output = ()> + 'static>(future: F) {
        // Not awaited: `run` ends without it.
        drop(arborio::task().awaited(false).spawn_local(future));
    }

    fn yield_now() -> impl Future<Output = ()> + 'static {
        arborio::yield_now()
    }

    fn sleep(duration: Duration) -> impl Future + 'static {
        arborio::time::sleep(duration)
    }

    fn timeout<F: Future>(limit: Duration, future: F) -> impl Future {
        arborio::time::timeout(limit, future)
    }
}
