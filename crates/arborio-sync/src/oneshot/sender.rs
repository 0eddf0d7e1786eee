//! The sending end of a channel for one message.

use std::{
    fmt,
    future::poll_fn,
    task::{Context, Poll},
};

use super::state::OneMessage;
use crate::flavour::Flavour;

/// Sends the one message. If it is dropped, the receiver is told that none comes.
///
/// Under the name [`oneshot::Sender`](crate::oneshot::Sender) for any threads, and
/// [`local::oneshot::Sender`](crate::local::oneshot::Sender) for one.
///
/// # Examples
/// ```
/// # futures_lite::future::block_on(async {
/// let (sender, receiver) = arborio_sync::oneshot::channel();
/// sender.send(1).unwrap();
/// assert_eq!(receiver.await, Ok(1));
/// # });
/// ```
pub struct Sender<T, F: Flavour> {
    shared: F::Counted<OneMessage<T, F>>,
    /// Whether the channel knows already that the sender is done.
    done: bool,
}

impl<T, F: Flavour> Sender<T, F> {
    /// The one sender of a new channel.
    pub(crate) fn of_new(shared: F::Counted<OneMessage<T, F>>) -> Self {
        Self {
            shared,
            done: false,
        }
    }

    /// Sends `message`, without waiting for the receiver.
    ///
    /// `Ok` says that the receiver was there, not that it will receive the message
    /// before it is dropped.
    ///
    /// # Errors
    /// If the receiver is gone or has closed the channel: the message comes back.
    ///
    /// # Examples
    /// ```
    /// let (sender, receiver) = arborio_sync::oneshot::channel();
    /// drop(receiver);
    /// assert_eq!(sender.send(1), Err(1));
    /// ```
    #[inline]
    pub fn send(mut self, message: T) -> Result<(), T> {
        self.done = true;
        self.shared.send(message)
    }

    /// Waits until the receiver is gone or has closed the channel: the message
    /// would be refused.
    ///
    /// # Cancel safety
    /// Dropping the future has no effect.
    ///
    /// # Examples
    /// ```
    /// # futures_lite::future::block_on(async {
    /// let (mut sender, receiver) = arborio_sync::oneshot::channel::<u8>();
    /// drop(receiver);
    /// sender.closed().await;
    /// assert!(sender.is_closed());
    /// # });
    /// ```
    pub async fn closed(&mut self) {
        poll_fn(|cx| self.poll_closed(cx)).await;
    }

    /// Polls for what [`closed`](Self::closed) waits for. Only the task of the last
    /// call is woken.
    ///
    /// # Examples
    /// ```
    /// use std::task::{Context, Waker};
    /// let (mut sender, receiver) = arborio_sync::oneshot::channel::<u8>();
    /// let mut cx = Context::from_waker(Waker::noop());
    /// assert!(sender.poll_closed(&mut cx).is_pending());
    /// drop(receiver);
    /// assert!(sender.poll_closed(&mut cx).is_ready());
    /// ```
    pub fn poll_closed(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        self.shared.poll_refusing(cx)
    }

    /// Whether the receiver is gone or has closed the channel.
    ///
    /// # Examples
    /// ```
    /// let (sender, receiver) = arborio_sync::oneshot::channel::<u8>();
    /// assert!(!sender.is_closed());
    /// drop(receiver);
    /// assert!(sender.is_closed());
    /// ```
    pub fn is_closed(&self) -> bool {
        self.shared.is_refusing()
    }
}

impl<T, F: Flavour> Drop for Sender<T, F> {
    #[inline]
    fn drop(&mut self) {
        if !self.done {
            self.shared.abandon();
        }
    }
}

impl<T, F: Flavour> fmt::Debug for Sender<T, F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Sender")
            .field("is_closed", &self.is_closed())
            .finish()
    }
}
