//! The standard library's primitives; loom's under `--cfg loom`, and shuttle's under `--cfg shuttle`.
//!
//! Code that a model checks takes its atomics, cells and locks from here, so
//! that the very same lines run in production and in the model. Under shuttle whole parts of the runtime run on
//! threads that take turns on one, so what belongs to a thread, and what it reads on its clock, is shuttle's, too.

#[cfg(not(any(loom, shuttle)))]
pub use std::{
    cell::UnsafeCell,
    sync::{Arc, Condvar, Mutex, MutexGuard, atomic},
    thread, thread_local,
    time::Instant,
};

#[cfg(loom)]
pub use loom::{
    cell::UnsafeCell,
    sync::{Arc, Condvar, Mutex, MutexGuard, atomic},
    thread,
};
#[cfg(loom)]
pub use std::{thread_local, time::Instant}; // what needs loom's own says so

#[cfg(shuttle)]
pub use {
    crate::shuttled::{Instant, LocalKey, random_below},
    shuttle::{
        sync::{Arc, Condvar, Mutex, MutexGuard, atomic},
        thread,
    },
    std::cell::UnsafeCell,
};
#[cfg(shuttle)]
#[doc(hidden)]
pub use {crate::shuttled_thread_local as thread_local, shuttle};

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
