//! A channel in which every receiver gets every message, in either flavour. See
//! [`broadcast`](crate::broadcast).

use super::Flavour;
use crate::broadcast::ends::Ends;
pub use crate::broadcast::{
    Lagged, RecvError, SendError, TryRecvError,
    receiver::Receiver,
    recv::{IntoStream, Recv, RecvStream},
    sender::Sender,
};

/// A broadcast that keeps at most `capacity` messages for slow receivers.
///
/// # Panics
/// If `capacity` is 0.
///
/// # Examples
/// ```
/// use arborio_sync::flavour::{OneThread, broadcast};
/// let (sender, mut receiver) = broadcast::channel::<_, OneThread>(8);
/// sender.send(1).unwrap();
/// assert_eq!(receiver.try_recv(), Ok(1));
/// ```
#[track_caller]
#[must_use]
pub fn channel<T, F: Flavour>(capacity: usize) -> (Sender<T, F>, Receiver<T, F>) {
    let ends = F::counted(Ends::new(capacity));
    (Sender::of_new(ends.clone()), Receiver::from_now_on(ends))
}
