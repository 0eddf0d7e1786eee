//! Channels from many senders to one receiver.
//!
//! A [`channel`] has room for a number of messages, and senders wait for it; an
//! [`unbounded`] one takes all that is sent. In a bounded channel the senders are
//! served first come, first served; messages are received in the order in which
//! they were sent.
//!
//! | | senders are gone, or `close()` | the receiver is gone |
//! |-|-|-|
//! | `recv` | what was sent, then `None` | |
//! | `try_recv` | what was sent, then [`TryRecvError::Disconnected`] | |
//! | `send`, `try_send`, `reserve` | the error, with the message | the error, with the message |
//! | [`Permit::send`](crate::flavour::channel::Permit::send) | is received | the message is dropped |
//!
//! The receiving futures charge the budget of an Arborio task for each message,
//! and so do `send` and `reserve` of a bounded channel: a task that always finds
//! something lets others run all the same.
//!
//! # Examples
//! ```
//! use arborio_sync::mpsc;
//!
//! # futures_lite::future::block_on(async {
//! let (sender, mut receiver) = mpsc::channel(8);
//! let producer = async move {
//!     for number in 1..=100 {
//!         sender.send(number).await.expect("the receiver is there");
//!     }
//! };
//! let consumer = async {
//!     let mut sum = 0;
//!     while let Some(number) = receiver.recv().await {
//!         sum += number;
//!     }
//!     sum
//! };
//! let (_, sum) = futures_lite::future::zip(producer, consumer).await;
//! assert_eq!(sum, 5050);
//! # });
//! ```

mod batch;
pub(crate) mod one;
pub(crate) mod receiver;
pub(crate) mod unbounded;
pub(crate) mod unbounded_receiver;

pub use crate::channel::{RecvError, SendError, TryRecvError, TrySendError};
use crate::flavour::{Threads, mpsc};

/// Sends to a bounded channel. See [`Sender`](crate::flavour::channel::Sender).
pub type Sender<T> = mpsc::Sender<T, Threads>;
/// A sender that does not keep the channel open. See
/// [`WeakSender`](crate::flavour::channel::WeakSender).
pub type WeakSender<T> = mpsc::WeakSender<T, Threads>;
/// A slot that is reserved. See [`Permit`](crate::flavour::channel::Permit).
pub type Permit<'a, T> = mpsc::Permit<'a, T, Threads>;
/// A slot that is reserved, with its sender. See
/// [`OwnedPermit`](crate::flavour::channel::OwnedPermit).
pub type OwnedPermit<T> = mpsc::OwnedPermit<T, Threads>;
/// Receives from a bounded channel. See [`mpsc::Receiver`].
pub type Receiver<T> = mpsc::Receiver<T, Threads>;
/// Sends to an unbounded channel. See [`mpsc::UnboundedSender`].
pub type UnboundedSender<T> = mpsc::UnboundedSender<T, Threads>;
/// A sender that does not keep the channel open. See
/// [`mpsc::WeakUnboundedSender`].
pub type WeakUnboundedSender<T> = mpsc::WeakUnboundedSender<T, Threads>;
/// Receives from an unbounded channel. See [`mpsc::UnboundedReceiver`].
pub type UnboundedReceiver<T> = mpsc::UnboundedReceiver<T, Threads>;

/// A channel with room for `capacity` messages.
///
/// Memory is allocated as messages come, not for the whole capacity at once.
///
/// # Panics
/// If `capacity` is 0.
///
/// # Examples
/// ```
/// let (sender, mut receiver) = arborio_sync::mpsc::channel(8);
/// sender.try_send(1).unwrap();
/// assert_eq!(receiver.try_recv(), Ok(1));
/// ```
#[track_caller]
#[must_use]
pub fn channel<T>(capacity: usize) -> (Sender<T>, Receiver<T>) {
    mpsc::channel(capacity)
}

/// A channel that takes all that is sent.
///
/// # Examples
/// ```
/// let (sender, mut receiver) = arborio_sync::mpsc::unbounded();
/// sender.send(1).unwrap();
/// assert_eq!(receiver.try_recv(), Ok(1));
/// ```
#[must_use]
pub fn unbounded<T>() -> (UnboundedSender<T>, UnboundedReceiver<T>) {
    mpsc::unbounded()
}
