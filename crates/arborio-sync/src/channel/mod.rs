//! A channel: what its two ends share, whoever receives.
//!
//! Everything lies behind one small lock, and each operation is one section
//! under it: that is all the synchronisation there is.
//!
//! # States of a slot
//! A bounded channel has as many slots as it may hold messages.
//!
//! | from     | to       | by                                                      |
//! |----------|----------|---------------------------------------------------------|
//! | free     | filled   | `try_send`, the poll of a `send` that need not wait     |
//! | free     | reserved | `reserve`; or granted to the first `send` in line       |
//! | reserved | filled   | `Permit::send`, the next poll of the `send`             |
//! | reserved | free     | the permit, or the `send` that was granted, is dropped  |
//! | filled   | free     | a message is received                                   |
//!
//! A sender that waits is given a slot, not relieved of its message: the message
//! stays in its future until that is polled again. So a `send` that is dropped
//! has sent nothing.
//!
//! # Invariants
//! - C1: filled and reserved slots together are at most the capacity.
//! - C2: whenever the lock is released, either nobody waits for a slot, or none
//!   is free, or somebody is inside `settle` and will look again. Newcomers get
//!   no slot while others wait.
//! - C3: the same for messages, says each kind of receivers.
//! - C4: once `closed`, no slot is reserved any more, but those that are may be
//!   filled. The receivers are told the end when none of them is left, or no
//!   sender.
//! - C5: without receivers the channel is closed and without messages for ever.
//! - C6: no foreign code runs under the lock. Messages move there; what drops one
//!   has released it.

mod closed;
mod errors;
mod permit;
mod sender;
mod sending;
mod state;

use std::{collections::VecDeque, task::Waker};

use arborio_base::{contain, drop_contained};

pub(crate) use self::state::{Receiving, Slot, State};
pub use self::{
    errors::{RecvError, SendError, TryRecvError, TrySendError},
    permit::{OwnedPermit, Permit},
    sender::{Sender, WeakSender},
    sending::{Reserve, ReserveOwned, Send},
};
pub(crate) use closed::Closing;
pub(crate) use sending::{poll_charged, refund_unless_ready};

use crate::{
    flavour::Flavour,
    guarded::{Guarded, Held},
};

/// Who receives from a channel: one receiver, or any number. Sealed.
///
/// The senders of [`mpsc`](crate::mpsc) and [`mpmc`](crate::mpmc) are of one type
/// but for this.
///
/// # Examples
/// ```
/// use arborio_sync::{flavour::channel, mpmc, mpsc};
/// fn is_full<T, F: channel::Flavour, K: channel::Kind>(sender: &channel::Sender<T, F, K>) -> bool {
///     sender.capacity() == 0
/// }
/// let (one, _receiver) = mpsc::channel::<u8>(1);
/// let (many, _receivers) = mpmc::channel::<u8>(1);
/// assert!(!is_full(&one) && !is_full(&many));
/// ```
pub trait Kind: Receiving + 'static {}

/// What the ends of a channel share.
pub(crate) struct Channel<T, F, K> {
    /// How many slots there are; `usize::MAX` in an unbounded channel.
    pub(crate) capacity: usize,
    state: Guarded<F, State<T, K>>,
}

/// What a receiver found.
pub(crate) enum Found<T> {
    /// The oldest message.
    Message(T),
    /// None, but one may come.
    Nothing,
    /// None, and none will come.
    TheEnd,
}

impl<T> Found<T> {
    /// In the words of `try_recv`.
    #[inline(always)]
    pub(crate) fn into_result(self) -> Result<T, TryRecvError> {
        match self {
            Self::Message(message) => Ok(message),
            Self::Nothing => Err(TryRecvError::Empty),
            Self::TheEnd => Err(TryRecvError::Disconnected),
        }
    }
}

/// The channel under its lock.
pub(crate) type Locked<'a, T, F, K> = Held<'a, F, State<T, K>>;

/// Calls a waker that was found under the lock. The lock is released.
#[inline(always)]
pub(crate) fn wake(waker: Option<Waker>) {
    if let Some(waker) = waker {
        contain(|| waker.wake());
    }
}

/// Drops messages that nobody will receive, one by one: the panic of one keeps
/// none of the others. No lock is held.
pub(crate) fn discard<T>(messages: VecDeque<T>) {
    if std::mem::needs_drop::<T>() {
        for message in messages {
            drop_contained(message);
        }
    }
}

impl<T, F: Flavour, K: Kind> Channel<T, F, K> {
    /// An empty channel with one sender and one receiver.
    #[track_caller]
    pub(crate) fn new(capacity: usize, receiving: K) -> Self {
        assert!(capacity > 0, "a channel needs room for one message");
        Self {
            capacity,
            state: Guarded::new(State::new(receiving)),
        }
    }

    /// The state, for one section.
    #[inline(always)]
    pub(crate) fn lock(&self) -> Locked<'_, T, F, K> {
        self.state.lock()
    }

    /// What the lock lies around, for those who stand in its lines.
    #[inline(always)]
    pub(crate) fn guarded(&self) -> &Guarded<F, State<T, K>> {
        &self.state
    }

    /// Sends if a slot is free.
    #[inline]
    pub(crate) fn try_send(&self, message: T) -> Result<(), TrySendError<T>> {
        let state = self.lock();
        match state.slot(self.capacity) {
            Slot::Free => {
                self.push(state, message);
                Ok(())
            }
            Slot::None => Err(TrySendError::Full(message)),
            Slot::Closed => Err(TrySendError::Closed(message)),
        }
    }

    /// Puts `message` into a slot that is the caller's, and wakes who waits for it.
    #[inline(always)]
    pub(crate) fn push(&self, mut state: Locked<'_, T, F, K>, message: T) {
        state.messages.push_back(message);
        if state.receiving.waits() {
            self.pushed(state);
        }
    }

    #[inline(never)]
    fn pushed(&self, mut state: Locked<'_, T, F, K>) {
        let messages = state.len();
        let receiver = state.receiving.next(messages);
        drop(state);
        wake(receiver);
    }

    /// A slot has become free: it is for the first who waits.
    #[inline(always)]
    pub(crate) fn vacated(&self, state: Locked<'_, T, F, K>) {
        if state.senders_wait() {
            self.grant(state);
        }
    }

    #[inline(never)]
    fn grant(&self, mut state: Locked<'_, T, F, K>) {
        let sender = state.grant_one(self.capacity);
        drop(state);
        wake(sender);
    }

    /// Reserves a slot if one is free.
    #[inline]
    pub(crate) fn try_reserve(&self) -> Slot {
        let mut state = self.lock();
        let slot = state.slot(self.capacity);
        if slot == Slot::Free {
            state.reserved += 1;
        }
        slot
    }

    /// Fills a slot that the caller has reserved; gives the message back if nobody
    /// will receive it.
    #[inline]
    pub(crate) fn fill(&self, message: T) -> Result<(), T> {
        let mut state = self.lock();
        state.reserved -= 1;
        if state.closed {
            return self.fill_after_close(state, message);
        }
        self.push(state, message);
        Ok(())
    }

    /// The same in a channel that was closed meanwhile (C4).
    #[cold]
    fn fill_after_close(&self, mut state: Locked<'_, T, F, K>, message: T) -> Result<(), T> {
        if state.receivers == 0 {
            drop(state);
            return Err(message);
        }
        state.messages.push_back(message);
        self.settle(state);
        Ok(())
    }

    /// Gives back a slot that was reserved and is not filled.
    pub(crate) fn give_back(&self) {
        let mut state = self.lock();
        state.reserved -= 1;
        self.settle(state);
    }

    /// Receives the oldest message, if there is one, and wakes the sender that its
    /// slot is for. In a channel of many receivers, the caller knows that it is
    /// for nobody else.
    #[inline(always)]
    pub(crate) fn receive(&self, mut state: Locked<'_, T, F, K>) -> Found<T> {
        let Some(message) = state.pop() else {
            return match state.is_over() {
                true => Found::TheEnd,
                false => Found::Nothing,
            };
        };
        self.vacated(state);
        Found::Message(message)
    }

    /// Nobody gets a slot any more. Whether this call closed it.
    pub(crate) fn close(&self) -> bool {
        let mut state = self.lock();
        let closed = !std::mem::replace(&mut state.closed, true);
        self.settle(state);
        closed
    }

    /// Whether a message that is sent now is refused, or none can be sent.
    pub(crate) fn is_closed(&self) -> bool {
        let state = self.lock();
        state.closed || state.senders == 0
    }

    /// How many messages there are.
    pub(crate) fn len(&self) -> usize {
        self.lock().len()
    }

    /// How many slots are neither filled nor reserved.
    pub(crate) fn free(&self) -> usize {
        let state = self.lock();
        state.free(self.capacity)
    }

    /// One more sender, unless there is none left.
    pub(crate) fn add_sender(&self) -> bool {
        let mut state = self.lock();
        let alive = state.senders > 0;
        state.senders += usize::from(alive);
        alive
    }

    /// A sender is gone.
    pub(crate) fn remove_sender(&self) {
        let mut state = self.lock();
        state.senders -= 1;
        if state.senders == 0 {
            self.settle(state);
        }
    }

    /// One more receiver: the caller has one.
    pub(crate) fn add_receiver(&self) {
        self.lock().receivers += 1;
    }

    /// A receiver is gone; the last one takes the messages along (C5), to discard
    /// them.
    #[must_use = "to be discarded"]
    pub(crate) fn remove_receiver(&self) -> VecDeque<T> {
        let mut state = self.lock();
        state.receivers -= 1;
        if state.receivers > 0 {
            return VecDeque::new();
        }
        state.closed = true;
        let messages = std::mem::take(&mut state.messages);
        let waker = state.receiving.gone();
        self.settle(state);
        drop_contained(waker);
        messages
    }

    /// Answers everybody who can be answered, one after the other: the lock is
    /// released for each wake (C2, C3).
    #[inline(never)]
    pub(crate) fn settle<'a>(&'a self, mut state: Locked<'a, T, F, K>) {
        while let Some(waker) = state.next_of_all(self.capacity) {
            drop(state);
            contain(|| waker.wake());
            state = self.lock();
        }
    }
}

/// What leads to a channel: a reference to it, or a counted owner.
///
/// # Safety
/// Always to the same channel, and it does not move.
pub(crate) unsafe trait LeadsToChannel {
    /// What the messages are.
    type Message;
    /// The flavour of the channel.
    type Flavour: Flavour;
    /// Who receives from it.
    type Kind: Kind;

    /// The channel.
    fn channel(&self) -> &Channel<Self::Message, Self::Flavour, Self::Kind>;
}

// SAFETY: a shared reference, so it does not move while it lives.
unsafe impl<T, F: Flavour, K: Kind> LeadsToChannel for &Channel<T, F, K> {
    type Message = T;
    type Flavour = F;
    type Kind = K;

    #[inline(always)]
    fn channel(&self) -> &Channel<T, F, K> {
        self
    }
}

/// A counted owner of a channel that counts as neither sender nor receiver.
pub(crate) struct Shared<T, F: Flavour, K: Kind>(pub(crate) F::Counted<Channel<T, F, K>>);

// SAFETY: a counted value does not move.
unsafe impl<T, F: Flavour, K: Kind> LeadsToChannel for Shared<T, F, K> {
    type Message = T;
    type Flavour = F;
    type Kind = K;

    #[inline(always)]
    fn channel(&self) -> &Channel<T, F, K> {
        &self.0
    }
}

impl<T, F: Flavour, K: Kind> Clone for Shared<T, F, K> {
    fn clone(&self) -> Self {
        Self(self.0.clone())
    }
}

impl<T, F: Flavour, K: Kind> Shared<T, F, K> {
    /// Whether both own the same channel.
    pub(crate) fn is(&self, other: &Self) -> bool {
        std::ptr::eq(&raw const *self.0, &raw const *other.0)
    }
}
