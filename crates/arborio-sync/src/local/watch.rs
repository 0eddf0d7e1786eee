//! A value that some change and others watch, on one thread. See
//! [`watch`](crate::watch).

use crate::flavour::{OneThread, watch};
pub use crate::watch::{RecvError, SendError};

/// Changes the value. See [`watch::Sender`].
pub type Sender<T> = watch::Sender<T, OneThread>;
/// Watches the value. See [`watch::Receiver`].
pub type Receiver<T> = watch::Receiver<T, OneThread>;
/// The value as it was at one moment. See [`watch::Snapshot`].
pub type Snapshot<T> = watch::Snapshot<T, OneThread>;

/// A value to watch. The receiver has seen the first one.
///
/// # Examples
/// ```
/// let (sender, receiver) = arborio_sync::local::watch::channel(1);
/// sender.send(2).unwrap();
/// assert!(receiver.has_changed());
/// ```
#[must_use]
pub fn channel<T>(initial: T) -> (Sender<T>, Receiver<T>) {
    watch::channel(initial)
}
