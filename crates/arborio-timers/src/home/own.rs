//! The wheel of the thread that runs the loop: its own alone, or lent to those who help.
//!
//! # Invariant
//! - B1: no foreign code runs while the wheel is borrowed or locked. So the borrow is never found taken, and a lock is held
//!   for a bounded time.

use std::{
    cell::RefCell,
    sync::{Arc, Mutex},
    task::Waker,
};

use super::lock;
use crate::wheel::Wheel;

/// See the head of this file.
pub(super) enum OwnWheel {
    /// No other thread has it.
    Kept(RefCell<Wheel<Waker>>),
    /// A [helper](crate::TimersHelper) has it, too. Locking it costs two atomic operations.
    Lent(Arc<Mutex<Wheel<Waker>>>),
}

impl OwnWheel {
    /// Calls `f` on the wheel.
    #[inline(always)]
    pub(super) fn with<R>(&self, f: impl FnOnce(&mut Wheel<Waker>) -> R) -> R {
        match self {
            Self::Kept(wheel) => f(&mut wheel.borrow_mut()),
            Self::Lent(wheel) => f(&mut lock(wheel)),
        }
    }
}
