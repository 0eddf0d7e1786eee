//! A value that some change and others watch: only the last one counts.
//!
//! A receiver is told that the value has changed, not each change: what it then
//! gets is the present value. It gets a [`Snapshot`], a counted pointer: no lock is
//! held while it looks, so it may keep it across an await, and senders never wait
//! for readers.
//!
//! | | not seen | seen | senders are gone |
//! |-|-|-|-|
//! | `changed` | ready, marks it | waits | an error, once the last value is seen |
//! | `get` | the present value | the same | the last one |
//!
//! `send` is refused if nobody watches; `send_replace` and `update` are not.
//!
//! The ends may be sent and shared between threads if the value is `Send` and
//! `Sync`, because several threads may look at one value at the same time.
//!
//! # Examples
//! ```
//! use arborio_sync::watch;
//!
//! # futures_lite::future::block_on(async {
//! let (sender, mut receiver) = watch::channel("starting");
//! let service = async {
//!     sender.send("running")?;
//!     sender.send("stopped")
//! };
//! let observer = async {
//!     let seen = receiver.wait_for(|state| *state == "stopped").await;
//!     assert_eq!(*seen.unwrap(), "stopped");
//! };
//! let (sent, ()) = futures_lite::future::zip(service, observer).await;
//! assert_eq!(sent, Ok(()));
//! # });
//! ```

pub(crate) mod changed;
mod ends;
mod errors;
pub(crate) mod receiver;
pub(crate) mod sender;
pub(crate) mod snapshot;
pub(crate) mod wait_for;

pub use self::errors::{RecvError, SendError};
use crate::flavour::{Threads, watch};

/// Changes the value. See [`watch::Sender`].
pub type Sender<T> = watch::Sender<T, Threads>;
/// Watches the value. See [`watch::Receiver`].
pub type Receiver<T> = watch::Receiver<T, Threads>;
/// The value as it was at one moment. See [`watch::Snapshot`].
pub type Snapshot<T> = watch::Snapshot<T, Threads>;

/// A value to watch. The receiver has seen the first one.
///
/// # Examples
/// ```
/// let (sender, receiver) = arborio_sync::watch::channel(1);
/// sender.send(2).unwrap();
/// assert!(receiver.has_changed());
/// ```
#[must_use]
pub fn channel<T>(initial: T) -> (Sender<T>, Receiver<T>) {
    watch::channel(initial)
}
