//! A word that one thread at a time may touch, without atomics.
//!
//! In production it is a [`std::cell::Cell`]. In a model it is loom's tracked
//! cell, so an access that is not ordered after the previous thread's fails
//! the model.

#[cfg(loom)]
use loom::cell::UnsafeCell;
#[cfg(not(loom))]
use std::cell::Cell;

/// A plain word. Whoever touches it must be the owner of what it lies in.
#[cfg(not(loom))]
pub(crate) struct Plain<T>(Cell<T>);

#[cfg(not(loom))]
impl<T: Copy> Plain<T> {
    pub(crate) const fn new(value: T) -> Self {
        Self(Cell::new(value))
    }

    #[inline(always)]
    pub(crate) fn get(&self) -> T {
        self.0.get()
    }

    #[inline(always)]
    pub(crate) fn set(&self, value: T) {
        self.0.set(value);
    }
}

/// The tracked twin of the plain word.
#[cfg(loom)]
pub(crate) struct Plain<T>(UnsafeCell<T>);

#[cfg(loom)]
impl<T: Copy> Plain<T> {
    pub(crate) fn new(value: T) -> Self {
        Self(UnsafeCell::new(value))
    }

    pub(crate) fn get(&self) -> T {
        self.0.with(|value| {
            // SAFETY: loom fails the model if another access is concurrent.
            unsafe { *value }
        })
    }

    pub(crate) fn set(&self, new: T) {
        self.0.with_mut(|value| {
            // SAFETY: loom fails the model if another access is concurrent.
            unsafe { *value = new }
        });
    }
}

impl<T: Copy> Plain<T> {
    /// Puts `value` in and returns what was there.
    #[inline(always)]
    pub(crate) fn replace(&self, value: T) -> T {
        let old = self.get();
        self.set(value);
        old
    }
}
