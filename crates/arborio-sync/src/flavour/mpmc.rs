//! Channels from many senders to many receivers, in either flavour. See
//! [`mpmc`](crate::mpmc).

use super::{Flavour, channel};
use crate::channel::{Channel, Shared};
pub use crate::{
    channel::{RecvError, SendError, TryRecvError, TrySendError},
    mpmc::{
        receiver::{Receiver, Recv},
        stream::{IntoStream, RecvStream},
    },
};
use channel::ManyReceivers;

/// Sends to a channel.
pub type Sender<T, F> = channel::Sender<T, F, ManyReceivers>;
/// A sender that does not keep the channel open.
pub type WeakSender<T, F> = channel::WeakSender<T, F, ManyReceivers>;
/// A slot that is reserved.
pub type Permit<'a, T, F> = channel::Permit<'a, T, F, ManyReceivers>;
/// A slot that is reserved, with its sender.
pub type OwnedPermit<T, F> = channel::OwnedPermit<T, F, ManyReceivers>;

/// A channel with room for `capacity` messages.
///
/// # Panics
/// If `capacity` is 0.
///
/// # Examples
/// ```
/// use arborio_sync::flavour::{OneThread, mpmc};
/// let (sender, receiver) = mpmc::channel::<_, OneThread>(8);
/// sender.try_send(1).unwrap();
/// assert_eq!(receiver.try_recv(), Ok(1));
/// ```
#[track_caller]
#[must_use]
pub fn channel<T, F: Flavour>(capacity: usize) -> (Sender<T, F>, Receiver<T, F>) {
    let shared = Shared(F::counted(Channel::new(capacity, ManyReceivers::new())));
    (Sender::of_new(shared.clone()), Receiver::of_new(shared))
}

/// A channel that takes all that is sent.
///
/// # Examples
/// ```
/// use arborio_sync::flavour::{OneThread, mpmc};
/// let (sender, receiver) = mpmc::unbounded::<_, OneThread>();
/// sender.try_send(1).unwrap();
/// assert_eq!(receiver.try_recv(), Ok(1));
/// ```
#[must_use]
pub fn unbounded<T, F: Flavour>() -> (Sender<T, F>, Receiver<T, F>) {
    channel(usize::MAX)
}
