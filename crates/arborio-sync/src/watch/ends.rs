//! What the ends of a watched value share.
//!
//! The value lies behind a counted pointer. To look at it is to copy the pointer
//! under the lock; it is read, replaced and dropped without. So a reader holds up
//! nobody, and a value that panics hurts nobody else.
//!
//! # The word
//! The lowest bit says that the senders are gone; the rest is the version: how
//! often the value was replaced. It wraps: a receiver that looks away for exactly
//! as many changes as a word can count sees none.
//!
//! # Invariants
//! - W1: the word changes under the lock only, together with the value. It is
//!   stored with Release, and whoever loads it with Acquire and then looks at the
//!   value finds that version or a later one.
//! - W2: a place in `changes` wants the version that its receiver has seen, which
//!   was the present one when it joined.
//! - W3: a place in `partings` wants the round; a round ends when the last
//!   receiver goes.

use arborio_base::sync::atomic::{AtomicUsize, Ordering};

use super::{RecvError, snapshot::Snapshot};
use crate::{
    flavour::Flavour,
    guarded::{Guarded, Held},
    line::{Answer, Line},
    rounds::tell_rounds,
};

const CLOSED: usize = 1;
/// One version more.
pub(super) const STEP: usize = 2;

/// The version of a value, as a receiver remembers it.
pub(super) type Version = usize;

/// The value, and who watches it.
pub(crate) struct Ends<T, F: Flavour> {
    /// For looks without the lock (W1).
    word: AtomicUsize,
    guarded: Guarded<F, Current<T, F>>,
}

/// What lies under the lock.
pub(super) struct Current<T, F: Flavour> {
    value: F::Counted<T>,
    senders: usize,
    pub(super) receivers: usize,
    /// Receivers that wait for the next version (W2).
    pub(super) changes: Line,
    /// Senders that wait until there is no receiver (W3).
    pub(super) partings: Line,
    /// How often the last receiver has gone.
    pub(super) parted: usize,
}

type Locked<'a, T, F> = Held<'a, F, Current<T, F>>;

impl<T, F: Flavour> Ends<T, F> {
    /// With one sender, and nobody who watches.
    pub(crate) fn new(value: T) -> Self {
        Self {
            word: AtomicUsize::new(0),
            guarded: Guarded::new(Current {
                value: F::counted(value),
                senders: 1,
                receivers: 0,
                changes: Line::new(),
                partings: Line::new(),
                parted: 0,
            }),
        }
    }

    /// What the lock lies around, for those who stand in its lines.
    pub(super) fn guarded(&self) -> &Guarded<F, Current<T, F>> {
        &self.guarded
    }

    /// The version of the present value, or of one before it.
    #[inline]
    pub(super) fn version(&self) -> Version {
        self.word.load(F::ACQUIRE) & !CLOSED
    }

    /// Whether the senders are gone.
    pub(super) fn is_closed(&self) -> bool {
        self.word.load(F::ACQUIRE) & CLOSED != 0
    }

    /// What has happened since version `seen`: a later version, the end, or
    /// nothing. A version that was not seen comes before the end.
    #[inline]
    pub(super) fn news(&self, seen: Version) -> Option<Result<Version, RecvError>> {
        let word = self.word.load(F::ACQUIRE);
        if word & !CLOSED != seen {
            Some(Ok(word & !CLOSED))
        } else if word & CLOSED != 0 {
            Some(Err(RecvError))
        } else {
            None
        }
    }

    /// The present value, and its version.
    pub(super) fn look(&self) -> (Snapshot<T, F>, Version) {
        let current = self.guarded.lock();
        let value = current.value.clone();
        (Snapshot { value }, self.version())
    }

    /// Puts `value` in the place of the present one, if `may` allows it, and wakes
    /// all who wait for a change. Returns the old value, or `value` itself.
    pub(super) fn replace(
        &self,
        value: F::Counted<T>,
        may: impl FnOnce(&Current<T, F>) -> bool,
    ) -> Result<Snapshot<T, F>, F::Counted<T>> {
        let mut current = self.guarded.lock();
        if !may(&current) {
            drop(current);
            return Err(value);
        }
        let value = std::mem::replace(&mut current.value, value);
        let ended = self.version();
        // A sender calls this, so the word is not CLOSED.
        self.word.store(ended.wrapping_add(STEP), F::RELEASE);
        self.tell_changed(current, ended);
        Ok(Snapshot { value })
    }

    fn tell_changed<'a>(&'a self, current: Locked<'a, T, F>, ended: Version) {
        drop(tell_rounds(
            &self.guarded,
            current,
            |current| &mut current.changes,
            ended,
            Answer::Retry,
        ));
    }

    pub(super) fn add_sender(&self) {
        self.guarded.lock().senders += 1;
    }

    /// A sender is gone. With the last one, those who wait are told the end.
    pub(super) fn remove_sender(&self) {
        let mut current = self.guarded.lock();
        current.senders -= 1;
        if current.senders > 0 {
            return;
        }
        let version = self.word.load(Ordering::Relaxed);
        self.word.store(version | CLOSED, F::RELEASE);
        self.tell_changed(current, version);
    }

    /// One receiver more. Returns the version of the moment.
    pub(super) fn add_receiver(&self) -> Version {
        let mut current = self.guarded.lock();
        current.receivers += 1;
        self.version()
    }

    /// A receiver is gone. With the last one, the senders that wait are told.
    pub(super) fn remove_receiver(&self) {
        let mut current = self.guarded.lock();
        current.receivers -= 1;
        if current.receivers > 0 {
            return;
        }
        let ended = current.parted;
        current.parted = ended.wrapping_add(1);
        drop(tell_rounds(
            &self.guarded,
            current,
            |current| &mut current.partings,
            ended,
            Answer::Closed,
        ));
    }

    pub(super) fn receiver_count(&self) -> usize {
        self.guarded.lock().receivers
    }
}
