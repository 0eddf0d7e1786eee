//! A wheel beside a binary heap: both do the same operations and must say the
//! same. Shared by the property test and the fuzz target.

use std::{
    cmp::Reverse,
    collections::{BinaryHeap, HashSet},
};

use arborio_timers::{Key, Wheel};

/// One operation. The numbers choose among what exists, so every operation
/// makes sense in every state.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Op {
    /// Arm an entry this long after the wheel's time.
    Insert(u64),
    /// Arm an entry this long before the wheel's time.
    InsertPast(u64),
    /// Arm an entry with the deadline of an earlier one.
    InsertEqual(usize),
    /// Arm an entry for the end of time.
    InsertNever,
    /// Remove an entry, which may be gone.
    Remove(usize),
    /// Give an entry, which may be gone, another deadline.
    Reset(usize, u64),
    /// Give an entry the deadline of another.
    ResetEqual(usize, usize),
    /// Move time by this much.
    Advance(u64),
    /// Move time to this much around the next deadline.
    AdvanceAround(i8),
    /// Tell the wheel a time that has passed.
    AdvanceBack(u64),
}

impl Op {
    /// An operation from arbitrary bits. Spans are a few bits at any position,
    /// so that all levels and their borders are hit alike.
    pub(crate) fn decode(kind: u8, position: u8, bits: u16) -> Self {
        let span = u64::from(bits & 0xff) << (position % 57);
        let which = usize::from(bits);
        match kind % 16 {
            0..=3 => Self::Insert(span),
            4 => Self::InsertPast(span),
            5 => Self::InsertEqual(which),
            6 => Self::InsertNever,
            7 | 8 => Self::Remove(which),
            9 => Self::Reset(usize::from(position), span),
            10 => Self::ResetEqual(usize::from(position), which),
            11..=12 => Self::Advance(span),
            13 | 14 => Self::AdvanceAround(bits as i8 % 3),
            _ => Self::AdvanceBack(span),
        }
    }
}

/// One entry as the model sees it.
struct Entry {
    /// Its key in the wheel.
    key: Key,
    /// Its deadline, the last one if it is gone.
    deadline: u64,
    /// The position of its last arming among all.
    order: u64,
    /// Whether it is armed.
    armed: bool,
}

/// The wheel and the heap.
pub(crate) struct Pair {
    /// What is tested. Payloads are indices into `entries`.
    wheel: Wheel<usize>,
    /// The model: deadline, order of arming, entry. Outdated items stay until they surface.
    heap: BinaryHeap<Reverse<(u64, u64, usize)>>,
    /// Every entry that ever was.
    entries: Vec<Entry>,
    /// Every key that the wheel ever gave out.
    keys: HashSet<Key>,
    /// How many entries are armed.
    armed: usize,
    /// How many armings there were.
    armings: u64,
    /// The present.
    now: u64,
}

impl Pair {
    /// Both empty, at the time `start`.
    pub(crate) fn new(start: u64) -> Self {
        Self {
            wheel: Wheel::new(start),
            heap: BinaryHeap::new(),
            entries: Vec::new(),
            keys: HashSet::new(),
            armed: 0,
            armings: 0,
            now: start,
        }
    }

    /// Does `op` with both and compares. Only if it `asks` for the next
    /// deadline does the wheel have to put what came lately in its place.
    pub(crate) fn step(&mut self, op: Op, asks: bool) {
        match op {
            Op::Insert(span) => self.insert(self.now.saturating_add(span)),
            Op::InsertPast(span) => self.insert(self.now.saturating_sub(span)),
            Op::InsertNever => self.insert(u64::MAX),
            Op::InsertEqual(which) => {
                if let Some(other) = self.pick(which) {
                    self.insert(self.entries[other].deadline);
                }
            }
            Op::Remove(which) => self.remove(which),
            Op::Reset(which, span) => self.reset(which, self.now.saturating_add(span)),
            Op::ResetEqual(which, other) => {
                if let Some(other) = self.pick(other) {
                    self.reset(which, self.entries[other].deadline);
                }
            }
            Op::Advance(span) => self.advance(self.now.saturating_add(span)),
            Op::AdvanceAround(offset) => {
                if let Some(next) = self.heap_next() {
                    self.advance(next.saturating_add_signed(offset.into()));
                }
            }
            Op::AdvanceBack(span) => self.advance(self.now.saturating_sub(span)),
        }
        if asks {
            assert_eq!(self.wheel.next_deadline(), self.heap_next());
        }
        self.compare();
    }

    /// Lets time run out and compares what is left.
    pub(crate) fn finish(mut self) {
        self.advance(u64::MAX);
        assert_eq!(self.wheel.next_deadline(), None);
        self.compare();
        let never = self.wheel.drain();
        assert_eq!(never.len(), self.armed, "left at the end of time");
        assert!(
            never
                .iter()
                .all(|&id| self.entries[id].deadline == u64::MAX)
        );
        assert!(self.wheel.is_empty());
    }

    /// An existing entry, armed or not.
    fn pick(&self, which: usize) -> Option<usize> {
        which.checked_rem(self.entries.len())
    }

    fn insert(&mut self, deadline: u64) {
        let id = self.entries.len();
        let key = self.wheel.insert(deadline, id);
        assert!(self.keys.insert(key), "a key came twice");
        self.armed += 1;
        self.entries.push(Entry {
            key,
            deadline,
            order: 0,
            armed: true,
        });
        self.arm(id, deadline);
    }

    fn arm(&mut self, id: usize, deadline: u64) {
        self.armings += 1;
        let entry = &mut self.entries[id];
        entry.deadline = deadline;
        entry.order = self.armings;
        if deadline != u64::MAX {
            self.heap.push(Reverse((deadline, entry.order, id)));
        }
    }

    fn disarm(&mut self, id: usize) {
        self.armed -= usize::from(self.entries[id].armed);
        self.entries[id].armed = false;
    }

    fn remove(&mut self, which: usize) {
        let Some(id) = self.pick(which) else { return };
        let expected = self.entries[id].armed.then_some(id);
        self.disarm(id);
        assert_eq!(self.wheel.remove(self.entries[id].key), expected);
    }

    fn reset(&mut self, which: usize, deadline: u64) {
        let Some(id) = self.pick(which) else { return };
        let armed = self.entries[id].armed;
        assert_eq!(self.wheel.reset(self.entries[id].key, deadline), armed);
        if armed {
            self.arm(id, deadline);
        }
    }

    fn advance(&mut self, now: u64) {
        self.now = self.now.max(now);
        let mut fired = Vec::new();
        let count = self.wheel.advance(now, &mut fired);
        assert_eq!(count, fired.len());
        let mut expected = Vec::new();
        while let Some(next) = self.heap_next()
            && next <= self.now
        {
            let Some(Reverse((_, _, id))) = self.heap.pop() else {
                break;
            };
            self.disarm(id);
            expected.push(id);
        }
        assert_eq!(fired, expected, "at {}", self.now);
    }

    /// The earliest deadline of the heap; throws outdated items away.
    fn heap_next(&mut self) -> Option<u64> {
        while let Some(&Reverse((deadline, order, id))) = self.heap.peek() {
            let entry = &self.entries[id];
            if entry.armed && entry.order == order {
                return Some(deadline);
            }
            self.heap.pop();
        }
        None
    }

    fn compare(&self) {
        assert_eq!(self.wheel.elapsed(), self.now);
        assert_eq!(self.wheel.len(), self.armed);
    }
}
