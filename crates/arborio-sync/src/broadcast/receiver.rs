//! The receiving end of a broadcast.

use std::fmt;

use arborio_base::drop_contained;

use super::{
    RecvError, TryRecvError,
    ends::Ends,
    recv::{IntoStream, Recv, RecvStream},
    ring::Found,
};
use crate::{
    blocking::{assert_may_block, block_on},
    flavour::Flavour,
};

/// Receives every message that is sent while it lives. It has a position of its
/// own.
///
/// Under the name [`broadcast::Receiver`](crate::broadcast::Receiver) for any
/// threads, and [`local::broadcast::Receiver`](crate::local::broadcast::Receiver)
/// for one.
///
/// A clone starts where the original is: both receive what that one has not seen
/// yet. [`resubscribe`](Receiver::resubscribe) makes one that starts with the next
/// message.
///
/// # Examples
/// ```
/// use arborio_sync::broadcast;
/// # futures_lite::future::block_on(async {
/// let (sender, mut receiver) = broadcast::channel(8);
/// sender.send(1)?;
/// let mut clone = receiver.clone();
/// let mut later = receiver.resubscribe();
/// sender.send(2)?;
/// assert_eq!(receiver.recv().await, Ok(1));
/// assert_eq!(clone.recv().await, Ok(1));
/// assert_eq!(later.recv().await, Ok(2));
/// # Ok::<(), broadcast::SendError<i32>>(())
/// # }).unwrap();
/// ```
pub struct Receiver<T, F: Flavour> {
    pub(super) ends: F::Counted<Ends<T, F>>,
    /// The number of the message that it wants next.
    pub(super) position: u64,
}

impl<T, F: Flavour> Receiver<T, F> {
    /// A receiver of what is sent from now on.
    pub(crate) fn from_now_on(ends: F::Counted<Ends<T, F>>) -> Self {
        let position = ends.ring.lock().add_receiver();
        Self { ends, position }
    }

    /// A receiver of what is sent from now on.
    ///
    /// # Examples
    /// ```
    /// use arborio_sync::broadcast::{self, TryRecvError};
    /// let (sender, receiver) = broadcast::channel(8);
    /// sender.send(1).unwrap();
    /// let mut later = receiver.resubscribe();
    /// assert_eq!(later.try_recv(), Err(TryRecvError::Empty));
    /// ```
    #[must_use]
    pub fn resubscribe(&self) -> Self {
        Self::from_now_on(self.ends.clone())
    }

    /// How many messages are kept that it has not seen. Messages that it has
    /// missed are not counted.
    ///
    /// # Examples
    /// ```
    /// let (sender, receiver) = arborio_sync::broadcast::channel(2);
    /// (0..5).for_each(|n| assert!(sender.send(n).is_ok()));
    /// assert_eq!(receiver.len(), 2);
    /// ```
    pub fn len(&self) -> usize {
        self.ends.ring.lock().unseen(self.position)
    }

    /// Whether it has seen every message that is kept.
    ///
    /// # Examples
    /// ```
    /// assert!(arborio_sync::broadcast::channel::<u8>(8).1.is_empty());
    /// ```
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Whether no message will be sent any more: the senders are gone, or one of
    /// them has closed the broadcast. Messages may still be there.
    ///
    /// # Examples
    /// ```
    /// let (sender, receiver) = arborio_sync::broadcast::channel(8);
    /// sender.send(1).unwrap();
    /// drop(sender);
    /// assert!(receiver.is_closed() && !receiver.is_empty());
    /// ```
    pub fn is_closed(&self) -> bool {
        self.ends.ring.lock().is_over()
    }

    /// Whether both receive from the same senders.
    ///
    /// # Examples
    /// ```
    /// let (_sender, receiver) = arborio_sync::broadcast::channel::<u8>(8);
    /// assert!(receiver.same_channel(&receiver.clone()));
    /// ```
    pub fn same_channel(&self, other: &Self) -> bool {
        std::ptr::eq(&raw const *self.ends, &raw const *other.ends)
    }
}

impl<T: Clone, F: Flavour> Receiver<T, F> {
    /// Waits for the next message.
    ///
    /// The last one who receives a message gets the value itself, all others
    /// a clone. A task that always finds a message lets others run: it charges the
    /// budget for each.
    ///
    /// # Errors
    /// [`RecvError::Lagged`], once, if messages were dropped before this receiver
    /// saw them; [`RecvError::Closed`] if no message will come any more.
    ///
    /// # Panics
    /// If the message's `clone` does. This receiver has then received it.
    ///
    /// # Cancel safety
    /// Dropping the future loses no message.
    ///
    /// # Examples
    /// ```
    /// # futures_lite::future::block_on(async {
    /// let (sender, mut receiver) = arborio_sync::broadcast::channel(8);
    /// sender.send(1).unwrap();
    /// assert_eq!(receiver.recv().await, Ok(1));
    /// # });
    /// ```
    #[inline]
    pub fn recv(&mut self) -> Recv<'_, T, F> {
        Recv::new(self)
    }

    /// The next message, if it is there.
    ///
    /// # Errors
    /// [`TryRecvError::Empty`] if there is none yet; else as for
    /// [`recv`](Receiver::recv).
    ///
    /// # Panics
    /// As [`recv`](Receiver::recv).
    ///
    /// # Examples
    /// ```
    /// use arborio_sync::broadcast::{self, TryRecvError};
    /// let (sender, mut receiver) = broadcast::channel(8);
    /// assert_eq!(receiver.try_recv(), Err(TryRecvError::Empty));
    /// sender.send(1).unwrap();
    /// assert_eq!(receiver.try_recv(), Ok(1));
    /// ```
    pub fn try_recv(&mut self) -> Result<T, TryRecvError> {
        let found = self.ends.ring.lock().receive(&mut self.position);
        match found {
            Found::Message(message) => Ok(value_of::<T, F>(message)),
            Found::Lagged(missed) => Err(TryRecvError::Lagged(missed)),
            Found::Nothing => Err(TryRecvError::Empty),
            Found::TheEnd => Err(TryRecvError::Closed),
        }
    }

    /// [`recv`](Receiver::recv) with the whole thread.
    ///
    /// # Errors
    /// As for [`recv`](Receiver::recv).
    ///
    /// # Panics
    /// In a task of an Arborio loop, which it would hold up.
    ///
    /// # Examples
    /// ```
    /// let (sender, mut receiver) = arborio_sync::broadcast::channel(8);
    /// let thread = std::thread::spawn(move || receiver.blocking_recv());
    /// sender.send(1).unwrap();
    /// assert_eq!(thread.join().unwrap(), Ok(1));
    /// ```
    #[track_caller]
    pub fn blocking_recv(&mut self) -> Result<T, RecvError> {
        assert_may_block();
        match self.try_recv() {
            Ok(message) => Ok(message),
            Err(TryRecvError::Lagged(missed)) => Err(RecvError::Lagged(missed)),
            Err(TryRecvError::Closed) => Err(RecvError::Closed),
            Err(TryRecvError::Empty) => block_on(self.recv()),
        }
    }

    /// The messages as a stream that borrows the receiver, until no message will
    /// come. It is to be pinned, as it has a place in the line while it waits.
    ///
    /// # Cancel safety
    /// A stream that is dropped loses no message.
    ///
    /// # Examples
    /// ```
    /// use arborio_sync::broadcast::{self, Lagged};
    /// use futures_lite::StreamExt;
    /// # futures_lite::future::block_on(async {
    /// let (sender, mut receiver) = broadcast::channel(2);
    /// (1..=3).for_each(|n| assert!(sender.send(n).is_ok()));
    /// drop(sender);
    /// let got: Vec<_> = receiver.stream().collect().await;
    /// assert_eq!(got, [Err(Lagged(1)), Ok(2), Ok(3)]);
    /// # });
    /// ```
    pub fn stream(&mut self) -> RecvStream<'_, T, F> {
        RecvStream::new(self)
    }

    /// The messages as a stream that owns the receiver, until no message will
    /// come. It is to be pinned, for example in a box.
    ///
    /// # Examples
    /// ```
    /// use futures_lite::StreamExt;
    /// # futures_lite::future::block_on(async {
    /// let (sender, receiver) = arborio_sync::broadcast::channel(8);
    /// let mut stream = Box::pin(receiver.into_stream());
    /// sender.send(1).unwrap();
    /// assert_eq!(stream.next().await, Some(Ok(1)));
    /// # });
    /// ```
    pub fn into_stream(self) -> IntoStream<T, F> {
        IntoStream::new(self)
    }
}

/// The value of a message that was received. No lock is held.
pub(super) fn value_of<T: Clone, F: Flavour>(message: F::Counted<T>) -> T {
    F::into_inner(message).unwrap_or_else(|shared| {
        let value = T::clone(&shared);
        drop_contained(shared); // it may have become the last one meanwhile
        value
    })
}

impl<T, F: Flavour> Clone for Receiver<T, F> {
    fn clone(&self) -> Self {
        self.ends.ring.lock().add_receiver_at(self.position);
        Self {
            ends: self.ends.clone(),
            position: self.position,
        }
    }
}

impl<T, F: Flavour> Drop for Receiver<T, F> {
    fn drop(&mut self) {
        let mut ring = self.ends.ring.lock();
        ring.remove_receiver(self.position);
        while let Some(message) = ring.pop_seen() {
            drop(ring);
            drop_contained(message);
            ring = self.ends.ring.lock();
        }
    }
}

impl<T, F: Flavour> fmt::Debug for Receiver<T, F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Receiver")
            .field("len", &self.len())
            .finish()
    }
}
