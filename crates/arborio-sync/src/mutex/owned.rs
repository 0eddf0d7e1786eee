//! Guards that own their mutex: for tasks that outlive the scope it is in.

use std::{
    fmt,
    future::Future,
    ops::{Deref, DerefMut},
    pin::Pin,
    rc::Rc,
    sync::Arc,
    task::{Context, Poll, ready},
};

use super::Mutex;
use crate::{
    flavour::{Flavour, OneThread, Threads},
    owned::{Owner, TakeOwned},
    permits::Taken,
};

impl<T: ?Sized> Mutex<T, Threads> {
    /// [`lock`](Mutex::lock) for a guard that owns the mutex.
    ///
    /// # Cancel safety
    /// As for [`lock`](Mutex::lock).
    ///
    /// # Examples
    /// ```
    /// use std::sync::Arc;
    /// # futures_lite::future::block_on(async {
    /// let mutex = Arc::new(arborio_sync::Mutex::new(1));
    /// let mut guard = Arc::clone(&mutex).lock_owned().await;
    /// std::thread::spawn(move || *guard += 1).join().unwrap();
    /// assert_eq!(*mutex.lock().await, 2);
    /// # });
    /// ```
    pub fn lock_owned(self: Arc<Self>) -> LockOwned<T, Threads> {
        LockOwned {
            take: TakeOwned::of_owner(self, 1),
        }
    }

    /// [`try_lock`](Mutex::try_lock) for a guard that owns the mutex.
    ///
    /// # Examples
    /// ```
    /// use std::sync::Arc;
    /// let mutex = Arc::new(arborio_sync::Mutex::new(1));
    /// let guard = Arc::clone(&mutex).try_lock_owned().unwrap();
    /// assert!(mutex.try_lock_owned().is_none());
    /// # drop(guard);
    /// ```
    pub fn try_lock_owned(self: Arc<Self>) -> Option<OwnedMutexGuard<T, Threads>> {
        OwnedMutexGuard::<T, Threads>::try_take(self)
    }
}

impl<T: ?Sized> Mutex<T, OneThread> {
    /// [`lock`](Mutex::lock) for a guard that owns the mutex.
    ///
    /// # Cancel safety
    /// As for [`lock`](Mutex::lock).
    ///
    /// # Examples
    /// ```
    /// # futures_lite::future::block_on(async {
    /// let mutex = std::rc::Rc::new(arborio_sync::local::Mutex::new(1));
    /// assert_eq!(*mutex.lock_owned().await, 1);
    /// # });
    /// ```
    pub fn lock_owned(self: Rc<Self>) -> LockOwned<T, OneThread> {
        LockOwned {
            take: TakeOwned::of_owner(self, 1),
        }
    }

    /// [`try_lock`](Mutex::try_lock) for a guard that owns the mutex.
    ///
    /// # Examples
    /// ```
    /// let mutex = std::rc::Rc::new(arborio_sync::local::Mutex::new(1));
    /// assert_eq!(*mutex.try_lock_owned().unwrap(), 1);
    /// ```
    pub fn try_lock_owned(self: Rc<Self>) -> Option<OwnedMutexGuard<T, OneThread>> {
        OwnedMutexGuard::<T, OneThread>::try_take(self)
    }
}

/// The right to use a mutex's value, and an owner of the mutex; made by
/// `Mutex::lock_owned`.
///
/// Dropping it releases the lock.
///
/// # Examples
/// ```
/// use std::sync::Arc;
/// let mutex = Arc::new(arborio_sync::Mutex::new(1));
/// let mut guard = Arc::clone(&mutex).try_lock_owned().unwrap();
/// *guard += 1;
/// drop(guard);
/// assert_eq!(*mutex.try_lock().unwrap(), 2);
/// ```
#[must_use = "dropping the guard releases the lock"]
#[clippy::has_significant_drop]
pub struct OwnedMutexGuard<T: ?Sized, F: Flavour> {
    mutex: Owner<Mutex<T, F>>,
}

// SAFETY: a shared guard gives `&T`, for which `T` is `Sync`, and a reference to
// the mutex, for which `T` is `Send`.
unsafe impl<T: ?Sized + Send + Sync, F: Flavour + Sync> Sync for OwnedMutexGuard<T, F> {}

impl<T: ?Sized, F: Flavour> OwnedMutexGuard<T, F> {
    fn try_take(mutex: Owner<Mutex<T, F>>) -> Option<Self> {
        (mutex.permits.try_take(1) == Taken::Yes).then(|| Self { mutex })
    }

    /// The mutex that this guard belongs to.
    ///
    /// # Examples
    /// ```
    /// use arborio_sync::{Mutex, OwnedMutexGuard};
    /// let guard = std::sync::Arc::new(Mutex::new(1)).try_lock_owned().unwrap();
    /// assert!(OwnedMutexGuard::mutex(&guard).is_locked());
    /// ```
    pub fn mutex(guard: &Self) -> &F::Owner<Mutex<T, F>> {
        &guard.mutex
    }
}

impl<T: ?Sized, F: Flavour> Deref for OwnedMutexGuard<T, F> {
    type Target = T;

    fn deref(&self) -> &T {
        // SAFETY: this guard owns the permit (M1), and is borrowed shared.
        unsafe { &*self.mutex.value.get() }
    }
}

impl<T: ?Sized, F: Flavour> DerefMut for OwnedMutexGuard<T, F> {
    fn deref_mut(&mut self) -> &mut T {
        // SAFETY: this guard owns the permit (M1), and is borrowed alone.
        unsafe { &mut *self.mutex.value.get() }
    }
}

impl<T: ?Sized, F: Flavour> Drop for OwnedMutexGuard<T, F> {
    #[inline(always)]
    fn drop(&mut self) {
        self.mutex.permits.give(1);
    }
}

impl<T: ?Sized + fmt::Debug, F: Flavour> fmt::Debug for OwnedMutexGuard<T, F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        (**self).fmt(f)
    }
}

impl<T: ?Sized + fmt::Display, F: Flavour> fmt::Display for OwnedMutexGuard<T, F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        (**self).fmt(f)
    }
}

pin_project_lite::pin_project! {
    /// Waits for a mutex on behalf of a guard that owns it; made by
    /// `Mutex::lock_owned`.
    #[must_use = "futures do nothing unless awaited"]
    pub struct LockOwned<T: ?Sized, F: Flavour> {
        #[pin]
        take: TakeOwned<Mutex<T, F>>,
    }
}

impl<T: ?Sized, F: Flavour> Future for LockOwned<T, F> {
    type Output = OwnedMutexGuard<T, F>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        match ready!(self.project().take.poll_owned(cx)) {
            Ok(mutex) => Poll::Ready(OwnedMutexGuard { mutex }),
            Err(_) => unreachable!("a mutex is never closed"),
        }
    }
}
