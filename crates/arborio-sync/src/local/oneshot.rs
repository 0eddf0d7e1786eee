//! Channels for one message, on one thread. See [`oneshot`](crate::oneshot).

pub use crate::channel::{RecvError, TryRecvError};
use crate::flavour::{OneThread, oneshot};

/// Sends the message. See [`oneshot::Sender`].
pub type Sender<T> = oneshot::Sender<T, OneThread>;
/// Waits for the message. See [`oneshot::Receiver`].
pub type Receiver<T> = oneshot::Receiver<T, OneThread>;

/// A channel for one message.
///
/// # Examples
/// ```
/// # futures_lite::future::block_on(async {
/// let (sender, receiver) = arborio_sync::local::oneshot::channel();
/// sender.send(1).unwrap();
/// assert_eq!(receiver.await, Ok(1));
/// # });
/// ```
pub fn channel<T>() -> (Sender<T>, Receiver<T>) {
    oneshot::channel()
}
