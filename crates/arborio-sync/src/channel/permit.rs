//! Slots that are reserved: the message may come later, and cannot be refused.

use std::{fmt, mem::ManuallyDrop};

use super::{Channel, Kind, Sender};
use crate::flavour::Flavour;

/// The right to send one message at once; made by [`Sender::reserve`].
///
/// Dropping it gives the slot back. A permit that is leaked keeps its slot.
///
/// # Examples
/// ```
/// use arborio_sync::mpsc;
/// # futures_lite::future::block_on(async {
/// let (sender, mut receiver) = mpsc::channel(1);
/// let permit = sender.reserve().await?;
/// assert_eq!(sender.capacity(), 0);
/// permit.send("there is room for me");
/// assert_eq!(receiver.recv().await, Some("there is room for me"));
/// # Ok::<(), mpsc::SendError<()>>(())
/// # }).unwrap();
/// ```
#[must_use = "dropping the permit gives the slot back"]
#[clippy::has_significant_drop]
pub struct Permit<'a, T, F: Flavour, K: Kind> {
    channel: &'a Channel<T, F, K>,
}

impl<'a, T, F: Flavour, K: Kind> Permit<'a, T, F, K> {
    /// The permit of somebody who has reserved a slot.
    #[inline(always)]
    pub(super) fn of_reserved(channel: &'a Channel<T, F, K>) -> Self {
        Self { channel }
    }

    /// Sends `message` without waiting, also in a channel that was closed since.
    ///
    /// If no receiver is left, the message is dropped.
    ///
    /// # Examples
    /// ```
    /// use arborio_sync::mpsc;
    /// let (sender, mut receiver) = mpsc::channel(1);
    /// let permit = sender.try_reserve().unwrap();
    /// receiver.close();
    /// permit.send(1);
    /// assert_eq!(receiver.try_recv(), Ok(1));
    /// ```
    #[inline]
    pub fn send(self, message: T) {
        let permit = ManuallyDrop::new(self); // the slot is given away below
        drop(permit.channel.fill(message));
    }
}

impl<T, F: Flavour, K: Kind> Drop for Permit<'_, T, F, K> {
    fn drop(&mut self) {
        self.channel.give_back();
    }
}

impl<T, F: Flavour, K: Kind> fmt::Debug for Permit<'_, T, F, K> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Permit")
    }
}

/// A [`Permit`] that has its sender with it; made by [`Sender::reserve_owned`].
///
/// # Examples
/// ```
/// use arborio_sync::mpsc;
/// # futures_lite::future::block_on(async {
/// let (sender, mut receiver) = mpsc::channel(1);
/// let permit = sender.reserve_owned().await?;
/// let sender = permit.send(1);
/// assert_eq!(receiver.recv().await, Some(1));
/// # drop(sender);
/// # Ok::<(), mpsc::SendError<()>>(())
/// # }).unwrap();
/// ```
#[must_use = "dropping the permit gives the slot back"]
#[clippy::has_significant_drop]
pub struct OwnedPermit<T, F: Flavour, K: Kind> {
    /// Taken by what ends the permit.
    sender: Option<Sender<T, F, K>>,
}

impl<T, F: Flavour, K: Kind> OwnedPermit<T, F, K> {
    /// The permit of a sender that has reserved a slot.
    pub(super) fn of_reserved(sender: Sender<T, F, K>) -> Self {
        Self {
            sender: Some(sender),
        }
    }

    /// Sends `message` without waiting, as [`Permit::send`] does, and returns the
    /// sender.
    ///
    /// # Examples
    /// ```
    /// use arborio_sync::mpsc;
    /// let (sender, mut receiver) = mpsc::channel(1);
    /// let sender = sender.try_reserve_owned().unwrap().send(1);
    /// assert_eq!(receiver.try_recv(), Ok(1));
    /// assert_eq!(sender.capacity(), 1);
    /// ```
    pub fn send(mut self, message: T) -> Sender<T, F, K> {
        let sender = self.take_sender();
        drop(sender.channel().fill(message));
        sender
    }

    /// Gives the slot back and returns the sender.
    ///
    /// # Examples
    /// ```
    /// use arborio_sync::mpsc;
    /// let (sender, _receiver) = mpsc::channel::<u8>(1);
    /// let sender = sender.try_reserve_owned().unwrap().release();
    /// assert_eq!(sender.capacity(), 1);
    /// ```
    pub fn release(mut self) -> Sender<T, F, K> {
        let sender = self.take_sender();
        sender.channel().give_back();
        sender
    }

    fn take_sender(&mut self) -> Sender<T, F, K> {
        let sender = self.sender.take();
        sender.expect("a permit has its sender until it ends")
    }
}

impl<T, F: Flavour, K: Kind> Drop for OwnedPermit<T, F, K> {
    fn drop(&mut self) {
        if let Some(sender) = self.sender.take() {
            sender.channel().give_back();
        }
    }
}

impl<T, F: Flavour, K: Kind> fmt::Debug for OwnedPermit<T, F, K> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("OwnedPermit")
    }
}
