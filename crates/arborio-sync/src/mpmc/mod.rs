//! Channels from many senders to many receivers: each message goes to one of them.
//!
//! A [`channel`] has room for a number of messages, and senders wait for it; an
//! [`unbounded`] one takes all that is sent. Senders and receivers are served
//! first come, first served; messages are received in the order in which they
//! were sent.
//!
//! | | senders are gone, or `close()` | receivers are gone |
//! |-|-|-|
//! | `recv` | what was sent, then [`RecvError`] | |
//! | `try_recv` | what was sent, then [`TryRecvError::Disconnected`] | |
//! | `send`, `try_send`, `reserve` | the error, with the message | the error, with the message |
//! | [`Permit::send`](crate::flavour::channel::Permit::send) | is received | the message is dropped |
//!
//! Sending and receiving charge the budget of an Arborio task for each message: a
//! task that always finds something lets others run all the same.
//!
//! # Examples
//! ```
//! use arborio_sync::mpmc;
//!
//! # futures_lite::future::block_on(async {
//! let (sender, receiver) = mpmc::channel(4);
//! let worker = |receiver: mpmc::Receiver<u32>| async move {
//!     let mut sum = 0;
//!     while let Ok(number) = receiver.recv().await {
//!         sum += number;
//!     }
//!     sum
//! };
//! let workers = futures_lite::future::zip(worker(receiver.clone()), worker(receiver));
//! let producer = async move {
//!     for number in 1..=100 {
//!         sender.send(number).await.expect("the workers are there");
//!     }
//! };
//! let ((first, second), ()) = futures_lite::future::zip(workers, producer).await;
//! assert_eq!(first + second, 5050);
//! # });
//! ```

pub(crate) mod many;
pub(crate) mod receiver;
pub(crate) mod stream;

pub use crate::channel::{RecvError, SendError, TryRecvError, TrySendError};
use crate::flavour::{Threads, mpmc};

/// Sends to a channel. See [`Sender`](crate::flavour::channel::Sender).
pub type Sender<T> = mpmc::Sender<T, Threads>;
/// A sender that does not keep the channel open. See
/// [`WeakSender`](crate::flavour::channel::WeakSender).
pub type WeakSender<T> = mpmc::WeakSender<T, Threads>;
/// A slot that is reserved. See [`Permit`](crate::flavour::channel::Permit).
pub type Permit<'a, T> = mpmc::Permit<'a, T, Threads>;
/// A slot that is reserved, with its sender. See
/// [`OwnedPermit`](crate::flavour::channel::OwnedPermit).
pub type OwnedPermit<T> = mpmc::OwnedPermit<T, Threads>;
/// Receives from a channel. See [`mpmc::Receiver`].
pub type Receiver<T> = mpmc::Receiver<T, Threads>;

/// A channel with room for `capacity` messages.
///
/// Memory is allocated as messages come, not for the whole capacity at once.
///
/// # Panics
/// If `capacity` is 0.
///
/// # Examples
/// ```
/// let (sender, receiver) = arborio_sync::mpmc::channel(8);
/// sender.try_send(1).unwrap();
/// assert_eq!(receiver.try_recv(), Ok(1));
/// ```
#[track_caller]
#[must_use]
pub fn channel<T>(capacity: usize) -> (Sender<T>, Receiver<T>) {
    mpmc::channel(capacity)
}

/// A channel that takes all that is sent: a `send` never waits, and `try_send`
/// never finds it full.
///
/// Its memory grows to the largest number of messages that it has held, and is
/// given back as they are received; room for 1024 messages stays.
///
/// # Examples
/// ```
/// let (sender, receiver) = arborio_sync::mpmc::unbounded();
/// sender.try_send(1).unwrap();
/// assert_eq!(receiver.try_recv(), Ok(1));
/// ```
#[must_use]
pub fn unbounded<T>() -> (Sender<T>, Receiver<T>) {
    mpmc::unbounded()
}
