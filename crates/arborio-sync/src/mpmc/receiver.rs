//! The receiving end of an mpmc channel.

use std::{
    fmt,
    future::Future,
    pin::Pin,
    task::{Context, Poll, ready},
};

use arborio_base::budget;
use pin_project_lite::pin_project;

use super::{
    many::{ManyReceivers, ToMessage, poll_receive},
    stream::{IntoStream, RecvStream},
};
use crate::{
    blocking::{assert_may_block, block_on},
    channel::{
        Channel, LeadsToChannel, RecvError, Sender, Shared, TryRecvError, discard,
        refund_unless_ready,
    },
    flavour::{Flavour, Threads},
    line::Place,
};

/// The receiving end of a channel. Clones share the messages: each goes to one of
/// them.
///
/// Under the name [`mpmc::Receiver`](crate::mpmc::Receiver) for any threads, and
/// [`local::mpmc::Receiver`](crate::local::mpmc::Receiver) for one.
///
/// When the last one is dropped, messages that were not received are dropped with
/// it, oldest first, and senders get theirs back. A message that panics then keeps
/// none of the others. Messages that own receivers of further messages are dropped
/// as deep as they are nested, on the stack.
///
/// # Fairness
/// Those who wait get a message first come, first served, and nobody takes one
/// that was promised to them, `try_recv` included. A `recv` that was promised a
/// message and is neither polled nor dropped keeps it back.
///
/// # Examples
/// ```
/// use arborio_sync::mpmc;
/// # futures_lite::future::block_on(async {
/// let (sender, receiver) = mpmc::channel(8);
/// let other = receiver.clone();
/// sender.send(1).await?;
/// sender.send(2).await?;
/// drop(sender);
/// assert_eq!(receiver.recv().await, Ok(1));
/// assert_eq!(other.recv().await, Ok(2));
/// assert!(receiver.recv().await.is_err());
/// # Ok::<(), mpmc::SendError<i32>>(())
/// # }).unwrap();
/// ```
pub struct Receiver<T, F: Flavour> {
    shared: Shared<T, F, ManyReceivers>,
}

// SAFETY: what it leads to is counted, so it does not move.
unsafe impl<T, F: Flavour> LeadsToChannel for Receiver<T, F> {
    type Message = T;
    type Flavour = F;
    type Kind = ManyReceivers;

    #[inline(always)]
    fn channel(&self) -> &Channel<T, F, ManyReceivers> {
        &self.shared.0
    }
}

impl<T, F: Flavour> Receiver<T, F> {
    /// The receiver that a new channel counts.
    pub(crate) fn of_new(shared: Shared<T, F, ManyReceivers>) -> Self {
        Self { shared }
    }

    /// Waits for a message.
    ///
    /// # Errors
    /// If the channel is closed, and every message has been received.
    ///
    /// # Cancel safety
    /// Dropping the future gives up its place in line and loses no message: one
    /// that it was promised goes to the next. A future that is leaked keeps it.
    ///
    /// # Examples
    /// ```
    /// # futures_lite::future::block_on(async {
    /// let (sender, receiver) = arborio_sync::mpmc::channel(8);
    /// sender.send(1).await.unwrap();
    /// assert_eq!(receiver.recv().await, Ok(1));
    /// # });
    /// ```
    #[inline(always)]
    pub fn recv(&self) -> Recv<'_, T, F> {
        Recv {
            place: Place::new(ToMessage(self.channel())),
        }
    }

    /// Receives a message if there is one that nobody was promised.
    ///
    /// # Errors
    /// If there is none: for now, or for ever.
    ///
    /// # Examples
    /// ```
    /// use arborio_sync::mpmc::{self, TryRecvError};
    /// let (sender, receiver) = mpmc::unbounded();
    /// assert_eq!(receiver.try_recv(), Err(TryRecvError::Empty));
    /// sender.try_send(1).unwrap();
    /// assert_eq!(receiver.try_recv(), Ok(1));
    /// ```
    #[inline]
    pub fn try_recv(&self) -> Result<T, TryRecvError> {
        let channel = self.channel();
        channel.receive_unpromised(channel.lock()).into_result()
    }

    /// The messages as a stream that borrows the receiver. It is to be pinned, as
    /// it has a place in the line while it waits.
    ///
    /// # Cancel safety
    /// A stream that is dropped loses no message.
    ///
    /// # Examples
    /// ```
    /// use futures_lite::StreamExt;
    /// # futures_lite::future::block_on(async {
    /// let (sender, receiver) = arborio_sync::mpmc::unbounded();
    /// (1..=3).for_each(|n| sender.try_send(n).unwrap());
    /// drop(sender);
    /// let mut stream = std::pin::pin!(receiver.stream());
    /// assert_eq!(stream.next().await, Some(1));
    /// assert_eq!(receiver.stream().collect::<Vec<_>>().await, [2, 3]);
    /// # });
    /// ```
    pub fn stream(&self) -> RecvStream<'_, T, F> {
        RecvStream::new(self)
    }

    /// The messages as a stream that owns the receiver. It is to be pinned, for
    /// example in a box.
    ///
    /// # Examples
    /// ```
    /// use futures_lite::StreamExt;
    /// # futures_lite::future::block_on(async {
    /// let (sender, receiver) = arborio_sync::mpmc::unbounded();
    /// let mut stream = Box::pin(receiver.into_stream());
    /// sender.try_send(1).unwrap();
    /// assert_eq!(stream.next().await, Some(1));
    /// # });
    /// ```
    pub fn into_stream(self) -> IntoStream<T, F> {
        IntoStream::new(self)
    }

    /// Closes the channel: no message is accepted any more.
    ///
    /// What has been sent can still be received, and so can what is sent with
    /// permits that were given out before; after that comes the end.
    ///
    /// # Examples
    /// ```
    /// use arborio_sync::mpmc::{self, TryRecvError};
    /// let (sender, receiver) = mpmc::channel(8);
    /// sender.try_send(1).unwrap();
    /// assert!(receiver.close());
    /// assert!(sender.try_send(2).is_err());
    /// assert_eq!(receiver.try_recv(), Ok(1));
    /// assert_eq!(receiver.try_recv(), Err(TryRecvError::Disconnected));
    /// ```
    pub fn close(&self) -> bool {
        self.channel().close()
    }

    /// Whether the senders are gone, or the channel was closed. Messages may still
    /// be there.
    ///
    /// # Examples
    /// ```
    /// let (sender, receiver) = arborio_sync::mpmc::channel::<u8>(8);
    /// drop(sender);
    /// assert!(receiver.is_closed());
    /// ```
    pub fn is_closed(&self) -> bool {
        self.channel().is_closed()
    }

    /// How many messages have been sent and not received, those included that
    /// somebody was promised.
    ///
    /// # Examples
    /// ```
    /// let (sender, receiver) = arborio_sync::mpmc::channel(8);
    /// sender.try_send(1).unwrap();
    /// assert_eq!(receiver.len(), 1);
    /// ```
    pub fn len(&self) -> usize {
        self.channel().len()
    }

    /// Whether every message that was sent has been received.
    ///
    /// # Examples
    /// ```
    /// let (_sender, receiver) = arborio_sync::mpmc::channel::<u8>(8);
    /// assert!(receiver.is_empty());
    /// ```
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// How many slots are free now: not filled, and not reserved by a permit or
    /// granted to a `send`. In an unbounded channel nearly `usize::MAX`.
    ///
    /// # Examples
    /// ```
    /// let (sender, receiver) = arborio_sync::mpmc::channel(8);
    /// sender.try_send(1).unwrap();
    /// assert_eq!(receiver.capacity(), 7);
    /// ```
    pub fn capacity(&self) -> usize {
        self.channel().free()
    }

    /// How many slots there are: what the channel was made with, or `usize::MAX`
    /// if it is unbounded.
    ///
    /// # Examples
    /// ```
    /// let (_sender, receiver) = arborio_sync::mpmc::unbounded::<u8>();
    /// assert_eq!(receiver.max_capacity(), usize::MAX);
    /// ```
    pub fn max_capacity(&self) -> usize {
        self.channel().capacity
    }

    /// Whether both receive from the same channel.
    ///
    /// # Examples
    /// ```
    /// let (_sender, receiver) = arborio_sync::mpmc::channel::<u8>(1);
    /// assert!(receiver.same_channel(&receiver.clone()));
    /// ```
    pub fn same_channel(&self, other: &Self) -> bool {
        self.shared.is(&other.shared)
    }
}

impl<T> Receiver<T, Threads> {
    /// Waits for a message with the whole thread.
    ///
    /// # Errors
    /// If the channel is closed, and every message has been received.
    ///
    /// # Panics
    /// In a task of an Arborio loop, which it would hold up.
    ///
    /// # Examples
    /// ```
    /// let (sender, receiver) = arborio_sync::mpmc::channel(8);
    /// let thread = std::thread::spawn(move || sender.blocking_send(1));
    /// assert_eq!(receiver.blocking_recv(), Ok(1));
    /// assert!(receiver.blocking_recv().is_err());
    /// thread.join().unwrap().unwrap();
    /// ```
    #[track_caller]
    pub fn blocking_recv(&self) -> Result<T, RecvError> {
        assert_may_block();
        match self.try_recv() {
            Ok(message) => Ok(message),
            Err(TryRecvError::Disconnected) => Err(RecvError),
            Err(TryRecvError::Empty) => block_on(self.recv()),
        }
    }
}

impl<T, F: Flavour> Clone for Receiver<T, F> {
    fn clone(&self) -> Self {
        self.channel().add_receiver();
        Self {
            shared: self.shared.clone(),
        }
    }
}

impl<T, F: Flavour> Drop for Receiver<T, F> {
    fn drop(&mut self) {
        discard(self.channel().remove_receiver());
    }
}

impl<T, F: Flavour> fmt::Debug for Receiver<T, F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Receiver")
            .field("len", &self.len())
            .field("max_capacity", &self.max_capacity())
            .finish()
    }
}

impl<T, F: Flavour> Sender<T, F, ManyReceivers> {
    /// Closes the channel: no message is accepted any more. Whether this call
    /// closed it.
    ///
    /// What has been sent can still be received, and so can what is sent with
    /// permits that were given out before; after that the receivers get the end.
    ///
    /// # Examples
    /// ```
    /// use arborio_sync::mpmc;
    /// let (sender, receiver) = mpmc::channel(8);
    /// sender.try_send(1).unwrap();
    /// assert!(sender.close());
    /// assert!(sender.try_send(2).is_err());
    /// assert_eq!(receiver.try_recv(), Ok(1));
    /// ```
    pub fn close(&self) -> bool {
        self.channel().close()
    }
}

pin_project! {
    /// Receives a message; made by [`Receiver::recv`].
    #[must_use = "futures do nothing unless awaited"]
    pub struct Recv<'a, T, F: Flavour> {
        #[pin]
        place: Place<ToMessage<&'a Channel<T, F, ManyReceivers>>>,
    }
}

impl<T, F: Flavour> Future for Recv<'_, T, F> {
    type Output = Result<T, RecvError>;

    #[inline(always)]
    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        ready!(budget::poll_charge(cx));
        refund_unless_ready(poll_receive(self.project().place, cx))
    }
}
