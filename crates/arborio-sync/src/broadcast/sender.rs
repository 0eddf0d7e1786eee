//! The sending end of a broadcast.

use std::fmt;

use arborio_base::drop_contained;

use super::{SendError, ends::Ends, receiver::Receiver};
use crate::flavour::Flavour;

/// Sends messages to every receiver. Clones send to the same.
///
/// Under the name [`broadcast::Sender`](crate::broadcast::Sender) for any threads,
/// and [`local::broadcast::Sender`](crate::local::broadcast::Sender) for one.
///
/// # Examples
/// ```
/// use arborio_sync::broadcast;
/// let (sender, mut receiver) = broadcast::channel(8);
/// assert_eq!(sender.send("to all"), Ok(1));
/// assert_eq!(receiver.try_recv(), Ok("to all"));
/// ```
pub struct Sender<T, F: Flavour> {
    ends: F::Counted<Ends<T, F>>,
}

impl<T, F: Flavour> Sender<T, F> {
    /// The sender that a new channel counts.
    pub(crate) fn of_new(ends: F::Counted<Ends<T, F>>) -> Self {
        Self { ends }
    }

    /// Sends `message` to all receivers that there are now; returns how many.
    ///
    /// It never waits: if the ring is full, the oldest message goes, and receivers
    /// that have not seen it are told that they lag. A panic in the drop of
    /// that message is contained.
    ///
    /// # Errors
    /// [`SendError`] with the message, if there is no receiver, or the broadcast is
    /// closed.
    ///
    /// # Examples
    /// ```
    /// use arborio_sync::broadcast;
    /// let (sender, first) = broadcast::channel(8);
    /// let second = sender.subscribe();
    /// assert_eq!(sender.send(1), Ok(2));
    /// drop((first, second));
    /// assert_eq!(sender.send(2), Err(broadcast::SendError(2)));
    /// ```
    pub fn send(&self, message: T) -> Result<usize, SendError<T>> {
        let message = F::counted(message);
        let mut ring = self.ends.ring.lock();
        let ended = ring.round();
        match ring.push(message) {
            Ok(gone) => {
                let receivers = ring.receivers;
                self.ends.tell(ring, ended);
                drop_contained(gone);
                Ok(receivers)
            }
            Err(message) => {
                drop(ring);
                let message = F::into_inner(message).ok();
                Err(SendError(message.expect("nobody else has seen it")))
            }
        }
    }

    /// A new receiver. It gets what is sent from now on.
    ///
    /// # Examples
    /// ```
    /// use arborio_sync::broadcast::{self, TryRecvError};
    /// let (sender, _first) = broadcast::channel(8);
    /// sender.send(1).unwrap();
    /// let mut second = sender.subscribe();
    /// sender.send(2).unwrap();
    /// assert_eq!(second.try_recv(), Ok(2));
    /// ```
    pub fn subscribe(&self) -> Receiver<T, F> {
        Receiver::from_now_on(self.ends.clone())
    }

    /// How many receivers there are.
    ///
    /// # Examples
    /// ```
    /// let (sender, receiver) = arborio_sync::broadcast::channel::<u8>(8);
    /// assert_eq!(sender.receiver_count(), 1);
    /// drop(receiver);
    /// assert_eq!(sender.receiver_count(), 0);
    /// ```
    pub fn receiver_count(&self) -> usize {
        self.ends.ring.lock().receivers
    }

    /// How many messages some receiver has not seen yet.
    ///
    /// # Examples
    /// ```
    /// let (sender, mut receiver) = arborio_sync::broadcast::channel(8);
    /// sender.send(1).unwrap();
    /// sender.send(2).unwrap();
    /// receiver.try_recv().unwrap();
    /// assert_eq!(sender.len(), 1);
    /// ```
    pub fn len(&self) -> usize {
        self.ends.ring.lock().len()
    }

    /// Whether every receiver has seen every message.
    ///
    /// # Examples
    /// ```
    /// assert!(arborio_sync::broadcast::channel::<u8>(8).0.is_empty());
    /// ```
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The most messages that are kept for slow receivers.
    ///
    /// # Examples
    /// ```
    /// assert_eq!(arborio_sync::broadcast::channel::<u8>(8).0.capacity(), 8);
    /// ```
    pub fn capacity(&self) -> usize {
        self.ends.ring.lock().capacity
    }

    /// Closes the broadcast: no message is accepted any more. Receivers get what
    /// was sent, and then the end. Returns whether this call closed it.
    ///
    /// # Examples
    /// ```
    /// use arborio_sync::broadcast::{self, TryRecvError};
    /// let (sender, mut receiver) = broadcast::channel(8);
    /// sender.send(1).unwrap();
    /// assert!(sender.close());
    /// assert!(sender.send(2).is_err());
    /// assert_eq!(receiver.try_recv(), Ok(1));
    /// assert_eq!(receiver.try_recv(), Err(TryRecvError::Closed));
    /// ```
    pub fn close(&self) -> bool {
        let mut ring = self.ends.ring.lock();
        let open = !std::mem::replace(&mut ring.closed, true);
        let ended = ring.round();
        self.ends.tell(ring, ended);
        open
    }

    /// Whether somebody has closed it. A broadcast without receivers is not closed:
    /// there may be some again.
    ///
    /// # Examples
    /// ```
    /// let (sender, _receiver) = arborio_sync::broadcast::channel::<u8>(8);
    /// assert!(!sender.is_closed());
    /// ```
    pub fn is_closed(&self) -> bool {
        self.ends.ring.lock().closed
    }

    /// Whether both send to the same receivers.
    ///
    /// # Examples
    /// ```
    /// let (sender, _receiver) = arborio_sync::broadcast::channel::<u8>(8);
    /// assert!(sender.same_channel(&sender.clone()));
    /// ```
    pub fn same_channel(&self, other: &Self) -> bool {
        std::ptr::eq(&raw const *self.ends, &raw const *other.ends)
    }
}

impl<T, F: Flavour> Clone for Sender<T, F> {
    fn clone(&self) -> Self {
        self.ends.ring.lock().senders += 1;
        Self {
            ends: self.ends.clone(),
        }
    }
}

impl<T, F: Flavour> Drop for Sender<T, F> {
    fn drop(&mut self) {
        let mut ring = self.ends.ring.lock();
        ring.senders -= 1;
        if ring.senders == 0 {
            let ended = ring.round();
            self.ends.tell(ring, ended);
        }
    }
}

impl<T, F: Flavour> fmt::Debug for Sender<T, F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Sender")
            .field("len", &self.len())
            .field("receivers", &self.receiver_count())
            .finish()
    }
}
