//! The last messages of a broadcast, and where each receiver is.
//!
//! Messages are numbered. A receiver knows the number of the message that it
//! wants next; the ring knows for each message how many receivers want it next.
//! A message is dropped when no receiver is before it any more, or when there is
//! no room for it.
//!
//! ```text
//!  number     7        8        9        10 (not sent yet)
//!            +--------+--------+--------+
//!            | here 2 | here 0 | here 1 |  ahead 3
//!            +--------+--------+--------+
//! ```
//! Six receivers. When one of the two at 7 receives, it wants 8; when the other
//! one has, nobody is at 7, and that message goes. If instead there is no room for
//! 10, message 7 goes, and its two receivers belong to 8. They find out that they
//! have lagged as their own number is lower than any kept.
//!
//! # Invariants
//! - B1: each receiver is counted once: in `here` of the message that it wants, or
//!   of the oldest one if that is gone, or in `ahead` if it has seen all.
//! - B2: whenever the lock is released, some receiver is at the oldest message, or
//!   somebody who leaves is about to take it out.
//! - B3: a place in line wants the number of the message that it waits for.

use std::collections::VecDeque;

use crate::line::Line;

/// What the ends of a broadcast share, under the lock. `M` points to a message.
pub(super) struct Ring<M> {
    /// The most messages that are kept.
    pub(super) capacity: usize,
    /// The messages that somebody has not seen, oldest first.
    slots: VecDeque<Slot<M>>,
    /// The number of the next message.
    next: u64,
    /// How many receivers have seen all.
    ahead: usize,
    pub(super) senders: usize,
    pub(super) receivers: usize,
    /// Somebody has called `close`.
    pub(super) closed: bool,
    /// Receivers that wait for the next message.
    pub(super) line: Line,
}

struct Slot<M> {
    message: M,
    /// How many receivers want this one next (B1).
    here: usize,
}

/// What a receiver finds.
pub(super) enum Found<M> {
    Message(M),
    /// So many messages were lost.
    Lagged(u64),
    Nothing,
    TheEnd,
}

impl<M> Ring<M> {
    /// Without messages or receivers, with one sender.
    pub(super) fn new(capacity: usize) -> Self {
        Self {
            capacity,
            slots: VecDeque::new(),
            next: 0,
            ahead: 0,
            senders: 1,
            receivers: 0,
            closed: false,
            line: Line::new(),
        }
    }

    /// How many messages are kept.
    pub(super) fn len(&self) -> usize {
        self.slots.len()
    }

    /// How many of them a receiver at `position` has not seen.
    pub(super) fn unseen(&self, position: u64) -> usize {
        self.slots.len() - self.index(position)
    }

    /// Whether no message will be sent any more.
    pub(super) fn is_over(&self) -> bool {
        self.closed || self.senders == 0
    }

    /// What a place in line wants that waits for the next message (B3). Numbers
    /// are compared by their distance, so they may be cut.
    pub(super) fn round(&self) -> usize {
        self.next as usize
    }

    /// The number of the oldest message that is kept.
    fn oldest(&self) -> u64 {
        self.next - self.slots.len() as u64
    }

    /// Where the receiver is counted that wants the message `position` (B1).
    fn index(&self, position: u64) -> usize {
        // Not above the length, which is a `usize`.
        position.saturating_sub(self.oldest()) as usize
    }

    /// The count of the receivers that want the message at `index`.
    fn count(&mut self, index: usize) -> &mut usize {
        match self.slots.get_mut(index) {
            Some(slot) => &mut slot.here,
            None => &mut self.ahead,
        }
    }

    /// One receiver more, from the next message on; returns its position.
    pub(super) fn add_receiver(&mut self) -> u64 {
        self.receivers += 1;
        self.ahead += 1;
        self.next
    }

    /// One receiver more, at the position of another one.
    pub(super) fn add_receiver_at(&mut self, position: u64) {
        self.receivers += 1;
        let index = self.index(position);
        *self.count(index) += 1;
    }

    /// One receiver less. The caller then calls [`Ring::pop_seen`] until it finds
    /// no message (B2).
    pub(super) fn remove_receiver(&mut self, position: u64) {
        self.receivers -= 1;
        let index = self.index(position);
        *self.count(index) -= 1;
    }

    /// The oldest message, if nobody wants it.
    pub(super) fn pop_seen(&mut self) -> Option<M> {
        let seen = self.slots.front()?.here == 0;
        let slot = if seen { self.slots.pop_front() } else { None };
        slot.map(|slot| slot.message)
    }

    /// Adds a message, and takes out the oldest one if there is no room for both.
    /// Gives the message back if nobody would receive it.
    pub(super) fn push(&mut self, message: M) -> Result<Option<M>, M> {
        if self.closed || self.receivers == 0 {
            return Err(message);
        }
        let mut gone = None;
        if self.slots.len() == self.capacity
            && let Some(oldest) = self.slots.pop_front()
        {
            *self.count(0) += oldest.here; // B1
            gone = Some(oldest.message);
        }
        let here = std::mem::take(&mut self.ahead);
        self.slots.push_back(Slot { message, here });
        self.next += 1;
        Ok(gone)
    }
}

impl<M: Clone> Ring<M> {
    /// What a receiver at `position` finds. Moves it on.
    pub(super) fn receive(&mut self, position: &mut u64) -> Found<M> {
        let oldest = self.oldest();
        if *position < oldest {
            let missed = oldest - *position;
            *position = oldest; // it is counted there (B1)
            return Found::Lagged(missed);
        }
        let index = self.index(*position);
        let Some(slot) = self.slots.get_mut(index) else {
            let over = self.is_over();
            return if over { Found::TheEnd } else { Found::Nothing };
        };
        slot.here -= 1;
        *self.count(index + 1) += 1;
        *position += 1;
        if index == 0
            && let Some(message) = self.pop_seen()
        {
            return Found::Message(message);
        }
        Found::Message(self.slots[index].message.clone())
    }
}
