//! Channels for one message.
//!
//! The sender is used up by sending; the receiver is a future.
//!
//! | | the sender is gone | the receiver is gone, or `close()` |
//! |-|-|-|
//! | the receiver, `try_recv` | the message once, then the error | the message if there is one, then the error |
//! | `send` | | the message comes back |
//!
//! # Examples
//! ```
//! use arborio_sync::oneshot;
//!
//! # futures_lite::future::block_on(async {
//! let (sender, receiver) = oneshot::channel();
//! std::thread::spawn(move || sender.send("done"));
//! assert_eq!(receiver.await, Ok("done"));
//! # });
//! ```

pub(crate) mod receiver;
pub(crate) mod sender;
pub(crate) mod state;

pub use crate::channel::{RecvError, TryRecvError};
use crate::flavour::{Threads, oneshot};

/// Sends the message. See [`oneshot::Sender`].
pub type Sender<T> = oneshot::Sender<T, Threads>;
/// Waits for the message. See [`oneshot::Receiver`].
pub type Receiver<T> = oneshot::Receiver<T, Threads>;

/// A channel for one message.
///
/// # Examples
/// ```
/// # futures_lite::future::block_on(async {
/// let (sender, receiver) = arborio_sync::oneshot::channel();
/// sender.send(1).unwrap();
/// assert_eq!(receiver.await, Ok(1));
/// # });
/// ```
pub fn channel<T>() -> (Sender<T>, Receiver<T>) {
    oneshot::channel()
}
