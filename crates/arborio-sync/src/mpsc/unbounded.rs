//! The sending end of an unbounded channel, and what its two ends share.
//!
//! The receiver has a queue of its own. When that is empty, it exchanges it for
//! the one that the senders fill, so it takes the lock once for all messages
//! that came meanwhile.
//!
//! # Invariants
//! - U1: messages in the receiver's queue are older than those of the channel.
//! - U2: `taken_over` is stored by the receiver only; it grows under the lock, as
//!   the messages leave the channel. So whoever has the lock never counts a
//!   message twice.

use std::fmt;

use arborio_base::sync::atomic::{AtomicUsize, Ordering};

use super::{batch::Batch, one::OneReceiver};
use crate::{
    channel::{Channel, Closing, SendError, State},
    flavour::Flavour,
};

/// What the ends of an unbounded channel share.
pub(crate) struct Unbounded<T, F> {
    pub(super) channel: Channel<T, F, OneReceiver>,
    /// How many messages are in the receiver's queue (U2).
    taken_over: Apart,
}

/// A word that one thread writes often, on a cache line of its own (two, as
/// processors fetch them in pairs).
#[repr(align(128))]
struct Apart(AtomicUsize);

impl<T, F: Flavour> Unbounded<T, F> {
    pub(crate) fn new() -> Self {
        Self {
            channel: Channel::new(usize::MAX, OneReceiver::new()),
            taken_over: Apart(AtomicUsize::new(0)),
        }
    }

    /// For the receiver: its queue has `count` messages now.
    #[inline(always)]
    pub(super) fn set_taken_over(&self, count: usize) {
        // Relaxed: a number that publishes nothing.
        self.taken_over.0.store(count, Ordering::Relaxed);
    }

    /// For the receiver, whose queue is empty: takes the oldest message, and takes
    /// over those that came after it.
    #[inline(always)]
    pub(super) fn take_over(
        &self,
        state: &mut State<T, OneReceiver>,
        batch: &mut Batch<T>,
    ) -> Option<T> {
        let oldest = state.pop()?;
        batch.exchange(&mut state.messages);
        self.set_taken_over(batch.len());
        Some(oldest)
    }

    /// How many messages have been sent and not received.
    pub(super) fn len(&self) -> usize {
        let state = self.channel.lock();
        state.len() + self.taken_over.0.load(Ordering::Relaxed) // U2
    }
}

/// The sending end of an unbounded channel. Clones send to the same receiver.
///
/// Under the name [`mpsc::UnboundedSender`](crate::mpsc::UnboundedSender) for any
/// threads, and [`local::mpsc::UnboundedSender`](crate::local::mpsc::UnboundedSender)
/// for one.
///
/// # Examples
/// ```
/// use arborio_sync::mpsc;
/// # futures_lite::future::block_on(async {
/// let (sender, mut receiver) = mpsc::unbounded();
/// sender.send(1)?;
/// drop(sender);
/// assert_eq!(receiver.recv().await, Some(1));
/// assert_eq!(receiver.recv().await, None);
/// # Ok::<(), mpsc::SendError<i32>>(())
/// # }).unwrap();
/// ```
pub struct UnboundedSender<T, F: Flavour> {
    shared: F::Counted<Unbounded<T, F>>,
}

impl<T, F: Flavour> UnboundedSender<T, F> {
    /// The sender that a new channel counts.
    pub(crate) fn of_new(shared: F::Counted<Unbounded<T, F>>) -> Self {
        Self { shared }
    }

    /// Sends `message`; there is always room.
    ///
    /// # Errors
    /// If the channel is closed: the message comes back.
    ///
    /// # Examples
    /// ```
    /// let (sender, receiver) = arborio_sync::mpsc::unbounded();
    /// assert_eq!(sender.send(1), Ok(()));
    /// drop(receiver);
    /// assert_eq!(sender.send(2).unwrap_err().0, 2);
    /// ```
    #[inline]
    pub fn send(&self, message: T) -> Result<(), SendError<T>> {
        let state = self.shared.channel.lock();
        if state.is_closed() {
            drop(state);
            return Err(SendError(message));
        }
        self.shared.channel.push(state, message);
        Ok(())
    }

    /// Waits until the channel is closed: nobody will receive what is sent.
    ///
    /// # Cancel safety
    /// Dropping the future has no effect.
    ///
    /// # Examples
    /// ```
    /// # futures_lite::future::block_on(async {
    /// let (sender, receiver) = arborio_sync::mpsc::unbounded::<u8>();
    /// drop(receiver);
    /// sender.closed().await;
    /// assert!(sender.is_closed());
    /// # });
    /// ```
    pub async fn closed(&self) {
        Closing::new(&self.shared.channel).await;
    }

    /// Whether the receiver is gone, or has closed the channel.
    ///
    /// # Examples
    /// ```
    /// let (sender, mut receiver) = arborio_sync::mpsc::unbounded::<u8>();
    /// assert!(!sender.is_closed());
    /// receiver.close();
    /// assert!(sender.is_closed());
    /// ```
    pub fn is_closed(&self) -> bool {
        self.shared.channel.is_closed()
    }

    /// How many messages have been sent and not received.
    ///
    /// # Examples
    /// ```
    /// let (sender, _receiver) = arborio_sync::mpsc::unbounded();
    /// sender.send(1).unwrap();
    /// assert_eq!(sender.len(), 1);
    /// ```
    pub fn len(&self) -> usize {
        self.shared.len()
    }

    /// Whether every message that was sent has been received.
    ///
    /// # Examples
    /// ```
    /// let (sender, _receiver) = arborio_sync::mpsc::unbounded::<u8>();
    /// assert!(sender.is_empty());
    /// ```
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Whether both send to the same channel.
    ///
    /// # Examples
    /// ```
    /// let (sender, _receiver) = arborio_sync::mpsc::unbounded::<u8>();
    /// assert!(sender.same_channel(&sender.clone()));
    /// ```
    pub fn same_channel(&self, other: &Self) -> bool {
        std::ptr::eq(&raw const *self.shared, &raw const *other.shared)
    }

    /// A sender that does not keep the channel open.
    ///
    /// # Examples
    /// ```
    /// let (sender, mut receiver) = arborio_sync::mpsc::unbounded();
    /// let weak = sender.downgrade();
    /// weak.upgrade().expect("there is a sender").send(1).unwrap();
    /// drop(sender);
    /// assert!(weak.upgrade().is_none());
    /// assert_eq!(receiver.try_recv(), Ok(1));
    /// ```
    #[must_use]
    pub fn downgrade(&self) -> WeakUnboundedSender<T, F> {
        WeakUnboundedSender {
            shared: self.shared.clone(),
        }
    }
}

impl<T, F: Flavour> Clone for UnboundedSender<T, F> {
    fn clone(&self) -> Self {
        self.shared.channel.add_sender();
        Self::of_new(self.shared.clone())
    }
}

impl<T, F: Flavour> Drop for UnboundedSender<T, F> {
    fn drop(&mut self) {
        self.shared.channel.remove_sender();
    }
}

impl<T, F: Flavour> fmt::Debug for UnboundedSender<T, F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("UnboundedSender")
            .field("len", &self.len())
            .finish()
    }
}

/// A sender that does not keep the channel open; made by
/// [`UnboundedSender::downgrade`].
///
/// # Examples
/// ```
/// let (sender, receiver) = arborio_sync::mpsc::unbounded::<u8>();
/// let weak = sender.downgrade();
/// drop(sender);
/// assert!(receiver.is_closed() && weak.upgrade().is_none());
/// ```
pub struct WeakUnboundedSender<T, F: Flavour> {
    shared: F::Counted<Unbounded<T, F>>,
}

impl<T, F: Flavour> WeakUnboundedSender<T, F> {
    /// A sender, unless all of them are gone.
    ///
    /// # Examples
    /// ```
    /// let (sender, _receiver) = arborio_sync::mpsc::unbounded::<u8>();
    /// let weak = sender.downgrade();
    /// assert!(weak.upgrade().is_some_and(|other| other.same_channel(&sender)));
    /// ```
    pub fn upgrade(&self) -> Option<UnboundedSender<T, F>> {
        let counted = self.shared.channel.add_sender();
        counted.then(|| UnboundedSender::of_new(self.shared.clone()))
    }
}

impl<T, F: Flavour> Clone for WeakUnboundedSender<T, F> {
    fn clone(&self) -> Self {
        Self {
            shared: self.shared.clone(),
        }
    }
}

impl<T, F: Flavour> fmt::Debug for WeakUnboundedSender<T, F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("WeakUnboundedSender")
    }
}
