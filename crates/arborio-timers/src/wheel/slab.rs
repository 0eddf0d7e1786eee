//! The slots of a wheel: where payloads live, and the lists that thread them.
//!
//! # States of a slot
//! | payload | links                    | meaning                              |
//! |---------|--------------------------|--------------------------------------|
//! | some    | neighbours in one list   | armed, or due and not yet handed out |
//! | some    | unused (`Place::NEVER`)  | armed for the end of time            |
//! | none    | `next` is the free list  | free                                 |
//! | none    | none                     | retired: its generations are used up |
//!
//! # Invariants
//! - L1: a list is circular; the word that names it is the index of its first
//!   slot, or [`NIL`]. The last slot is therefore `first.prev`.
//! - G1: a slot's generation grows by one each time the slot is freed, and a
//!   slot whose generation would wrap is retired. So no two entries of one
//!   wheel ever have the same key.

/// "No slot": the end of the free list, and an empty list.
pub(super) const NIL: u32 = u32::MAX;

/// Slots of the first allocation; 16 slots with a waker are ten cache lines.
const FIRST_GROWTH: usize = 16;

/// Names one entry of a [`Wheel`](crate::Wheel), for ever.
///
/// A key outlives its entry harmlessly: after the entry fired or was removed,
/// the key finds nothing, and no later entry of the same wheel gets an equal one.
///
/// # Examples
/// ```
/// use arborio_timers::Wheel;
/// let mut wheel = Wheel::new(0);
/// let old = wheel.insert(5, "first");
/// wheel.remove(old);
/// let new = wheel.insert(5, "second");
/// assert_ne!(old, new);
/// assert_eq!(wheel.remove(old), None);
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Key {
    /// Which slot of the slab.
    pub(super) index: u32,
    /// Which of the entries that the slot held over time.
    generation: u32,
}

impl Key {
    /// A key that no wheel ever hands out: no slot has this index (`NIL`).
    pub(crate) const NONE: Self = Self {
        index: NIL,
        generation: 0,
    };
}

/// Which list an armed slot is in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Place(u16);

impl Place {
    /// In the list of the newcomers.
    pub(super) const NEW: Self = Self(u16::MAX - 2);
    /// In the list of entries that were already due when they were hung up.
    pub(super) const DUE: Self = Self(u16::MAX - 1);
    /// In no list: its deadline is the end of time.
    pub(super) const NEVER: Self = Self(u16::MAX);

    /// In the list `digit` of `level`.
    pub(super) fn at(level: usize, digit: usize) -> Self {
        Self((level * 64 + digit) as u16)
    }

    /// Level and digit of a place made by [`Place::at`].
    pub(super) fn level_and_digit(self) -> (usize, usize) {
        (usize::from(self.0) / 64, usize::from(self.0) % 64)
    }
}

/// One slot. 40 bytes with a `Waker` as payload.
#[derive(Debug)]
pub(super) struct Slot<P> {
    /// When the entry is due.
    pub(super) deadline: u64,
    /// What the caller gets back; `None` while the slot is free.
    payload: Option<P>,
    /// The next slot of the same list, or of the free list.
    pub(super) next: u32,
    /// The previous slot of the same list.
    prev: u32,
    /// How many entries this slot held before (G1).
    generation: u32,
    /// Which list the slot is in.
    pub(super) place: Place,
}

/// What a slot is tied to while it is armed.
#[derive(Clone, Copy, Debug)]
pub(super) struct Ties {
    /// When the entry is due.
    pub(super) deadline: u64,
    /// The next slot of the same list.
    next: u32,
    /// The previous slot of the same list.
    prev: u32,
    /// Which list that is.
    pub(super) place: Place,
}

impl<P> Slot<P> {
    /// A copy of all that has to be known to take the slot out of its list.
    #[inline]
    pub(super) fn ties(&self) -> Ties {
        Ties {
            deadline: self.deadline,
            next: self.next,
            prev: self.prev,
            place: self.place,
        }
    }

    /// Goes on to the next generation; false if there is none (G1).
    #[inline]
    fn advance_generation(&mut self) -> bool {
        let next = self.generation.checked_add(1);
        self.generation = next.unwrap_or(self.generation);
        next.is_some()
    }
}

/// All slots of a wheel.
#[derive(Debug)]
pub(super) struct Slab<P> {
    /// Armed, free and retired slots; never shrinks, so that G1 holds.
    slots: Vec<Slot<P>>,
    /// The first free slot. Last freed, first used: its lines are still cached.
    free: u32,
    /// How many slots hold an entry.
    len: usize,
}

impl<P> Slab<P> {
    /// A slab without memory.
    pub(super) const fn new() -> Self {
        Self {
            slots: Vec::new(),
            free: NIL,
            len: 0,
        }
    }

    /// How many entries there are.
    pub(super) fn len(&self) -> usize {
        self.len
    }

    /// Puts an entry into a free slot and returns its index and its key.
    ///
    /// # Panics
    /// If there are 2^32 - 1 slots already.
    #[inline]
    pub(super) fn occupy(&mut self, deadline: u64, payload: P) -> Key {
        self.len += 1;
        let index = self.free;
        // No slot has the index `NIL`, so this asks both at once: is there a
        // free slot, and where.
        let Some(slot) = self.slots.get_mut(index as usize) else {
            return self.occupy_new(deadline, payload);
        };
        self.free = slot.next;
        slot.deadline = deadline;
        slot.payload = Some(payload);
        Key {
            index,
            generation: slot.generation,
        }
    }

    /// The slow half of [`Slab::occupy`]: a slot that never existed before.
    #[cold]
    fn occupy_new(&mut self, deadline: u64, payload: P) -> Key {
        let index = self.slots.len();
        assert!(
            index < NIL as usize,
            "a timer wheel is full: 2^32 - 1 slots"
        );
        if index == self.slots.capacity() {
            // A quarter at a time, not double: an armed timer costs at most a
            // quarter of a slot on top of its own, and large blocks are moved
            // by remapping pages.
            self.slots.reserve_exact(FIRST_GROWTH.max(index / 4));
        }
        self.slots.push(Slot {
            deadline,
            payload: Some(payload),
            next: NIL,
            prev: NIL,
            generation: 0,
            place: Place::NEVER,
        });
        Key {
            index: index as u32,
            generation: 0,
        }
    }

    /// Frees the slot behind `key`, if its entry is still there. Returns the
    /// payload and what the slot was tied to: the caller closes the gap.
    #[inline]
    pub(super) fn vacate(&mut self, key: Key) -> Option<(P, Ties)> {
        let slot = self.slots.get_mut(key.index as usize)?;
        if slot.generation != key.generation {
            return None;
        }
        // A retired slot keeps its generation, but has no payload.
        let payload = slot.payload.take()?;
        let ties = slot.ties();
        self.len -= 1;
        if slot.advance_generation() {
            slot.next = self.free;
            self.free = key.index;
        }
        Some((payload, ties))
    }

    /// Frees the slot and returns its payload. The slot must be in no list.
    #[inline]
    pub(super) fn release(&mut self, index: u32) -> Option<P> {
        let slot = &mut self.slots[index as usize];
        let payload = slot.payload.take()?;
        self.len -= 1;
        if slot.advance_generation() {
            slot.next = self.free;
            self.free = index;
        }
        Some(payload)
    }

    /// The index behind `key`, if its entry is still there.
    #[inline]
    pub(super) fn find(&self, key: Key) -> Option<u32> {
        let slot = self.slots.get(key.index as usize)?;
        (slot.generation == key.generation && slot.payload.is_some()).then_some(key.index)
    }

    /// The slot at `index`, which must exist.
    #[inline]
    pub(super) fn slot(&self, index: u32) -> &Slot<P> {
        &self.slots[index as usize]
    }

    /// The slot at `index`, which must exist.
    #[inline]
    pub(super) fn slot_mut(&mut self, index: u32) -> &mut Slot<P> {
        &mut self.slots[index as usize]
    }

    /// The payload at `index`, if the slot is armed.
    pub(super) fn payload_mut(&mut self, index: u32) -> Option<&mut P> {
        self.slots[index as usize].payload.as_mut()
    }

    /// Appends the slot to the list that starts at `first` (L1).
    #[inline]
    pub(super) fn push_back(&mut self, first: &mut u32, index: u32) {
        if *first == NIL {
            let slot = self.slot_mut(index);
            slot.next = index;
            slot.prev = index;
            *first = index;
            return;
        }
        let last = self.slot(*first).prev;
        self.slot_mut(last).next = index;
        self.slot_mut(*first).prev = index;
        let slot = self.slot_mut(index);
        slot.prev = last;
        slot.next = *first;
    }

    /// Takes the slot with these ties out of the list that starts at `first`
    /// (L1). The slot itself may be free already: it is not touched.
    #[inline]
    pub(super) fn unlink(&mut self, first: &mut u32, index: u32, ties: Ties) {
        let Ties { next, prev, .. } = ties;
        if next == index {
            *first = NIL;
            return;
        }
        self.slot_mut(prev).next = next;
        self.slot_mut(next).prev = prev;
        if *first == index {
            *first = next;
        }
    }

    /// The indices of the list that starts at `first`, in order.
    pub(super) fn list(&self, first: u32) -> List<'_, P> {
        List {
            slab: self,
            first,
            next: first,
        }
    }

    /// How many indices there are, free and retired ones included.
    pub(super) fn index_end(&self) -> u32 {
        self.slots.len() as u32
    }

    /// Makes the free slot at `index` look as if it had been used so often
    /// that its next entry is its last.
    #[cfg(test)]
    pub(super) fn exhaust_generation(&mut self, index: u32) {
        self.slots[index as usize].generation = u32::MAX;
    }
}

/// The walk over one list.
pub(super) struct List<'a, P> {
    /// Where the links are.
    slab: &'a Slab<P>,
    /// Where the circle closes.
    first: u32,
    /// What comes next, or `NIL` at the end.
    next: u32,
}

impl<P> Iterator for List<'_, P> {
    type Item = u32;

    #[inline]
    fn next(&mut self) -> Option<u32> {
        if self.next == NIL {
            return None;
        }
        let index = self.next;
        let after = self.slab.slot(index).next;
        self.next = if after == self.first { NIL } else { after };
        Some(index)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::task::Waker;

    #[test]
    fn a_slot_with_a_waker_is_forty_bytes() {
        assert_eq!(size_of::<Slot<Waker>>(), 40);
    }

    #[test]
    fn an_empty_slab_has_no_memory() {
        assert_eq!(Slab::<u8>::new().slots.capacity(), 0);
    }

    #[test]
    fn a_slot_whose_generations_are_used_up_is_retired() {
        let mut slab = Slab::new();
        let first = slab.occupy(1, 'a');
        slab.release(first.index);
        slab.exhaust_generation(first.index);
        let last = slab.occupy(1, 'b');
        assert_eq!(last.index, first.index);
        assert_eq!(slab.release(last.index), Some('b'));
        let fresh = slab.occupy(1, 'c');
        assert_ne!(fresh.index, first.index, "a retired slot came back");
        assert_eq!(slab.find(last), None);
        assert_eq!(slab.find(first), None);
    }

    #[test]
    fn a_list_keeps_its_order_when_its_middle_and_ends_leave() {
        let mut slab = Slab::new();
        let mut first = NIL;
        for name in ['a', 'b', 'c', 'd'] {
            let key = slab.occupy(1, name);
            slab.push_back(&mut first, key.index);
        }
        for (gone, left) in [(1, vec![0, 2, 3]), (0, vec![2, 3]), (3, vec![2])] {
            let ties = slab.slot(gone).ties();
            slab.unlink(&mut first, gone, ties);
            assert_eq!(slab.list(first).collect::<Vec<_>>(), left);
        }
        let ties = slab.slot(2).ties();
        slab.unlink(&mut first, 2, ties);
        assert_eq!(slab.list(first).count(), 0);
    }

    #[test]
    fn a_slab_grows_seldom_and_has_at_most_a_quarter_to_spare() {
        let mut slab = Slab::new();
        let (mut growths, mut capacity) = (0, 0);
        for number in 0..10_000 {
            slab.occupy(1, number);
            if slab.slots.capacity() != capacity {
                capacity = slab.slots.capacity();
                growths += 1;
                assert!(capacity <= number + FIRST_GROWTH.max(number / 4));
            }
        }
        assert!(growths <= 32, "{growths}");
    }
}
