//! A semaphore: a number of permits that are taken in order.
//!
//! # Invariants
//! - S1: `total` is never less than the permits that are free, held, or on their
//!   way to a waiter: it grows before permits are added, and shrinks after they
//!   are gone. It never exceeds `MAX_PERMITS`, so giving back cannot overflow.

mod errors;
mod owned;
mod permit;

use std::{
    fmt,
    future::Future,
    pin::Pin,
    task::{Context, Poll, ready},
};

use arborio_base::sync::atomic::AtomicUsize;

pub use self::{
    errors::{TooManyPermits, TryAcquireError},
    owned::{AcquireOwned, OwnedSemaphorePermit},
    permit::SemaphorePermit,
};
use crate::{
    blocking::block_on,
    closed::Closed,
    flavour::Flavour,
    owned::HasPermits,
    permits::{MOST, Order, Permits, Take, Taken},
};

/// A number of permits that are taken in order: at most so many at a time do
/// something.
///
/// Under the name [`arborio_sync::Semaphore`](crate::Semaphore) for any threads,
/// and [`local::Semaphore`](crate::local::Semaphore) for one. Who comes from
/// scarletio knows it as `ScarletLock`.
///
/// # Fairness
/// First come, first served. Whoever wants many permits holds up those behind
/// until it has got them, and nobody overtakes, the `try_` methods included. As
/// with a [`Mutex`](crate::Mutex), a waiter that is neither polled nor dropped
/// holds up everybody; with [`Semaphore::barging`] it does not.
///
/// # Examples
/// ```
/// use arborio_sync::Semaphore;
///
/// # futures_lite::future::block_on(async {
/// let downloads = Semaphore::new(2);
/// let first = downloads.acquire().await?;
/// let second = downloads.acquire().await?;
/// assert!(downloads.try_acquire().is_err(), "two at a time");
/// drop(first);
/// assert_eq!(downloads.available_permits(), 1);
/// # drop(second);
/// # Ok::<(), arborio_sync::Closed>(())
/// # }).unwrap();
/// ```
#[doc(alias = "ScarletLock")]
pub struct Semaphore<F: Flavour> {
    permits: Permits<F>,
    /// How many permits there are (S1).
    total: AtomicUsize,
}

impl<F: Flavour> Semaphore<F> {
    /// As many permits as a semaphore can have.
    pub const MAX_PERMITS: usize = MOST;

    const_fn! {
        /// A semaphore of `permits` permits.
        ///
        /// # Panics
        /// If `permits` is 0, as nobody could acquire ([`Semaphore::empty`] says
        /// that it is meant), or above [`Semaphore::MAX_PERMITS`].
        ///
        /// # Examples
        /// ```
        /// static CONNECTIONS: arborio_sync::Semaphore = arborio_sync::Semaphore::new(10);
        /// assert_eq!(CONNECTIONS.available_permits(), 10);
        /// ```
        #[track_caller]
        pub const fn new(permits: usize) -> Self {
            Self::of_order(permits, Order::Fifo)
        }
    }

    const_fn! {
        /// A semaphore that has no permits yet: they come by
        /// [`add_permits`](Semaphore::add_permits).
        ///
        /// # Examples
        /// ```
        /// let ready = arborio_sync::Semaphore::empty();
        /// assert!(ready.try_acquire().is_err());
        /// ready.add_permits(1).unwrap();
        /// assert!(ready.try_acquire().is_ok());
        /// ```
        pub const fn empty() -> Self {
            Self {
                permits: Permits::new(0, Order::Fifo),
                total: AtomicUsize::new(0),
            }
        }
    }

    const_fn! {
        /// A semaphore whose permits go to whoever is polled first: a release wakes
        /// all that wait.
        ///
        /// Nobody can hold it up by not being polled. The price is one wake for each
        /// waiter at each release, and no order: a waiter can be overtaken any number
        /// of times, and one that wants many permits may never get them.
        ///
        /// # Panics
        /// As [`Semaphore::new`].
        ///
        /// # Examples
        /// ```
        /// use arborio_sync::Semaphore;
        /// use futures_lite::future::{block_on, poll_once};
        /// # block_on(async {
        /// let semaphore = Semaphore::barging(3);
        /// let mut many = Box::pin(semaphore.acquire_many(5));
        /// assert!(poll_once(&mut many).await.is_none(), "there are three");
        /// // With `Semaphore::new`, this one would stand behind `many`.
        /// assert!(semaphore.try_acquire().is_ok());
        /// # });
        /// ```
        #[track_caller]
        pub const fn barging(permits: usize) -> Self {
            Self::of_order(permits, Order::Barging)
        }
    }

    const_fn! {
        #[track_caller]
        const fn of_order(permits: usize, order: Order) -> Self {
            assert!(permits > 0, "nobody could acquire a semaphore of 0 permits");
            assert!(permits <= MOST, "more permits than Semaphore::MAX_PERMITS");
            Self {
                permits: Permits::new(permits, order),
                total: AtomicUsize::new(permits),
            }
        }
    }

    /// Waits for a permit.
    ///
    /// # Errors
    /// [`Closed`] if the semaphore is closed, or is closed while this waits.
    ///
    /// # Cancel safety
    /// Dropping the future gives up its place in line. If a permit had been given
    /// to it already, it goes to the next in line.
    ///
    /// # Examples
    /// ```
    /// # futures_lite::future::block_on(async {
    /// let semaphore = arborio_sync::Semaphore::new(1);
    /// let permit = semaphore.acquire().await.unwrap();
    /// assert_eq!(semaphore.available_permits(), 0);
    /// # drop(permit);
    /// # });
    /// ```
    #[inline(always)]
    pub fn acquire(&self) -> Acquire<'_, F> {
        Acquire::new(self, 1)
    }

    /// Waits for `count` permits at once, and holds up those behind meanwhile.
    ///
    /// # Errors
    /// [`Closed`] if the semaphore is closed, or is closed while this waits.
    ///
    /// # Panics
    /// If `count` is above [`Semaphore::MAX_PERMITS`]: it would wait for ever.
    ///
    /// # Cancel safety
    /// Dropping the future gives up its place in line, and those behind it are
    /// looked at again. If the permits had been given to it already, they go to
    /// the next in line.
    ///
    /// # Examples
    /// ```
    /// # futures_lite::future::block_on(async {
    /// let semaphore = arborio_sync::Semaphore::new(5);
    /// let permits = semaphore.acquire_many(3).await.unwrap();
    /// assert_eq!((permits.count(), semaphore.available_permits()), (3, 2));
    /// # });
    /// ```
    #[inline]
    #[track_caller]
    pub fn acquire_many(&self, count: usize) -> Acquire<'_, F> {
        Acquire::new(self, possible(count))
    }

    /// Takes a permit if one is free and nobody waits for it.
    ///
    /// # Errors
    /// [`TryAcquireError`], which says whether it is worth trying again.
    ///
    /// # Examples
    /// ```
    /// use arborio_sync::{Semaphore, TryAcquireError};
    /// let semaphore = Semaphore::new(1);
    /// let permit = semaphore.try_acquire().unwrap();
    /// assert_eq!(semaphore.try_acquire().unwrap_err(), TryAcquireError::NoPermits);
    /// # drop(permit);
    /// ```
    #[inline]
    pub fn try_acquire(&self) -> Result<SemaphorePermit<'_, F>, TryAcquireError> {
        self.try_acquire_many(1)
    }

    /// Takes `count` permits if that many are free and nobody waits.
    ///
    /// # Errors
    /// [`TryAcquireError`], which says whether it is worth trying again.
    ///
    /// # Examples
    /// ```
    /// let semaphore = arborio_sync::Semaphore::new(3);
    /// assert!(semaphore.try_acquire_many(4).is_err());
    /// assert!(semaphore.try_acquire_many(3).is_ok());
    /// ```
    #[inline]
    pub fn try_acquire_many(
        &self,
        count: usize,
    ) -> Result<SemaphorePermit<'_, F>, TryAcquireError> {
        TryAcquireError::of(self.permits.try_take(count))?;
        Ok(SemaphorePermit::of_taken(self, count))
    }

    /// Waits for a permit with the whole thread.
    ///
    /// # Errors
    /// [`Closed`] if the semaphore is closed, or is closed while this waits.
    ///
    /// # Panics
    /// In a task of an Arborio loop, which it would hold up.
    ///
    /// # Examples
    /// ```
    /// let semaphore = arborio_sync::Semaphore::new(1);
    /// assert_eq!(semaphore.blocking_acquire().unwrap().count(), 1);
    /// ```
    #[track_caller]
    pub fn blocking_acquire(&self) -> Result<SemaphorePermit<'_, F>, Closed> {
        block_on(self.acquire())
    }

    /// Waits for `count` permits with the whole thread.
    ///
    /// # Errors
    /// [`Closed`] if the semaphore is closed, or is closed while this waits.
    ///
    /// # Panics
    /// In a task of an Arborio loop, which it would hold up, and if `count` is
    /// above [`Semaphore::MAX_PERMITS`].
    ///
    /// # Examples
    /// ```
    /// let semaphore = arborio_sync::Semaphore::new(2);
    /// assert_eq!(semaphore.blocking_acquire_many(2).unwrap().count(), 2);
    /// ```
    #[track_caller]
    pub fn blocking_acquire_many(&self, count: usize) -> Result<SemaphorePermit<'_, F>, Closed> {
        block_on(self.acquire_many(count))
    }

    /// How many permits are free. Some may be meant for somebody in line.
    ///
    /// # Examples
    /// ```
    /// assert_eq!(arborio_sync::Semaphore::new(3).available_permits(), 3);
    /// ```
    pub fn available_permits(&self) -> usize {
        self.permits.free()
    }

    /// How many wait in line. Walks the line, under its lock: for tests and
    /// figures rather than for decisions.
    ///
    /// # Examples
    /// ```
    /// assert_eq!(arborio_sync::Semaphore::new(1).waiting(), 0);
    /// ```
    pub fn waiting(&self) -> usize {
        self.permits.waiting()
    }

    /// Adds `count` permits, and wakes those who can go on now.
    ///
    /// # Errors
    /// [`TooManyPermits`] if there would be more than
    /// [`MAX_PERMITS`](Semaphore::MAX_PERMITS), those in use included; nothing
    /// was added then.
    ///
    /// # Examples
    /// ```
    /// use arborio_sync::Semaphore;
    /// let semaphore = Semaphore::new(1);
    /// semaphore.add_permits(2).unwrap();
    /// assert_eq!(semaphore.available_permits(), 3);
    /// assert!(semaphore.add_permits(Semaphore::MAX_PERMITS).is_err());
    /// ```
    pub fn add_permits(&self, count: usize) -> Result<(), TooManyPermits> {
        let mut total = self.total.load(F::ACQUIRE);
        loop {
            if MOST - total < count {
                return Err(TooManyPermits);
            }
            match F::replace(&self.total, total, total + count) {
                Ok(()) => break,
                Err(found) => total = found,
            }
        }
        self.permits.add(count); // at most `total` are free or in use (S1)
        Ok(())
    }

    /// Takes up to `count` free permits away for ever, and returns how many. They
    /// may have been meant for somebody in line.
    ///
    /// # Examples
    /// ```
    /// let semaphore = arborio_sync::Semaphore::new(3);
    /// assert_eq!(semaphore.forget_permits(2), 2);
    /// assert_eq!(semaphore.forget_permits(2), 1);
    /// ```
    pub fn forget_permits(&self, count: usize) -> usize {
        let gone = self.permits.forget(count);
        self.shrink(gone);
        gone
    }

    /// `count` permits are gone for ever (S1).
    fn shrink(&self, count: usize) {
        let mut total = self.total.load(F::ACQUIRE);
        while let Err(found) = F::replace(&self.total, total, total - count) {
            total = found;
        }
    }

    /// Nobody gets a permit any more: all that wait, and all that come, are told
    /// [`Closed`]. Permits in use stay good. Closing it again does nothing.
    ///
    /// # Examples
    /// ```
    /// use arborio_sync::{Semaphore, TryAcquireError};
    /// let semaphore = Semaphore::new(1);
    /// semaphore.close();
    /// assert_eq!(semaphore.try_acquire().unwrap_err(), TryAcquireError::Closed);
    /// ```
    pub fn close(&self) {
        self.permits.close();
    }

    /// Whether it was closed.
    ///
    /// # Examples
    /// ```
    /// let semaphore = arborio_sync::Semaphore::new(1);
    /// semaphore.close();
    /// assert!(semaphore.is_closed());
    /// ```
    pub fn is_closed(&self) -> bool {
        self.permits.is_closed()
    }
}

/// `count`, if that many permits can exist.
#[track_caller]
fn possible(count: usize) -> usize {
    assert!(
        count <= MOST,
        "{count} permits are more than a semaphore can have"
    );
    count
}

impl TryAcquireError {
    /// What a try came to.
    fn of(taken: Taken) -> Result<(), Self> {
        match taken {
            Taken::Yes => Ok(()),
            Taken::NotNow => Err(Self::NoPermits),
            Taken::Closed => Err(Self::Closed),
        }
    }
}

impl<F: Flavour> HasPermits for Semaphore<F> {
    type Flavour = F;

    fn permits(&self) -> &Permits<F> {
        &self.permits
    }
}

impl<F: Flavour> fmt::Debug for Semaphore<F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Semaphore")
            .field("available_permits", &self.available_permits())
            .field("closed", &self.is_closed())
            .finish()
    }
}

pin_project_lite::pin_project! {
    /// Waits for permits; made by [`Semaphore::acquire`] and
    /// [`Semaphore::acquire_many`].
    #[must_use = "futures do nothing unless awaited"]
    pub struct Acquire<'a, F: Flavour> {
        #[pin]
        take: Take<&'a Permits<F>>,
        semaphore: &'a Semaphore<F>,
        count: usize,
    }
}

impl<'a, F: Flavour> Acquire<'a, F> {
    #[inline(always)]
    fn new(semaphore: &'a Semaphore<F>, count: usize) -> Self {
        Self {
            take: Take::new(&semaphore.permits, count),
            semaphore,
            count,
        }
    }
}

impl<'a, F: Flavour> Future for Acquire<'a, F> {
    type Output = Result<SemaphorePermit<'a, F>, Closed>;

    #[inline(always)]
    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let acquire = self.project();
        ready!(acquire.take.poll(cx))?;
        let permit = SemaphorePermit::of_taken(acquire.semaphore, *acquire.count);
        Poll::Ready(Ok(permit))
    }
}
