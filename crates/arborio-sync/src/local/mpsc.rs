//! Channels from many senders to one receiver, on one thread. See
//! [`mpsc`](crate::mpsc).

pub use crate::channel::{RecvError, SendError, TryRecvError, TrySendError};
use crate::flavour::{OneThread, mpsc};

/// Sends to a bounded channel. See [`Sender`](crate::flavour::channel::Sender).
pub type Sender<T> = mpsc::Sender<T, OneThread>;
/// A sender that does not keep the channel open. See
/// [`WeakSender`](crate::flavour::channel::WeakSender).
pub type WeakSender<T> = mpsc::WeakSender<T, OneThread>;
/// A slot that is reserved. See [`Permit`](crate::flavour::channel::Permit).
pub type Permit<'a, T> = mpsc::Permit<'a, T, OneThread>;
/// A slot that is reserved, with its sender. See
/// [`OwnedPermit`](crate::flavour::channel::OwnedPermit).
pub type OwnedPermit<T> = mpsc::OwnedPermit<T, OneThread>;
/// Receives from a bounded channel. See [`mpsc::Receiver`].
pub type Receiver<T> = mpsc::Receiver<T, OneThread>;
/// Sends to an unbounded channel. See [`mpsc::UnboundedSender`].
pub type UnboundedSender<T> = mpsc::UnboundedSender<T, OneThread>;
/// A sender that does not keep the channel open. See
/// [`mpsc::WeakUnboundedSender`].
pub type WeakUnboundedSender<T> = mpsc::WeakUnboundedSender<T, OneThread>;
/// Receives from an unbounded channel. See [`mpsc::UnboundedReceiver`].
pub type UnboundedReceiver<T> = mpsc::UnboundedReceiver<T, OneThread>;

/// A channel with room for `capacity` messages.
///
/// Memory is allocated as messages come, not for the whole capacity at once.
///
/// # Panics
/// If `capacity` is 0.
///
/// # Examples
/// ```
/// let (sender, mut receiver) = arborio_sync::local::mpsc::channel(8);
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
/// let (sender, mut receiver) = arborio_sync::local::mpsc::unbounded();
/// sender.send(1).unwrap();
/// assert_eq!(receiver.try_recv(), Ok(1));
/// ```
#[must_use]
pub fn unbounded<T>() -> (UnboundedSender<T>, UnboundedReceiver<T>) {
    mpsc::unbounded()
}
