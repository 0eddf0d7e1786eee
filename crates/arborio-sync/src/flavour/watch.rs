//! A value that some change and others watch, in either flavour. See
//! [`watch`](crate::watch).

use super::Flavour;
pub use crate::watch::{
    RecvError, SendError,
    changed::{Changed, IntoStream, WatchStream},
    receiver::Receiver,
    sender::{Parting, Sender},
    snapshot::Snapshot,
    wait_for::WaitFor,
};

/// A value to watch. The receiver has seen the first one.
///
/// # Examples
/// ```
/// use arborio_sync::flavour::{OneThread, watch};
/// let (sender, receiver) = watch::channel::<_, OneThread>(1);
/// sender.send(2).unwrap();
/// assert!(receiver.has_changed());
/// ```
#[must_use]
pub fn channel<T, F: Flavour>(initial: T) -> (Sender<T, F>, Receiver<T, F>) {
    let sender = Sender::new(initial);
    let receiver = sender.subscribe();
    (sender, receiver)
}
