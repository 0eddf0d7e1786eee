//! Channels from many senders to many receivers, on one thread. See
//! [`mpmc`](crate::mpmc).

pub use crate::channel::{RecvError, SendError, TryRecvError, TrySendError};
use crate::flavour::{OneThread, mpmc};

/// Sends to a channel. See [`Sender`](crate::flavour::channel::Sender).
pub type Sender<T> = mpmc::Sender<T, OneThread>;
/// A sender that does not keep the channel open. See
/// [`WeakSender`](crate::flavour::channel::WeakSender).
pub type WeakSender<T> = mpmc::WeakSender<T, OneThread>;
/// A slot that is reserved. See [`Permit`](crate::flavour::channel::Permit).
pub type Permit<'a, T> = mpmc::Permit<'a, T, OneThread>;
/// A slot that is reserved, with its sender. See
/// [`OwnedPermit`](crate::flavour::channel::OwnedPermit).
pub type OwnedPermit<T> = mpmc::OwnedPermit<T, OneThread>;
/// Receives from a channel. See [`mpmc::Receiver`].
pub type Receiver<T> = mpmc::Receiver<T, OneThread>;

/// A channel with room for `capacity` messages.
///
/// Memory is allocated as messages come, not for the whole capacity at once.
///
/// # Panics
/// If `capacity` is 0.
///
/// # Examples
/// ```
/// let (sender, receiver) = arborio_sync::local::mpmc::channel(8);
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
/// let (sender, receiver) = arborio_sync::local::mpmc::unbounded();
/// sender.try_send(1).unwrap();
/// assert_eq!(receiver.try_recv(), Ok(1));
/// ```
#[must_use]
pub fn unbounded<T>() -> (Sender<T>, Receiver<T>) {
    mpmc::unbounded()
}
