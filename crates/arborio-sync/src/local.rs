//! The same types for one thread: no atomic read-modify-write, and `!Send`.
//!
//! # Examples
//! ```
//! use arborio_sync::local::Mutex;
//!
//! # futures_lite::future::block_on(async {
//! let mutex = Mutex::new(1);
//! *mutex.lock().await += 1;
//! assert_eq!(mutex.into_inner(), 2);
//! # });
//! ```

pub mod broadcast;
pub mod mpmc;
pub mod mpsc;
pub mod oneshot;
pub mod watch;

use crate::flavour::{self, OneThread};

/// [`Mutex`](crate::Mutex) for one thread.
pub type Mutex<T> = flavour::Mutex<T, OneThread>;
/// [`MutexGuard`](crate::MutexGuard) for one thread.
pub type MutexGuard<'a, T> = flavour::MutexGuard<'a, T, OneThread>;
/// [`OwnedMutexGuard`](crate::OwnedMutexGuard) for one thread.
pub type OwnedMutexGuard<T> = flavour::OwnedMutexGuard<T, OneThread>;
/// [`Event`](crate::Event) for one thread.
pub type Event = flavour::Event<OneThread>;
/// [`Semaphore`](crate::Semaphore) for one thread.
pub type Semaphore = flavour::Semaphore<OneThread>;
/// [`SemaphorePermit`](crate::SemaphorePermit) for one thread.
pub type SemaphorePermit<'a> = flavour::SemaphorePermit<'a, OneThread>;
/// [`OwnedSemaphorePermit`](crate::OwnedSemaphorePermit) for one thread.
pub type OwnedSemaphorePermit = flavour::OwnedSemaphorePermit<OneThread>;
/// [`Notify`](crate::Notify) for one thread.
pub type Notify = flavour::Notify<OneThread>;
/// [`RwLock`](crate::RwLock) for one thread.
pub type RwLock<T> = flavour::RwLock<T, OneThread>;
/// [`RwLockReadGuard`](crate::RwLockReadGuard) for one thread.
pub type RwLockReadGuard<'a, T> = flavour::RwLockReadGuard<'a, T, OneThread>;
/// [`RwLockWriteGuard`](crate::RwLockWriteGuard) for one thread.
pub type RwLockWriteGuard<'a, T> = flavour::RwLockWriteGuard<'a, T, OneThread>;
/// [`OwnedRwLockReadGuard`](crate::OwnedRwLockReadGuard) for one thread.
pub type OwnedRwLockReadGuard<T> = flavour::OwnedRwLockReadGuard<T, OneThread>;
/// [`OwnedRwLockWriteGuard`](crate::OwnedRwLockWriteGuard) for one thread.
pub type OwnedRwLockWriteGuard<T> = flavour::OwnedRwLockWriteGuard<T, OneThread>;
/// [`OnceCell`](crate::OnceCell) for one thread.
pub type OnceCell<T> = flavour::OnceCell<T, OneThread>;
/// [`Barrier`](crate::Barrier) for one thread.
pub type Barrier = flavour::Barrier<OneThread>;
/// [`Promise`](crate::Promise) for one thread.
pub type Promise<T> = flavour::Promise<T, OneThread>;
