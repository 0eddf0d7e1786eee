//! The receiving end of an unbounded channel.

use std::{
    fmt,
    future::{Future, poll_fn},
    pin::Pin,
    task::{Context, Poll, ready},
};

use arborio_base::budget;
use futures_core::Stream;

use super::{batch::Batch, one::OneReceiver, receiver::charge_one_more, unbounded::Unbounded};
use crate::{
    blocking::{assert_may_block, block_on},
    channel::{Locked, TryRecvError, discard, refund_unless_ready},
    flavour::{Flavour, Threads},
};

/// The receiving end of an unbounded channel.
///
/// Under the name [`mpsc::UnboundedReceiver`](crate::mpsc::UnboundedReceiver) for
/// any threads, and
/// [`local::mpsc::UnboundedReceiver`](crate::local::mpsc::UnboundedReceiver) for
/// one. It is a [`Stream`] of the messages.
///
/// When it is dropped, messages that were not received are dropped with it, oldest
/// first, and senders get theirs back. A message that panics then keeps none of the
/// others. Messages that own receivers of further messages are dropped as deep as
/// they are nested, on the stack.
///
/// # Memory
/// Messages lie in two queues that change places: the senders' and the
/// receiver's. Each grows to the largest number of messages that it has held, and
/// gives its memory back once the messages of an exchange fill less than an
/// eighth of it; room for 1024 messages stays. A channel through which nothing
/// more is sent keeps what it has.
///
/// # Examples
/// ```
/// use arborio_sync::mpsc;
/// # futures_lite::future::block_on(async {
/// let (sender, mut receiver) = mpsc::unbounded();
/// sender.send("a")?;
/// assert_eq!(receiver.recv().await, Some("a"));
/// # Ok::<(), mpsc::SendError<&str>>(())
/// # }).unwrap();
/// ```
pub struct UnboundedReceiver<T, F: Flavour> {
    shared: F::Counted<Unbounded<T, F>>,
    /// What was taken over from the channel: older than what is there (U1).
    batch: Batch<T>,
}

impl<T, F: Flavour> UnboundedReceiver<T, F> {
    /// The receiver that a new channel counts.
    pub(crate) fn of_new(shared: F::Counted<Unbounded<T, F>>) -> Self {
        Self {
            shared,
            batch: Batch::new(),
        }
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
    /// let (sender, mut receiver) = arborio_sync::mpsc::unbounded();
    /// sender.send(1).unwrap();
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
    /// let (sender, mut receiver) = arborio_sync::mpsc::unbounded();
    /// let mut cx = Context::from_waker(Waker::noop());
    /// assert_eq!(receiver.poll_recv(&mut cx), Poll::Pending);
    /// sender.send(1).unwrap();
    /// assert_eq!(receiver.poll_recv(&mut cx), Poll::Ready(Some(1)));
    /// ```
    #[inline]
    pub fn poll_recv(&mut self, cx: &mut Context<'_>) -> Poll<Option<T>> {
        ready!(budget::poll_charge(cx));
        if let Some(message) = self.pop() {
            return Poll::Ready(Some(message));
        }
        refund_unless_ready(self.poll_take_over(cx))
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
    /// let (sender, mut receiver) = arborio_sync::mpsc::unbounded();
    /// (1..=3).for_each(|n| sender.send(n).unwrap());
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
    /// let (sender, mut receiver) = arborio_sync::mpsc::unbounded();
    /// sender.send(1).unwrap();
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
        let Some(first) = ready!(self.poll_recv(cx)) else {
            return Poll::Ready(0);
        };
        buffer.push(first);
        let mut moved = 1;
        while moved < limit && charge_one_more(cx) {
            let Ok(message) = self.try_recv() else {
                budget::refund();
                break;
            };
            buffer.push(message);
            moved += 1;
        }
        Poll::Ready(moved)
    }

    /// Receives a message if there is one.
    ///
    /// # Errors
    /// If there is none: for now, or for ever.
    ///
    /// # Examples
    /// ```
    /// use arborio_sync::mpsc::{self, TryRecvError};
    /// let (sender, mut receiver) = mpsc::unbounded();
    /// assert_eq!(receiver.try_recv(), Err(TryRecvError::Empty));
    /// sender.send(1).unwrap();
    /// assert_eq!(receiver.try_recv(), Ok(1));
    /// ```
    #[inline]
    pub fn try_recv(&mut self) -> Result<T, TryRecvError> {
        if let Some(message) = self.pop() {
            return Ok(message);
        }
        self.batch.trim();
        let mut state = self.shared.channel.lock();
        match self.shared.take_over(&mut state, &mut self.batch) {
            Some(message) => Ok(message),
            None if state.is_over() => Err(TryRecvError::Disconnected),
            None => Err(TryRecvError::Empty),
        }
    }

    /// Closes the channel: no message is accepted any more. What has been sent can
    /// still be received; after that comes the end.
    ///
    /// # Examples
    /// ```
    /// use arborio_sync::mpsc::{self, TryRecvError};
    /// let (sender, mut receiver) = mpsc::unbounded();
    /// sender.send(1).unwrap();
    /// receiver.close();
    /// assert!(sender.send(2).is_err());
    /// assert_eq!(receiver.try_recv(), Ok(1));
    /// assert_eq!(receiver.try_recv(), Err(TryRecvError::Disconnected));
    /// ```
    pub fn close(&mut self) {
        self.shared.channel.close();
    }

    /// Whether the senders are gone, or the channel was closed. Messages may still
    /// be there.
    ///
    /// # Examples
    /// ```
    /// let (sender, receiver) = arborio_sync::mpsc::unbounded::<u8>();
    /// drop(sender);
    /// assert!(receiver.is_closed());
    /// ```
    pub fn is_closed(&self) -> bool {
        self.shared.channel.is_closed()
    }

    /// How many messages can be received now.
    ///
    /// # Examples
    /// ```
    /// let (sender, receiver) = arborio_sync::mpsc::unbounded();
    /// sender.send(1).unwrap();
    /// assert_eq!(receiver.len(), 1);
    /// ```
    pub fn len(&self) -> usize {
        self.shared.len()
    }

    /// Whether there is no message now.
    ///
    /// # Examples
    /// ```
    /// let (_sender, receiver) = arborio_sync::mpsc::unbounded::<u8>();
    /// assert!(receiver.is_empty());
    /// ```
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Takes the oldest message of the own queue.
    #[inline(always)]
    fn pop(&mut self) -> Option<T> {
        let message = self.batch.pop()?;
        self.shared.set_taken_over(self.batch.len());
        Some(message)
    }

    /// The own queue is empty: receives from the channel, or waits.
    #[inline]
    fn poll_take_over(&mut self, cx: &mut Context<'_>) -> Poll<Option<T>> {
        self.batch.trim();
        let Self { shared, batch } = self;
        let mut state = shared.channel.lock();
        match shared.take_over(&mut state, batch) {
            Some(message) => Poll::Ready(Some(message)),
            None => Self::poll_nothing(shared, batch, state, cx),
        }
    }

    /// The slow half: the channel was empty a moment ago.
    #[inline(never)]
    fn poll_nothing(
        shared: &Unbounded<T, F>,
        batch: &mut Batch<T>,
        state: Locked<'_, T, F, OneReceiver>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<T>> {
        let take = |state: &mut _| shared.take_over(state, batch);
        shared.channel.poll_nothing(state, cx, take)
    }
}

impl<T> UnboundedReceiver<T, Threads> {
    /// Waits for the next message with the whole thread; `None` at the end.
    ///
    /// # Panics
    /// In a task of an Arborio loop, which it would hold up.
    ///
    /// # Examples
    /// ```
    /// let (sender, mut receiver) = arborio_sync::mpsc::unbounded();
    /// let thread = std::thread::spawn(move || sender.send(1));
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

impl<T, F: Flavour> Stream for UnboundedReceiver<T, F> {
    type Item = T;

    #[inline]
    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<T>> {
        self.poll_recv(cx)
    }
}

// Nothing in it is pinned: a message is moved out, never pointed at.
impl<T, F: Flavour> Unpin for UnboundedReceiver<T, F> {}

impl<T, F: Flavour> Drop for UnboundedReceiver<T, F> {
    fn drop(&mut self) {
        let newer = self.shared.channel.remove_receiver();
        self.shared.set_taken_over(0);
        discard(self.batch.take());
        discard(newer);
    }
}

impl<T, F: Flavour> fmt::Debug for UnboundedReceiver<T, F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("UnboundedReceiver")
            .field("len", &self.len())
            .finish()
    }
}
