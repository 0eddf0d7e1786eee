//! What a scenario may ask of a contestant: one small trait, so that every scenario is written once.

use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

/// A single-threaded runtime under test.
///
/// Every call maps onto the contestant's own fastest equivalent without allocating on the way, so
/// that a difference between two rows is a difference between two runtimes.
pub(crate) trait Runtime: 'static {
    /// The name in tables and on the command line of a child process.
    const NAME: &'static str;

    /// Starts a runtime on this thread, drives `main` to its end and stops the runtime.
    fn run<F>(main: F) -> F::Output
    where
        F: Future + 'static,
        F::Output: 'static;

    /// Spawns a task onto the runtime that is running on this thread.
    ///
    /// Dropping the returned handle may cancel the task: scenarios keep it, or call [`detach`].
    ///
    /// [`detach`]: Runtime::detach
    fn spawn<F>(future: F) -> impl Future<Output = F::Output> + 'static
    where
        F: Future + 'static,
        F::Output: 'static;

    /// Spawns a task that nobody waits for.
    fn detach<F: Future<Output = ()> + 'static>(future: F);

    /// Lets the other ready tasks run once, by the contestant's own means.
    fn yield_now() -> impl Future<Output = ()> + 'static;

    /// Ends after `duration`; what it returns differs and is of no interest.
    fn sleep(duration: Duration) -> impl Future + 'static;

    /// Runs `future` for at most `limit`.
    fn timeout<F: Future>(limit: Duration, future: F) -> impl Future;
}

/// Wakes itself and is pending once: a yield that every runtime understands.
#[derive(Default)]
pub(crate) struct SelfWake {
    woken: bool,
}

impl Future for SelfWake {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        if self.woken {
            return Poll::Ready(());
        }
        self.woken = true;
        cx.waker().wake_by_ref();
        Poll::Pending
    }
}

/// A join handle whose task cannot fail here: takes the output out of the handle's `Result`.
pub(crate) struct Unwrapped<H>(pub(crate) H);

impl<H, T, E> Future for Unwrapped<H>
where
    H: Future<Output = Result<T, E>> + Unpin,
{
    type Output = T;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<T> {
        Pin::new(&mut self.0).poll(cx).map(|joined| match joined {
            Ok(output) => output,
            Err(_) => panic!("a task of a scenario was cancelled or panicked"),
        })
    }
}
