//! The readiness word of a source: every bit, and what each transition means.
//!
//! # The word
//! | bits      | name                   | set by                        | cleared by |
//! |-----------|------------------------|-------------------------------|------------|
//! | 0, 1, 2   | read: ready, hup, pri  | an event of the kernel        | the reader that met `WouldBlock`; in quiet mode the one that moved bytes |
//! | 3, 4      | write: ready, hup      | an event of the kernel        | the writer that met `WouldBlock` |
//! | 5, 6      | somebody waits to read, to write | a waiter, under the waiters' lock | the event that takes the waiters |
//! | 7         | closed                 | `close`                       | never      |
//! | 8         | stale                  | a newer source on the same descriptor | never |
//! | 9         | home ended             | the end of the reactor        | whoever registers the source anew |
//! | 10        | read: untried          | the first registration        | with bits 0 to 2 |
//! | 11        | quiet (`quiet.rs`)     | the first registration        | the switch to edge mode |
//! | 16..32    | tick                   | every event, and the switch, adds one | wraps |
//!
//! # Invariants
//! - I1: bits of the kernel are cleared only if the tick is still the one that
//!   was read *before* the system call that met `WouldBlock`. An event that
//!   came in between therefore survives.
//! - I2: a "somebody waits" bit may be set although nobody waits any more (one
//!   lock too many), but never the other way round (a lost wake).
//!
//! "hup" is any of hang-up, error and (for reading) the peer's shutdown. It is
//! kept apart from "ready" because a short transfer may be taken for "drained"
//! only while no hup is latched: behind the last bytes waits the end of file.
//! "pri" does the same for urgent data, at whose mark a read stops short.
//! "untried" makes a fresh source ready without an event that has said so.

/// One direction of a source.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Direction {
    /// Reading and accepting.
    Read,
    /// Writing and connecting.
    Write,
}

/// Why a source can no longer be waited for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Halt {
    /// Somebody called `close`.
    Closed,
    /// The descriptor was closed behind the source's back and its number is
    /// in use by a newer source.
    Stale,
    /// The reactor that watched the source has ended: register it anew.
    HomeEnded,
}

const READ_READY: u32 = 1 << 0;
const READ_HUP: u32 = 1 << 1;
const READ_PRI: u32 = 1 << 2;
const WRITE_READY: u32 = 1 << 3;
const WRITE_HUP: u32 = 1 << 4;
const READ_WAITED: u32 = 1 << 5;
const WRITE_WAITED: u32 = 1 << 6;
const CLOSED: u32 = 1 << 7;
const STALE: u32 = 1 << 8;
const HOME_ENDED: u32 = 1 << 9;
const READ_UNTRIED: u32 = 1 << 10;
const QUIET: u32 = 1 << 11;
const HALTED: u32 = CLOSED | STALE | HOME_ENDED;
/// What events say to a reader.
const READ_PROMISED: u32 = READ_READY | READ_HUP | READ_PRI;
const READ_ANY: u32 = READ_PROMISED | READ_UNTRIED;
const WRITE_ANY: u32 = WRITE_READY | WRITE_HUP;
/// Sixteen bits of tick: a stale clear would need 65,536 events between one
/// system call and the compare-and-swap behind it.
const ONE_TICK: u32 = 1 << 16;

impl Direction {
    /// Any of these bits makes the direction ready.
    const fn ready_bits(self) -> u32 {
        match self {
            Self::Read => READ_ANY,
            Self::Write => WRITE_ANY,
        }
    }

    /// The bit that says that somebody waits in this direction.
    pub(crate) const fn waited_bit(self) -> u32 {
        match self {
            Self::Read => READ_WAITED,
            Self::Write => WRITE_WAITED,
        }
    }
}

impl Halt {
    /// The bit that records this halt.
    pub(crate) const fn bit(self) -> u32 {
        match self {
            Self::Closed => CLOSED,
            Self::Stale => STALE,
            Self::HomeEnded => HOME_ENDED,
        }
    }
}

/// One value of the readiness word.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Word(pub(crate) u32);

/// What a look at the word tells a task that wants to do I/O.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[must_use]
pub(crate) enum Look {
    /// Try the system call; give the word back when it meets `WouldBlock`.
    Ready(Word),
    /// Wait for an event.
    NotReady,
    /// There is nothing to wait for.
    Halted(Halt),
}

impl Word {
    /// A fresh source counts as ready in both directions: the first attempt
    /// finds out, and saves a turn of the loop where data is already there.
    pub(crate) const FRESH: Self = Self(READ_UNTRIED | WRITE_READY);

    /// What this word means for `direction`.
    #[inline]
    pub(crate) const fn look(self, direction: Direction) -> Look {
        if self.0 & HALTED != 0 {
            return Look::Halted(self.halt());
        }
        if self.0 & direction.ready_bits() != 0 {
            Look::Ready(self)
        } else {
            Look::NotReady
        }
    }

    /// A close that was asked for wins over what befell the source otherwise.
    const fn halt(self) -> Halt {
        if self.0 & CLOSED != 0 {
            Halt::Closed
        } else if self.0 & STALE != 0 {
            Halt::Stale
        } else {
            Halt::HomeEnded
        }
    }

    /// The word after `event`: its bits, one tick more, and nobody waiting in
    /// the directions that it wakes.
    pub(crate) const fn after(self, event: Event) -> Self {
        let raised = (self.0 | event.bits) & !event.waited_bits();
        Self(raised.wrapping_add(ONE_TICK))
    }

    /// The word after a system call in `direction` met `WouldBlock`.
    pub(crate) const fn drained(self, direction: Direction) -> Self {
        Self(self.0 & !direction.ready_bits())
    }

    /// Whether a short transfer in `direction` says that nothing is left:
    /// not if a hang-up, an error or urgent data is latched.
    pub(crate) const fn short_means_drained(self, direction: Direction) -> bool {
        match direction {
            Direction::Read => self.0 & (READ_HUP | READ_PRI) == 0,
            Direction::Write => self.0 & WRITE_HUP == 0,
        }
    }

    /// Whether the source is in quiet mode.
    #[inline]
    pub(crate) const fn is_quiet(self) -> bool {
        self.0 & QUIET != 0
    }

    /// Whether an event has said that a read will not block, and no read has
    /// answered it.
    #[inline]
    pub(crate) const fn is_read_promised(self) -> bool {
        self.0 & READ_PROMISED != 0
    }

    /// The word of a source that is watched quietly from now on.
    pub(crate) const fn quietened(self) -> Self {
        Self(self.0 | QUIET)
    }

    /// The word after the switch to edge mode, which counts as an event (Q3).
    pub(crate) const fn switched(self) -> Self {
        Self((self.0 & !QUIET).wrapping_add(ONE_TICK))
    }

    /// The word after `halt`. The end of the home is a switch (S5).
    pub(crate) fn halted(self, halt: Halt) -> Self {
        let word = match halt {
            Halt::HomeEnded => self.switched(),
            Halt::Closed | Halt::Stale => self,
        };
        Self(word.0 | halt.bit())
    }

    /// Whether no event came between the two words (I1).
    pub(crate) const fn same_tick(self, other: Self) -> bool {
        (self.0 ^ other.0) < ONE_TICK
    }

    /// Whether somebody may be waiting in `direction` (I2).
    #[inline]
    pub(crate) const fn is_waited(self, direction: Direction) -> bool {
        self.0 & direction.waited_bit() != 0
    }
}

/// What one event of the kernel says about a source.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Event {
    /// The bits to set in the word.
    bits: u32,
}

impl Event {
    /// Translates an event of mio. An error or a full hang-up is news for
    /// both directions; the peer's shutdown is news for the reader alone.
    pub(crate) fn of(event: &mio::event::Event) -> Self {
        let mut bits = 0;
        let mut add = |condition: bool, these: u32| {
            if condition {
                bits |= these;
            }
        };
        add(event.is_readable(), READ_READY);
        add(event.is_priority(), READ_PRI);
        add(event.is_read_closed(), READ_HUP);
        add(event.is_writable(), WRITE_READY);
        add(event.is_write_closed(), WRITE_HUP);
        add(event.is_error(), READ_HUP | WRITE_HUP);
        Self { bits }
    }

    /// The same for what epoll itself says: who [helps](crate::ReactorHelper) asks it without mio.
    #[cfg(any(target_os = "linux", target_os = "android"))]
    pub(crate) fn of_epoll(flags: rustix::event::epoll::EventFlags) -> Self {
        use rustix::event::epoll::EventFlags;
        let mut bits = 0;
        let mut add = |these: EventFlags, meaning: u32| {
            if flags.intersects(these) {
                bits |= meaning;
            }
        };
        add(EventFlags::IN | EventFlags::PRI, READ_READY);
        add(EventFlags::PRI, READ_PRI);
        add(EventFlags::RDHUP | EventFlags::HUP, READ_HUP);
        add(EventFlags::OUT, WRITE_READY);
        add(EventFlags::HUP, WRITE_HUP);
        add(EventFlags::ERR, READ_HUP | WRITE_HUP);
        Self { bits }
    }

    /// An event that makes one direction ready.
    #[cfg(any(test, loom))]
    pub(crate) const fn ready(direction: Direction) -> Self {
        Self {
            bits: match direction {
                Direction::Read => READ_READY,
                Direction::Write => WRITE_READY,
            },
        }
    }

    /// Whether the event is news for `direction`.
    pub(crate) const fn wakes(self, direction: Direction) -> bool {
        self.bits & direction.ready_bits() != 0
    }

    /// The "somebody waits" bits of the directions that the event wakes.
    const fn waited_bits(self) -> u32 {
        let mut bits = 0;
        if self.wakes(Direction::Read) {
            bits |= READ_WAITED;
        }
        if self.wakes(Direction::Write) {
            bits |= WRITE_WAITED;
        }
        bits
    }
}

#[cfg(all(test, not(loom)))]
mod tests {
    use super::*;

    #[test]
    fn an_event_counts_a_tick_and_takes_the_waited_bit_of_its_direction() {
        let idle = Word(READ_WAITED | WRITE_WAITED);
        let raised = idle.after(Event::ready(Direction::Read));
        assert_eq!(raised.look(Direction::Read), Look::Ready(raised));
        assert_eq!(raised.look(Direction::Write), Look::NotReady);
        assert!(!raised.is_waited(Direction::Read));
        assert!(raised.is_waited(Direction::Write));
        assert!(!raised.same_tick(idle));
    }

    #[test]
    fn an_event_takes_the_waited_bits_of_all_directions_that_it_wakes() {
        let idle = Word(READ_WAITED | WRITE_WAITED);
        let both = Event {
            bits: READ_HUP | WRITE_HUP,
        };
        let write = Event::ready(Direction::Write);
        for (event, left) in [(both, [false, false]), (write, [true, false])] {
            let raised = idle.after(event);
            let waited = [Direction::Read, Direction::Write].map(|at| raised.is_waited(at));
            assert_eq!(waited, left, "{event:?}");
        }
    }

    #[test]
    fn one_tick_lasts_until_the_next_event_whatever_it_says() {
        let mut word = Word::FRESH;
        for _ in 0..3 {
            assert!(word.same_tick(word.drained(Direction::Write)));
            let next = word.after(Event::ready(Direction::Write));
            assert!(!word.same_tick(next), "its bits were there before");
            word = next;
        }
    }

    #[test]
    fn the_tick_wraps_without_touching_the_bits() {
        let mut word = Word(READ_READY);
        for _ in 0..=u16::MAX {
            word = word.after(Event::ready(Direction::Read));
        }
        assert_eq!(word, Word(READ_READY));
    }

    #[test]
    fn a_switch_counts_as_an_event_and_leaves_readiness_alone() {
        let quiet = Word::FRESH.quietened();
        assert!(quiet.is_quiet() && !quiet.is_read_promised());
        assert_eq!(quiet.quietened(), quiet);
        let raised = quiet.after(Event::ready(Direction::Read));
        assert!(raised.is_quiet() && raised.is_read_promised());
        let switched = raised.switched();
        assert!(!switched.is_quiet() && switched.is_read_promised());
        assert!(!switched.same_tick(raised));
        assert!(!quiet.halted(Halt::HomeEnded).is_quiet());
        assert!(quiet.halted(Halt::Closed).is_quiet(), "it is still watched");
    }

    #[test]
    fn r11_a_latched_hang_up_forbids_to_take_short_for_drained() {
        let hup = Event { bits: READ_HUP };
        assert!(Word::FRESH.short_means_drained(Direction::Read));
        let word = Word::FRESH.after(hup);
        assert!(!word.short_means_drained(Direction::Read));
        assert!(word.short_means_drained(Direction::Write));
    }

    #[test]
    fn every_bit_is_another_one_and_none_is_of_the_tick() {
        let each = [READ_READY, READ_HUP, READ_PRI, READ_UNTRIED, READ_WAITED];
        let each = [&each[..], &[WRITE_READY, WRITE_HUP, WRITE_WAITED]].concat();
        let each = [&each[..], &[CLOSED, STALE, HOME_ENDED, QUIET]].concat();
        let all = each.iter().fold(0, |all, bit| all | bit);
        assert!(
            each.iter()
                .all(|bit| bit.is_power_of_two() && *bit < ONE_TICK)
        );
        assert_eq!(all.count_ones() as usize, each.len());
    }

    #[test]
    fn a_fresh_source_is_ready_and_one_that_is_drained_is_not() {
        let mut word = Word::FRESH;
        for direction in [Direction::Read, Direction::Write] {
            assert_eq!(word.look(direction), Look::Ready(word));
            word = word.drained(direction);
            assert_eq!(word.look(direction), Look::NotReady);
        }
        assert_eq!(word, Word(0));
    }

    #[test]
    fn of_several_halts_the_one_that_was_asked_for_counts_most() {
        let mut word = Word::FRESH;
        for halt in [Halt::HomeEnded, Halt::Stale, Halt::Closed] {
            word = word.halted(halt);
            assert_eq!(word.look(Direction::Read), Look::Halted(halt));
            assert_eq!(word.look(Direction::Write), Look::Halted(halt));
        }
    }

    #[cfg(any(target_os = "linux", target_os = "android"))]
    #[test]
    fn what_epoll_says_is_news_for_one_direction_or_for_both() {
        use rustix::event::epoll::EventFlags;
        let rows = [
            (EventFlags::empty(), 0),
            (EventFlags::IN, READ_READY),
            (EventFlags::PRI, READ_READY | READ_PRI),
            (EventFlags::RDHUP, READ_HUP),
            (EventFlags::HUP, READ_HUP | WRITE_HUP),
            (EventFlags::OUT, WRITE_READY),
            (EventFlags::ERR, READ_HUP | WRITE_HUP),
            (EventFlags::IN | EventFlags::OUT, READ_READY | WRITE_READY),
        ];
        for (flags, bits) in rows {
            let event = Event::of_epoll(flags);
            assert_eq!(event.bits, bits, "{flags:?}");
            assert_eq!(event.wakes(Direction::Read), bits & READ_ANY != 0);
            assert_eq!(event.wakes(Direction::Write), bits & WRITE_ANY != 0);
        }
    }
}
