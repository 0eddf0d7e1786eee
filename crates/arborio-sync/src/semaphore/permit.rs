//! Permits that borrow their semaphore.

use std::fmt;

use super::Semaphore;
use crate::flavour::Flavour;

/// Permits of a semaphore; made by [`Semaphore::acquire`] and its kin.
///
/// Dropping it gives them back.
#[must_use = "dropping the permit gives it back"]
#[clippy::has_significant_drop]
pub struct SemaphorePermit<'a, F: Flavour> {
    semaphore: &'a Semaphore<F>,
    /// How many permits these are.
    count: usize,
}

impl<'a, F: Flavour> SemaphorePermit<'a, F> {
    /// The guard of somebody who has taken `count` permits.
    #[inline(always)]
    pub(super) fn of_taken(semaphore: &'a Semaphore<F>, count: usize) -> Self {
        Self { semaphore, count }
    }

    /// How many permits these are.
    ///
    /// # Examples
    /// ```
    /// let semaphore = arborio_sync::Semaphore::new(3);
    /// assert_eq!(semaphore.try_acquire_many(2).unwrap().count(), 2);
    /// ```
    pub fn count(&self) -> usize {
        self.count
    }

    /// Takes the permits away for ever.
    ///
    /// # Examples
    /// ```
    /// let semaphore = arborio_sync::Semaphore::new(3);
    /// semaphore.try_acquire().unwrap().forget();
    /// assert_eq!(semaphore.available_permits(), 2);
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
    /// let semaphore = arborio_sync::Semaphore::new(3);
    /// let mut permits = semaphore.try_acquire().unwrap();
    /// permits.merge(semaphore.try_acquire_many(2).unwrap());
    /// assert_eq!(permits.count(), 3);
    /// ```
    #[track_caller]
    pub fn merge(&mut self, mut other: Self) {
        assert!(
            std::ptr::eq(self.semaphore, other.semaphore),
            "permits of two semaphores cannot be merged"
        );
        self.count += std::mem::take(&mut other.count);
    }

    /// Makes `count` of the permits a guard of their own, if there are that many.
    ///
    /// # Examples
    /// ```
    /// let semaphore = arborio_sync::Semaphore::new(3);
    /// let mut permits = semaphore.try_acquire_many(3).unwrap();
    /// drop(permits.split(2).unwrap());
    /// assert!(permits.split(2).is_none());
    /// assert_eq!((permits.count(), semaphore.available_permits()), (1, 2));
    /// ```
    pub fn split(&mut self, count: usize) -> Option<Self> {
        self.count = self.count.checked_sub(count)?;
        Some(Self::of_taken(self.semaphore, count))
    }
}

impl<F: Flavour> Drop for SemaphorePermit<'_, F> {
    #[inline(always)]
    fn drop(&mut self) {
        self.semaphore.permits.give(self.count);
    }
}

impl<F: Flavour> fmt::Debug for SemaphorePermit<'_, F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SemaphorePermit")
            .field("count", &self.count)
            .finish()
    }
}
