//! For whom a primitive is: any threads, or one.
//!
//! Every type of this crate is written once, for both flavours. The names at the
//! root of the crate and in [`local`](crate::local) stand for the types below in
//! one of them.

pub mod broadcast;
pub mod channel;
pub mod mpmc;
pub mod mpsc;
pub mod oneshot;
pub mod watch;

use std::marker::PhantomData;

use crate::words::Words;
pub use crate::{
    barrier::{Barrier, BarrierWait},
    event::{Event, EventWait},
    mutex::{Lock, LockOwned, Mutex, MutexGuard, OwnedMutexGuard},
    notify::{Notified, Notify, OwnedNotified},
    once_cell::OnceCell,
    promise::{Promise, PromiseFuture, PromiseTake, PromiseWait},
    rwlock::{
        OwnedRwLockReadGuard, OwnedRwLockWriteGuard, RwLock, RwLockRead, RwLockReadGuard,
        RwLockReadOwned, RwLockWrite, RwLockWriteGuard, RwLockWriteOwned,
    },
    semaphore::{Acquire, AcquireOwned, OwnedSemaphorePermit, Semaphore, SemaphorePermit},
};

/// For whom a primitive is: [`Threads`] or [`OneThread`]. Sealed.
///
/// # Examples
/// ```
/// use arborio_sync::{Mutex, flavour};
/// // The two names in daily use stand for one type in two flavours.
/// let shared: arborio_sync::Mutex<i32> = Mutex::new(1);
/// let local: arborio_sync::local::Mutex<i32> = arborio_sync::local::Mutex::new(1);
/// fn read<F: flavour::Flavour>(mutex: &flavour::Mutex<i32, F>) -> i32 {
///     *mutex.try_lock().expect("nobody has it")
/// }
/// assert_eq!(read(&shared) + read(&local), 2);
/// ```
pub trait Flavour: Words + Sized + 'static {}

/// For any threads: words change by atomic read-modify-writes.
#[derive(Clone, Copy, Debug)]
pub struct Threads;

/// For one thread: no atomic read-modify-write anywhere, and `!Send`.
#[derive(Clone, Copy, Debug)]
pub struct OneThread(PhantomData<*mut ()>);

impl Flavour for Threads {}
impl Flavour for OneThread {}
