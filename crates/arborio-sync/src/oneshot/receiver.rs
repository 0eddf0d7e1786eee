//! The receiving end of a channel for one message.

use std::{
    fmt,
    future::Future,
    pin::Pin,
    task::{Context, Poll, ready},
};

use super::state::OneMessage;
use crate::{
    blocking::{assert_may_block, block_on},
    channel::{Found, RecvError, TryRecvError},
    flavour::{Flavour, Threads},
};

/// Waits for the one message: a future of it.
///
/// Under the name [`oneshot::Receiver`](crate::oneshot::Receiver) for any threads,
/// and [`local::oneshot::Receiver`](crate::local::oneshot::Receiver) for one.
///
/// It yields the message, or [`RecvError`] if the sender was dropped without
/// sending. Polled again after it was ready, it yields [`RecvError`].
///
/// # Cancel safety
/// A receiver that is dropped drops the message with it, if one was sent. Await
/// `&mut receiver` to keep it over several waits.
///
/// # Examples
/// ```
/// # futures_lite::future::block_on(async {
/// let (sender, receiver) = arborio_sync::oneshot::channel::<u8>();
/// drop(sender);
/// assert!(receiver.await.is_err());
/// # });
/// ```
#[must_use = "futures do nothing unless awaited"]
pub struct Receiver<T, F: Flavour> {
    shared: F::Counted<OneMessage<T, F>>,
    /// Whether the sender is done and the message, if there was one, received.
    done: bool,
}

impl<T, F: Flavour> Receiver<T, F> {
    /// The one receiver of a new channel.
    pub(crate) fn of_new(shared: F::Counted<OneMessage<T, F>>) -> Self {
        Self {
            shared,
            done: false,
        }
    }

    /// Receives the message if it was sent.
    ///
    /// # Errors
    /// If it was not, or was received before.
    ///
    /// # Examples
    /// ```
    /// use arborio_sync::oneshot::{self, TryRecvError};
    /// let (sender, mut receiver) = oneshot::channel();
    /// assert_eq!(receiver.try_recv(), Err(TryRecvError::Empty));
    /// sender.send(1).unwrap();
    /// assert_eq!(receiver.try_recv(), Ok(1));
    /// assert_eq!(receiver.try_recv(), Err(TryRecvError::Disconnected));
    /// ```
    pub fn try_recv(&mut self) -> Result<T, TryRecvError> {
        let found = self.shared.find();
        self.done |= matches!(found, Found::Message(_));
        found.into_result()
    }

    /// Refuses the message, unless it was sent already.
    ///
    /// # Examples
    /// ```
    /// let (sender, mut receiver) = arborio_sync::oneshot::channel();
    /// receiver.close();
    /// assert_eq!(sender.send(1), Err(1));
    /// assert!(receiver.try_recv().is_err());
    /// ```
    pub fn close(&mut self) {
        self.shared.close();
    }
}

impl<T> Receiver<T, Threads> {
    /// Waits for the message with the whole thread.
    ///
    /// # Errors
    /// If the sender was dropped without sending.
    ///
    /// # Panics
    /// In a task of an Arborio loop, which it would hold up.
    ///
    /// # Examples
    /// ```
    /// let (sender, receiver) = arborio_sync::oneshot::channel();
    /// let thread = std::thread::spawn(move || sender.send(1));
    /// assert_eq!(receiver.blocking_recv(), Ok(1));
    /// thread.join().unwrap().unwrap();
    /// ```
    #[track_caller]
    pub fn blocking_recv(mut self) -> Result<T, RecvError> {
        assert_may_block();
        match self.try_recv() {
            Ok(message) => Ok(message),
            Err(TryRecvError::Disconnected) => Err(RecvError),
            Err(TryRecvError::Empty) => block_on(self),
        }
    }
}

impl<T, F: Flavour> Future for Receiver<T, F> {
    type Output = Result<T, RecvError>;

    #[inline]
    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let message = ready!(self.shared.poll_find(cx));
        self.done |= message.is_some();
        Poll::Ready(message.ok_or(RecvError))
    }
}

// Nothing in it is pinned: the message is moved out, never pointed at.
impl<T, F: Flavour> Unpin for Receiver<T, F> {}

impl<T, F: Flavour> Drop for Receiver<T, F> {
    #[inline]
    fn drop(&mut self) {
        // After the message the sender is done, and has taken both wakers out.
        if !self.done {
            self.shared.leave();
        }
    }
}

impl<T, F: Flavour> fmt::Debug for Receiver<T, F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Receiver")
    }
}
