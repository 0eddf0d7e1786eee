//! Guards that own their read-write lock: for tasks that outlive the scope it is in.

use std::{
    fmt,
    future::Future,
    ops::{Deref, DerefMut},
    pin::Pin,
    rc::Rc,
    sync::Arc,
    task::{Context, Poll, ready},
};

use super::{ALL, ONE, RwLock};
use crate::{
    flavour::{Flavour, OneThread, Threads},
    owned::{Owner, TakeOwned},
    permits::Taken,
};

impl<T: ?Sized> RwLock<T, Threads> {
    /// [`read`](RwLock::read) for a guard that owns the lock.
    ///
    /// # Cancel safety
    /// As for [`read`](RwLock::read).
    ///
    /// # Examples
    /// ```
    /// # futures_lite::future::block_on(async {
    /// let lock = std::sync::Arc::new(arborio_sync::RwLock::new(1));
    /// let guard = lock.read_owned().await;
    /// assert_eq!(std::thread::spawn(move || *guard).join().unwrap(), 1);
    /// # });
    /// ```
    pub fn read_owned(self: Arc<Self>) -> RwLockReadOwned<T, Threads> {
        RwLockReadOwned {
            take: TakeOwned::of_owner(self, ONE),
        }
    }

    /// [`write`](RwLock::write) for a guard that owns the lock.
    ///
    /// # Cancel safety
    /// As for [`write`](RwLock::write).
    ///
    /// # Examples
    /// ```
    /// use std::sync::Arc;
    /// # futures_lite::future::block_on(async {
    /// let lock = Arc::new(arborio_sync::RwLock::new(1));
    /// let mut guard = Arc::clone(&lock).write_owned().await;
    /// std::thread::spawn(move || *guard += 1).join().unwrap();
    /// assert_eq!(*lock.read().await, 2);
    /// # });
    /// ```
    pub fn write_owned(self: Arc<Self>) -> RwLockWriteOwned<T, Threads> {
        RwLockWriteOwned {
            take: TakeOwned::of_owner(self, ALL),
        }
    }

    /// [`try_read`](RwLock::try_read) for a guard that owns the lock.
    ///
    /// # Examples
    /// ```
    /// let lock = std::sync::Arc::new(arborio_sync::RwLock::new(1));
    /// assert_eq!(*lock.try_read_owned().unwrap(), 1);
    /// ```
    pub fn try_read_owned(self: Arc<Self>) -> Option<OwnedRwLockReadGuard<T, Threads>> {
        OwnedRwLockReadGuard::<T, Threads>::try_take(self)
    }

    /// [`try_write`](RwLock::try_write) for a guard that owns the lock.
    ///
    /// # Examples
    /// ```
    /// use std::sync::Arc;
    /// let lock = Arc::new(arborio_sync::RwLock::new(1));
    /// let reader = lock.try_read().unwrap();
    /// assert!(Arc::clone(&lock).try_write_owned().is_none());
    /// # drop(reader);
    /// ```
    pub fn try_write_owned(self: Arc<Self>) -> Option<OwnedRwLockWriteGuard<T, Threads>> {
        OwnedRwLockWriteGuard::<T, Threads>::try_take(self)
    }
}

impl<T: ?Sized> RwLock<T, OneThread> {
    /// [`read`](RwLock::read) for a guard that owns the lock.
    ///
    /// # Cancel safety
    /// As for [`read`](RwLock::read).
    ///
    /// # Examples
    /// ```
    /// # futures_lite::future::block_on(async {
    /// let lock = std::rc::Rc::new(arborio_sync::local::RwLock::new(1));
    /// assert_eq!(*lock.read_owned().await, 1);
    /// # });
    /// ```
    pub fn read_owned(self: Rc<Self>) -> RwLockReadOwned<T, OneThread> {
        RwLockReadOwned {
            take: TakeOwned::of_owner(self, ONE),
        }
    }

    /// [`write`](RwLock::write) for a guard that owns the lock.
    ///
    /// # Cancel safety
    /// As for [`write`](RwLock::write).
    ///
    /// # Examples
    /// ```
    /// # futures_lite::future::block_on(async {
    /// let lock = std::rc::Rc::new(arborio_sync::local::RwLock::new(1));
    /// let mut guard = lock.write_owned().await;
    /// *guard += 1;
    /// assert_eq!(*guard, 2);
    /// # });
    /// ```
    pub fn write_owned(self: Rc<Self>) -> RwLockWriteOwned<T, OneThread> {
        RwLockWriteOwned {
            take: TakeOwned::of_owner(self, ALL),
        }
    }

    /// [`try_read`](RwLock::try_read) for a guard that owns the lock.
    ///
    /// # Examples
    /// ```
    /// let lock = std::rc::Rc::new(arborio_sync::local::RwLock::new(1));
    /// assert_eq!(*lock.try_read_owned().unwrap(), 1);
    /// ```
    pub fn try_read_owned(self: Rc<Self>) -> Option<OwnedRwLockReadGuard<T, OneThread>> {
        OwnedRwLockReadGuard::<T, OneThread>::try_take(self)
    }

    /// [`try_write`](RwLock::try_write) for a guard that owns the lock.
    ///
    /// # Examples
    /// ```
    /// let lock = std::rc::Rc::new(arborio_sync::local::RwLock::new(1));
    /// assert_eq!(*lock.try_write_owned().unwrap(), 1);
    /// ```
    pub fn try_write_owned(self: Rc<Self>) -> Option<OwnedRwLockWriteGuard<T, OneThread>> {
        OwnedRwLockWriteGuard::<T, OneThread>::try_take(self)
    }
}

/// The right to read a value, and an owner of the lock; made by
/// `RwLock::read_owned`.
///
/// Dropping it gives the right back.
// It is `Send` and `Sync` where an `Arc` of the lock is: it hands out `&T` only.
#[must_use = "dropping the guard releases the lock"]
#[clippy::has_significant_drop]
pub struct OwnedRwLockReadGuard<T: ?Sized, F: Flavour> {
    lock: Owner<RwLock<T, F>>,
}

impl<T: ?Sized, F: Flavour> OwnedRwLockReadGuard<T, F> {
    fn try_take(lock: Owner<RwLock<T, F>>) -> Option<Self> {
        (lock.permits.try_take(ONE) == Taken::Yes).then(|| Self { lock })
    }
}

impl<T: ?Sized, F: Flavour> Deref for OwnedRwLockReadGuard<T, F> {
    type Target = T;

    fn deref(&self) -> &T {
        // SAFETY: this guard owns a permit, so nobody writes (W1).
        unsafe { &*self.lock.value.get() }
    }
}

impl<T: ?Sized, F: Flavour> Drop for OwnedRwLockReadGuard<T, F> {
    #[inline(always)]
    fn drop(&mut self) {
        self.lock.permits.give(ONE);
    }
}

impl<T: ?Sized + fmt::Debug, F: Flavour> fmt::Debug for OwnedRwLockReadGuard<T, F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        (**self).fmt(f)
    }
}

impl<T: ?Sized + fmt::Display, F: Flavour> fmt::Display for OwnedRwLockReadGuard<T, F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        (**self).fmt(f)
    }
}

/// The right to change a value, and an owner of the lock; made by
/// `RwLock::write_owned`.
///
/// Dropping it releases the lock.
// It is `Send` and `Sync` where an `Arc` of the lock is, which asks for
// `T: Send + Sync`: enough for the `&T` and `&mut T` that it hands out.
#[must_use = "dropping the guard releases the lock"]
#[clippy::has_significant_drop]
pub struct OwnedRwLockWriteGuard<T: ?Sized, F: Flavour> {
    lock: Owner<RwLock<T, F>>,
    /// What its drop gives back: all, or after a downgrade all but the reader's.
    permits: usize,
}

impl<T: ?Sized, F: Flavour> OwnedRwLockWriteGuard<T, F> {
    fn try_take(lock: Owner<RwLock<T, F>>) -> Option<Self> {
        (lock.permits.try_take(ALL) == Taken::Yes).then(|| Self::of_taken(lock))
    }

    /// The guard of somebody who has taken all permits (W1).
    #[inline(always)]
    fn of_taken(lock: Owner<RwLock<T, F>>) -> Self {
        Self { lock, permits: ALL }
    }

    /// Goes on as a reader, without anybody writing in between. The readers at the
    /// head of the line come in as well.
    ///
    /// # Examples
    /// ```
    /// use std::sync::Arc;
    /// use arborio_sync::{OwnedRwLockWriteGuard, RwLock};
    /// let lock = Arc::new(RwLock::new(1));
    /// let mut writer = Arc::clone(&lock).try_write_owned().unwrap();
    /// *writer += 1;
    /// let reader = OwnedRwLockWriteGuard::downgrade(writer);
    /// assert_eq!((*reader, *lock.try_read().unwrap()), (2, 2));
    /// ```
    pub fn downgrade(mut guard: Self) -> OwnedRwLockReadGuard<T, F> {
        let lock = guard.lock.clone();
        guard.permits = ALL - ONE; // the one is the reader's
        OwnedRwLockReadGuard { lock }
    }
}

impl<T: ?Sized, F: Flavour> Deref for OwnedRwLockWriteGuard<T, F> {
    type Target = T;

    fn deref(&self) -> &T {
        // SAFETY: this guard owns all permits (W1), and is borrowed shared.
        unsafe { &*self.lock.value.get() }
    }
}

impl<T: ?Sized, F: Flavour> DerefMut for OwnedRwLockWriteGuard<T, F> {
    fn deref_mut(&mut self) -> &mut T {
        // SAFETY: this guard owns all permits (W1), and is borrowed alone.
        unsafe { &mut *self.lock.value.get() }
    }
}

impl<T: ?Sized, F: Flavour> Drop for OwnedRwLockWriteGuard<T, F> {
    #[inline(always)]
    fn drop(&mut self) {
        self.lock.permits.give(self.permits);
    }
}

impl<T: ?Sized + fmt::Debug, F: Flavour> fmt::Debug for OwnedRwLockWriteGuard<T, F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        (**self).fmt(f)
    }
}

impl<T: ?Sized + fmt::Display, F: Flavour> fmt::Display for OwnedRwLockWriteGuard<T, F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        (**self).fmt(f)
    }
}

pin_project_lite::pin_project! {
    /// Waits until it may read; made by `RwLock::read_owned`.
    #[must_use = "futures do nothing unless awaited"]
    pub struct RwLockReadOwned<T: ?Sized, F: Flavour> {
        #[pin]
        take: TakeOwned<RwLock<T, F>>,
    }
}

impl<T: ?Sized, F: Flavour> Future for RwLockReadOwned<T, F> {
    type Output = OwnedRwLockReadGuard<T, F>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        match ready!(self.project().take.poll_owned(cx)) {
            Ok(lock) => Poll::Ready(OwnedRwLockReadGuard { lock }),
            Err(_) => unreachable!("a read-write lock is never closed"),
        }
    }
}

pin_project_lite::pin_project! {
    /// Waits until it alone has the lock; made by `RwLock::write_owned`.
    #[must_use = "futures do nothing unless awaited"]
    pub struct RwLockWriteOwned<T: ?Sized, F: Flavour> {
        #[pin]
        take: TakeOwned<RwLock<T, F>>,
    }
}

impl<T: ?Sized, F: Flavour> Future for RwLockWriteOwned<T, F> {
    type Output = OwnedRwLockWriteGuard<T, F>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        match ready!(self.project().take.poll_owned(cx)) {
            Ok(lock) => Poll::Ready(OwnedRwLockWriteGuard::of_taken(lock)),
            Err(_) => unreachable!("a read-write lock is never closed"),
        }
    }
}
