//! A lock that many may read through, or one may write through, in order.
//!
//! # Invariants
//! - W1: a reader owns one permit of `MOST`, a writer owns all of them; so does
//!   the future that was granted. So a writer is alone, and the number of readers
//!   cannot overflow: the reader after the last permit waits.

mod guards;
mod owned;

use std::{
    cell::UnsafeCell,
    fmt,
    future::Future,
    pin::Pin,
    task::{Context, Poll, ready},
};

pub use self::{
    guards::{RwLockReadGuard, RwLockWriteGuard},
    owned::{OwnedRwLockReadGuard, OwnedRwLockWriteGuard, RwLockReadOwned, RwLockWriteOwned},
};
use crate::{
    blocking::block_on,
    flavour::Flavour,
    owned::HasPermits,
    permits::{MOST, Order, Permits, Take, Taken},
};

/// What a reader takes.
const ONE: usize = 1;
/// What a writer takes.
const ALL: usize = MOST;

/// A lock around a value: many readers or one writer, in order.
///
/// Under the name [`arborio_sync::RwLock`](crate::RwLock) for any threads, and
/// [`local::RwLock`](crate::local::RwLock) for one. The guards may be held across
/// an await. It is not poisoned: a holder that panics releases it.
///
/// # Fairness
/// First come, first served: readers who come after a waiting writer wait for it,
/// so a stream of readers cannot starve a writer, nor writers a reader.
///
/// **A task that reads must not read again** before it has given up the first
/// guard: if a writer came in between, the second read waits for the writer, and
/// the writer for the first read. With [`RwLock::barging`] recursive reads cannot
/// deadlock, but writers can starve.
///
/// As with a [`Mutex`](crate::Mutex), a waiter that is neither polled nor dropped
/// holds up those behind it.
///
/// # Examples
/// ```
/// use arborio_sync::RwLock;
///
/// # futures_lite::future::block_on(async {
/// let lock = RwLock::new(1);
/// let (one, two) = (lock.read().await, lock.read().await);
/// assert_eq!(*one + *two, 2);
/// drop((one, two));
/// *lock.write().await = 5;
/// assert_eq!(lock.into_inner(), 5);
/// # });
/// ```
pub struct RwLock<T: ?Sized, F: Flavour> {
    /// The right to read (one) or to write (all).
    permits: Permits<F>,
    value: UnsafeCell<T>,
}

// SAFETY: whoever has the lock may move the value; `OneThread` is not `Send`.
unsafe impl<T: ?Sized + Send, F: Flavour + Send> Send for RwLock<T, F> {}
// SAFETY: readers share the value, for which it is `Sync`; a writer may move it
// to its thread, for which it is `Send` (W1); `OneThread` is not `Sync`.
unsafe impl<T: ?Sized + Send + Sync, F: Flavour + Sync> Sync for RwLock<T, F> {}

impl<T, F: Flavour> RwLock<T, F> {
    const_fn! {
        /// A lock that nobody has.
        ///
        /// # Examples
        /// ```
        /// static LIMIT: arborio_sync::RwLock<u32> = arborio_sync::RwLock::new(7);
        /// assert_eq!(*LIMIT.try_read().unwrap(), 7);
        /// ```
        pub const fn new(value: T) -> Self {
            Self {
                permits: Permits::new(ALL, Order::Fifo),
                value: UnsafeCell::new(value),
            }
        }
    }

    const_fn! {
        /// A lock that goes to whoever is polled first: readers overtake waiting
        /// writers.
        ///
        /// Recursive reads cannot deadlock, and nobody holds up others by not being
        /// polled. The price: while readers overlap without a gap, a writer waits, and
        /// each release wakes all that wait.
        ///
        /// # Examples
        /// ```
        /// use arborio_sync::RwLock;
        /// use futures_lite::future::{block_on, poll_once};
        /// # block_on(async {
        /// let lock = RwLock::barging(1);
        /// let first = lock.read().await;
        /// let mut writer = Box::pin(lock.write());
        /// assert!(poll_once(&mut writer).await.is_none(), "it waits");
        /// // With `RwLock::new` this would wait for the writer, for ever.
        /// assert_eq!(*lock.read().await, *first);
        /// # });
        /// ```
        pub const fn barging(value: T) -> Self {
            Self {
                permits: Permits::new(ALL, Order::Barging),
                value: UnsafeCell::new(value),
            }
        }
    }

    /// Takes the value out.
    ///
    /// # Examples
    /// ```
    /// assert_eq!(arborio_sync::RwLock::new(7).into_inner(), 7);
    /// ```
    pub fn into_inner(self) -> T {
        self.value.into_inner()
    }
}

impl<T: ?Sized, F: Flavour> RwLock<T, F> {
    /// Waits until it may read.
    ///
    /// Does not suspend if nobody writes or waits to. See *Fairness* above for why
    /// a task must not read while it reads.
    ///
    /// # Cancel safety
    /// Dropping the future gives up its place in line. If the lock had been given
    /// to it already, it goes to the next in line.
    ///
    /// # Examples
    /// ```
    /// # futures_lite::future::block_on(async {
    /// let lock = arborio_sync::RwLock::new(1);
    /// assert_eq!(*lock.read().await, 1);
    /// # });
    /// ```
    #[inline(always)]
    pub fn read(&self) -> RwLockRead<'_, T, F> {
        RwLockRead {
            take: Take::new(&self.permits, ONE),
            lock: self,
        }
    }

    /// Waits until it alone has the lock.
    ///
    /// # Cancel safety
    /// Dropping the future gives up its place in line, and the readers behind it
    /// go on. If the lock had been given to it already, it goes to the next.
    ///
    /// # Examples
    /// ```
    /// # futures_lite::future::block_on(async {
    /// let lock = arborio_sync::RwLock::new(1);
    /// *lock.write().await += 1;
    /// assert_eq!(lock.into_inner(), 2);
    /// # });
    /// ```
    #[inline(always)]
    pub fn write(&self) -> RwLockWrite<'_, T, F> {
        RwLockWrite {
            take: Take::new(&self.permits, ALL),
            lock: self,
        }
    }

    /// The right to read, if nobody writes or waits to.
    ///
    /// # Examples
    /// ```
    /// let lock = arborio_sync::RwLock::new(1);
    /// let reader = lock.try_read().unwrap();
    /// assert!(lock.try_read().is_some() && lock.try_write().is_none());
    /// # drop(reader);
    /// ```
    #[inline]
    pub fn try_read(&self) -> Option<RwLockReadGuard<'_, T, F>> {
        (self.permits.try_take(ONE) == Taken::Yes).then(|| RwLockReadGuard::of_taken(self))
    }

    /// The right to write, if nobody has the lock or waits for it.
    ///
    /// # Examples
    /// ```
    /// let lock = arborio_sync::RwLock::new(1);
    /// let writer = lock.try_write().unwrap();
    /// assert!(lock.try_read().is_none() && lock.try_write().is_none());
    /// # drop(writer);
    /// ```
    #[inline]
    pub fn try_write(&self) -> Option<RwLockWriteGuard<'_, T, F>> {
        (self.permits.try_take(ALL) == Taken::Yes).then(|| RwLockWriteGuard::of_taken(self))
    }

    /// Waits, with the whole thread, until it may read.
    ///
    /// # Panics
    /// In a task of an Arborio loop, which it would hold up.
    ///
    /// # Examples
    /// ```
    /// let lock = arborio_sync::RwLock::new(1);
    /// assert_eq!(*lock.blocking_read(), 1);
    /// ```
    #[track_caller]
    pub fn blocking_read(&self) -> RwLockReadGuard<'_, T, F> {
        block_on(self.read())
    }

    /// Waits, with the whole thread, until it alone has the lock.
    ///
    /// # Panics
    /// In a task of an Arborio loop, which it would hold up.
    ///
    /// # Examples
    /// ```
    /// let lock = arborio_sync::RwLock::new(1);
    /// *lock.blocking_write() += 1;
    /// assert_eq!(lock.into_inner(), 2);
    /// ```
    #[track_caller]
    pub fn blocking_write(&self) -> RwLockWriteGuard<'_, T, F> {
        block_on(self.write())
    }

    /// The value, without locking: nobody else has the lock.
    ///
    /// # Examples
    /// ```
    /// let mut lock = arborio_sync::RwLock::new(1);
    /// *lock.get_mut() += 1;
    /// assert_eq!(lock.into_inner(), 2);
    /// ```
    pub fn get_mut(&mut self) -> &mut T {
        self.value.get_mut()
    }
}

impl<T: ?Sized, F: Flavour> HasPermits for RwLock<T, F> {
    type Flavour = F;

    #[inline(always)]
    fn permits(&self) -> &Permits<F> {
        &self.permits
    }
}

impl<T: ?Sized + fmt::Debug, F: Flavour> fmt::Debug for RwLock<T, F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.try_read() {
            Some(guard) => f.debug_tuple("RwLock").field(&&*guard).finish(),
            None => f.write_str("RwLock(<locked>)"),
        }
    }
}

impl<T: Default, F: Flavour> Default for RwLock<T, F> {
    fn default() -> Self {
        Self::new(T::default())
    }
}

pin_project_lite::pin_project! {
    /// Waits until it may read; made by [`RwLock::read`].
    #[must_use = "futures do nothing unless awaited"]
    pub struct RwLockRead<'a, T: ?Sized, F: Flavour> {
        #[pin]
        take: Take<&'a Permits<F>>,
        lock: &'a RwLock<T, F>,
    }
}

impl<'a, T: ?Sized, F: Flavour> Future for RwLockRead<'a, T, F> {
    type Output = RwLockReadGuard<'a, T, F>;

    #[inline(always)]
    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let read = self.project();
        match ready!(read.take.poll(cx)) {
            Ok(()) => Poll::Ready(RwLockReadGuard::of_taken(read.lock)),
            Err(_) => unreachable!("a read-write lock is never closed"),
        }
    }
}

pin_project_lite::pin_project! {
    /// Waits until it alone has the lock; made by [`RwLock::write`].
    #[must_use = "futures do nothing unless awaited"]
    pub struct RwLockWrite<'a, T: ?Sized, F: Flavour> {
        #[pin]
        take: Take<&'a Permits<F>>,
        lock: &'a RwLock<T, F>,
    }
}

impl<'a, T: ?Sized, F: Flavour> Future for RwLockWrite<'a, T, F> {
    type Output = RwLockWriteGuard<'a, T, F>;

    #[inline(always)]
    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let write = self.project();
        match ready!(write.take.poll(cx)) {
            Ok(()) => Poll::Ready(RwLockWriteGuard::of_taken(write.lock)),
            Err(_) => unreachable!("a read-write lock is never closed"),
        }
    }
}
