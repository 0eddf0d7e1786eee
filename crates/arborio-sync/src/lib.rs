//! Synchronisation for async tasks, under any executor.
//!
//! Nothing here knows an executor. Whoever waits stands in line, first come,
//! first served; the links of the line lie in the future that waits, so waiting
//! allocates nothing. Dropping a future at any time passes on what it had been
//! given. No waker is called, cloned or dropped under a lock.
//!
//! The types at the root are for any threads. [`local`] has the same types for
//! one thread, without atomic read-modify-writes.
//!
//! # Examples
//! ```
//! use arborio_sync::Mutex;
//!
//! # futures_lite::future::block_on(async {
//! let mutex = Mutex::new(1);
//! *mutex.lock().await += 1;
//! assert_eq!(mutex.into_inner(), 2);
//! # });
//! ```

/// A constant function; in a model an ordinary one, as loom's words are not
/// made at compile time.
macro_rules! const_fn {
    ($(#[$meta:meta])* $vis:vis const fn $($rest:tt)*) => {
        #[cfg(not(loom))]
        $(#[$meta])*
        $vis const fn $($rest)*
        #[cfg(loom)]
        $(#[$meta])*
        $vis fn $($rest)*
    };
}

mod blocking;
mod closed;
mod event;
pub mod flavour;
mod guarded;
mod latch;
mod line;
pub mod local;
mod mutex;
mod owned;
mod permits;
mod semaphore;
mod slot;
mod words;

pub use closed::Closed;
use flavour::Threads;
pub use semaphore::{TooManyPermits, TryAcquireError};

/// A lock around a value, handed over in order. See [`flavour::Mutex`].
pub type Mutex<T> = flavour::Mutex<T, Threads>;
/// The right to use a mutex's value. See [`flavour::MutexGuard`].
pub type MutexGuard<'a, T> = flavour::MutexGuard<'a, T, Threads>;
/// A gate that is open or shut. See [`flavour::Event`].
pub type Event = flavour::Event<Threads>;
/// A number of permits that are taken in order. See [`flavour::Semaphore`].
pub type Semaphore = flavour::Semaphore<Threads>;
/// Permits of a semaphore. See [`flavour::SemaphorePermit`].
pub type SemaphorePermit<'a> = flavour::SemaphorePermit<'a, Threads>;
/// Permits that own their semaphore. See [`flavour::OwnedSemaphorePermit`].
pub type OwnedSemaphorePermit = flavour::OwnedSemaphorePermit<Threads>;
