//! smol: a local executor, driven by `smol::block_on`, which also drives async-io's reactor.

use std::cell::Cell;
use std::future::Future;
use std::time::Duration;

use async_executor::{LocalExecutor, StaticLocalExecutor};
use futures_lite::FutureExt as _;
use smol::Timer;

use crate::runtime::Runtime;

/// The executor that keeps no list of its tasks: the faster of smol's two, see [`Smol::run`].
pub(crate) struct Smol;

thread_local! {
    static EXECUTOR: Cell<Option<&'static StaticLocalExecutor>> = const { Cell::new(None) };
}

fn executor() -> &'static StaticLocalExecutor {
    EXECUTOR.get().expect("smol is running")
}

impl Runtime for Smol {
    const NAME: &'static str = "smol";

    /// Leaks a few hundred bytes per start, which is how a `StaticLocalExecutor` is made.
    fn run<F>(main: F) -> F::Output
    where
        F: Future + 'static,
        F::Output: 'static,
    {
        let executor: &'static StaticLocalExecutor = LocalExecutor::new().leak();
        EXECUTOR.set(Some(executor));
        // As a task, main does not pass through the reactor whenever it yields.
        let output = smol::block_on(executor.run(executor.spawn(main)));
        EXECUTOR.set(None);
        output
    }

    fn spawn<F>(future: F) -> impl Future<Output = F::Output> + 'static
    where
        F: Future + 'static,
        F::Output: 'static,
    {
        executor().spawn(future)
    }

    fn detach<F: Future<Output = ()> + 'static>(future: F) {
        executor().spawn(future).detach();
    }

    fn yield_now() -> impl Future<Output = ()> + 'static {
        smol::future::yield_now()
    }

    fn sleep(duration: Duration) -> impl Future + 'static {
        Timer::after(duration)
    }

    fn timeout<F: Future>(limit: Duration, future: F) -> impl Future {
        let late = async move {
            Timer::after(limit).await;
            None
        };
        async { Some(future.await) }.or(late)
    }
}
