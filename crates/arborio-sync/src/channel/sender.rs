//! The sending end of a bounded channel, and of every mpmc channel.

use std::fmt;

use super::{
    Channel, Closing, Kind, OwnedPermit, Permit, Reserve, ReserveOwned, Send, SendError, Shared,
    Slot, TrySendError,
};
use crate::{
    blocking::{assert_may_block, block_on},
    flavour::{Flavour, Threads},
};

/// The sending end of a channel. Clones send to the same receivers.
///
/// Under the names [`mpsc::Sender`](crate::mpsc::Sender) and
/// [`mpmc::Sender`](crate::mpmc::Sender), and in [`local`](crate::local) for one
/// thread.
///
/// When the last one is dropped, the receivers get what has been sent, and then
/// the end.
///
/// # Fairness
/// Those who wait for a slot get it first come, first served, and nobody
/// overtakes them, `try_send` included. A `send` that was granted a slot and is
/// neither polled nor dropped keeps it.
///
/// # Examples
/// ```
/// use arborio_sync::mpsc;
/// # futures_lite::future::block_on(async {
/// let (sender, mut receiver) = mpsc::channel(8);
/// let other = sender.clone();
/// sender.send(1).await?;
/// other.send(2).await?;
/// drop((sender, other));
/// assert_eq!(receiver.recv().await, Some(1));
/// assert_eq!(receiver.recv().await, Some(2));
/// assert_eq!(receiver.recv().await, None);
/// # Ok::<(), mpsc::SendError<i32>>(())
/// # }).unwrap();
/// ```
pub struct Sender<T, F: Flavour, K: Kind> {
    shared: Shared<T, F, K>,
}

impl<T, F: Flavour, K: Kind> Sender<T, F, K> {
    /// The sender that a new channel counts.
    pub(crate) fn of_new(shared: Shared<T, F, K>) -> Self {
        Self { shared }
    }

    #[inline(always)]
    pub(super) fn shared(&self) -> &Shared<T, F, K> {
        &self.shared
    }

    #[inline(always)]
    pub(crate) fn channel(&self) -> &Channel<T, F, K> {
        &self.shared.0
    }

    /// Sends `message`, once there is a slot for it.
    ///
    /// # Errors
    /// If the channel is closed: the message comes back.
    ///
    /// # Cancel safety
    /// A future that is dropped has sent nothing; the message is dropped with it,
    /// and a slot that it was granted goes to the next in line. To keep the
    /// message, wait with [`reserve`](Self::reserve).
    ///
    /// # Examples
    /// ```
    /// use arborio_sync::mpsc;
    /// # futures_lite::future::block_on(async {
    /// let (sender, receiver) = mpsc::channel(1);
    /// assert_eq!(sender.send(1).await, Ok(()));
    /// drop(receiver);
    /// assert_eq!(sender.send(2).await.unwrap_err().0, 2);
    /// # });
    /// ```
    #[inline(always)]
    pub fn send(&self, message: T) -> Send<'_, T, F, K> {
        Send::new(self.channel(), message)
    }

    /// Sends `message` if there is a slot for it now and nobody waits for one.
    ///
    /// # Errors
    /// With the message, if the channel is full or closed.
    ///
    /// # Examples
    /// ```
    /// use arborio_sync::mpsc::{self, TrySendError};
    /// let (sender, _receiver) = mpsc::channel(1);
    /// assert_eq!(sender.try_send(1), Ok(()));
    /// assert_eq!(sender.try_send(2), Err(TrySendError::Full(2)));
    /// ```
    #[inline]
    pub fn try_send(&self, message: T) -> Result<(), TrySendError<T>> {
        self.channel().try_send(message)
    }

    /// Waits for a slot, and keeps it for a message that comes later.
    ///
    /// # Errors
    /// If the channel is closed.
    ///
    /// # Cancel safety
    /// Dropping the future gives up its place in line. A slot that it was granted
    /// goes to the next.
    ///
    /// # Examples
    /// ```
    /// use arborio_sync::mpsc;
    /// # futures_lite::future::block_on(async {
    /// let (sender, mut receiver) = mpsc::channel(1);
    /// sender.reserve().await?.send(1);
    /// assert_eq!(receiver.recv().await, Some(1));
    /// # Ok::<(), mpsc::SendError<()>>(())
    /// # }).unwrap();
    /// ```
    pub fn reserve(&self) -> Reserve<'_, T, F, K> {
        Reserve::new(self.channel())
    }

    /// The same for a permit that borrows nothing: it takes the sender along, and
    /// returns it when it is used.
    ///
    /// # Errors
    /// If the channel is closed. The sender is dropped.
    ///
    /// # Cancel safety
    /// As for [`reserve`](Self::reserve); the sender is dropped.
    ///
    /// # Examples
    /// ```
    /// use arborio_sync::mpsc;
    /// # futures_lite::future::block_on(async {
    /// let (sender, mut receiver) = mpsc::channel(1);
    /// let permit = sender.clone().reserve_owned().await?;
    /// drop(permit.send(1));
    /// assert_eq!(receiver.recv().await, Some(1));
    /// # Ok::<(), mpsc::SendError<()>>(())
    /// # }).unwrap();
    /// ```
    pub fn reserve_owned(self) -> ReserveOwned<T, F, K> {
        ReserveOwned::new(self)
    }

    /// Reserves a slot if one is free and nobody waits for it.
    ///
    /// # Errors
    /// If the channel is full or closed.
    ///
    /// # Examples
    /// ```
    /// use arborio_sync::mpsc;
    /// let (sender, _receiver) = mpsc::channel(1);
    /// let permit = sender.try_reserve().unwrap();
    /// assert!(sender.try_reserve().is_err());
    /// permit.send("the one there is room for");
    /// ```
    pub fn try_reserve(&self) -> Result<Permit<'_, T, F, K>, TrySendError<()>> {
        match self.channel().try_reserve() {
            Slot::Free => Ok(Permit::of_reserved(self.channel())),
            Slot::None => Err(TrySendError::Full(())),
            Slot::Closed => Err(TrySendError::Closed(())),
        }
    }

    /// The same for a permit that takes the sender along.
    ///
    /// # Errors
    /// With the sender, if the channel is full or closed.
    ///
    /// # Examples
    /// ```
    /// use arborio_sync::mpsc;
    /// let (sender, mut receiver) = mpsc::channel(1);
    /// let permit = sender.try_reserve_owned().unwrap();
    /// let sender = permit.send(1);
    /// assert!(sender.try_reserve_owned().is_err());
    /// assert_eq!(receiver.try_recv(), Ok(1));
    /// ```
    pub fn try_reserve_owned(self) -> Result<OwnedPermit<T, F, K>, TrySendError<Self>> {
        match self.channel().try_reserve() {
            Slot::Free => Ok(OwnedPermit::of_reserved(self)),
            Slot::None => Err(TrySendError::Full(self)),
            Slot::Closed => Err(TrySendError::Closed(self)),
        }
    }

    /// Waits until the channel is closed: nobody will receive what is sent.
    ///
    /// # Cancel safety
    /// Dropping the future has no effect.
    ///
    /// # Examples
    /// ```
    /// use arborio_sync::mpsc;
    /// # futures_lite::future::block_on(async {
    /// let (sender, receiver) = mpsc::channel::<u8>(1);
    /// drop(receiver);
    /// sender.closed().await;
    /// assert!(sender.is_closed());
    /// # });
    /// ```
    pub async fn closed(&self) {
        Closing::new(self.channel()).await;
    }

    /// Whether the receivers are gone, or the channel was closed.
    ///
    /// # Examples
    /// ```
    /// let (sender, receiver) = arborio_sync::mpsc::channel::<u8>(1);
    /// assert!(!sender.is_closed());
    /// drop(receiver);
    /// assert!(sender.is_closed());
    /// ```
    pub fn is_closed(&self) -> bool {
        self.channel().is_closed()
    }

    /// How many messages have been sent and not received.
    ///
    /// # Examples
    /// ```
    /// let (sender, _receiver) = arborio_sync::mpsc::channel(2);
    /// sender.try_send(1).unwrap();
    /// assert_eq!(sender.len(), 1);
    /// ```
    pub fn len(&self) -> usize {
        self.channel().len()
    }

    /// Whether every message that was sent has been received.
    ///
    /// # Examples
    /// ```
    /// let (sender, _receiver) = arborio_sync::mpsc::channel::<u8>(2);
    /// assert!(sender.is_empty());
    /// ```
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// How many slots are free now: not filled, and not reserved by a permit or
    /// granted to a `send`. In an unbounded channel nearly `usize::MAX`.
    ///
    /// # Examples
    /// ```
    /// let (sender, _receiver) = arborio_sync::mpsc::channel(2);
    /// sender.try_send(1).unwrap();
    /// let permit = sender.try_reserve().unwrap();
    /// assert_eq!(sender.capacity(), 0);
    /// # permit.send(2);
    /// ```
    pub fn capacity(&self) -> usize {
        self.channel().free()
    }

    /// How many slots there are: what the channel was made with, or `usize::MAX`
    /// if it is unbounded.
    ///
    /// # Examples
    /// ```
    /// let (sender, _receiver) = arborio_sync::mpsc::channel::<u8>(2);
    /// assert_eq!(sender.max_capacity(), 2);
    /// ```
    pub fn max_capacity(&self) -> usize {
        self.channel().capacity
    }

    /// Whether both send to the same channel.
    ///
    /// # Examples
    /// ```
    /// let (sender, _receiver) = arborio_sync::mpsc::channel::<u8>(1);
    /// assert!(sender.same_channel(&sender.clone()));
    /// ```
    pub fn same_channel(&self, other: &Self) -> bool {
        self.shared.is(&other.shared)
    }

    /// A sender that does not keep the channel open.
    ///
    /// # Examples
    /// ```
    /// let (sender, mut receiver) = arborio_sync::mpsc::channel(1);
    /// let weak = sender.downgrade();
    /// weak.upgrade().expect("there is a sender").try_send(1).unwrap();
    /// drop(sender);
    /// assert!(weak.upgrade().is_none());
    /// assert_eq!(receiver.try_recv(), Ok(1));
    /// ```
    #[must_use]
    pub fn downgrade(&self) -> WeakSender<T, F, K> {
        WeakSender {
            shared: self.shared.clone(),
        }
    }
}

impl<T, K: Kind> Sender<T, Threads, K> {
    /// Sends `message`, and waits for a slot with the whole thread.
    ///
    /// # Errors
    /// If the channel is closed: the message comes back.
    ///
    /// # Panics
    /// In a task of an Arborio loop, which it would hold up.
    ///
    /// # Examples
    /// ```
    /// let (sender, mut receiver) = arborio_sync::mpsc::channel(1);
    /// let thread = std::thread::spawn(move || (1..=3).try_for_each(|n| sender.blocking_send(n)));
    /// assert_eq!(receiver.blocking_recv(), Some(1));
    /// assert_eq!(receiver.blocking_recv(), Some(2));
    /// assert_eq!(receiver.blocking_recv(), Some(3));
    /// thread.join().unwrap().unwrap();
    /// ```
    #[track_caller]
    pub fn blocking_send(&self, message: T) -> Result<(), SendError<T>> {
        assert_may_block();
        match self.try_send(message) {
            Ok(()) => Ok(()),
            Err(TrySendError::Closed(message)) => Err(SendError(message)),
            Err(TrySendError::Full(message)) => block_on(self.send(message)),
        }
    }
}

impl<T, F: Flavour, K: Kind> Clone for Sender<T, F, K> {
    fn clone(&self) -> Self {
        self.channel().add_sender();
        Self {
            shared: self.shared.clone(),
        }
    }
}

impl<T, F: Flavour, K: Kind> Drop for Sender<T, F, K> {
    fn drop(&mut self) {
        self.channel().remove_sender();
    }
}

impl<T, F: Flavour, K: Kind> fmt::Debug for Sender<T, F, K> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Sender")
            .field("len", &self.len())
            .field("max_capacity", &self.max_capacity())
            .finish()
    }
}

/// A sender that does not keep the channel open; made by [`Sender::downgrade`].
///
/// # Examples
/// ```
/// use arborio_sync::mpsc;
/// let (sender, receiver) = mpsc::channel::<u8>(1);
/// let weak = sender.downgrade();
/// drop(sender);
/// assert!(receiver.is_closed() && weak.upgrade().is_none());
/// ```
pub struct WeakSender<T, F: Flavour, K: Kind> {
    shared: Shared<T, F, K>,
}

impl<T, F: Flavour, K: Kind> WeakSender<T, F, K> {
    /// A sender, unless all of them are gone.
    ///
    /// # Examples
    /// ```
    /// let (sender, _receiver) = arborio_sync::mpsc::channel::<u8>(1);
    /// let weak = sender.downgrade();
    /// assert!(weak.upgrade().is_some_and(|other| other.same_channel(&sender)));
    /// ```
    pub fn upgrade(&self) -> Option<Sender<T, F, K>> {
        let counted = self.shared.0.add_sender();
        counted.then(|| Sender::of_new(self.shared.clone()))
    }
}

impl<T, F: Flavour, K: Kind> Clone for WeakSender<T, F, K> {
    fn clone(&self) -> Self {
        Self {
            shared: self.shared.clone(),
        }
    }
}

impl<T, F: Flavour, K: Kind> fmt::Debug for WeakSender<T, F, K> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("WeakSender")
    }
}
