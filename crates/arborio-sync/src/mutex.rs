//! A mutex that hands over in order.
//!
//! # Invariants
//! - M1: a guard, or a lock future that was granted, owns the one permit. So one
//!   guard lives at a time, and whoever has it may touch the value.

mod owned;

use std::{
    cell::UnsafeCell,
    fmt,
    future::Future,
    ops::{Deref, DerefMut},
    pin::Pin,
    task::{Context, Poll, ready},
};

pub use self::owned::{LockOwned, OwnedMutexGuard};
use crate::{
    blocking::block_on,
    flavour::Flavour,
    owned::HasPermits,
    permits::{Order, Permits, Take, Taken},
};

/// A lock around a value, handed over in order.
///
/// Under the name [`arborio_sync::Mutex`](crate::Mutex) for any threads, and
/// [`local::Mutex`](crate::local::Mutex) for one. The guard may be held across an
/// await. The mutex is not re-entrant, and it is not poisoned: a holder that
/// panics releases it.
///
/// # Fairness
/// First come, first served: a release hands the lock to the first in line, and
/// nobody overtakes, `try_lock` included. A waiter that is not polled any more
/// but not dropped either therefore holds up everybody (*futurelock*: for example
/// a `lock()` future kept by reference while another branch of a `select!` locks
/// again). Drop such futures, or use [`Mutex::barging`].
///
/// # Examples
/// ```
/// use arborio_sync::Mutex;
///
/// # futures_lite::future::block_on(async {
/// let mutex = Mutex::new(String::from("a"));
/// let mut guard = mutex.lock().await;
/// guard.push('b');
/// drop(guard);
/// assert_eq!(mutex.into_inner(), "ab");
/// # });
/// ```
#[doc(alias = "Lock")]
pub struct Mutex<T: ?Sized, F: Flavour> {
    /// One permit: the right to touch `value`.
    permits: Permits<F>,
    value: UnsafeCell<T>,
}

// SAFETY: whoever has the mutex may move the value; `OneThread` is not `Send`.
unsafe impl<T: ?Sized + Send, F: Flavour + Send> Send for Mutex<T, F> {}
// SAFETY: one guard at a time reaches the value (M1), so it needs to be `Send`
// only; `OneThread` is not `Sync`.
unsafe impl<T: ?Sized + Send, F: Flavour + Sync> Sync for Mutex<T, F> {}

impl<T, F: Flavour> Mutex<T, F> {
    const_fn! {
        /// A mutex that nobody has.
        ///
        /// # Examples
        /// ```
        /// static COUNT: arborio_sync::Mutex<u32> = arborio_sync::Mutex::new(0);
        /// assert_eq!(*COUNT.try_lock().unwrap(), 0);
        /// ```
        pub const fn new(value: T) -> Self {
            Self {
                permits: Permits::new(1, Order::Fifo),
                value: UnsafeCell::new(value),
            }
        }
    }

    const_fn! {
        /// A mutex that is free between two holders: a release wakes everybody who
        /// waits, and the first who is polled gets it.
        ///
        /// Nobody can hold it up by not being polled (see *futurelock* above). The
        /// price is one wake for each waiter at each release, and no order: a
        /// waiter can be overtaken any number of times.
        ///
        /// # Examples
        /// ```
        /// use arborio_sync::Mutex;
        /// use futures_lite::future::{block_on, poll_once};
        /// # block_on(async {
        /// let mutex = Mutex::barging(());
        /// let guard = mutex.lock().await;
        /// let mut abandoned = Box::pin(mutex.lock());
        /// assert!(poll_once(&mut abandoned).await.is_none(), "it waits");
        /// drop(guard);
        /// // Nobody polls `abandoned` again; with `Mutex::new` this would hang.
        /// drop(mutex.lock().await);
        /// # });
        /// ```
        pub const fn barging(value: T) -> Self {
            Self {
                permits: Permits::new(1, Order::Barging),
                value: UnsafeCell::new(value),
            }
        }
    }

    /// Takes the value out.
    ///
    /// # Examples
    /// ```
    /// assert_eq!(arborio_sync::Mutex::new(7).into_inner(), 7);
    /// ```
    pub fn into_inner(self) -> T {
        self.value.into_inner()
    }
}

impl<T: ?Sized, F: Flavour> Mutex<T, F> {
    /// Waits for the lock.
    ///
    /// An uncontended lock does not suspend.
    ///
    /// # Cancel safety
    /// Dropping the future gives up its place in line. If the lock had been handed
    /// to it already, it goes to the next in line.
    ///
    /// # Examples
    /// ```
    /// # futures_lite::future::block_on(async {
    /// let mutex = arborio_sync::Mutex::new(1);
    /// assert_eq!(*mutex.lock().await, 1);
    /// # });
    /// ```
    #[inline(always)]
    pub fn lock(&self) -> Lock<'_, T, F> {
        Lock {
            take: Take::new(&self.permits, 1),
            mutex: self,
        }
    }

    /// Takes the lock if it is free and nobody waits for it.
    ///
    /// # Examples
    /// ```
    /// let mutex = arborio_sync::Mutex::new(1);
    /// let guard = mutex.try_lock().unwrap();
    /// assert!(mutex.try_lock().is_none());
    /// # drop(guard);
    /// ```
    #[inline]
    pub fn try_lock(&self) -> Option<MutexGuard<'_, T, F>> {
        (self.permits.try_take(1) == Taken::Yes).then(|| MutexGuard::of_taken(self))
    }

    /// Waits for the lock with the whole thread.
    ///
    /// # Panics
    /// In a task of an Arborio loop, which it would hold up.
    ///
    /// # Examples
    /// ```
    /// let mutex = arborio_sync::Mutex::new(1);
    /// assert_eq!(*mutex.blocking_lock(), 1);
    /// ```
    #[track_caller]
    pub fn blocking_lock(&self) -> MutexGuard<'_, T, F> {
        block_on(self.lock())
    }

    /// Whether somebody has the lock, or is about to get it.
    ///
    /// # Examples
    /// ```
    /// let mutex = arborio_sync::Mutex::new(());
    /// assert!(!mutex.is_locked());
    /// ```
    pub fn is_locked(&self) -> bool {
        self.permits.free() == 0
    }

    /// The value, without locking: nobody else has the mutex.
    ///
    /// # Examples
    /// ```
    /// let mut mutex = arborio_sync::Mutex::new(1);
    /// *mutex.get_mut() += 1;
    /// assert_eq!(mutex.into_inner(), 2);
    /// ```
    pub fn get_mut(&mut self) -> &mut T {
        self.value.get_mut()
    }
}

impl<T: ?Sized, F: Flavour> HasPermits for Mutex<T, F> {
    type Flavour = F;

    #[inline(always)]
    fn permits(&self) -> &Permits<F> {
        &self.permits
    }
}

impl<T: ?Sized + fmt::Debug, F: Flavour> fmt::Debug for Mutex<T, F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.try_lock() {
            Some(guard) => f.debug_tuple("Mutex").field(&&*guard).finish(),
            None => f.write_str("Mutex(<locked>)"),
        }
    }
}

impl<T: Default, F: Flavour> Default for Mutex<T, F> {
    fn default() -> Self {
        Self::new(T::default())
    }
}

pin_project_lite::pin_project! {
    /// Waits for a mutex; made by [`Mutex::lock`].
    #[must_use = "futures do nothing unless awaited"]
    pub struct Lock<'a, T: ?Sized, F: Flavour> {
        #[pin]
        take: Take<&'a Permits<F>>,
        mutex: &'a Mutex<T, F>,
    }
}

impl<'a, T: ?Sized, F: Flavour> Future for Lock<'a, T, F> {
    type Output = MutexGuard<'a, T, F>;

    #[inline(always)]
    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let lock = self.project();
        match ready!(lock.take.poll(cx)) {
            Ok(()) => Poll::Ready(MutexGuard::of_taken(lock.mutex)),
            Err(_) => unreachable!("a mutex is never closed"),
        }
    }
}

/// The right to use a mutex's value; made by [`Mutex::lock`].
///
/// Dropping it releases the lock.
#[must_use = "dropping the guard releases the lock"]
#[clippy::has_significant_drop]
pub struct MutexGuard<'a, T: ?Sized, F: Flavour> {
    mutex: &'a Mutex<T, F>,
}

// SAFETY: a shared guard gives `&T`, for which `T` is `Sync`, and a reference to
// the mutex, which may outlive the guard, so `T` is what lets the mutex be `Sync`.
unsafe impl<T: ?Sized + Send + Sync, F: Flavour + Sync> Sync for MutexGuard<'_, T, F> {}

impl<'a, T: ?Sized, F: Flavour> MutexGuard<'a, T, F> {
    /// The guard of somebody who has taken the permit (M1).
    #[inline(always)]
    fn of_taken(mutex: &'a Mutex<T, F>) -> Self {
        Self { mutex }
    }

    /// The mutex that this guard belongs to.
    ///
    /// # Examples
    /// ```
    /// use arborio_sync::{Mutex, MutexGuard};
    /// let mutex = Mutex::new(1);
    /// let guard = mutex.try_lock().unwrap();
    /// assert!(MutexGuard::mutex(&guard).is_locked());
    /// ```
    pub fn mutex(guard: &Self) -> &'a Mutex<T, F> {
        guard.mutex
    }
}

impl<T: ?Sized, F: Flavour> Deref for MutexGuard<'_, T, F> {
    type Target = T;

    fn deref(&self) -> &T {
        // SAFETY: this guard owns the permit (M1), and is borrowed shared.
        unsafe { &*self.mutex.value.get() }
    }
}

impl<T: ?Sized, F: Flavour> DerefMut for MutexGuard<'_, T, F> {
    fn deref_mut(&mut self) -> &mut T {
        // SAFETY: this guard owns the permit (M1), and is borrowed alone.
        unsafe { &mut *self.mutex.value.get() }
    }
}

impl<T: ?Sized, F: Flavour> Drop for MutexGuard<'_, T, F> {
    #[inline(always)]
    fn drop(&mut self) {
        self.mutex.permits.give(1);
    }
}

impl<T: ?Sized + fmt::Debug, F: Flavour> fmt::Debug for MutexGuard<'_, T, F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        (**self).fmt(f)
    }
}

impl<T: ?Sized + fmt::Display, F: Flavour> fmt::Display for MutexGuard<'_, T, F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        (**self).fmt(f)
    }
}
