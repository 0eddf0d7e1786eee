//! The state word of a branch: every bit, every transition, and nothing else.
//!
//! # States
//! | bits        | meaning                                     | the outcome is of | the slot of the waker is of |
//! |-------------|---------------------------------------------|-------------------|-----------------------------|
//! | (none)      | the branch goes on, nobody waits            | the run           | the handle                  |
//! | WAITS       | who awaits the handle has left a waker      | the run           | whoever changes the word    |
//! | TOLD        | the outcome is there                        | the handle        | the run                     |
//! | RUN_GONE    | the run does not touch the cell any more    | the handle        | the handle                  |
//! | HANDLE_GONE | the handle does not touch it any more       | the run           | the run                     |
//!
//! # Invariants
//! - H1: RUN_GONE comes with TOLD or after it. TOLD, RUN_GONE and HANDLE_GONE are never
//!   taken back.
//! - H2: WAITS is set and taken back by the handle, and only while nothing else is set:
//!   with TOLD the slot goes to the run, whether WAITS was set or not.
//! - H3: of RUN_GONE and HANDLE_GONE one is set first. Whoever sets the second, or finds
//!   the first and sets nothing, has the cell for itself, and frees it.

use arborio_base::sync::atomic::{AtomicU8, Ordering};

const WAITS: u8 = 1;
const TOLD: u8 = 2;
const RUN_GONE: u8 = 4;
const HANDLE_GONE: u8 = 8;

/// See the head of the file.
pub(super) struct State(AtomicU8);

/// What becomes of the cell when one side has left.
#[must_use]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Left {
    /// The other side has it.
    ToTheOther,
    /// Nobody has it: it is to be freed.
    ToNobody,
}

/// How the run's short way out went.
#[must_use]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum ShortWay {
    /// Told, and left.
    Left(Left),
    /// Nothing was changed: somebody waits, or has left meanwhile.
    IsBarred,
}

impl State {
    pub(super) fn new() -> Self {
        Self(AtomicU8::new(0))
    }

    /// The handle: whether the outcome is there, and its own.
    #[inline]
    pub(super) fn is_told(&self) -> bool {
        // Acquire: pairs with `tell` and `tell_and_leave`, before which it was written.
        self.0.load(Ordering::Acquire) & TOLD != 0
    }

    /// The handle has filled the slot. False: the outcome has come, and the slot is the
    /// handle's as before (the run has seen no WAITS).
    #[must_use]
    pub(super) fn wait(&self) -> bool {
        let changed = (self.0).compare_exchange(0, WAITS, Ordering::AcqRel, Ordering::Acquire);
        changed.is_ok()
    }

    /// The handle wants the slot back. False: it never had filled it, or the run has it.
    #[must_use]
    pub(super) fn wait_no_more(&self) -> bool {
        if self.0.load(Ordering::Relaxed) & WAITS == 0 {
            return false;
        }
        let changed = (self.0).compare_exchange(WAITS, 0, Ordering::Acquire, Ordering::Relaxed);
        changed.is_ok()
    }

    /// The handle: whether the cell is its alone (H3).
    #[inline]
    pub(super) fn has_run_left(&self) -> bool {
        // Acquire: pairs with the run's leaving, so what it did lies before the freeing.
        self.0.load(Ordering::Acquire) & RUN_GONE != 0
    }

    /// The handle touches the cell no more.
    pub(super) fn leave_as_handle(&self) -> Left {
        // Release: what the handle did lies before the freeing by the run. Acquire: the
        // other way round.
        match self.0.fetch_or(HANDLE_GONE, Ordering::AcqRel) & RUN_GONE {
            0 => Left::ToTheOther,
            _ => Left::ToNobody,
        }
    }

    /// The run has written the outcome, and is done with the cell: the usual end.
    #[inline]
    pub(super) fn tell_and_leave(&self) -> ShortWay {
        // Acquire: the handle has left, and the run will free the cell.
        if self.0.load(Ordering::Acquire) == HANDLE_GONE {
            return ShortWay::Left(Left::ToNobody);
        }
        let after = TOLD | RUN_GONE;
        let changed = (self.0).compare_exchange(0, after, Ordering::Release, Ordering::Relaxed);
        match changed {
            Ok(_) => ShortWay::Left(Left::ToTheOther),
            Err(_) => ShortWay::IsBarred,
        }
    }

    /// The run has written the outcome. True: there is a waker in the slot, which is the
    /// run's now. To be called once.
    #[must_use]
    pub(super) fn tell(&self) -> bool {
        // Acquire: pairs with `wait`, before which the waker was written.
        self.0.fetch_or(TOLD, Ordering::AcqRel) & WAITS != 0
    }

    /// The run touches the cell no more; it has told before.
    pub(super) fn leave_as_run(&self) -> Left {
        match self.0.fetch_or(RUN_GONE, Ordering::AcqRel) & HANDLE_GONE {
            0 => Left::ToTheOther,
            _ => Left::ToNobody,
        }
    }
}
