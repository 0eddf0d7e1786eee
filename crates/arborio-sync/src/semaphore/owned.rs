//! Permits that own their semaphore: for tasks that outlive the scope it is in.

use std::{
    fmt,
    future::Future,
    pin::Pin,
    rc::Rc,
    sync::Arc,
    task::{Context, Poll, ready},
};

use super::{Semaphore, TryAcquireError, possible};
use crate::{
    closed::Closed,
    flavour::{Flavour, OneThread, Threads},
    owned::{Owner, TakeOwned},
};

impl Semaphore<Threads> {
    /// [`acquire`](Semaphore::acquire) for a permit that owns the semaphore.
    ///
    /// # Errors
    /// [`Closed`] if the semaphore is closed, or is closed while this waits.
    ///
    /// # Cancel safety
    /// As for [`acquire`](Semaphore::acquire).
    ///
    /// # Examples
    /// ```
    /// use std::sync::Arc;
    /// # futures_lite::future::block_on(async {
    /// let semaphore = Arc::new(arborio_sync::Semaphore::new(1));
    /// let permit = Arc::clone(&semaphore).acquire_owned().await.unwrap();
    /// std::thread::spawn(move || drop(permit)).join().unwrap();
    /// assert_eq!(semaphore.available_permits(), 1);
    /// # });
    /// ```
    pub fn acquire_owned(self: Arc<Self>) -> AcquireOwned<Threads> {
        AcquireOwned::<Threads>::new(self, 1)
    }

    /// [`acquire_many`](Semaphore::acquire_many) for permits that own the semaphore.
    ///
    /// # Errors
    /// [`Closed`] if the semaphore is closed, or is closed while this waits.
    ///
    /// # Panics
    /// If `count` is above [`Semaphore::MAX_PERMITS`].
    ///
    /// # Cancel safety
    /// As for [`acquire_many`](Semaphore::acquire_many).
    ///
    /// # Examples
    /// ```
    /// # futures_lite::future::block_on(async {
    /// let semaphore = std::sync::Arc::new(arborio_sync::Semaphore::new(3));
    /// assert_eq!(semaphore.acquire_many_owned(2).await.unwrap().count(), 2);
    /// # });
    /// ```
    #[track_caller]
    pub fn acquire_many_owned(self: Arc<Self>, count: usize) -> AcquireOwned<Threads> {
        AcquireOwned::<Threads>::new(self, possible(count))
    }

    /// [`try_acquire`](Semaphore::try_acquire) for a permit that owns the semaphore.
    ///
    /// # Errors
    /// [`TryAcquireError`], which says whether it is worth trying again.
    ///
    /// # Examples
    /// ```
    /// let semaphore = std::sync::Arc::new(arborio_sync::Semaphore::new(1));
    /// assert!(semaphore.try_acquire_owned().is_ok());
    /// ```
    pub fn try_acquire_owned(
        self: Arc<Self>,
    ) -> Result<OwnedSemaphorePermit<Threads>, TryAcquireError> {
        self.try_acquire_many_owned(1)
    }

    /// [`try_acquire_many`](Semaphore::try_acquire_many) for permits that own the
    /// semaphore.
    ///
    /// # Errors
    /// [`TryAcquireError`], which says whether it is worth trying again.
    ///
    /// # Examples
    /// ```
    /// let semaphore = std::sync::Arc::new(arborio_sync::Semaphore::new(1));
    /// assert!(semaphore.try_acquire_many_owned(2).is_err());
    /// ```
    pub fn try_acquire_many_owned(
        self: Arc<Self>,
        count: usize,
    ) -> Result<OwnedSemaphorePermit<Threads>, TryAcquireError> {
        OwnedSemaphorePermit::<Threads>::try_take(self, count)
    }
}

impl Semaphore<OneThread> {
    /// [`acquire`](Semaphore::acquire) for a permit that owns the semaphore.
    ///
    /// # Errors
    /// [`Closed`] if the semaphore is closed, or is closed while this waits.
    ///
    /// # Cancel safety
    /// As for [`acquire`](Semaphore::acquire).
    ///
    /// # Examples
    /// ```
    /// # futures_lite::future::block_on(async {
    /// let semaphore = std::rc::Rc::new(arborio_sync::local::Semaphore::new(1));
    /// assert_eq!(semaphore.acquire_owned().await.unwrap().count(), 1);
    /// # });
    /// ```
    pub fn acquire_owned(self: Rc<Self>) -> AcquireOwned<OneThread> {
        AcquireOwned::<OneThread>::new(self, 1)
    }

    /// [`acquire_many`](Semaphore::acquire_many) for permits that own the semaphore.
    ///
    /// # Errors
    /// [`Closed`] if the semaphore is closed, or is closed while this waits.
    ///
    /// # Panics
    /// If `count` is above [`Semaphore::MAX_PERMITS`].
    ///
    /// # Cancel safety
    /// As for [`acquire_many`](Semaphore::acquire_many).
    ///
    /// # Examples
    /// ```
    /// # futures_lite::future::block_on(async {
    /// let semaphore = std::rc::Rc::new(arborio_sync::local::Semaphore::new(3));
    /// assert_eq!(semaphore.acquire_many_owned(2).await.unwrap().count(), 2);
    /// # });
    /// ```
    #[track_caller]
    pub fn acquire_many_owned(self: Rc<Self>, count: usize) -> AcquireOwned<OneThread> {
        AcquireOwned::<OneThread>::new(self, possible(count))
    }

    /// [`try_acquire`](Semaphore::try_acquire) for a permit that owns the semaphore.
    ///
    /// # Errors
    /// [`TryAcquireError`], which says whether it is worth trying again.
    ///
    /// # Examples
    /// ```
    /// let semaphore = std::rc::Rc::new(arborio_sync::local::Semaphore::new(1));
    /// assert!(semaphore.try_acquire_owned().is_ok());
    /// ```
    pub fn try_acquire_owned(
        self: Rc<Self>,
    ) -> Result<OwnedSemaphorePermit<OneThread>, TryAcquireError> {
        self.try_acquire_many_owned(1)
    }

    /// [`try_acquire_many`](Semaphore::try_acquire_many) for permits that own the
    /// semaphore.
    ///
    /// # Errors
    /// [`TryAcquireError`], which says whether it is worth trying again.
    ///
    /// # Examples
    /// ```
    /// let semaphore = std::rc::Rc::new(arborio_sync::local::Semaphore::new(1));
    /// assert!(semaphore.try_acquire_many_owned(2).is_err());
    /// ```
    pub fn try_acquire_many_owned(
        self: Rc<Self>,
        count: usize,
    ) -> Result<OwnedSemaphorePermit<OneThread>, TryAcquireError> {
        OwnedSemaphorePermit::<OneThread>::try_take(self, count)
    }
}

/// Permits that own their semaphore; made by `acquire_owned` and its kin.
///
/// Dropping it gives them back.
///
/// # Examples
/// ```
/// use std::sync::Arc;
/// let semaphore = Arc::new(arborio_sync::Semaphore::new(2));
/// let permit = Arc::clone(&semaphore).try_acquire_owned().unwrap();
/// assert_eq!(semaphore.available_permits(), 1);
/// drop(permit);
/// assert_eq!(semaphore.available_permits(), 2);
/// ```
#[must_use = "dropping the permit gives it back"]
#[clippy::has_significant_drop]
pub struct OwnedSemaphorePermit<F: Flavour> {
    semaphore: Owner<Semaphore<F>>,
    /// How many permits these are.
    count: usize,
}

impl<F: Flavour> OwnedSemaphorePermit<F> {
    fn try_take(semaphore: Owner<Semaphore<F>>, count: usize) -> Result<Self, TryAcquireError> {
        TryAcquireError::of(semaphore.permits.try_take(count))?;
        Ok(Self { semaphore, count })
    }

    /// How many permits these are.
    ///
    /// # Examples
    /// ```
    /// let semaphore = std::sync::Arc::new(arborio_sync::Semaphore::new(2));
    /// assert_eq!(semaphore.try_acquire_owned().unwrap().count(), 1);
    /// ```
    pub fn count(&self) -> usize {
        self.count
    }

    /// The semaphore.
    ///
    /// # Examples
    /// ```
    /// let semaphore = std::sync::Arc::new(arborio_sync::Semaphore::new(2));
    /// let permit = semaphore.try_acquire_owned().unwrap();
    /// assert_eq!(permit.semaphore().available_permits(), 1);
    /// ```
    pub fn semaphore(&self) -> &Semaphore<F> {
        &self.semaphore
    }

    /// Takes the permits away for ever.
    ///
    /// # Examples
    /// ```
    /// use std::sync::Arc;
    /// let semaphore = Arc::new(arborio_sync::Semaphore::new(2));
    /// Arc::clone(&semaphore).try_acquire_owned().unwrap().forget();
    /// assert_eq!(semaphore.available_permits(), 1);
    /// ```
    pub fn forget(mut self) {
        self.semaphore.shrink(std::mem::take(&mut self.count));
    }

    /// Takes over the permits of `other`.
    ///
    /// # Panics
    /// If `other` is of another semaphore.
    ///
    /// # Examples
    /// ```
    /// use std::sync::Arc;
    /// let semaphore = Arc::new(arborio_sync::Semaphore::new(2));
    /// let mut permits = Arc::clone(&semaphore).try_acquire_owned().unwrap();
    /// permits.merge(semaphore.try_acquire_owned().unwrap());
    /// assert_eq!(permits.count(), 2);
    /// ```
    #[track_caller]
    pub fn merge(&mut self, mut other: Self) {
        assert!(
            std::ptr::eq(&*self.semaphore, &*other.semaphore),
            "permits of two semaphores cannot be merged"
        );
        self.count += std::mem::take(&mut other.count);
    }

    /// Makes `count` of the permits a guard of their own, if there are that many.
    ///
    /// # Examples
    /// ```
    /// let semaphore = std::sync::Arc::new(arborio_sync::Semaphore::new(3));
    /// let mut permits = semaphore.try_acquire_many_owned(3).unwrap();
    /// let two = permits.split(2).unwrap();
    /// assert_eq!((permits.count(), two.count()), (1, 2));
    /// ```
    pub fn split(&mut self, count: usize) -> Option<Self> {
        self.count = self.count.checked_sub(count)?;
        Some(Self {
            semaphore: self.semaphore.clone(),
            count,
        })
    }
}

impl<F: Flavour> Drop for OwnedSemaphorePermit<F> {
    #[inline(always)]
    fn drop(&mut self) {
        self.semaphore.permits.give(self.count);
    }
}

impl<F: Flavour> fmt::Debug for OwnedSemaphorePermit<F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("OwnedSemaphorePermit")
            .field("count", &self.count)
            .finish()
    }
}

pin_project_lite::pin_project! {
    /// Waits for permits that own their semaphore; made by
    /// `Semaphore::acquire_owned` and `Semaphore::acquire_many_owned`.
    #[must_use = "futures do nothing unless awaited"]
    pub struct AcquireOwned<F: Flavour> {
        #[pin]
        take: TakeOwned<Semaphore<F>>,
        count: usize,
    }
}

impl<F: Flavour> AcquireOwned<F> {
    fn new(semaphore: Owner<Semaphore<F>>, count: usize) -> Self {
        Self {
            take: TakeOwned::of_owner(semaphore, count),
            count,
        }
    }
}

impl<F: Flavour> Future for AcquireOwned<F> {
    type Output = Result<OwnedSemaphorePermit<F>, Closed>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let acquire = self.project();
        let semaphore = ready!(acquire.take.poll_owned(cx))?;
        let count = *acquire.count;
        Poll::Ready(Ok(OwnedSemaphorePermit { semaphore, count }))
    }
}
