//! Channels for one message, in either flavour. See [`oneshot`](crate::oneshot).

use super::Flavour;
pub use crate::{
    channel::{RecvError, TryRecvError},
    oneshot::{receiver::Receiver, sender::Sender},
};

/// A channel for one message.
///
/// # Examples
/// ```
/// use arborio_sync::flavour::{OneThread, oneshot};
/// let (sender, mut receiver) = oneshot::channel::<_, OneThread>();
/// sender.send(1).unwrap();
/// assert_eq!(receiver.try_recv(), Ok(1));
/// ```
pub fn channel<T, F: Flavour>() -> (Sender<T, F>, Receiver<T, F>) {
    let shared = F::counted(crate::oneshot::state::OneMessage::new());
    (Sender::of_new(shared.clone()), Receiver::of_new(shared))
}
