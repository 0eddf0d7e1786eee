//! A channel in which every receiver gets every message.
//!
//! A [`channel`] keeps the last `capacity` messages for receivers that are slow. A
//! message is dropped when every receiver has seen it, or when there is no room
//! for it: a sender never waits. A receiver that was too slow is told once how
//! many messages it has missed, and goes on with the oldest one that is kept.
//!
//! | | messages are there | none is there | senders are gone, or `close()` |
//! |-|-|-|-|
//! | `recv` | the next one | waits | what was sent, then [`RecvError::Closed`] |
//! | `try_recv` | the next one | [`TryRecvError::Empty`] | what was sent, then [`TryRecvError::Closed`] |
//! | `send` | the oldest one goes, if it is full | | the error, with the message |
//!
//! Without a receiver, `send` is refused as well; [`subscribe`] makes one.
//!
//! The ends may be sent and shared between threads if the messages are `Send` and
//! `Sync`, because several receivers may clone one message at the same time. No
//! lock is held meanwhile.
//!
//! [`subscribe`]: crate::flavour::broadcast::Sender::subscribe
//!
//! # Examples
//! ```
//! use arborio_sync::broadcast;
//!
//! # futures_lite::future::block_on(async {
//! let (sender, mut first) = broadcast::channel(16);
//! let mut second = sender.subscribe();
//! sender.send("to both")?;
//! assert_eq!(first.recv().await, Ok("to both"));
//! assert_eq!(second.recv().await, Ok("to both"));
//! # Ok::<(), broadcast::SendError<&str>>(())
//! # }).unwrap();
//! ```

pub(crate) mod ends;
mod errors;
pub(crate) mod receiver;
pub(crate) mod recv;
mod ring;
pub(crate) mod sender;

pub use self::errors::{Lagged, RecvError, SendError, TryRecvError};
use crate::flavour::{Threads, broadcast};

/// Sends to every receiver. See [`broadcast::Sender`].
pub type Sender<T> = broadcast::Sender<T, Threads>;
/// Receives every message. See [`broadcast::Receiver`].
pub type Receiver<T> = broadcast::Receiver<T, Threads>;

/// A broadcast that keeps at most `capacity` messages for slow receivers.
///
/// Memory is allocated as messages come, not for the whole capacity at once.
///
/// # Panics
/// If `capacity` is 0.
///
/// # Examples
/// ```
/// let (sender, mut receiver) = arborio_sync::broadcast::channel(8);
/// sender.send(1).unwrap();
/// assert_eq!(receiver.try_recv(), Ok(1));
/// ```
#[track_caller]
#[must_use]
pub fn channel<T>(capacity: usize) -> (Sender<T>, Receiver<T>) {
    broadcast::channel(capacity)
}
