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
//! All this is `arborio::sync` in the crate `arborio`. Examples have the names of this crate.
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

mod barrier;
mod blocking;
pub mod broadcast;
mod channel;
mod closed;
mod event;
pub mod flavour;
mod guarded;
mod latch;
mod line;
pub mod local;
pub mod mpmc;
pub mod mpsc;
mod mutex;
mod notify;
mod once_cell;
pub mod oneshot;
mod owned;
mod permits;
mod promise;
mod rounds;
mod rwlock;
mod semaphore;
mod slot;
pub mod watch;
mod words;

pub use barrier::BarrierWaitResult;
pub use closed::Closed;
use flavour::Threads;
pub use once_cell::SetError;
pub use promise::{AlreadyDone, CallbackId, PromiseError, StillPending};
pub use semaphore::{TooManyPermits, TryAcquireError};

/// A lock around a value, handed over in order. See [`flavour::Mutex`].
pub type Mutex<T> = flavour::Mutex<T, Threads>;
/// The right to use a mutex's value. See [`flavour::MutexGuard`].
pub type MutexGuard<'a, T> = flavour::MutexGuard<'a, T, Threads>;
/// The right to use a mutex's value, and an owner of the mutex. See
/// [`flavour::OwnedMutexGuard`].
pub type OwnedMutexGuard<T> = flavour::OwnedMutexGuard<T, Threads>;
/// A gate that is open or shut. See [`flavour::Event`].
pub type Event = flavour::Event<Threads>;
/// A number of permits that are taken in order. See [`flavour::Semaphore`].
pub type Semaphore = flavour::Semaphore<Threads>;
/// Permits of a semaphore. See [`flavour::SemaphorePermit`].
pub type SemaphorePermit<'a> = flavour::SemaphorePermit<'a, Threads>;
/// Permits that own their semaphore. See [`flavour::OwnedSemaphorePermit`].
pub type OwnedSemaphorePermit = flavour::OwnedSemaphorePermit<Threads>;
/// Tells one waiting task, or all of them. See [`flavour::Notify`].
pub type Notify = flavour::Notify<Threads>;
/// A lock that many may read through, or one may write through. See
/// [`flavour::RwLock`].
pub type RwLock<T> = flavour::RwLock<T, Threads>;
/// The right to read a value. See [`flavour::RwLockReadGuard`].
pub type RwLockReadGuard<'a, T> = flavour::RwLockReadGuard<'a, T, Threads>;
/// The right to change a value. See [`flavour::RwLockWriteGuard`].
pub type RwLockWriteGuard<'a, T> = flavour::RwLockWriteGuard<'a, T, Threads>;
/// The right to read a value, and an owner of the lock. See
/// [`flavour::OwnedRwLockReadGuard`].
pub type OwnedRwLockReadGuard<T> = flavour::OwnedRwLockReadGuard<T, Threads>;
/// The right to change a value, and an owner of the lock. See
/// [`flavour::OwnedRwLockWriteGuard`].
pub type OwnedRwLockWriteGuard<T> = flavour::OwnedRwLockWriteGuard<T, Threads>;
/// A cell that is filled once. See [`flavour::OnceCell`].
pub type OnceCell<T> = flavour::OnceCell<T, Threads>;
/// A place where tasks wait until all of them have come. See [`flavour::Barrier`].
pub type Barrier = flavour::Barrier<Threads>;
/// An outcome that is set once, from outside. See [`flavour::Promise`].
pub type Promise<T> = flavour::Promise<T, Threads>;

/// The program of the README, as a test.
#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;
