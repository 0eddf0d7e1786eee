//! The receiving end of a bounded channel.

use std::{
    fmt,
    future::{Future, poll_fn},
    pin::Pin,
    task::{Context, Poll, ready},
};

use arborio_base::budget;
use futures_core::Stream;

use super::one::OneReceiver;
use crate::{
    blocking::{assert_may_block, block_on},
    channel::{Channel, Locked, Shared, TryRecvError, discard, refund_unless_ready, wake},
    flavour::{Flavour, Threads},
};

/// The receiving end of a bounded channel.
///
/// Under the name [`mpsc::Receiver`](crate::mpsc::Receiver) for any threads, and
/// [`local::mpsc::Receiver`](crate::local::mpsc::Receiver) for one. It is a
/// [`Stream`] of the messages.
///
/// When it is dropped, messages that were not received are dropped with it, oldest
/// first, and senders get theirs back. A message that panics then keeps none of the
/// others. Messages that own receivers of further messages are dropped as deep as
/// they are nested, on the stack.
///
/// # Examples
/// ```
/// use arborio_sync::mpsc;
/// # futures_lite::future::block_on(async {
/// let (sender, mut receiver) = mpsc::channel(8);
/// sender.send("a").await?;
/// drop(sender);
/// assert_eq!(receiver.recv().await, Some("a"));
/// assert_eq!(receiver.recv().await, None);
/// # Ok::<(), mpsc::SendError<&str>>(())
/// # }).unwrap();
/// ```
pub struct Receiver<T, F: Flavour> {
    shared: Shared<T, F, OneReceiver>,
}

impl<T, F: Flavour> Receiver<T, F> {
    /// The receiver that a new channel counts.
    pub(crate) fn of_new(shared: Shared<T, F, OneReceiver>) -> Self {
        Self { shared }
    }

    #[inline(always)]
    fn channel(&self) -> &Channel<T, F, OneReceiver> {
        &self.shared.0
    }

    /// Waits for the next message; `None` when the channel is closed and every
    /// message has been received.
    ///
    /// # Cancel safety
    /// Dropping the future loses no message.
    ///
    /// # Examples
    /// ```
    /// # futures_lite::future::block_on(async {
    /// let (sender, mut receiver) = arborio_sync::mpsc::channel(8);
    /// sender.try_send(1).unwrap();
    /// assert_eq!(receiver.recv().await, Some(1));
    /// # });
    /// ```
    #[inline]
    pub fn recv(&mut self) -> impl Future<Output = Option<T>> {
        poll_fn(|cx| self.poll_recv(cx))
    }

    /// Receives, or has the task of `cx` woken when it is worth trying again. Only
    /// the task of the last call is woken.
    ///
    /// # Examples
    /// ```
    /// use std::task::{Context, Poll, Waker};
    /// let (sender, mut receiver) = arborio_sync::mpsc::channel(8);
    /// let mut cx = Context::from_waker(Waker::noop());
    /// assert_eq!(receiver.poll_recv(&mut cx), Poll::Pending);
    /// sender.try_send(1).unwrap();
    /// assert_eq!(receiver.poll_recv(&mut cx), Poll::Ready(Some(1)));
    /// ```
    #[inline]
    pub fn poll_recv(&mut self, cx: &mut Context<'_>) -> Poll<Option<T>> {
        ready!(budget::poll_charge(cx));
        let channel = self.channel();
        let mut state = channel.lock();
        let Some(message) = state.pop() else {
            return refund_unless_ready(self.poll_nothing(state, cx));
        };
        channel.vacated(state);
        Poll::Ready(Some(message))
    }

    /// The slow half: the channel was empty a moment ago.
    #[inline(never)]
    fn poll_nothing(
        &self,
        state: Locked<'_, T, F, OneReceiver>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<T>> {
        let channel = self.channel();
        let taken = channel.poll_nothing(state, cx, |state| {
            let message = state.pop()?;
            Some((message, state.grant_one(channel.capacity)))
        });
        Poll::Ready(ready!(taken).map(|(message, sender)| {
            wake(sender);
            message
        }))
    }

    /// Waits for a message and moves up to `limit` that are there to the end of
    /// `buffer`. Returns how many; 0 at the end, or if `limit` is 0.
    ///
    /// In a task of an Arborio loop, a batch is no larger than what the task's poll
    /// may still do (256 operations at first).
    ///
    /// # Cancel safety
    /// Dropping the future loses no message: they are moved in the poll that ends.
    ///
    /// # Examples
    /// ```
    /// # futures_lite::future::block_on(async {
    /// let (sender, mut receiver) = arborio_sync::mpsc::channel(8);
    /// (1..=3).for_each(|n| sender.try_send(n).unwrap());
    /// let mut batch = Vec::new();
    /// assert_eq!(receiver.recv_many(&mut batch, 2).await, 2);
    /// assert_eq!(batch, [1, 2]);
    /// # });
    /// ```
    pub async fn recv_many(&mut self, buffer: &mut Vec<T>, limit: usize) -> usize {
        poll_fn(|cx| self.poll_recv_many(cx, buffer, limit)).await
    }

    /// Polls for what [`recv_many`](Self::recv_many) waits for.
    ///
    /// # Examples
    /// ```
    /// use std::task::{Context, Poll, Waker};
    /// let (sender, mut receiver) = arborio_sync::mpsc::channel(8);
    /// sender.try_send(1).unwrap();
    /// let mut batch = Vec::new();
    /// let mut cx = Context::from_waker(Waker::noop());
    /// assert_eq!(receiver.poll_recv_many(&mut cx, &mut batch, 8), Poll::Ready(1));
    /// assert_eq!(receiver.poll_recv_many(&mut cx, &mut batch, 8), Poll::Pending);
    /// ```
    pub fn poll_recv_many(
        &mut self,
        cx: &mut Context<'_>,
        buffer: &mut Vec<T>,
        limit: usize,
    ) -> Poll<usize> {
        if limit == 0 {
            return Poll::Ready(0);
        }
        let channel = self.channel();
        ready!(budget::poll_charge(cx));
        let Some(there) = ready!(refund_unless_ready(self.poll_there(cx))) else {
            return Poll::Ready(0);
        };
        let count = there.min(limit); // only we take any: they will still be there
        buffer.reserve(count); // before the lock
        let mut state = channel.lock();
        let mut moved = 0;
        while moved < count && (moved == 0 || charge_one_more(cx)) {
            buffer.extend(state.pop());
            moved += 1;
        }
        channel.settle(state);
        Poll::Ready(moved)
    }

    /// How many messages there are, once there are some; `None` at the end.
    fn poll_there(&self, cx: &mut Context<'_>) -> Poll<Option<usize>> {
        let channel = self.channel();
        let state = channel.lock();
        if state.len() > 0 {
            return Poll::Ready(Some(state.len()));
        }
        channel.poll_nothing(state, cx, |state| {
            Some(state.len()).filter(|there| *there > 0)
        })
    }

    /// Receives a message if there is one.
    ///
    /// # Errors
    /// If there is none: for now, or for ever.
    ///
    /// # Examples
    /// ```
    /// use arborio_sync::mpsc::{self, TryRecvError};
    /// let (sender, mut receiver) = mpsc::channel(8);
    /// assert_eq!(receiver.try_recv(), Err(TryRecvError::Empty));
    /// sender.try_send(1).unwrap();
    /// assert_eq!(receiver.try_recv(), Ok(1));
    /// ```
    #[inline]
    pub fn try_recv(&mut self) -> Result<T, TryRecvError> {
        let channel = self.channel();
        channel.receive(channel.lock()).into_result()
    }

    /// Closes the channel: no message is accepted any more.
    ///
    /// What has been sent can still be received, and so can what is sent with
    /// permits that were given out before; after that comes the end.
    ///
    /// # Examples
    /// ```
    /// use arborio_sync::mpsc::{self, TryRecvError};
    /// let (sender, mut receiver) = mpsc::channel(8);
    /// sender.try_send(1).unwrap();
    /// receiver.close();
    /// assert!(sender.try_send(2).is_err());
    /// assert_eq!(receiver.try_recv(), Ok(1));
    /// assert_eq!(receiver.try_recv(), Err(TryRecvError::Disconnected));
    /// ```
    pub fn close(&mut self) {
        self.channel().close();
    }

    /// Whether the senders are gone, or the channel was closed. Messages may still
    /// be there.
    ///
    /// # Examples
    /// ```
    /// let (sender, receiver) = arborio_sync::mpsc::channel::<u8>(8);
    /// drop(sender);
    /// assert!(receiver.is_closed());
    /// ```
    pub fn is_closed(&self) -> bool {
        self.channel().is_closed()
    }

    /// How many messages can be received now.
    ///
    /// # Examples
    /// ```
    /// let (sender, receiver) = arborio_sync::mpsc::channel(8);
    /// sender.try_send(1).unwrap();
    /// assert_eq!(receiver.len(), 1);
    /// ```
    pub fn len(&self) -> usize {
        self.channel().len()
    }

    /// Whether there is no message now.
    ///
    /// # Examples
    /// ```
    /// let (_sender, receiver) = arborio_sync::mpsc::channel::<u8>(8);
    /// assert!(receiver.is_empty());
    /// ```
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// How many slots are free now: not filled, and not reserved by a permit or
    /// granted to a `send`.
    ///
    /// # Examples
    /// ```
    /// let (sender, receiver) = arborio_sync::mpsc::channel(8);
    /// sender.try_send(1).unwrap();
    /// assert_eq!(receiver.capacity(), 7);
    /// ```
    pub fn capacity(&self) -> usize {
        self.channel().free()
    }

    /// How many slots there are: what the channel was made with.
    ///
    /// # Examples
    /// ```
    /// let (_sender, receiver) = arborio_sync::mpsc::channel::<u8>(8);
    /// assert_eq!(receiver.max_capacity(), 8);
    /// ```
    pub fn max_capacity(&self) -> usize {
        self.channel().capacity
    }
}

/// Whether the running poll may receive another message; charges for it.
#[inline(always)]
pub(super) fn charge_one_more(cx: &mut Context<'_>) -> bool {
    budget::has_budget() && budget::poll_charge(cx).is_ready()
}

impl<T> Receiver<T, Threads> {
    /// Waits for the next message with the whole thread; `None` at the end.
    ///
    /// # Panics
    /// In a task of an Arborio loop, which it would hold up.
    ///
    /// # Examples
    /// ```
    /// let (sender, mut receiver) = arborio_sync::mpsc::channel(8);
    /// let thread = std::thread::spawn(move || sender.blocking_send(1));
    /// assert_eq!(receiver.blocking_recv(), Some(1));
    /// assert_eq!(receiver.blocking_recv(), None);
    /// thread.join().unwrap().unwrap();
    /// ```
    #[track_caller]
    pub fn blocking_recv(&mut self) -> Option<T> {
        assert_may_block();
        match self.try_recv() {
            Ok(message) => Some(message),
            Err(TryRecvError::Disconnected) => None,
            Err(TryRecvError::Empty) => block_on(self.recv()),
        }
    }
}

impl<T, F: Flavour> Stream for Receiver<T, F> {
    type Item = T;

    #[inline]
    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<T>> {
        self.poll_recv(cx)
    }
}

// Nothing in it is pinned: a message is moved out, never pointed at.
impl<T, F: Flavour> Unpin for Receiver<T, F> {}

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
