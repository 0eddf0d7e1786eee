//! The messages that the receiver of an unbounded channel has already taken over.
//!
//! # Invariants
//! - B1: a shared batch shows nothing of its messages: they are reached by
//!   exclusive reference only.

use std::collections::VecDeque;

/// An empty batch keeps room for this many messages, whatever came lately.
const KEPT: usize = 1024;

/// Messages of one receiver, oldest first.
pub(super) struct Batch<T> {
    messages: VecDeque<T>,
    /// How many the last exchange brought.
    brought: usize,
}

// SAFETY: a shared batch shows no message (B1), so that of a message which may
// be sent to another thread may be shared with it.
unsafe impl<T: Send> Sync for Batch<T> {}

impl<T> Batch<T> {
    pub(super) fn new() -> Self {
        Self {
            messages: VecDeque::new(),
            brought: 0,
        }
    }

    /// Takes the oldest.
    #[inline(always)]
    pub(super) fn pop(&mut self) -> Option<T> {
        self.messages.pop_front()
    }

    /// How many there are.
    #[inline(always)]
    pub(super) fn len(&mut self) -> usize {
        self.messages.len()
    }

    /// Prepares the empty batch for an exchange, without a lock: room that the
    /// last messages made no use of is given back.
    #[inline(always)]
    pub(super) fn trim(&mut self) {
        if self.messages.capacity() > KEPT && size_of::<T>() != 0 {
            self.trim_large();
        }
    }

    #[cold]
    fn trim_large(&mut self) {
        if self.brought < self.messages.capacity() / 8 {
            self.messages = VecDeque::new();
        }
    }

    /// Exchanges the empty batch for `sent`.
    #[inline(always)]
    pub(super) fn exchange(&mut self, sent: &mut VecDeque<T>) {
        self.brought = sent.len();
        if self.brought > 0 {
            std::mem::swap(&mut self.messages, sent);
        }
    }

    /// Takes all of them.
    pub(super) fn take(&mut self) -> VecDeque<T> {
        std::mem::take(&mut self.messages)
    }
}

#[cfg(all(test, not(loom)))]
mod tests {
    use super::*;

    /// Sends `count` messages, exchanges, and receives them.
    fn pass(batch: &mut Batch<usize>, sent: &mut VecDeque<usize>, count: usize) {
        sent.extend(0..count);
        batch.trim();
        batch.exchange(sent);
        while batch.pop().is_some() {}
    }

    #[test]
    fn the_memory_of_a_burst_is_given_back_in_a_trickle() {
        let (mut batch, mut sent) = (Batch::new(), VecDeque::new());
        pass(&mut batch, &mut sent, 100_000);
        assert!(
            batch.messages.capacity() >= 100_000,
            "kept until it is of no use"
        );
        for _ in 0..4 {
            pass(&mut batch, &mut sent, 1);
        }
        assert!(batch.messages.capacity() + sent.capacity() <= 2 * KEPT);
    }

    #[test]
    fn bursts_of_one_size_do_not_allocate_again() {
        let (mut batch, mut sent) = (Batch::new(), VecDeque::new());
        (0..2).for_each(|_| pass(&mut batch, &mut sent, 10_000));
        let room = (batch.messages.capacity(), sent.capacity());
        (0..10).for_each(|_| pass(&mut batch, &mut sent, 10_000));
        assert_eq!((batch.messages.capacity(), sent.capacity()), room);
    }

    #[test]
    fn room_for_some_messages_stays_whatever_came_lately() {
        let (mut batch, mut sent) = (Batch::new(), VecDeque::new());
        (0..2).for_each(|_| pass(&mut batch, &mut sent, KEPT));
        (0..4).for_each(|_| pass(&mut batch, &mut sent, 1));
        assert_eq!((batch.messages.capacity(), sent.capacity()), (KEPT, KEPT));
    }

    #[test]
    fn room_stays_while_an_eighth_of_it_is_filled() {
        let (mut batch, mut sent) = (Batch::new(), VecDeque::new());
        (0..2).for_each(|_| pass(&mut batch, &mut sent, 8 * KEPT));
        (0..4).for_each(|_| pass(&mut batch, &mut sent, KEPT));
        let room = (batch.messages.capacity(), sent.capacity());
        assert_eq!(room, (8 * KEPT, 8 * KEPT));
        (0..4).for_each(|_| pass(&mut batch, &mut sent, KEPT - 1));
        assert!(batch.messages.capacity() + sent.capacity() <= 2 * KEPT);
    }
}
