//! Channels from many senders to one receiver, in either flavour. See
//! [`mpsc`](crate::mpsc).

use super::{Flavour, channel};
use crate::{
    channel::{Channel, Shared},
    mpsc::unbounded::Unbounded,
};
pub use crate::{
    channel::{RecvError, SendError, TryRecvError, TrySendError},
    mpsc::{
        receiver::Receiver,
        unbounded::{UnboundedSender, WeakUnboundedSender},
        unbounded_receiver::UnboundedReceiver,
    },
};
use channel::OneReceiver;

/// Sends to a bounded channel.
pub type Sender<T, F> = channel::Sender<T, F, OneReceiver>;
/// A sender that does not keep the channel open.
pub type WeakSender<T, F> = channel::WeakSender<T, F, OneReceiver>;
/// A slot that is reserved.
pub type Permit<'a, T, F> = channel::Permit<'a, T, F, OneReceiver>;
/// A slot that is reserved, with its sender.
pub type OwnedPermit<T, F> = channel::OwnedPermit<T, F, OneReceiver>;

/// A channel with room for `capacity` messages.
///
/// # Panics
/// If `capacity` is 0.
///
/// # Examples
/// ```
/// use arborio_sync::flavour::{OneThread, mpsc};
/// let (sender, mut receiver) = mpsc::channel::<_, OneThread>(8);
/// sender.try_send(1).unwrap();
/// assert_eq!(receiver.try_recv(), Ok(1));
/// ```
#[track_caller]
#[must_use]
pub fn channel<T, F: Flavour>(capacity: usize) -> (Sender<T, F>, Receiver<T, F>) {
    let shared = Shared(F::counted(Channel::new(capacity, OneReceiver::new())));
    (Sender::of_new(shared.clone()), Receiver::of_new(shared))
}

/// A channel that takes all that is sent.
///
/// # Examples
/// ```
/// use arborio_sync::flavour::{OneThread, mpsc};
/// let (sender, mut receiver) = mpsc::unbounded::<_, OneThread>();
/// sender.send(1).unwrap();
/// assert_eq!(receiver.try_recv(), Ok(1));
/// ```
#[must_use]
pub fn unbounded<T, F: Flavour>() -> (UnboundedSender<T, F>, UnboundedReceiver<T, F>) {
    let shared = F::counted(Unbounded::new());
    let sender = UnboundedSender::of_new(shared.clone());
    (sender, UnboundedReceiver::of_new(shared))
}
