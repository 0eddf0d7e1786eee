//! A hierarchical timer wheel that never reads a clock.
//!
//! # How it works
//! Time is a number of nanoseconds, written in digits of six bits. An entry
//! hangs at the level of the highest digit in which its deadline differs from
//! the wheel's time, in the list of its deadline's digit there. When time moves on, let `top` be the level of the highest digit that
//! changes. Then
//! * every entry below `top` is due, for its deadline shares the old digit at `top`;
//! * at `top`, the lists between the old and the new digit are due;
//! * the list of the new digit is sorted out: what is not due finds a place
//!   relative to the new time, below `top`;
//! * nothing above `top` changes.
//!
//! So an entry is moved only when time stops within its list, and levels that
//! time jumps across cost nothing. As the lowest level has lists of one
//! nanosecond, no entry is ever kept beyond its nanosecond or fired before it,
//! and no list has to be searched twice.
//!
//! Most timers are timeouts, and most timeouts are removed soon. So an entry
//! first joins the *newcomers*, one plain list. It is hung up in a level when
//! the wheel is next asked for a deadline or given the time; what was removed
//! before then never saw a level.
//!
//! # Invariants
//! - P1: an entry that is no newcomer and whose deadline is above the wheel's
//!   time is at the level of the highest digit in which the two differ, in the
//!   list of its own digit.
//! - P2: a list holds equal deadlines in the order of their insertion. They are
//!   always in the same list (P1), or the later ones are newcomers. Lists are
//!   appended to, a list is sorted out from its front into lists that were
//!   just emptied, and newcomers are hung up from the front, after that.

mod level;
mod slab;

use level::Level;
pub use slab::Key;
use slab::{NIL, Place, Slab, Ties};

/// Bits of a digit, so that one machine word says which lists of a level are
/// in use. The borders of the lists are at 64 ns, 4 µs, 262 µs, 17 ms, 1.1 s,
/// 69 s, 73 min. A lowest digit of two or four bits, which shifts the borders,
/// was measured and gained nothing.
const BITS: u32 = 6;

/// Levels that 64 bits need. The highest digit has four bits only.
const LEVELS: usize = 11;

/// The digit of `time` at `level`.
#[inline]
fn digit(time: u64, level: usize) -> usize {
    ((time >> (level as u32 * BITS)) & 63) as usize
}

/// The level of the highest digit in which two different times differ.
#[inline]
fn level_between(a: u64, b: u64) -> usize {
    let highest_bit = 63 - (a ^ b).leading_zeros();
    (highest_bit / BITS) as usize
}

/// An entry on its way out, ordered by deadline, then by insertion.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Leaving {
    /// When it was due.
    deadline: u64,
    /// Its position in the order of collection, which is that of insertion
    /// for equal deadlines (P2).
    order: u32,
    /// Its slot.
    index: u32,
}

/// Timers in order of their deadlines, with O(1) insertion and removal.
///
/// A plain data structure: it neither reads a clock nor calls anybody. Times
/// are nanoseconds since any origin, up to `u64::MAX`, which stands for the end
/// of time: an entry with this deadline never fires. Entries fire never early,
/// in the order of their deadlines, and in the order of insertion where these
/// are equal.
///
/// An empty wheel has no memory. Slots are used again and given back only when
/// the wheel is dropped.
///
/// # Examples
/// ```
/// use arborio_timers::Wheel;
/// let mut wheel = Wheel::new(0);
/// wheel.insert(2_000, "second");
/// wheel.insert(1_000, "first");
/// assert_eq!(wheel.next_deadline(), Some(1_000));
/// let mut fired = Vec::new();
/// wheel.advance(999, &mut fired);
/// assert!(fired.is_empty(), "never early");
/// wheel.advance(5_000, &mut fired);
/// assert_eq!(fired, ["first", "second"]);
/// ```
#[derive(Debug)]
pub struct Wheel<P> {
    /// The time that the wheel knows. Never goes back.
    elapsed: u64,
    /// All entries.
    slab: Slab<P>,
    /// Bit `l` is set exactly while level `l` has entries.
    occupied_levels: u16,
    /// First slot of the entries that were not hung up yet.
    newcomers: u32,
    /// First slot of the entries that were due when they were hung up.
    due: u32,
    /// The levels, made when they are first needed.
    levels: [Option<Box<Level>>; LEVELS],
    /// Memory of `advance`, kept from call to call; empty in between.
    leaving: Vec<Leaving>,
}

impl<P> Wheel<P> {
    /// An empty wheel whose time is `now` nanoseconds. Allocates nothing.
    ///
    /// # Examples
    /// ```
    /// let wheel = arborio_timers::Wheel::<()>::new(1 << 60);
    /// assert_eq!(wheel.elapsed(), 1 << 60);
    /// assert!(wheel.is_empty());
    /// ```
    pub const fn new(now: u64) -> Self {
        Self {
            elapsed: now,
            slab: Slab::new(),
            occupied_levels: 0,
            newcomers: NIL,
            due: NIL,
            levels: [const { None }; LEVELS],
            leaving: Vec::new(),
        }
    }

    /// The time of the last [`advance`](Self::advance) in nanoseconds.
    ///
    /// # Examples
    /// ```
    /// let mut wheel = arborio_timers::Wheel::<()>::new(7);
    /// wheel.advance(9, &mut Vec::new());
    /// assert_eq!(wheel.elapsed(), 9);
    /// ```
    pub fn elapsed(&self) -> u64 {
        self.elapsed
    }

    /// How many entries are armed, those that never fire included.
    ///
    /// # Examples
    /// ```
    /// let mut wheel = arborio_timers::Wheel::new(0);
    /// wheel.insert(u64::MAX, ());
    /// assert_eq!(wheel.len(), 1);
    /// ```
    pub fn len(&self) -> usize {
        self.slab.len()
    }

    /// Whether nothing is armed.
    ///
    /// # Examples
    /// ```
    /// assert!(arborio_timers::Wheel::<()>::new(0).is_empty());
    /// ```
    pub fn is_empty(&self) -> bool {
        self.slab.len() == 0
    }

    /// Arms an entry that is due at `deadline` nanoseconds.
    ///
    /// A deadline that has passed fires at the next [`advance`](Self::advance),
    /// whatever time that is given.
    ///
    /// # Panics
    /// If the wheel has 2^32 - 1 slots already.
    ///
    /// # Examples
    /// ```
    /// let mut wheel = arborio_timers::Wheel::new(100);
    /// wheel.insert(3, "long ago");
    /// let mut fired = Vec::new();
    /// wheel.advance(100, &mut fired);
    /// assert_eq!(fired, ["long ago"]);
    /// ```
    #[inline]
    pub fn insert(&mut self, deadline: u64, payload: P) -> Key {
        let key = self.slab.occupy(deadline, payload);
        self.welcome(key.index, deadline);
        key
    }

    /// Disarms an entry and returns its payload, or `None` if it fired or was
    /// removed before.
    ///
    /// # Examples
    /// ```
    /// let mut wheel = arborio_timers::Wheel::new(0);
    /// let key = wheel.insert(10, 'x');
    /// assert_eq!(wheel.remove(key), Some('x'));
    /// assert_eq!(wheel.remove(key), None);
    /// ```
    #[inline]
    pub fn remove(&mut self, key: Key) -> Option<P> {
        let (payload, ties) = self.slab.vacate(key)?;
        self.unlink(key.index, ties);
        Some(payload)
    }

    /// The payload of an entry, or `None` if it fired or was removed.
    ///
    /// # Examples
    /// ```
    /// let mut wheel = arborio_timers::Wheel::new(0);
    /// let key = wheel.insert(10, 'x');
    /// *wheel.get_mut(key).unwrap() = 'y';
    /// assert_eq!(wheel.remove(key), Some('y'));
    /// ```
    #[inline]
    pub fn get_mut(&mut self, key: Key) -> Option<&mut P> {
        let index = self.slab.find(key)?;
        self.slab.payload_mut(index)
    }

    /// Gives an entry another deadline; it keeps its key. Returns whether the
    /// entry was still there.
    ///
    /// Among entries with the same deadline it is now the last.
    ///
    /// # Examples
    /// ```
    /// let mut wheel = arborio_timers::Wheel::new(0);
    /// let key = wheel.insert(10, 'x');
    /// assert!(wheel.reset(key, 1_000_000));
    /// assert_eq!(wheel.next_deadline(), Some(1_000_000));
    /// ```
    pub fn reset(&mut self, key: Key, deadline: u64) -> bool {
        let Some(index) = self.slab.find(key) else {
            return false;
        };
        self.unlink(index, self.slab.slot(index).ties());
        self.slab.slot_mut(index).deadline = deadline;
        self.welcome(index, deadline);
        true
    }

    /// The earliest deadline of all entries, exact to the nanosecond, or `None`
    /// if nothing that is armed ever fires.
    ///
    /// Constant time, except that entries which came since the wheel was last
    /// asked are hung up now, and that one list is looked through if its
    /// earliest entry was removed (hence `&mut`: the answer is kept).
    ///
    /// # Examples
    /// ```
    /// let mut wheel = arborio_timers::Wheel::new(0);
    /// wheel.insert(123_456_789_012_345, ());
    /// wheel.insert(u64::MAX, ());
    /// assert_eq!(wheel.next_deadline(), Some(123_456_789_012_345));
    /// ```
    #[inline]
    pub fn next_deadline(&mut self) -> Option<u64> {
        self.hang_up_newcomers();
        if self.due != NIL {
            let deadlines = self.slab.list(self.due);
            return deadlines.map(|index| self.slab.slot(index).deadline).min();
        }
        // A deadline at a lower level shares more digits with the present, so
        // it is earlier than any at a higher level.
        let level = self
            .levels
            .get_mut(self.occupied_levels.trailing_zeros() as usize)?;
        Some(level.as_mut()?.earliest(&self.slab))
    }

    /// Moves time to `now` nanoseconds and appends the payloads of all entries
    /// that are due to `fired`, in order. Returns how many these were.
    ///
    /// A `now` before [`elapsed`](Self::elapsed) moves nothing.
    ///
    /// # Examples
    /// ```
    /// let mut wheel = arborio_timers::Wheel::new(50);
    /// wheel.insert(60, 'a');
    /// let mut fired = Vec::new();
    /// assert_eq!(wheel.advance(10, &mut fired), 0, "time does not go back");
    /// assert_eq!(wheel.advance(60, &mut fired), 1);
    /// assert_eq!(fired, ['a']);
    /// ```
    pub fn advance(&mut self, now: u64, fired: &mut Vec<P>) -> usize {
        self.advance_with(now, |payload| fired.push(payload))
    }

    /// [`advance`](Self::advance) into anything. `fired` must be code of this
    /// crate: the wheel is in the caller's hands while it runs.
    pub(crate) fn advance_with(&mut self, now: u64, fired: impl FnMut(P)) -> usize {
        if now > self.elapsed {
            self.move_time(now);
        }
        self.hang_up_newcomers();
        if self.due != NIL {
            let first = std::mem::replace(&mut self.due, NIL);
            self.collect(first);
        }
        if self.leaving.is_empty() {
            return 0;
        }
        self.hand_out(fired)
    }

    /// Disarms everything and returns the payloads, in no order.
    ///
    /// # Examples
    /// ```
    /// let mut wheel = arborio_timers::Wheel::new(0);
    /// wheel.insert(1, 'a');
    /// wheel.insert(u64::MAX, 'b');
    /// assert_eq!(wheel.drain().len(), 2);
    /// assert!(wheel.is_empty());
    /// ```
    pub fn drain(&mut self) -> Vec<P> {
        self.newcomers = NIL;
        self.due = NIL;
        self.occupied_levels = 0;
        self.levels = [const { None }; LEVELS];
        let all = 0..self.slab.index_end();
        all.filter_map(|index| self.slab.release(index)).collect()
    }

    /// Lets an armed slot that is in no list join the newcomers.
    #[inline]
    fn welcome(&mut self, index: u32, deadline: u64) {
        if deadline == u64::MAX {
            self.slab.slot_mut(index).place = Place::NEVER;
            return;
        }
        self.slab.slot_mut(index).place = Place::NEW;
        self.slab.push_back(&mut self.newcomers, index);
    }

    /// Hangs all newcomers up, from the first to the last (P2).
    #[inline]
    fn hang_up_newcomers(&mut self) {
        let first = std::mem::replace(&mut self.newcomers, NIL);
        let mut next = first;
        while next != NIL {
            let index = next;
            let after = self.slab.slot(index).next;
            next = if after == first { NIL } else { after };
            self.link(index);
        }
    }

    /// Hangs an armed slot where its deadline belongs (P1).
    #[inline]
    fn link(&mut self, index: u32) {
        let deadline = self.slab.slot(index).deadline;
        if deadline <= self.elapsed {
            self.slab.slot_mut(index).place = Place::DUE;
            self.slab.push_back(&mut self.due, index);
            return;
        }
        let level = level_between(self.elapsed, deadline);
        let digit = digit(deadline, level);
        self.slab.slot_mut(index).place = Place::at(level, digit);
        self.occupied_levels |= 1 << level;
        let lists = self.levels[level].get_or_insert_with(Level::new);
        lists.push(digit, &mut self.slab, index);
    }

    /// Takes a slot out of the list that it was tied to while it was armed.
    #[inline]
    fn unlink(&mut self, index: u32, ties: Ties) {
        match ties.place {
            Place::NEW => self.slab.unlink(&mut self.newcomers, index, ties),
            _ => self.unlink_old(index, ties),
        }
    }

    /// [`unlink`](Self::unlink) for what is no newcomer.
    fn unlink_old(&mut self, index: u32, ties: Ties) {
        match ties.place {
            Place::DUE => self.slab.unlink(&mut self.due, index, ties),
            Place::NEVER => {}
            hung_up => {
                let (level, digit) = hung_up.level_and_digit();
                if let Some(lists) = &mut self.levels[level] {
                    lists.unlink(digit, &mut self.slab, index, ties);
                    if lists.is_empty() {
                        self.occupied_levels &= !(1 << level);
                    }
                }
            }
        }
    }

    /// Moves time forward, and every entry that is due by then to `leaving`.
    fn move_time(&mut self, now: u64) {
        let top = level_between(self.elapsed, now);
        self.elapsed = now;
        if u32::from(self.occupied_levels).trailing_zeros() as usize > top {
            return;
        }
        let mut below_top = self.occupied_levels & ((1 << top) - 1);
        while below_top != 0 {
            self.collect_lists_below(below_top.trailing_zeros() as usize, 64);
            below_top &= below_top - 1;
        }
        self.collect_lists_below(top, digit(now, top));
        self.sort_out(top, digit(now, top));
    }

    /// Collects the lists of `level` whose digit is below `end`.
    fn collect_lists_below(&mut self, level: usize, end: usize) {
        while let Some(lists) = &mut self.levels[level]
            && let Some(digit) = lists.lowest_below(end)
        {
            let first = lists.take(digit);
            if lists.is_empty() {
                self.occupied_levels &= !(1 << level);
            }
            self.collect(first);
        }
    }

    /// Splits the list in which time has stopped: what is due leaves, the rest
    /// is hung up again, nearer.
    fn sort_out(&mut self, level: usize, digit: usize) {
        let Some(lists) = &mut self.levels[level] else {
            return;
        };
        let first = lists.take(digit);
        if lists.is_empty() {
            self.occupied_levels &= !(1 << level);
        }
        let mut next = first;
        while next != NIL {
            let index = next;
            let slot = self.slab.slot(index);
            next = if slot.next == first { NIL } else { slot.next };
            if slot.deadline <= self.elapsed {
                self.leave(index);
            } else {
                self.link(index);
            }
        }
    }

    /// Moves a whole list, which starts at `first`, to `leaving`.
    fn collect(&mut self, first: u32) {
        let mut next = first;
        while next != NIL {
            let index = next;
            let after = self.slab.slot(index).next;
            next = if after == first { NIL } else { after };
            self.leave(index);
        }
    }

    /// Notes that the entry in this slot, which is in no list now, is due.
    #[inline]
    fn leave(&mut self, index: u32) {
        self.leaving.push(Leaving {
            deadline: self.slab.slot(index).deadline,
            order: self.leaving.len() as u32,
            index,
        });
    }

    /// Gives what is due to `fired`, in order, and frees the slots.
    fn hand_out(&mut self, mut fired: impl FnMut(P)) -> usize {
        let mut leaving = std::mem::take(&mut self.leaving);
        leaving.sort_unstable();
        let count = leaving.len();
        for entry in leaving.drain(..) {
            if let Some(payload) = self.slab.release(entry.index) {
                fired(payload);
            }
        }
        self.leaving = leaving;
        count
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn p1_each_entry_hangs_in_the_list_of_its_own_digit() {
        for start in [0, 1 << 60] {
            let mut wheel = Wheel::new(start);
            let keys = [(); 63].map(|()| wheel.insert(0, ()));
            for (key, digit) in keys.iter().zip(1..) {
                assert!(wheel.reset(*key, start + (digit << BITS)));
            }
            wheel.next_deadline();
            for (key, digit) in keys.iter().zip(1..) {
                assert_eq!(wheel.slab.slot(key.index).place, Place::at(1, digit));
            }
        }
    }
}
