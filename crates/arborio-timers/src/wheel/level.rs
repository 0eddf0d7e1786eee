//! One level of a wheel: 64 lists, which of them are in use, and the earliest
//! deadline in each.
//!
//! # Invariants
//! - O1: bit `d` of `occupied` is set exactly while list `d` is not empty.
//! - E1: while list `d` is not empty and bit `d` of `stale` is clear,
//!   `earliest[d]` is the smallest deadline in it.

use super::slab::{NIL, Slab, Ties};

/// One level. Boxed, and made when its first entry comes.
#[derive(Debug)]
pub(super) struct Level {
    /// Which lists have entries (O1).
    occupied: u64,
    /// Lists whose earliest entry was taken out, so that it must be looked for.
    stale: u64,
    /// The first slot of each list.
    first: [u32; 64],
    /// The smallest deadline of each list (E1).
    earliest: [u64; 64],
}

impl Level {
    /// A level without entries.
    pub(super) fn new() -> Box<Self> {
        Box::new(Self {
            occupied: 0,
            stale: 0,
            first: [NIL; 64],
            earliest: [0; 64],
        })
    }

    /// Whether no list has an entry.
    #[inline]
    pub(super) fn is_empty(&self) -> bool {
        self.occupied == 0
    }

    /// Appends the slot to the list of `digit`.
    #[inline]
    pub(super) fn push<P>(&mut self, digit: usize, slab: &mut Slab<P>, index: u32) {
        let deadline = slab.slot(index).deadline;
        let bit = 1 << digit;
        if self.occupied & bit == 0 {
            self.occupied |= bit;
            self.stale &= !bit;
            self.earliest[digit] = deadline;
        } else if deadline <= self.earliest[digit] {
            // Also right while stale: then `earliest` is a lower bound of
            // what is left, so none is before the newcomer for certain.
            self.earliest[digit] = deadline;
            self.stale &= !bit;
        }
        slab.push_back(&mut self.first[digit], index);
    }

    /// Takes the slot with these ties out of the list of `digit`.
    #[inline]
    pub(super) fn unlink<P>(&mut self, digit: usize, slab: &mut Slab<P>, index: u32, ties: Ties) {
        slab.unlink(&mut self.first[digit], index, ties);
        if self.first[digit] == NIL {
            self.occupied &= !(1 << digit);
        } else if ties.deadline == self.earliest[digit] {
            self.stale |= 1 << digit;
        }
    }

    /// The lowest digit below `end` whose list has entries.
    #[inline]
    pub(super) fn lowest_below(&self, end: usize) -> Option<usize> {
        let digit = self.occupied.trailing_zeros() as usize;
        (digit < end).then_some(digit)
    }

    /// Empties the list of `digit` and returns its first slot, which is still
    /// linked to the others.
    #[inline]
    pub(super) fn take(&mut self, digit: usize) -> u32 {
        self.occupied &= !(1 << digit);
        std::mem::replace(&mut self.first[digit], NIL)
    }

    /// The earliest deadline of the level, which must not be empty.
    ///
    /// Looks through one list if its earliest entry was taken out since the
    /// last call, and remembers what it found.
    #[inline]
    pub(super) fn earliest<P>(&mut self, slab: &Slab<P>) -> u64 {
        let digit = self.occupied.trailing_zeros() as usize;
        if self.stale & (1 << digit) != 0 {
            self.stale &= !(1 << digit);
            self.earliest[digit] = slab
                .list(self.first[digit])
                .map(|index| slab.slot(index).deadline)
                .min()
                .unwrap_or(u64::MAX);
        }
        self.earliest[digit]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A list that is not the first.
    const DIGIT: usize = 5;

    /// Puts an entry with this deadline into the list.
    fn push(level: &mut Level, slab: &mut Slab<()>, deadline: u64) -> u32 {
        let index = slab.occupy(deadline, ()).index;
        level.push(DIGIT, slab, index);
        index
    }

    /// Takes an entry out of the list.
    fn unlink(level: &mut Level, slab: &mut Slab<()>, index: u32) {
        let ties = slab.slot(index).ties();
        level.unlink(DIGIT, slab, index, ties);
    }

    /// The earliest deadline, if it is known without a look at any entry.
    fn known(level: &mut Level) -> u64 {
        level.earliest(&Slab::<()>::new())
    }

    #[test]
    fn e1_the_earliest_is_known_while_entries_only_come() {
        let (mut level, mut slab) = (Level::new(), Slab::new());
        for (deadline, earliest) in [(30, 30), (40, 30), (20, 20), (20, 20)] {
            push(&mut level, &mut slab, deadline);
            assert_eq!(level.stale, 0);
            assert_eq!(known(&mut level), earliest);
        }
    }

    #[test]
    fn e1_a_list_is_looked_through_once_after_its_earliest_was_taken_out() {
        let (mut level, mut slab) = (Level::new(), Slab::new());
        let [first, second, _] = [20, 30, 40].map(|it| push(&mut level, &mut slab, it));
        unlink(&mut level, &mut slab, second);
        assert_eq!(known(&mut level), 20, "another than the earliest");
        unlink(&mut level, &mut slab, first);
        assert_eq!(level.stale, 1 << DIGIT);
        assert_eq!(level.earliest(&slab), 40);
        assert_eq!(known(&mut level), 40);
    }

    #[test]
    fn e1_a_newcomer_that_is_at_least_as_early_spares_the_look() {
        for newcomer in [10, 20] {
            let (mut level, mut slab) = (Level::new(), Slab::new());
            let [first, _] = [20, 30].map(|it| push(&mut level, &mut slab, it));
            unlink(&mut level, &mut slab, first);
            push(&mut level, &mut slab, newcomer);
            assert_eq!(level.stale, 0);
            assert_eq!(known(&mut level), newcomer);
        }
    }

    #[test]
    fn e1_what_was_stale_is_known_again_when_the_list_starts_anew() {
        let (mut level, mut slab) = (Level::new(), Slab::new());
        let [first, second] = [20, 30].map(|it| push(&mut level, &mut slab, it));
        unlink(&mut level, &mut slab, first);
        unlink(&mut level, &mut slab, second);
        assert!(level.is_empty());
        push(&mut level, &mut slab, 50);
        assert_eq!(level.stale, 0);
        assert_eq!(known(&mut level), 50);
    }
}
