//! The local word of a task: flags and reference count of the owner's thread.
//!
//! Only the owner writes it, with plain stores. It is an atomic for one reason:
//! a join handle abroad reads it to learn whether the task is done. Stores
//! release (the same instruction as a plain store on x86), so a handle that
//! reads DONE with acquire also sees the outcome.
//!
//! # States
//! | bits             | meaning                               | the stage holds      |
//! |------------------|---------------------------------------|----------------------|
//! | (none)           | waits for a wake                      | the future           |
//! | QUEUED           | stands in the run queue               | the future           |
//! | ENDING           | its future is being dropped           | the future           |
//! | ENDING + QUEUED  | woken meanwhile                       | the future           |
//! | DONE             | has ended with a value                | the output           |
//! | DONE + INTERRUPTED | has ended without one               | the interrupt        |
//! | DONE + BARE      | the outcome was taken or dropped      | nothing              |
//! | DONE + QUEUED    | woken, then ended, or its outcome waits to be dropped: the queue holds one reference | as above |
//!
//! Which task is being polled is not said here but by the hub, which spares two
//! stores in each poll.
//!
//! Beside them: ABORT (a request that takes effect when the poll returns, or at
//! the task's turn), DETACHED (no join handle), OBSERVED (somebody polled the
//! handle and has not dropped it), BUBBLED (its panic went to the parent),
//! WAITED (somebody abroad waits for the outcome), DAEMON (not waited for),
//! STARTED (was polled once), UNLINKED (made abroad, not yet in the tree), MAIN
//! (its end calls for attention), CANCELLING (beside ABORT: its handlers were
//! asked), FRAMED (its future has frames, [`crate::frames`]), INSISTS (begins even if it was asked to
//! end before), WATCHED (something is to
//! be done when it ends, [`crate::endings`]), BY_NODE (beside ABORT: the request in force is that of
//! its node, [`crate::request`]), ROVING (spawned as `Send`) and BOUND (something binds it to its loop all the same,
//! [`crate::moving`]), AWAY and HOMEWARD (another loop than its branch's polls it,
//! or has polled it to its end, [`crate::guests`]).
//!
//! # References
//! LIVE (from spawn to the end), JOIN (the handle), and one for each waker. The
//! run queue has none: a queued task that is not DONE is covered by LIVE, and
//! one that is DONE hands LIVE to its place in the queue.
//!
//! # Invariants
//! - L1: a task is in the run queue exactly while QUEUED is set.
//! - L2: DONE is never cleared, and nobody touches the future once it is set.
//! - L3: the stage of a DONE task is touched only by the join handle, or by the
//!   owner once DETACHED is set; while WATCHED is set, or a callback is ordered
//!   ([`crate::endings`], E1), the handle takes nothing out, and the owner may read.
//! - L4: the count is zero only if the task is being freed, or is pinned by the
//!   inbox ([`crate::shared`], S3).
//! - L5: the future of the task that the hub says is being polled, and of one that
//!   is ENDING, is touched only by whoever polls or drops it.

use arborio_base::sync::atomic::{AtomicI64, Ordering};

/// A set of flags of the local word.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) struct Flags(i64);

impl Flags {
    pub(crate) const QUEUED: Self = Self(1);
    pub(crate) const ENDING: Self = Self(1 << 1);
    pub(crate) const DONE: Self = Self(1 << 2);
    pub(crate) const DETACHED: Self = Self(1 << 3);
    pub(crate) const BARE: Self = Self(1 << 4);
    pub(crate) const INTERRUPTED: Self = Self(1 << 5);
    pub(crate) const ABORT: Self = Self(1 << 6);
    pub(crate) const WAITED: Self = Self(1 << 7);
    pub(crate) const OBSERVED: Self = Self(1 << 8);
    pub(crate) const BUBBLED: Self = Self(1 << 9);
    pub(crate) const DAEMON: Self = Self(1 << 10);
    pub(crate) const STARTED: Self = Self(1 << 11);
    pub(crate) const UNLINKED: Self = Self(1 << 12);

    pub(crate) const MAIN: Self = Self(1 << 13);

    pub(crate) const CANCELLING: Self = Self(1 << 14);

    pub(crate) const FRAMED: Self = Self(1 << 15);

    pub(crate) const WATCHED: Self = Self(1 << 16);

    pub(crate) const INSISTS: Self = Self(1 << 17);

    pub(crate) const BY_NODE: Self = Self(1 << 18);

    pub(crate) const ROVING: Self = Self(1 << 19);

    pub(crate) const AWAY: Self = Self(1 << 20);

    pub(crate) const HOMEWARD: Self = Self(1 << 21);

    pub(crate) const BOUND: Self = Self(1 << 22);

    pub(crate) const NONE: Self = Self(0);

    pub(crate) const fn and(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }
}

const COUNT_SHIFT: u32 = 23;
const ONE: i64 = 1 << COUNT_SHIFT;

/// A value of the local word, as read at one moment.
#[derive(Clone, Copy)]
pub(crate) struct Seen(i64);

impl Seen {
    /// Whether any of `flags` is set.
    #[inline(always)]
    pub(crate) const fn any(self, flags: Flags) -> bool {
        self.0 & flags.0 != 0
    }

    /// The references that the owner's thread counts.
    pub(crate) const fn count(self) -> i64 {
        self.0 >> COUNT_SHIFT
    }
}

/// See the head of this file.
pub(crate) struct LocalWord(AtomicI64);

impl LocalWord {
    pub(crate) fn new(flags: Flags, references: i64) -> Self {
        Self(AtomicI64::new(flags.0 | (references << COUNT_SHIFT)))
    }

    /// What the owner last wrote. Only the owner asks.
    #[inline(always)]
    pub(crate) fn seen(&self) -> Seen {
        // Relaxed: the owner reads its own writes.
        Seen(self.0.load(Ordering::Relaxed))
    }

    /// The word as a thread abroad may read it: if DONE is seen, so is the
    /// outcome (pairs with the release of `write`).
    #[inline]
    pub(crate) fn seen_abroad(&self) -> Seen {
        Seen(self.0.load(Ordering::Acquire))
    }

    #[inline(always)]
    fn write(&self, value: i64) {
        // Release: pairs with `seen_abroad`.
        self.0.store(value, Ordering::Release);
    }

    #[inline(always)]
    pub(crate) fn set(&self, flags: Flags) {
        self.write(self.seen().0 | flags.0);
    }

    #[inline(always)]
    pub(crate) fn clear(&self, flags: Flags) {
        self.write(self.seen().0 & !flags.0);
    }

    /// Clears and sets in one store.
    #[inline(always)]
    pub(crate) fn change(&self, clear: Flags, set: Flags) {
        self.change_from(self.seen(), clear, set);
    }

    /// The same for a caller that has just read the word. Returns what it holds now, which
    /// need not be read again: that would wait for the store.
    #[inline(always)]
    pub(crate) fn change_from(&self, seen: Seen, clear: Flags, set: Flags) -> Seen {
        let changed = (seen.0 & !clear.0) | set.0;
        self.write(changed);
        Seen(changed)
    }

    /// The same, and gives one reference up; true if it was the last that the owner counts.
    #[inline(always)]
    #[must_use]
    pub(crate) fn change_and_drop(&self, seen: Seen, clear: Flags, set: Flags) -> bool {
        let left = ((seen.0 & !clear.0) | set.0) - ONE;
        self.write(left);
        left < ONE
    }

    /// Sets QUEUED if the task wants to be queued; true if the caller must
    /// put it into the run queue (L1).
    #[inline(always)]
    #[must_use]
    pub(crate) fn mark_queued(&self) -> bool {
        let seen = self.seen();
        if seen.any(Flags::QUEUED.and(Flags::DONE)) {
            return false;
        }
        self.write(seen.0 | Flags::QUEUED.0);
        true
    }

    /// Starts over with `flags` and no references. For a task that its maker
    /// owns alone.
    pub(crate) fn reset(&self, flags: Flags) {
        self.write(flags.0);
    }

    #[inline(always)]
    pub(crate) fn add_reference(&self) {
        self.write(self.seen().0 + ONE);
    }

    /// Takes `count` references over from the shared word (may be negative).
    pub(crate) fn add_references(&self, count: i64) {
        self.write(self.seen().0 + (count << COUNT_SHIFT));
    }

    /// Gives one reference up; true if it was the last that the owner counts.
    #[inline(always)]
    #[must_use]
    pub(crate) fn drop_reference(&self) -> bool {
        let left = self.seen().0 - ONE;
        self.write(left);
        left < ONE
    }
}

#[cfg(all(test, not(loom)))]
mod tests {
    use super::*;

    #[test]
    fn the_last_reference_that_the_owner_counts_is_told() {
        let word = LocalWord::new(Flags::NONE, 2);
        assert!(!word.drop_reference());
        assert!(word.drop_reference());
        let word = LocalWord::new(Flags::NONE, 2);
        assert!(!word.change_and_drop(word.seen(), Flags::NONE, Flags::NONE));
        assert!(word.change_and_drop(word.seen(), Flags::NONE, Flags::NONE));
        let owed = LocalWord::new(Flags::NONE, 0);
        assert!(owed.change_and_drop(owed.seen(), Flags::NONE, Flags::DONE));
        assert_eq!(owed.seen().count(), -1);
    }

    #[test]
    fn every_flag_is_a_bit_of_its_own_and_the_count_lies_above_them() {
        let each = [
            Flags::QUEUED,
            Flags::ENDING,
            Flags::DONE,
            Flags::DETACHED,
            Flags::BARE,
            Flags::INTERRUPTED,
            Flags::ABORT,
            Flags::WAITED,
            Flags::OBSERVED,
            Flags::BUBBLED,
            Flags::DAEMON,
            Flags::STARTED,
            Flags::UNLINKED,
            Flags::MAIN,
            Flags::CANCELLING,
            Flags::FRAMED,
            Flags::WATCHED,
            Flags::INSISTS,
            Flags::BY_NODE,
            Flags::ROVING,
            Flags::AWAY,
            Flags::HOMEWARD,
            Flags::BOUND,
        ];
        assert!(each.iter().all(|flag| flag.0.count_ones() == 1));
        let all = each.into_iter().fold(Flags::NONE, Flags::and);
        assert_eq!(all.0, ONE - 1);
        assert!(all.and(all) == all);
    }

    #[test]
    fn a_flag_that_is_set_again_stays_set() {
        let word = LocalWord::new(Flags::DETACHED.and(Flags::OBSERVED), 2);
        assert!(!word.change_and_drop(word.seen(), Flags::OBSERVED, Flags::DETACHED));
        let seen = word.seen();
        assert!(seen.any(Flags::DETACHED) && !seen.any(Flags::OBSERVED));
        assert_eq!(seen.count(), 1);
    }
}
