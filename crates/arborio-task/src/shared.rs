//! The shared word of a task: what threads other than the owner say about it.
//!
//! *Owner* is the thread that is running the task's loop now; every other
//! thread, and the owner's thread once the loop has ended, is *abroad*. The
//! owner counts its references in a plain word ([`crate::local`]); the threads
//! abroad count theirs here, as a **signed** number: a waker that was cloned on
//! the owner and dropped abroad takes it below zero. All references = the
//! local count + this one.
//!
//! # Bits
//! | bit       | meaning                                                        |
//! |-----------|----------------------------------------------------------------|
//! | PIN       | one thread is pushing the task to its inbox, or it is in there |
//! | WAKE      | message: poll the task                                         |
//! | SUBSCRIBE | message: somebody abroad waits for the outcome                 |
//! | ABORT     | message: a request to end, or orders, are in the side record   |
//! | DETACH    | message: the join handle was dropped abroad                    |
//! | ORPHAN    | the loop has ended; nobody owns the task any more              |
//! | above     | the signed count                                               |
//!
//! # Rows (the models in `tests/loom.rs` are named after them)
//! | from                   | operation              | to           | the caller then        |
//! |------------------------|------------------------|--------------|------------------------|
//! | any                    | `clone_abroad`         | count + 1    | -                      |
//! | count >= 1 or PIN      | `drop_abroad`          | count - 1    | -                      |
//! | count <= 0, no PIN     | `drop_abroad`          | count - 1, PIN | pushes               |
//! | ORPHAN, last reference | `drop_abroad`          | ORPHAN alone | frees                  |
//! | no PIN                 | `send`                 | PIN, message | pushes                 |
//! | PIN                    | `send`                 | PIN, message | nothing: it is underway|
//! | ORPHAN                 | `send`                 | unchanged    | handles it alone       |
//! | PIN (in the inbox)     | `settle` by the owner  | 0            | takes count, messages  |
//! | count > 0, no PIN      | `take_count` by the owner | count 0   | goes on counting it    |
//! | PIN, inbox closed      | `unpin`                | PIN, WAKE and SUBSCRIBE cleared | wakes waiters; frees if ORPHAN alone |
//! | ABORT                  | `orphan` by the owner  | ABORT cleared | carries the orders out, again |
//! | DETACH, no ABORT       | `orphan` by the owner  | DETACH cleared | drops the outcome, again |
//! | neither                | `orphan` by the owner  | + local count, ORPHAN | frees if ORPHAN alone |
//!
//! # Invariants
//! - S1: PIN is set by exactly one thread at a time, and that thread pushes the
//!   task to the inbox or unpins it. While PIN is set nobody frees the task.
//! - S2: messages are only ever set together with PIN, and never after ORPHAN,
//!   so they are always read: by `settle`, by `unpin`, or (ABORT, DETACH) by `orphan`.
//! - S3: while the loop lives only the owner frees. A count that falls to zero
//!   or below without a PIN pins itself, so the owner gets to know.
//! - S4: once ORPHAN is set the word alone counts, and whoever leaves it at
//!   ORPHAN alone frees.
//!
//! # Who pairs with whom
//! Every change abroad releases, and `settle` (or the owner's acquire load
//! before it frees) acquires: what a waker's thread wrote is seen by the poll,
//! and every access abroad comes before the free. `orphan` releases and later
//! changes acquire: the owner's last access comes before a free abroad.

use arborio_base::sync::atomic::{AtomicI64, Ordering};

const PIN: i64 = 1;
const WAKE: i64 = 1 << 1;
const SUBSCRIBE: i64 = 1 << 2;
const ABORT: i64 = 1 << 3;
const DETACH: i64 = 1 << 4;
const ORPHAN: i64 = 1 << 5;
const MESSAGES: i64 = WAKE | SUBSCRIBE | ABORT | DETACH;
const COUNT_SHIFT: u32 = 6;
const ONE: i64 = 1 << COUNT_SHIFT;

/// What a thread abroad asks of the owner.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Message(i64);

impl Message {
    pub(crate) const WAKE: Self = Self(WAKE);
    pub(crate) const SUBSCRIBE: Self = Self(SUBSCRIBE);
    pub(crate) const ABORT: Self = Self(ABORT);
    pub(crate) const DETACH: Self = Self(DETACH);
}

/// What the caller of [`SharedWord::drop_abroad`] must do next.
#[must_use]
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum AfterDrop {
    /// Others still refer to the task, or the owner will see to it.
    Nothing,
    /// This call set PIN (S1): push the task to its inbox.
    Push,
    /// Nobody refers to the task any more (S4): free it.
    Free,
}

/// What the caller of [`SharedWord::send`] must do next.
#[must_use]
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum AfterSend {
    /// The push that is underway carries the message.
    Nothing,
    /// This call set PIN (S1): push the task to its inbox.
    Push,
    /// The loop has ended: nothing was sent, no reference was given up.
    Orphan,
}

/// What the owner takes over when it settles a task from its inbox.
#[must_use]
#[derive(Clone, Copy)]
pub(crate) struct Settled(i64);

impl Settled {
    /// The references that moved from the shared count to the local one.
    pub(crate) fn count(self) -> i64 {
        self.0 >> COUNT_SHIFT
    }

    /// Whether somebody has yet to do something: a push is underway, or the
    /// owner who leaves has orders to carry out, or an outcome to drop.
    pub(crate) fn is_claimed(self) -> bool {
        self.0 & (PIN | ABORT | DETACH) != 0
    }

    /// Whether the task never had a loop, or has none any more.
    pub(crate) fn is_orphan(self) -> bool {
        self.0 & ORPHAN != 0
    }

    pub(crate) fn says(self, message: Message) -> bool {
        self.0 & message.0 != 0
    }
}

/// What is left to do for a thread that holds PIN and found the inbox closed.
#[must_use]
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Unpinned {
    /// Wake who waits abroad, then call [`SharedWord::unpin`] again.
    WakeWaiters,
    /// PIN is cleared. Others still refer to the task, or its loop has yet to
    /// orphan it.
    Done,
    /// PIN is cleared and nobody refers to the task (S4): free it.
    Free,
}

/// What is left to do for the owner who leaves a task behind.
#[must_use]
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Orphaned {
    /// Something was ordered: carry it out, then call [`SharedWord::orphan`] again.
    CarryOut,
    /// The join handle was dropped: drop the outcome, then call
    /// [`SharedWord::orphan`] again.
    DropOutcome,
    /// The task is its last reference's.
    Left,
    /// Nobody refers to the task (S4): free it.
    Free,
}

/// See the head of this file.
pub(crate) struct SharedWord(AtomicI64);

impl SharedWord {
    /// A task that its own loop spawns: nobody abroad knows of it.
    pub(crate) fn new() -> Self {
        Self(AtomicI64::new(0))
    }

    /// A task that is spawned from abroad: pinned by the push that brings it.
    pub(crate) fn new_in_transit() -> Self {
        Self(AtomicI64::new(PIN | WAKE))
    }

    /// A task that never reached its loop keeps its join handle alone. For its
    /// maker, who owns it alone.
    pub(crate) fn reset_to_orphan(&self) {
        // Relaxed: nobody else knows of the task.
        self.0.store(ORPHAN | ONE, Ordering::Relaxed);
    }

    #[inline]
    pub(crate) fn clone_abroad(&self) {
        // Relaxed: whoever clones holds a reference, and nothing is published.
        self.0.fetch_add(ONE, Ordering::Relaxed);
    }

    #[inline]
    pub(crate) fn drop_abroad(&self) -> AfterDrop {
        let mut old = self.0.load(Ordering::Relaxed);
        loop {
            let mut new = old - ONE;
            let push = old & (PIN | ORPHAN) == 0 && new < 0;
            if push {
                new |= PIN;
            }
            // AcqRel: releases this thread's accesses to whoever frees, and
            // acquires the others' if it is this thread that frees.
            match self
                .0
                .compare_exchange_weak(old, new, Ordering::AcqRel, Ordering::Relaxed)
            {
                Ok(_) if push => return AfterDrop::Push,
                Ok(_) if new == ORPHAN => return AfterDrop::Free,
                Ok(_) => return AfterDrop::Nothing,
                Err(seen) => old = seen,
            }
        }
    }

    /// Sends `message`, and gives one reference up with it if `give_up`.
    ///
    /// Even if the message is there already this is a read-modify-write: what
    /// the sender wrote before must be seen by the owner that reads the
    /// message.
    #[inline]
    pub(crate) fn send(&self, message: Message, give_up: bool) -> AfterSend {
        let given = if give_up { ONE } else { 0 };
        // Acquire, here and where the exchange fails: whoever reads ORPHAN also
        // reads how the task ended (pairs with `orphan`).
        let mut old = self.0.load(Ordering::Acquire);
        loop {
            if old & ORPHAN != 0 {
                return AfterSend::Orphan;
            }
            let new = (old - given) | message.0 | PIN;
            // AcqRel: releases to `settle`; acquires nothing that matters, but
            // keeps the sequence of changes in one order for the free.
            match self
                .0
                .compare_exchange_weak(old, new, Ordering::AcqRel, Ordering::Acquire)
            {
                Ok(_) if old & PIN == 0 => return AfterSend::Push,
                Ok(_) => return AfterSend::Nothing,
                Err(seen) => old = seen,
            }
        }
    }

    /// The owner sends the task to another loop, with a wake: sets PIN. False if
    /// somebody else brings it somewhere.
    #[must_use]
    pub(crate) fn pin_for_transit(&self) -> bool {
        let mut old = self.0.load(Ordering::Relaxed);
        while old & (PIN | ORPHAN) == 0 {
            // AcqRel: later changes abroad go with the push that follows.
            match (self.0).compare_exchange_weak(
                old,
                old | PIN | WAKE,
                Ordering::AcqRel,
                Ordering::Relaxed,
            ) {
                Ok(_) => return true,
                Err(seen) => old = seen,
            }
        }
        false
    }

    /// As [`pin_for_transit`](Self::pin_for_transit), for who has the PIN already.
    pub(crate) fn wake_in_transit(&self) {
        self.0.fetch_or(WAKE, Ordering::AcqRel);
    }

    /// As [`settle`](Self::settle) if nothing was said but that the task should wake; returns the count.
    /// Otherwise nothing changes.
    pub(crate) fn settle_wakes(&self) -> Option<i64> {
        let mut old = self.0.load(Ordering::Relaxed);
        while old & (PIN | MESSAGES | ORPHAN) == PIN | WAKE {
            match (self.0).compare_exchange_weak(old, 0, Ordering::AcqRel, Ordering::Relaxed) {
                Ok(_) => return Some(old >> COUNT_SHIFT),
                Err(seen) => old = seen,
            }
        }
        None
    }

    /// The owner takes count and messages over; the word is zero afterwards.
    pub(crate) fn settle(&self) -> Settled {
        Settled(self.0.swap(0, Ordering::AcqRel))
    }

    /// The owner takes the count over and leaves PIN and messages as they are.
    pub(crate) fn take_count(&self) -> Settled {
        Settled(self.0.fetch_and(PIN | MESSAGES, Ordering::AcqRel))
    }

    /// Whether somebody abroad waits for the outcome, and the owner has yet to read that.
    pub(crate) fn is_subscribed(&self) -> bool {
        // Relaxed: whether it came in time is decided here.
        let word = self.0.load(Ordering::Relaxed);
        word & SUBSCRIBE != 0 && word & DETACH == 0
    }

    /// Whether something was asked or ordered that the owner has yet to read.
    #[inline(always)]
    pub(crate) fn is_asked(&self) -> bool {
        // Relaxed: it counts only for who has ordered it, or has got the handle from there.
        self.0.load(Ordering::Relaxed) & ABORT != 0
    }

    /// Whether nobody abroad has anything to do with the task. The acquire
    /// makes their accesses come before a free.
    #[inline]
    pub(crate) fn is_quiet(&self) -> bool {
        self.0.load(Ordering::Acquire) == 0
    }

    /// One step of a thread that holds PIN and found the inbox closed.
    /// The loop is over: WAKE has nothing to ask of it any more.
    /// ABORT and DETACH stay for the owner, who has yet to orphan the task: the outcome
    /// must not be looked at or dropped by a thread that merely happens to hold the PIN.
    pub(crate) fn unpin(&self) -> Unpinned {
        let mut old = self.0.load(Ordering::Relaxed);
        loop {
            let subscribed = old & SUBSCRIBE != 0;
            let new = if subscribed {
                old & !SUBSCRIBE
            } else {
                old & !(PIN | WAKE)
            };
            match self
                .0
                .compare_exchange_weak(old, new, Ordering::AcqRel, Ordering::Relaxed)
            {
                Ok(_) if subscribed => return Unpinned::WakeWaiters,
                Ok(_) if new == ORPHAN => return Unpinned::Free,
                Ok(_) => return Unpinned::Done,
                Err(seen) => old = seen,
            }
        }
    }

    /// One step of the owner who leaves: hands its `local` references over.
    pub(crate) fn orphan(&self, local: i64) -> Orphaned {
        let mut old = self.0.load(Ordering::Acquire);
        loop {
            let asked = old & ABORT != 0;
            let detached = !asked && old & DETACH != 0;
            let new = if asked {
                old & !ABORT // first: a callback looks at the outcome
            } else if detached {
                old & !DETACH
            } else {
                old + (local << COUNT_SHIFT) + ORPHAN
            };
            match self
                .0
                .compare_exchange_weak(old, new, Ordering::AcqRel, Ordering::Acquire)
            {
                Ok(_) if asked => return Orphaned::CarryOut,
                Ok(_) if detached => return Orphaned::DropOutcome,
                Ok(_) if new == ORPHAN => return Orphaned::Free,
                Ok(_) => return Orphaned::Left,
                Err(seen) => old = seen,
            }
        }
    }
}

#[cfg(all(test, not(loom)))]
mod tests {
    use super::*;

    fn word(value: i64) -> SharedWord {
        SharedWord(AtomicI64::new(value))
    }

    fn value(word: &SharedWord) -> i64 {
        word.0.load(Ordering::Relaxed)
    }

    #[test]
    fn what_was_settled_tells_who_has_a_claim_and_whether_a_loop_is_there() {
        let claims = |value: i64| (Settled(value).is_claimed(), Settled(value).is_orphan());
        for claim in [PIN, ABORT, DETACH, PIN | ABORT, ABORT | DETACH] {
            assert_eq!(claims(claim), (true, false));
            assert_eq!(claims(claim | ORPHAN | ONE), (true, true));
        }
        for none in [0, WAKE, SUBSCRIBE, WAKE | SUBSCRIBE, ONE, -ONE] {
            assert_eq!(claims(none), (false, false));
        }
        assert_eq!(claims(ORPHAN), (false, true));
        assert_eq!(Settled(PIN | ORPHAN | (3 * ONE)).count(), 3);
    }

    #[test]
    fn a_reference_that_was_counted_abroad_goes_without_a_push() {
        let word = word(0);
        word.clone_abroad();
        assert_eq!(word.drop_abroad(), AfterDrop::Nothing);
        assert_eq!(value(&word), 0);
        assert_eq!(word.drop_abroad(), AfterDrop::Push);
        assert_eq!(value(&word), PIN - ONE);
        assert_eq!(word.drop_abroad(), AfterDrop::Nothing, "it is pinned");
    }

    #[test]
    fn messages_gather_under_one_pin() {
        let word = word(0);
        assert_eq!(word.send(Message::WAKE, false), AfterSend::Push);
        assert_eq!(word.send(Message::WAKE, false), AfterSend::Nothing);
        assert_eq!(word.send(Message::DETACH, true), AfterSend::Nothing);
        assert_eq!(value(&word), (PIN | WAKE | DETACH) - ONE);
    }

    #[test]
    fn each_question_to_the_word_is_about_its_own_bits() {
        let all = PIN | WAKE | SUBSCRIBE | ABORT | DETACH | ORPHAN | ONE;
        assert!(word(SUBSCRIBE).is_subscribed() && word(all & !DETACH).is_subscribed());
        assert!(!word(all).is_subscribed() && !word(all & !SUBSCRIBE).is_subscribed());
        assert!(!word(0).is_subscribed());
        assert!(word(ABORT).is_asked() && word(all).is_asked());
        assert!(!word(0).is_asked() && !word(all & !ABORT).is_asked());
        assert!(word(0).is_quiet());
        assert!(!word(PIN).is_quiet() && !word(ONE).is_quiet() && !word(-ONE).is_quiet());
    }

    #[test]
    fn a_closed_inbox_is_left_in_two_steps_and_the_messages_for_the_owner_stay() {
        let left = word(PIN | SUBSCRIBE | WAKE | ABORT | ONE);
        assert_eq!(left.unpin(), Unpinned::WakeWaiters);
        assert_eq!(value(&left), PIN | WAKE | ABORT | ONE);
        assert_eq!(left.unpin(), Unpinned::Done);
        assert_eq!(value(&left), ABORT | ONE);
        let last = word(PIN | WAKE | ORPHAN);
        assert_eq!(last.unpin(), Unpinned::Free);
        assert_eq!(value(&last), ORPHAN);
    }

    #[test]
    fn an_owner_who_leaves_does_what_was_ordered_first() {
        let ordered = word(ABORT | DETACH | -ONE);
        assert_eq!(ordered.orphan(1), Orphaned::CarryOut);
        assert_eq!(value(&ordered), DETACH | -ONE);
        assert_eq!(ordered.orphan(1), Orphaned::DropOutcome);
        assert_eq!(value(&ordered), -ONE);
        assert_eq!(ordered.orphan(1), Orphaned::Free);
        assert_eq!(value(&ordered), ORPHAN);
        let kept = word(0);
        assert_eq!(kept.orphan(2), Orphaned::Left);
        assert_eq!(value(&kept), ORPHAN + 2 * ONE);
    }
}
