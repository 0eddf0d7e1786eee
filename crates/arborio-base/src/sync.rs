//! The standard library's primitives, or loom's under `--cfg loom`.
//!
//! Code that a model checks takes its atomics, cells and locks from here, so
//! that the very same lines run in production and in the model.

#[cfg(not(loom))]
pub use std::{
    cell::UnsafeCell,
    sync::{Arc, Condvar, Mutex, MutexGuard, atomic},
    thread,
};

#[cfg(loom)]
pub use loom::{
    cell::UnsafeCell,
    sync::{Arc, Condvar, Mutex, MutexGuard, atomic},
    thread,
};

use std::sync::PoisonError;

/// Locks `mutex` and takes the data even if a thread panicked while it held the lock.
///
/// Arborio calls no foreign code under its locks, so a poisoned lock tells
/// nothing about the data behind it.
///
/// # Examples
/// ```
/// use arborio_base::sync::{Mutex, lock};
/// let counter = Mutex::new(1);
/// *lock(&counter) += 1;
/// assert_eq!(*lock(&counter), 2);
/// ```
pub fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
