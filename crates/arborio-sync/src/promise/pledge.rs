//! What the handles of a promise share: its outcome, and who waits for it.
//!
//! # The word
//! | bits      | meaning                                   | changed by                     |
//! |-----------|-------------------------------------------|--------------------------------|
//! | the kind  | PENDING, VALUE, FAILED or CANCELLED       | `complete`, once, under the lock |
//! | TAKEN     | the value was moved out                   | `try_take`, once               |
//! | TAKER     | somebody waits until nobody reads         | set by `try_take` under the lock, cleared by the last reader |
//! | the rest  | how many read the value now               | `enter`, the drop of `Reading` |
//!
//! # Invariants
//! - O1: the outcome is written while the kind is PENDING, by the holder of the
//!   lock. The kind is stored after it, with Release, which pairs with every
//!   Acquire load and exchange of the word that finds it.
//! - O2: a value is looked at by those only that are counted in the word, and
//!   moved out by the one that set TAKEN while none was. Nobody is counted after.
//! - O3: an error stays where it is for as long as the pledge lives, so those who
//!   look at one need no count.
//! - O4: whoever waits in line while the kind is not PENDING is a taker that has
//!   set TAKER under the same lock, or is about to be told by `complete`. So the
//!   last reader, which finds TAKER, finds the taker in line.

use std::cell::UnsafeCell;

use arborio_base::{contain, sync::atomic::AtomicUsize};

use super::{PromiseError, number};
use crate::{
    flavour::Flavour,
    guarded::{Guarded, Held},
    line::{Answer, Line},
    rounds::tell_rounds,
};

const PENDING: usize = 0;
const VALUE: usize = 1;
const FAILED: usize = 2;
const CANCELLED: usize = 3;
const KIND: usize = 3;
const TAKEN: usize = 4;
const TAKER: usize = 8;
/// One reader more.
const READER: usize = 16;

/// What a promise comes to.
pub(super) type Outcome<T> = Result<T, PromiseError>;

/// What a promise is at the moment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    Pending,
    Value,
    Failed,
    Cancelled,
}

impl Kind {
    fn of_word(word: usize) -> Self {
        match word & KIND {
            PENDING => Self::Pending,
            VALUE => Self::Value,
            FAILED => Self::Failed,
            _ => Self::Cancelled,
        }
    }
}

/// The word of a promise that has come to `outcome`.
fn word_of<T>(outcome: &Outcome<T>) -> usize {
    match outcome {
        Ok(_) => VALUE,
        Err(PromiseError::Cancelled) => CANCELLED,
        Err(_) => FAILED,
    }
}

/// What the handles share.
pub(super) struct Pledge<T, F: Flavour> {
    word: AtomicUsize,
    outcome: Written<T>,
    waiting: Guarded<F, Waiting<T, F>>,
}

/// The outcome, once it is there.
struct Written<T>(UnsafeCell<Option<Outcome<T>>>);

// SAFETY: readers on several threads share `&T`, which needs `Sync`, and the
// taker may be on another thread than the one that wrote it, which needs `Send`.
// O1 and O2 keep the three apart.
unsafe impl<T: Send + Sync> Sync for Written<T> {}

/// Who is told when the promise is done.
pub(super) struct Waiting<T, F: Flavour> {
    /// How often those in line were told to look.
    pub(super) round: usize,
    pub(super) line: Line,
    /// First come first; empty once it is done.
    callbacks: Vec<(u64, F::Callback<Outcome<T>>)>,
}

/// What a try to take the value came to.
pub(super) enum Taking<T> {
    /// The outcome; the value is the caller's.
    There(Outcome<T>),
    /// It is pending, or somebody reads the value at this moment.
    NotNow,
}

impl<T, F: Flavour> Pledge<T, F> {
    pub(super) fn new() -> Self {
        Self {
            word: AtomicUsize::new(PENDING),
            outcome: Written(UnsafeCell::new(None)),
            waiting: Guarded::new(Waiting {
                round: 0,
                line: Line::new(),
                callbacks: Vec::new(),
            }),
        }
    }

    pub(super) fn kind(&self) -> Kind {
        Kind::of_word(self.word.load(F::ACQUIRE))
    }

    /// What the lock lies around, for those who stand in line.
    pub(super) fn guarded(&self) -> &Guarded<F, Waiting<T, F>> {
        &self.waiting
    }

    /// Completes it, wakes everybody, and then calls the callbacks. Gives the
    /// outcome back if there is one already.
    pub(super) fn complete(&self, outcome: Outcome<T>) -> Result<(), Outcome<T>> {
        let mut waiting = self.waiting.lock();
        if self.kind() != Kind::Pending {
            drop(waiting);
            return Err(outcome);
        }
        let callbacks = std::mem::take(&mut waiting.callbacks);
        let counted = outcome.is_ok() && !callbacks.is_empty();
        let word = word_of(&outcome) + if counted { READER } else { 0 };
        // SAFETY: PENDING, and the lock is held (O1).
        unsafe { *self.outcome.0.get() = Some(outcome) };
        self.word.store(word, F::RELEASE); // O1
        // Counted already if it must be: no taker comes before the callbacks.
        let reading = Reading {
            pledge: self,
            counted,
        };
        self.tell_all(waiting);
        for (_, callback) in callbacks {
            contain(|| callback(reading.outcome()));
        }
        Ok(())
    }

    /// Shows the outcome to `look`, if it is there.
    pub(super) fn read<V>(&self, look: impl FnOnce(&Outcome<T>) -> V) -> Option<V> {
        match self.enter() {
            Entry::Pending => None,
            Entry::Taken => Some(look(&Err(PromiseError::Taken))),
            Entry::There(reading) => Some(look(reading.outcome())),
        }
    }

    fn enter(&self) -> Entry<'_, T, F> {
        let mut word = self.word.load(F::ACQUIRE);
        loop {
            match Kind::of_word(word) {
                Kind::Pending => return Entry::Pending,
                Kind::Value => {}
                // O3
                Kind::Failed | Kind::Cancelled => return Entry::reading(self, false),
            }
            if word & TAKEN != 0 {
                return Entry::Taken;
            }
            match F::replace(&self.word, word, word + READER) {
                Ok(()) => return Entry::reading(self, true),
                Err(found) => word = found,
            }
        }
    }

    /// Takes the value, if it is there and nobody reads it.
    pub(super) fn try_take(&self) -> Taking<T> {
        self.take_unless_read(0)
    }

    /// The same under the lock, for a caller that joins the line if it gets
    /// nothing (O4).
    pub(super) fn take_or_announce(&self) -> Taking<T> {
        self.take_unless_read(TAKER)
    }

    /// Takes the value, or sets `announced` if somebody reads it.
    fn take_unless_read(&self, announced: usize) -> Taking<T> {
        let mut word = self.word.load(F::ACQUIRE);
        loop {
            match Kind::of_word(word) {
                Kind::Pending => return Taking::NotNow,
                Kind::Value => {}
                Kind::Failed | Kind::Cancelled => return Taking::There(self.failure()),
            }
            if word & TAKEN != 0 {
                return Taking::There(Err(PromiseError::Taken));
            }
            let free = word < READER;
            let next = word | if free { TAKEN } else { announced };
            if next == word {
                return Taking::NotNow; // nothing to announce, or announced already
            }
            match F::replace(&self.word, word, next) {
                Ok(()) if free => return Taking::There(self.move_out()),
                Ok(()) => return Taking::NotNow,
                Err(found) => word = found,
            }
        }
    }

    /// The error that it came to. The caller saw that it is one.
    fn failure(&self) -> Outcome<T> {
        let reading = Reading {
            pledge: self,
            counted: false, // O3
        };
        match reading.outcome() {
            Err(error) => Err(error.clone()),
            Ok(_) => unreachable!("the kind says that it is an error"),
        }
    }

    /// The value. Only for whoever set TAKEN.
    fn move_out(&self) -> Outcome<T> {
        // SAFETY: nobody reads, and nobody will (O2).
        let outcome = unsafe { &mut *self.outcome.0.get() };
        outcome.take().expect("written before the kind (O1)")
    }

    /// Ends the round and tells everybody to look.
    fn tell_all<'a>(&'a self, mut waiting: Held<'a, F, Waiting<T, F>>) {
        let ended = waiting.round;
        waiting.round = ended.wrapping_add(1);
        drop(tell_rounds(
            &self.waiting,
            waiting,
            |waiting| &mut waiting.line,
            ended,
            Answer::Retry,
        ));
    }

    /// Keeps `callback` until it is done; gives it back if it is. Returns its
    /// number.
    pub(super) fn keep(
        &self,
        callback: F::Callback<Outcome<T>>,
    ) -> Result<u64, F::Callback<Outcome<T>>> {
        let mut waiting = self.waiting.lock();
        if self.kind() != Kind::Pending {
            drop(waiting);
            return Err(callback);
        }
        let number = number::next();
        waiting.callbacks.push((number, callback));
        Ok(number)
    }

    /// Takes back a callback that is kept.
    pub(super) fn take_back(&self, number: u64) -> Option<F::Callback<Outcome<T>>> {
        let mut waiting = self.waiting.lock();
        let callbacks = &mut waiting.callbacks;
        let at = callbacks.iter().position(|(kept, _)| *kept == number)?;
        Some(callbacks.remove(at).1)
    }
}

/// What somebody finds who wants to look at the outcome.
enum Entry<'a, T, F: Flavour> {
    Pending,
    Taken,
    There(Reading<'a, T, F>),
}

impl<'a, T, F: Flavour> Entry<'a, T, F> {
    fn reading(pledge: &'a Pledge<T, F>, counted: bool) -> Self {
        Self::There(Reading { pledge, counted })
    }
}

/// The right to look at the outcome.
struct Reading<'a, T, F: Flavour> {
    pledge: &'a Pledge<T, F>,
    /// It is counted in the word (O2), or the outcome is an error (O3).
    counted: bool,
}

impl<T, F: Flavour> Reading<'_, T, F> {
    fn outcome(&self) -> &Outcome<T> {
        // SAFETY: it is written (O1), and nobody moves it out (O2, O3).
        let outcome = unsafe { &*self.pledge.outcome.0.get() };
        outcome.as_ref().expect("written before the kind (O1)")
    }
}

impl<T, F: Flavour> Drop for Reading<'_, T, F> {
    fn drop(&mut self) {
        if !self.counted {
            return;
        }
        let pledge = self.pledge;
        let mut word = pledge.word.load(F::ACQUIRE);
        let awaited = loop {
            let last = word < READER * 2;
            let awaited = last && word & TAKER != 0;
            let next = word - READER - if awaited { TAKER } else { 0 };
            match F::replace(&pledge.word, word, next) {
                Ok(()) => break awaited,
                Err(found) => word = found,
            }
        };
        if awaited {
            pledge.tell_all(pledge.waiting.lock());
        }
    }
}
