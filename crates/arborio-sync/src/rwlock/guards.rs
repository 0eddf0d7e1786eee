//! Guards that borrow their read-write lock.

use std::{
    fmt,
    ops::{Deref, DerefMut},
};

use super::{ALL, ONE, RwLock};
use crate::flavour::Flavour;

/// The right to read a value; made by [`RwLock::read`].
///
/// Dropping it gives the right back.
// It is `Send` and `Sync` where a reference to the lock is: it hands out `&T` only.
#[must_use = "dropping the guard releases the lock"]
#[clippy::has_significant_drop]
pub struct RwLockReadGuard<'a, T: ?Sized, F: Flavour> {
    lock: &'a RwLock<T, F>,
}

impl<'a, T: ?Sized, F: Flavour> RwLockReadGuard<'a, T, F> {
    /// The guard of somebody who has taken one permit (W1).
    #[inline(always)]
    pub(super) fn of_taken(lock: &'a RwLock<T, F>) -> Self {
        Self { lock }
    }
}

impl<T: ?Sized, F: Flavour> Deref for RwLockReadGuard<'_, T, F> {
    type Target = T;

    fn deref(&self) -> &T {
        // SAFETY: this guard owns a permit, so nobody writes (W1).
        unsafe { &*self.lock.value.get() }
    }
}

impl<T: ?Sized, F: Flavour> Drop for RwLockReadGuard<'_, T, F> {
    #[inline(always)]
    fn drop(&mut self) {
        self.lock.permits.give(ONE);
    }
}

impl<T: ?Sized + fmt::Debug, F: Flavour> fmt::Debug for RwLockReadGuard<'_, T, F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        (**self).fmt(f)
    }
}

impl<T: ?Sized + fmt::Display, F: Flavour> fmt::Display for RwLockReadGuard<'_, T, F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        (**self).fmt(f)
    }
}

/// The right to change a value; made by [`RwLock::write`].
///
/// Dropping it releases the lock.
// It is `Send` and `Sync` where a reference to the lock is, which asks for
// `T: Send + Sync`: enough for the `&T` and `&mut T` that it hands out.
#[must_use = "dropping the guard releases the lock"]
#[clippy::has_significant_drop]
pub struct RwLockWriteGuard<'a, T: ?Sized, F: Flavour> {
    lock: &'a RwLock<T, F>,
}

impl<'a, T: ?Sized, F: Flavour> RwLockWriteGuard<'a, T, F> {
    /// The guard of somebody who has taken all permits (W1).
    #[inline(always)]
    pub(super) fn of_taken(lock: &'a RwLock<T, F>) -> Self {
        Self { lock }
    }

    /// Goes on as a reader, without anybody writing in between. The readers at the
    /// head of the line come in as well.
    ///
    /// # Examples
    /// ```
    /// use arborio_sync::{RwLock, RwLockWriteGuard};
    /// let lock = RwLock::new(1);
    /// let mut writer = lock.try_write().unwrap();
    /// *writer += 1;
    /// let reader = RwLockWriteGuard::downgrade(writer);
    /// assert_eq!((*reader, *lock.try_read().unwrap()), (2, 2));
    /// ```
    pub fn downgrade(guard: Self) -> RwLockReadGuard<'a, T, F> {
        let lock = guard.lock;
        std::mem::forget(guard); // its permits live on
        let reader = RwLockReadGuard::of_taken(lock);
        lock.permits.give(ALL - ONE);
        reader
    }
}

impl<T: ?Sized, F: Flavour> Deref for RwLockWriteGuard<'_, T, F> {
    type Target = T;

    fn deref(&self) -> &T {
        // SAFETY: this guard owns all permits (W1), and is borrowed shared.
        unsafe { &*self.lock.value.get() }
    }
}

impl<T: ?Sized, F: Flavour> DerefMut for RwLockWriteGuard<'_, T, F> {
    fn deref_mut(&mut self) -> &mut T {
        // SAFETY: this guard owns all permits (W1), and is borrowed alone.
        unsafe { &mut *self.lock.value.get() }
    }
}

impl<T: ?Sized, F: Flavour> Drop for RwLockWriteGuard<'_, T, F> {
    #[inline(always)]
    fn drop(&mut self) {
        self.lock.permits.give(ALL);
    }
}

impl<T: ?Sized + fmt::Debug, F: Flavour> fmt::Debug for RwLockWriteGuard<'_, T, F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        (**self).fmt(f)
    }
}

impl<T: ?Sized + fmt::Display, F: Flavour> fmt::Display for RwLockWriteGuard<'_, T, F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        (**self).fmt(f)
    }
}
