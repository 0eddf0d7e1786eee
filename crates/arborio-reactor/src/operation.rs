//! The future of one operation on a source.

use std::{
    io,
    pin::Pin,
    task::{Context, Poll},
};

use crate::{async_fd::Async, quiet::Moved, readiness::Direction, waiters::WaitKey};

/// What an operation achieved.
#[derive(Debug)]
pub(crate) struct Attempt<R> {
    pub(crate) value: R,
    pub(crate) moved: Moved,
}

impl<R> Attempt<R> {
    /// An operation that says nothing about what is left.
    pub(crate) const fn opaque(value: R) -> Self {
        let moved = Moved::Unknown;
        Self { value, moved }
    }
}

impl Attempt<usize> {
    /// An operation on a stream socket. A read of nothing is the end of the
    /// file, which stays.
    pub(crate) const fn stream(value: usize, wanted: usize) -> Self {
        let moved = match value {
            0 => Moved::Unknown,
            _ if value < wanted => Moved::Short,
            _ => Moved::Full,
        };
        Self { value, moved }
    }
}

/// Tries `attempt` until it does not return `WouldBlock`. Dropping it takes
/// back its entry among the waiters.
#[must_use = "futures do nothing unless they are awaited"]
pub(crate) struct Operation<'a, T, F> {
    io: &'a Async<T>,
    attempt: F,
    key: WaitKey,
    direction: Direction,
}

impl<'a, T, F> Operation<'a, T, F> {
    pub(crate) const fn new(io: &'a Async<T>, direction: Direction, attempt: F) -> Self {
        let key = WaitKey::fresh();
        Self {
            io,
            attempt,
            key,
            direction,
        }
    }
}

// The closure is never pinned: it is only called, by reference.
impl<T, F> Unpin for Operation<'_, T, F> {}

impl<T, R, F> Future for Operation<'_, T, F>
where
    F: FnMut(&T) -> io::Result<Attempt<R>>,
{
    type Output = io::Result<R>;

    #[inline]
    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let this = &mut *self;
        this.io
            .poll_attempt(cx, this.direction, &mut this.key, &mut this.attempt)
    }
}

impl<T, F> Drop for Operation<'_, T, F> {
    #[inline]
    fn drop(&mut self) {
        self.io.forget(self.direction, &self.key);
    }
}

/// An operation, or nothing at all to do: ready at once then.
#[must_use = "futures do nothing unless they are awaited"]
pub(crate) struct IfAny<O>(pub(crate) Option<O>);

impl<O> Future for IfAny<O>
where
    O: Future<Output = io::Result<()>> + Unpin,
{
    type Output = io::Result<()>;

    #[inline]
    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        match &mut self.0 {
            Some(operation) => Pin::new(operation).poll(cx),
            None => Poll::Ready(Ok(())),
        }
    }
}

#[cfg(all(test, not(loom)))]
mod tests {
    use super::*;

    #[test]
    fn a_transfer_of_nothing_is_neither_short_nor_full() {
        let rows = [
            (0, 5, Moved::Unknown),
            (0, 0, Moved::Unknown),
            (4, 5, Moved::Short),
            (5, 5, Moved::Full),
        ];
        for (value, wanted, moved) in rows {
            let attempt = Attempt::stream(value, wanted);
            assert_eq!((attempt.value, attempt.moved), (value, moved));
        }
    }
}
