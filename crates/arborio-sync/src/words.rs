//! How words are changed, lines are locked and owners are counted, in each
//! flavour.
//!
//! # Invariants
//! - F1: what has the flavour [`OneThread`] is neither `Send` nor `Sync`, so
//!   between any two steps of a method nobody else acts, and every step may be
//!   a plain load or store.

use std::{ops::Deref, rc::Rc};

use arborio_base::sync::{
    Arc,
    atomic::{AtomicBool, AtomicUsize, Ordering},
};

use crate::{
    flavour::{OneThread, Threads},
    latch,
    slot::Slot,
};

/// What a flavour does differently.
pub trait Words {
    /// For loads that take over what another thread published.
    const ACQUIRE: Ordering;
    /// For stores that publish.
    const RELEASE: Ordering;
    /// A thing with several owners.
    type Counted<T>: Deref<Target = T> + Clone;
    /// An owner of a thing that callers share: the standard library's in a model
    /// too, because only those can be the receiver of a method. It never leads
    /// to another thing.
    type Owner<T: ?Sized>: Deref<Target = T> + Clone;
    /// A slot that is filled once.
    type Slot<T>: Slot<T>;
    /// A function that is called once, with a look at an `A`, by whoever the
    /// flavour allows.
    type Callback<A>: FnOnce(&A);

    /// Makes the first owner of `value`.
    fn counted<T>(value: T) -> Self::Counted<T>;
    /// Takes the value from its last owner, or says that there are others.
    fn into_inner<T>(owner: Self::Counted<T>) -> Result<T, Self::Counted<T>>;
    /// Replaces `old` by `new`, or says what the word holds instead.
    fn replace(word: &AtomicUsize, old: usize, new: usize) -> Result<(), usize>;
    /// Sets `held` once it is clear.
    fn lock(held: &AtomicBool);
    /// Clears `held`.
    fn unlock(held: &AtomicBool);
}

impl Words for Threads {
    const ACQUIRE: Ordering = Ordering::Acquire;
    const RELEASE: Ordering = Ordering::Release;
    type Counted<T> = Arc<T>;
    type Owner<T: ?Sized> = std::sync::Arc<T>;
    type Slot<T> = std::sync::OnceLock<T>;
    type Callback<A> = Box<dyn FnOnce(&A) + Send>;

    fn counted<T>(value: T) -> Arc<T> {
        Arc::new(value)
    }

    fn into_inner<T>(owner: Arc<T>) -> Result<T, Arc<T>> {
        Arc::try_unwrap(owner)
    }

    #[inline(always)]
    fn replace(word: &AtomicUsize, old: usize, new: usize) -> Result<(), usize> {
        // AcqRel: takes over what the last change published, and publishes.
        let changed = word.compare_exchange_weak(old, new, Ordering::AcqRel, Ordering::Acquire);
        changed.map(drop)
    }

    #[inline(always)]
    fn lock(held: &AtomicBool) {
        latch::lock(held);
    }

    #[inline(always)]
    fn unlock(held: &AtomicBool) {
        latch::unlock(held);
    }
}

impl Words for OneThread {
    // One thread sees its own stores (F1).
    const ACQUIRE: Ordering = Ordering::Relaxed;
    const RELEASE: Ordering = Ordering::Relaxed;
    type Counted<T> = Rc<T>;
    type Owner<T: ?Sized> = Rc<T>;
    type Slot<T> = std::cell::OnceCell<T>;
    type Callback<A> = Box<dyn FnOnce(&A)>;

    fn counted<T>(value: T) -> Rc<T> {
        Rc::new(value)
    }

    fn into_inner<T>(owner: Rc<T>) -> Result<T, Rc<T>> {
        Rc::try_unwrap(owner)
    }

    #[inline(always)]
    fn replace(word: &AtomicUsize, old: usize, new: usize) -> Result<(), usize> {
        let found = word.load(Ordering::Relaxed);
        if found != old {
            return Err(found);
        }
        word.store(new, Ordering::Relaxed);
        Ok(())
    }

    #[inline(always)]
    fn lock(held: &AtomicBool) {
        // No foreign code runs while a line is held, so it cannot be entered twice.
        debug_assert!(!held.load(Ordering::Relaxed), "a line was entered twice");
        if cfg!(debug_assertions) {
            held.store(true, Ordering::Relaxed);
        }
    }

    #[inline(always)]
    fn unlock(held: &AtomicBool) {
        if cfg!(debug_assertions) {
            held.store(false, Ordering::Relaxed);
        }
    }
}

#[cfg(all(test, not(loom), debug_assertions, panic = "unwind"))]
mod tests {
    use super::*;

    #[test]
    #[should_panic(expected = "a line was entered twice")]
    fn a_line_of_one_thread_that_is_entered_twice_is_noticed() {
        let held = AtomicBool::new(false);
        OneThread::lock(&held);
        OneThread::unlock(&held);
        OneThread::lock(&held);
        OneThread::lock(&held);
    }
}
