//! A state that one thread at a time may look at.
//!
//! # Invariants
//! - G1: `state` is reached only through a [`Held`], and there is one at a time:
//!   between threads by the latch, on one thread because no foreign code runs
//!   while it lives (F1). Wakers are cloned before, and called and dropped after.

use std::{
    cell::UnsafeCell,
    marker::PhantomData,
    ops::{Deref, DerefMut},
};

#[cfg(not(loom))]
use arborio_base::sync::atomic::AtomicBool;

use crate::flavour::Flavour;

/// A state behind the small lock of its flavour.
pub(crate) struct Guarded<F, S> {
    /// A model takes loom's mutex: a spinning lock has no end of executions.
    /// The latch has a model of its own.
    #[cfg(not(loom))]
    held: AtomicBool,
    #[cfg(loom)]
    held: loom::sync::Mutex<()>,
    state: UnsafeCell<S>,
    flavour: PhantomData<F>,
}

// SAFETY: whoever has the value may move it; `OneThread` is not `Send`.
unsafe impl<F: Send, S: Send> Send for Guarded<F, S> {}
// SAFETY: G1 lets one thread at a time at the state; `OneThread` is not `Sync`.
unsafe impl<F: Sync, S: Send> Sync for Guarded<F, S> {}

impl<F, S> Guarded<F, S> {
    const_fn! {
        /// A state that nobody holds.
        pub(crate) const fn new(state: S) -> Self {
            Self {
                #[cfg(not(loom))]
                held: AtomicBool::new(false),
                #[cfg(loom)]
                held: loom::sync::Mutex::new(()),
                state: UnsafeCell::new(state),
                flavour: PhantomData,
            }
        }
    }
}

impl<F: Flavour, S> Guarded<F, S> {
    /// Waits, for a few instructions of others, until the state is free.
    #[inline(always)]
    pub(crate) fn lock(&self) -> Held<'_, F, S> {
        #[cfg(not(loom))]
        F::lock(&self.held);
        Held {
            #[cfg(loom)]
            _held: self
                .held
                .lock()
                .unwrap_or_else(|poisoned| poisoned.into_inner()),
            guarded: self,
        }
    }
}

/// The right to look at a state, until it is dropped.
pub(crate) struct Held<'a, F: Flavour, S> {
    #[cfg(loom)]
    _held: loom::sync::MutexGuard<'a, ()>,
    guarded: &'a Guarded<F, S>,
}

impl<F: Flavour, S> Deref for Held<'_, F, S> {
    type Target = S;

    #[inline(always)]
    fn deref(&self) -> &S {
        // SAFETY: this is the one `Held` (G1), and it is borrowed shared.
        unsafe { &*self.guarded.state.get() }
    }
}

impl<F: Flavour, S> DerefMut for Held<'_, F, S> {
    #[inline(always)]
    fn deref_mut(&mut self) -> &mut S {
        // SAFETY: this is the one `Held` (G1), and it is borrowed alone.
        unsafe { &mut *self.guarded.state.get() }
    }
}

#[cfg(not(loom))]
impl<F: Flavour, S> Drop for Held<'_, F, S> {
    #[inline(always)]
    fn drop(&mut self) {
        F::unlock(&self.guarded.held);
    }
}
