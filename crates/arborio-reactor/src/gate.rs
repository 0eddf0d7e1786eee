//! Where tasks wait for a source: the readiness word and the waiters' list.
//!
//! # Who pairs with whom
//! * A task that finds its direction not ready puts its waker into the list
//!   and then sets the "somebody waits" bit, both under the lock. The same
//!   read-modify-write that sets the bit looks at the readiness once more.
//! * An event sets readiness and takes the "somebody waits" bits in one
//!   read-modify-write, and takes the list under the lock only if a bit was
//!   set.
//!
//! Both act on one word, so one of them comes first: either the event sees the
//! bit (and wakes), or the task sees the readiness (and does not wait).
//! `tests/loom.rs` checks this, and R10.
//!
//! A waker is never cloned, called or dropped while the lock is held.

use std::task::{Context, Poll};

use arborio_base::{
    WakeBatch, drop_contained,
    sync::{
        Mutex,
        atomic::{AtomicU32, Ordering},
        lock,
    },
};

use crate::{
    quiet::{Duty, FullRead, Moved},
    readiness::{Direction, Event, Halt, Look, Word},
    waiters::{WaitKey, Waiters},
};

/// The readiness of one source and those who wait for it. `P` is what else the
/// source keeps under the same lock, so that it pays for one lock only.
#[derive(Debug)]
pub(crate) struct Gate<P> {
    /// See `readiness.rs`.
    word: AtomicU32,
    /// See `quiet.rs`.
    full_read: FullRead,
    /// The waiters, and the source's own data.
    guarded: Mutex<Guarded<P>>,
}

/// What an event has done.
#[derive(Clone, Copy, Debug)]
#[must_use]
pub(crate) struct Raised {
    /// How many it wakes.
    pub(crate) woken: usize,
    /// What the dispatch has to do about the mode.
    pub(crate) duty: Duty,
}

#[derive(Debug)]
struct Guarded<P> {
    waiters: Waiters,
    place: P,
}

impl<P> Gate<P> {
    /// A gate that is open in both directions.
    pub(crate) fn new(place: P) -> Self {
        Self {
            word: AtomicU32::new(Word::FRESH.0),
            full_read: FullRead::new(),
            guarded: Mutex::new(Guarded {
                waiters: Waiters::default(),
                place,
            }),
        }
    }

    /// What the word says now.
    #[inline]
    pub(crate) fn look(&self, direction: Direction) -> Look {
        // Acquire: pairs with the release of the event that set the bits.
        Word(self.word.load(Ordering::Acquire)).look(direction)
    }

    /// Ready with the word to give to [`Gate::drained`], or pending with the
    /// task of `cx` waiting for the next event in `direction`.
    #[inline]
    pub(crate) fn poll(
        &self,
        cx: &mut Context<'_>,
        direction: Direction,
        key: &mut WaitKey,
    ) -> Poll<Result<Word, Halt>> {
        // Acquire: pairs with the release of the event that set the bits.
        let word = Word(self.word.load(Ordering::Acquire));
        match word.look(direction) {
            Look::Ready(word) => Poll::Ready(Ok(word)),
            Look::Halted(halt) => Poll::Ready(Err(halt)),
            Look::NotReady => self.wait(cx, direction, key, word),
        }
    }

    /// Puts the task of `cx` into the list, unless it has become ready.
    fn wait(
        &self,
        cx: &mut Context<'_>,
        direction: Direction,
        key: &mut WaitKey,
        word: Word,
    ) -> Poll<Result<Word, Halt>> {
        // Without the bit there is no entry to be found: clone at once, and
        // take the lock once instead of twice.
        let mut clone = (!word.is_waited(direction)).then(|| cx.waker().clone());
        let mut guarded = lock(&self.guarded);
        if clone.is_none() && !guarded.waiters.knows(direction, key, cx.waker()) {
            drop(guarded);
            clone = Some(cx.waker().clone());
            guarded = lock(&self.guarded);
        }
        let replaced = clone.and_then(|waker| guarded.waiters.put(direction, key, waker));
        // AcqRel: acquires the event whose bits it sees; releases nothing but
        // the bit itself, the list is published by the lock.
        let before = Word(self.word.fetch_or(direction.waited_bit(), Ordering::AcqRel));
        drop(guarded);
        if let Some(waker) = replaced {
            drop_contained(waker);
        }
        // An entry that turns out not to be needed stays until it is taken
        // back by its key or by the next event: a spurious wake at worst.
        match before.look(direction) {
            Look::Ready(word) => Poll::Ready(Ok(word)),
            Look::Halted(halt) => Poll::Ready(Err(halt)),
            Look::NotReady => Poll::Pending,
        }
    }

    /// Takes back the entry of a future that stops waiting.
    #[inline]
    pub(crate) fn forget(&self, direction: Direction, key: &WaitKey) {
        // Relaxed: the entry was made by whoever owns the key, so this thread
        // knows a word at least as new. No bit: an event has taken the entry
        // or is about to.
        if key.has_entry() && Word(self.word.load(Ordering::Relaxed)).is_waited(direction) {
            self.forget_entry(direction, key);
        }
    }

    #[cold]
    fn forget_entry(&self, direction: Direction, key: &WaitKey) {
        let mut guarded = lock(&self.guarded);
        let waker = guarded.waiters.remove(direction, key);
        if guarded.waiters.is_empty(direction) {
            // Under the lock, so no waiter is between its entry and its bit.
            self.word
                .fetch_and(!direction.waited_bit(), Ordering::Relaxed);
        }
        drop(guarded);
        if let Some(waker) = waker {
            drop_contained(waker);
        }
    }

    /// Records `event` and moves those whom it wakes into `batch`.
    pub(crate) fn raise(&self, event: Event, batch: &mut WakeBatch) -> Raised {
        let before = self.update(|word| Some(word.after(event)));
        // Every event of quiet mode is one for the reader: S2.
        let duty = match before.is_quiet() && before.is_read_promised() {
            true => Duty::Switch,
            false => Duty::Keep,
        };
        let woken = self.take_woken(event, before, batch);
        Raised { woken, duty }
    }

    /// Moves those into `batch` who waited for `event` in the word `before`.
    fn take_woken(&self, event: Event, before: Word, batch: &mut WakeBatch) -> usize {
        let woken = |direction| event.wakes(direction) && before.is_waited(direction);
        let (read, write) = (woken(Direction::Read), woken(Direction::Write));
        if !(read || write) {
            return 0;
        }
        let mut guarded = lock(&self.guarded);
        let mut count = 0;
        if read {
            count += guarded.waiters.take(Direction::Read, batch);
        }
        if write {
            count += guarded.waiters.take(Direction::Write, batch);
        }
        count
    }

    /// Shuts the gate for `halt` and moves everybody into `batch`.
    pub(crate) fn halt(&self, halt: Halt, batch: &mut WakeBatch) {
        self.update(|word| Some(word.halted(halt)));
        let mut guarded = lock(&self.guarded);
        guarded.waiters.take(Direction::Read, batch);
        guarded.waiters.take(Direction::Write, batch);
    }

    /// Whether `halt` is in force.
    pub(crate) fn is_halted(&self, halt: Halt) -> bool {
        self.word.load(Ordering::Acquire) & halt.bit() != 0
    }

    /// Takes `halt` back; true for the one caller that did.
    pub(crate) fn resume(&self, halt: Halt) -> bool {
        self.word.fetch_and(!halt.bit(), Ordering::AcqRel) & halt.bit() != 0
    }

    /// The system call behind `seen` met `WouldBlock`. After a switch it is to
    /// be tried again.
    pub(crate) fn blocked(&self, direction: Direction, seen: Word) -> Duty {
        let must_switch = match direction {
            Direction::Read => seen.is_read_promised(), // S4
            Direction::Write => true,                   // S1
        };
        if seen.is_quiet() && must_switch {
            return Duty::Switch;
        }
        self.drained(direction, seen);
        Duty::Keep
    }

    /// The system call behind `seen` did what `moved` says.
    #[inline]
    pub(crate) fn moved(&self, direction: Direction, seen: Word, moved: Moved) -> Duty {
        match moved {
            Moved::Unknown => Duty::Keep,
            _ if seen.is_quiet() => self.moved_quietly(direction, seen, moved),
            Moved::Full => Duty::Keep,
            Moved::Short => {
                self.drained_by_short(direction, seen);
                Duty::Keep
            }
        }
    }

    /// Read readiness goes whatever was read; a switch keeps it (S3).
    #[inline]
    fn moved_quietly(&self, direction: Direction, seen: Word, moved: Moved) -> Duty {
        let duty = self.full_read.note(direction, moved);
        if direction == Direction::Read && duty == Duty::Keep {
            self.drained(direction, seen);
        }
        duty
    }

    /// Whether the source is in quiet mode.
    pub(crate) fn is_quiet(&self) -> bool {
        Word(self.word.load(Ordering::Acquire)).is_quiet()
    }

    /// The source is watched quietly. Nobody has it yet but the caller.
    pub(crate) fn quieten(&self) {
        self.update(|word| Some(word.quietened()));
    }

    /// The source is watched for edges now. For the holder of the lock of the
    /// table alone (Q1).
    pub(crate) fn switched(&self) {
        self.update(|word| Some(word.switched()));
    }

    /// The system call behind `seen` has left nothing: not ready any more,
    /// unless an event has come since.
    #[inline]
    pub(crate) fn drained(&self, direction: Direction, seen: Word) {
        // Mostly nothing has happened since: the first try of `update`, without
        // its load. The orders are the same.
        let drained = seen.drained(direction).0;
        let tried =
            self.word
                .compare_exchange(seen.0, drained, Ordering::AcqRel, Ordering::Acquire);
        if tried.is_err() {
            self.drained_meanwhile(direction, seen);
        }
    }

    #[cold]
    fn drained_meanwhile(&self, direction: Direction, seen: Word) {
        self.update(|word| word.same_tick(seen).then(|| word.drained(direction)));
    }

    /// The system call behind `seen` moved less than it was offered: as good
    /// as `WouldBlock`, unless the end of file or an error waits behind it.
    #[inline]
    fn drained_by_short(&self, direction: Direction, seen: Word) {
        if seen.short_means_drained(direction) {
            self.drained(direction, seen);
        }
    }

    /// Calls `f` on what the source keeps under the lock.
    pub(crate) fn with_place<R>(&self, f: impl FnOnce(&mut P) -> R) -> R {
        f(&mut lock(&self.guarded).place)
    }

    /// Changes the word and returns what it was.
    fn update(&self, change: impl Fn(Word) -> Option<Word>) -> Word {
        let changed = |word| change(Word(word)).map(|word| word.0);
        // AcqRel: an event publishes what its driver did before; a clear
        // must not be seen before the system call that caused it.
        match self
            .word
            .fetch_update(Ordering::AcqRel, Ordering::Acquire, changed)
        {
            Ok(before) | Err(before) => Word(before),
        }
    }
}

#[cfg(all(test, not(loom)))]
mod tests {
    use std::task::Waker;

    use super::*;

    #[track_caller]
    fn ready(gate: &Gate<()>, direction: Direction) -> Word {
        match gate.look(direction) {
            Look::Ready(word) => word,
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn what_is_drained_stays_so_if_somebody_else_waits_meanwhile_and_not_after_an_event() {
        let gate = Gate::new(());
        gate.drained(Direction::Write, ready(&gate, Direction::Write));
        let seen = ready(&gate, Direction::Read);
        let mut cx = Context::from_waker(Waker::noop());
        let mut key = WaitKey::fresh();
        assert!(gate.poll(&mut cx, Direction::Write, &mut key).is_pending());
        gate.drained(Direction::Read, seen);
        assert_eq!(gate.look(Direction::Read), Look::NotReady);

        let mut batch = WakeBatch::new();
        let event = Event::ready(Direction::Read);
        assert_eq!(gate.raise(event, &mut batch).woken, 0);
        let seen = ready(&gate, Direction::Read);
        assert_eq!(gate.raise(event, &mut batch).woken, 0);
        gate.drained(Direction::Read, seen);
        assert!(matches!(gate.look(Direction::Read), Look::Ready(_)));
        assert_eq!(
            gate.raise(Event::ready(Direction::Write), &mut batch).woken,
            1
        );
        gate.forget(Direction::Write, &key);
    }

    #[test]
    fn a_waiter_that_gives_up_takes_nothing_but_its_entry_along() {
        let gate = Gate::new(());
        gate.quieten();
        gate.drained(Direction::Read, ready(&gate, Direction::Read));
        let mut cx = Context::from_waker(Waker::noop());
        let mut key = WaitKey::fresh();
        assert!(gate.poll(&mut cx, Direction::Read, &mut key).is_pending());
        gate.forget(Direction::Read, &key);
        ready(&gate, Direction::Write);
        assert!(gate.is_quiet());
        assert_eq!(gate.look(Direction::Read), Look::NotReady);
        let raised = gate.raise(Event::ready(Direction::Read), &mut WakeBatch::new());
        assert_eq!(raised.woken, 0);
    }

    #[test]
    fn a_halt_is_taken_back_by_one_caller_alone() {
        let gate = Gate::new(());
        assert!(!gate.resume(Halt::HomeEnded), "it is in force no more");
        gate.halt(Halt::HomeEnded, &mut WakeBatch::new());
        gate.halt(Halt::Closed, &mut WakeBatch::new());
        assert!(gate.resume(Halt::HomeEnded));
        assert!(!gate.resume(Halt::HomeEnded));
        assert!(gate.is_halted(Halt::Closed), "that one stays");
    }

    #[test]
    fn a_gate_is_quiet_from_the_word_to_the_switch() {
        let gate = Gate::new(());
        assert!(!gate.is_quiet());
        gate.quieten();
        assert!(gate.is_quiet());
        gate.switched();
        assert!(!gate.is_quiet());
    }
}
