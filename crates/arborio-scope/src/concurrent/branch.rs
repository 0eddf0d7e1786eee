//! The handle of a branch: how its value is awaited.

use std::{
    fmt,
    future::Future,
    panic::{RefUnwindSafe, UnwindSafe},
    pin::Pin,
    task::{Context, Poll, ready},
};

use arborio_task::Interrupt;

use super::cells::Handle;

/// The handle of a branch; made by [`spawn`](super::Spawner::spawn).
///
/// Awaiting it gives the branch's value: from the body, from another branch, or after
/// the run. Dropping it changes nothing for the branch.
///
/// # Errors
/// `Closed` if the branch was spawned after the end. `Cancelled` if it was dropped:
/// because of [`cancel`](super::Spawner::cancel), because another branch panicked, or
/// because the run was dropped.
///
/// # Panics
/// If it is polled after it was ready.
///
/// # Cancel safety
/// Safe: the value stays where it is until a poll returns it.
///
/// # Examples
/// ```
/// use arborio_scope::Concurrent;
///
/// futures_lite::future::block_on(async {
///     let c = Concurrent::new();
///     let three = c.spawn(async { 3 });
///     let four = c.run(async { three.await.unwrap() + 1 }).await;
///     assert_eq!(four, 4);
/// });
/// ```
pub struct Branch<T>(Handle<T>);

// What a panic interrupts is the branch, not the hand-over of its value.
impl<T> UnwindSafe for Branch<T> {}
impl<T> RefUnwindSafe for Branch<T> {}

impl<T> Branch<T> {
    #[inline]
    pub(crate) fn new(handle: Handle<T>) -> Self {
        Self(handle)
    }

    /// Whether the branch has ended, with or without a value.
    ///
    /// # Examples
    /// ```
    /// let c = arborio_scope::Concurrent::new();
    /// let branch = c.spawn(async {});
    /// assert!(!branch.is_finished());
    /// futures_lite::future::block_on(c.run(async {}));
    /// assert!(branch.is_finished());
    /// ```
    pub fn is_finished(&self) -> bool {
        self.0.is_told()
    }
}

impl<T> Future for Branch<T> {
    type Output = Result<T, Interrupt>;

    #[inline]
    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        match ready!(self.0.poll(cx)) {
            Some(outcome) => Poll::Ready(outcome),
            None => panic!("a branch was awaited after it was ready"),
        }
    }
}

impl<T> fmt::Debug for Branch<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Branch")
            .field("is_finished", &self.is_finished())
            .finish()
    }
}
