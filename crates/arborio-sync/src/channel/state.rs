//! What lies under the lock of a channel: the messages, the slots, and those
//! who wait. Transitions only; no waker is called here and no message dropped.

use std::{collections::VecDeque, task::Waker};

use crate::line::{Answer, Line};

/// Room for this many messages is kept when the channel has fallen empty.
const KEPT: usize = 1024;

/// The receiving side of a channel: those who wait for messages.
///
/// Public only because it bounds [`Kind`](super::Kind).
pub trait Receiving: Sized {
    /// Whether anybody waits, or has waited.
    fn waits(&self) -> bool;
    /// There are `messages`: the next one who is to have one of them.
    fn next(&mut self, messages: usize) -> Option<Waker>;
    /// No message will come any more: the next one who waits in vain.
    fn next_in_vain(&mut self) -> Option<Waker>;
    /// The last receiver is gone, and its messages with it.
    fn gone(&mut self) -> Option<Waker>;
}

/// Whether a message can be put in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Slot {
    /// It can.
    Free,
    /// All slots are filled or reserved, or others wait for one.
    None,
    /// Nobody gets one any more.
    Closed,
}

/// See the table and the invariants of the channel.
pub(crate) struct State<T, K> {
    /// Sent and not received, oldest first.
    pub(crate) messages: VecDeque<T>,
    /// Slots of permits, and of senders that were granted one.
    pub(super) reserved: usize,
    /// Nobody gets a slot any more; never cleared.
    pub(super) closed: bool,
    /// Senders that live; the weak ones do not count.
    pub(super) senders: usize,
    /// Receivers that live.
    pub(super) receivers: usize,
    /// Who waits for a slot.
    pub(super) sending: Line,
    /// Who waits for the channel to be closed.
    pub(super) parting: Line,
    /// Who waits for messages.
    pub(crate) receiving: K,
}

impl<T, K: Receiving> State<T, K> {
    /// One sender, one receiver, no message.
    pub(super) fn new(receiving: K) -> Self {
        Self {
            messages: VecDeque::new(),
            reserved: 0,
            closed: false,
            senders: 1,
            receivers: 1,
            sending: Line::new(),
            parting: Line::new(),
            receiving,
        }
    }

    /// How many messages there are.
    #[inline(always)]
    pub(crate) fn len(&self) -> usize {
        self.messages.len()
    }

    /// Whether nobody gets a slot any more.
    #[inline(always)]
    pub(crate) fn is_closed(&self) -> bool {
        self.closed
    }

    /// Slots that are neither filled nor reserved.
    #[inline(always)]
    pub(super) fn free(&self, capacity: usize) -> usize {
        capacity - self.messages.len() - self.reserved // C1
    }

    /// What a newcomer gets: nothing, while others wait (C2).
    #[inline(always)]
    pub(super) fn slot(&self, capacity: usize) -> Slot {
        if self.closed {
            Slot::Closed
        } else if self.sending.is_empty() && self.free(capacity) > 0 {
            Slot::Free
        } else {
            Slot::None
        }
    }

    /// Fills a free slot. Returns whom to wake.
    #[must_use = "somebody waits for this wake"]
    #[inline(always)]
    pub(crate) fn push(&mut self, message: T) -> Option<Waker> {
        self.messages.push_back(message);
        self.receiving.next(self.messages.len())
    }

    /// Empties the oldest slot. The caller sees to those who wait for it.
    #[inline(always)]
    pub(crate) fn pop(&mut self) -> Option<T> {
        let message = self.messages.pop_front()?;
        if self.messages.capacity() > KEPT {
            self.shrink();
        }
        Some(message)
    }

    /// Gives memory back once an eighth of it is in use: each byte that is moved
    /// here was paid for by several messages that were received.
    #[inline(never)]
    fn shrink(&mut self) {
        let room = self.messages.capacity();
        if size_of::<T>() != 0 && self.messages.len() < room / 8 {
            self.messages.shrink_to(room / 2);
        }
    }

    /// Grants the slot that has just become free to the first who waits.
    #[must_use = "somebody waits for this wake"]
    #[inline(always)]
    pub(crate) fn grant_one(&mut self, capacity: usize) -> Option<Waker> {
        if self.sending.is_empty() {
            return None;
        }
        self.next_sender(capacity)
    }

    /// Whether anybody waits for a slot.
    #[inline(always)]
    pub(super) fn senders_wait(&self) -> bool {
        !self.sending.is_empty()
    }

    /// Whether all that will ever come has been received.
    #[inline(always)]
    pub(crate) fn is_over(&self) -> bool {
        // Permits borrow a sender or own one, so without senders none is used.
        self.messages.is_empty() && (self.senders == 0 || self.closed && self.reserved == 0)
    }

    /// Answers the first who waits for a slot, if it can be answered.
    #[inline(never)]
    fn next_sender(&mut self, capacity: usize) -> Option<Waker> {
        if self.closed {
            return self.sending.answer_first(Answer::Closed);
        }
        if self.free(capacity) == 0 {
            return None;
        }
        let waker = self.sending.answer_first(Answer::Granted)?;
        self.reserved += 1;
        Some(waker)
    }

    /// Answers one of all those who can be answered now. `None`: there is nobody.
    #[must_use = "somebody waits for this wake"]
    pub(super) fn next_of_all(&mut self, capacity: usize) -> Option<Waker> {
        if let Some(sender) = self.next_sender(capacity) {
            return Some(sender);
        }
        if self.closed
            && let Some(parting) = self.parting.answer_first(Answer::Closed)
        {
            return Some(parting);
        }
        if self.is_over() {
            return self.receiving.next_in_vain();
        }
        self.receiving.next(self.messages.len())
    }
}

#[cfg(all(test, not(loom)))]
mod tests {
    use super::*;

    /// Nobody waits.
    struct Nobody;

    impl Receiving for Nobody {
        fn waits(&self) -> bool {
            false
        }
        fn next(&mut self, _messages: usize) -> Option<Waker> {
            None
        }
        fn next_in_vain(&mut self) -> Option<Waker> {
            None
        }
        fn gone(&mut self) -> Option<Waker> {
            None
        }
    }

    #[test]
    fn the_memory_of_a_burst_is_given_back_as_it_is_received() {
        let mut state = State::<usize, _>::new(Nobody);
        state.messages.extend(0..100_000);
        for number in 0..100_000 {
            assert_eq!(state.pop(), Some(number));
            let used = state.messages.len().max(KEPT / 8);
            assert!(state.messages.capacity() <= 16 * used + KEPT);
        }
        assert!(state.messages.capacity() <= 2 * KEPT);
    }

    #[test]
    fn half_of_the_room_goes_once_less_than_an_eighth_of_it_is_in_use() {
        let mut state = State::<usize, _>::new(Nobody);
        state.messages = VecDeque::with_capacity(8 * KEPT);
        state.messages.extend(0..=KEPT);
        state.pop();
        let room = |state: &State<_, _>| state.messages.capacity();
        assert_eq!((state.len(), room(&state)), (KEPT, 8 * KEPT));
        state.pop();
        assert_eq!((state.len(), room(&state)), (KEPT - 1, 4 * KEPT));
        while state.pop().is_some() {}
        assert_eq!(room(&state), KEPT);
    }
}
