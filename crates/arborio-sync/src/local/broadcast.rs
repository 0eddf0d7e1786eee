//! A channel in which every receiver gets every message, on one thread. See
//! [`broadcast`](crate::broadcast).

pub use crate::broadcast::{Lagged, RecvError, SendError, TryRecvError};
use crate::flavour::{OneThread, broadcast};

/// Sends to every receiver. See [`broadcast::Sender`].
pub type Sender<T> = broadcast::Sender<T, OneThread>;
/// Receives every message. See [`broadcast::Receiver`].
pub type Receiver<T> = broadcast::Receiver<T, OneThread>;

/// A broadcast that keeps at most `capacity` messages for slow receivers.
///
/// Memory is allocated as messages come, not for the whole capacity at once.
///
/// # Panics
/// If `capacity` is 0.
///
/// # Examples
/// ```
/// let (sender, mut receiver) = arborio_sync::local::broadcast::channel(8);
/// sender.send(1).unwrap();
/// assert_eq!(receiver.try_recv(), Ok(1));
/// ```
#[track_caller]
#[must_use]
pub fn channel<T>(capacity: usize) -> (Sender<T>, Receiver<T>) {
    broadcast::channel(capacity)
}
