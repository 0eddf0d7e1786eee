//! What a scope's poll looks at instead of taking the lock: whether there is anything
//! behind it that most scopes never have.
//!
//! The lock costs two atomic read-modify-writes, and a poll has up to ten occasions to take
//! it. A sign is a plain load.
//!
//! # Invariants
//! - G1: signs are written only by whoever holds the lock, when it is given back, from what is
//!   there then. So nobody can forget one.
//! - G2: who changes something from another thread wakes the scope afterwards, by the waker that
//!   is behind the lock. So a poll that still sees the old signs is followed by one that
//!   sees the new ones.

use std::ops::{Deref, DerefMut};

use arborio_base::sync::{
    Mutex, MutexGuard,
    atomic::{AtomicU8, Ordering},
    lock,
};

/// A set of signs.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) struct Signs(u8);

impl Signs {
    /// There is a reason to end.
    pub(crate) const ENDING: Self = Self(1);
    /// There is a deadline.
    pub(crate) const TIMED: Self = Self(1 << 1);
    /// Errors wait for their handles.
    pub(crate) const KEPT: Self = Self(1 << 2);
    /// There is a waker.
    pub(crate) const WAITING: Self = Self(1 << 3);
    /// Scopes were forked from it.
    pub(crate) const FORKED: Self = Self(1 << 4);

    /// These, as far as they are so.
    pub(crate) fn of<const N: usize>(signs: [(Self, bool); N]) -> Self {
        let set = signs.iter().filter(|(_, is_so)| *is_so);
        Self(set.fold(0, |all, (sign, _)| all | sign.0))
    }
}

/// Has signs.
pub(crate) trait Signed {
    /// Those that are there now.
    fn signs(&self) -> Signs;
}

/// A lock whose signs can be seen from outside.
pub(crate) struct SignedLock<T: Signed> {
    signs: AtomicU8,
    lock: Mutex<T>,
}

impl<T: Signed> SignedLock<T> {
    pub(crate) fn new(value: T) -> Self {
        Self {
            signs: AtomicU8::new(value.signs().0),
            lock: Mutex::new(value),
        }
    }

    /// Whether `sign` was there when the lock was last given back.
    #[inline]
    pub(crate) fn shows(&self, sign: Signs) -> bool {
        // Acquire: pairs with the release below.
        self.signs.load(Ordering::Acquire) & sign.0 != 0
    }

    #[inline]
    pub(crate) fn lock(&self) -> Locked<'_, T> {
        Locked {
            signs: &self.signs,
            value: lock(&self.lock),
        }
    }
}

/// The lock is held.
pub(crate) struct Locked<'a, T: Signed> {
    signs: &'a AtomicU8,
    value: MutexGuard<'a, T>,
}

impl<T: Signed> Deref for Locked<'_, T> {
    type Target = T;

    fn deref(&self) -> &T {
        &self.value
    }
}

impl<T: Signed> DerefMut for Locked<'_, T> {
    fn deref_mut(&mut self) -> &mut T {
        &mut self.value
    }
}

impl<T: Signed> Drop for Locked<'_, T> {
    #[inline]
    fn drop(&mut self) {
        // Release: pairs with `shows`. The lock is given back after this (G1).
        self.signs.store(self.value.signs().0, Ordering::Release);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    struct Deadline(Option<u64>);

    impl Signed for Deadline {
        fn signs(&self) -> Signs {
            Signs::of([(Signs::TIMED, self.0.is_some()), (Signs::KEPT, false)])
        }
    }

    #[test]
    fn signs_follow_what_is_behind_the_lock() {
        let lock = SignedLock::new(Deadline(None));
        assert!(!lock.shows(Signs::TIMED));
        let mut held = lock.lock();
        held.0 = Some(7);
        assert!(
            !lock.shows(Signs::TIMED),
            "not before the lock is given back"
        );
        drop(held);
        assert!(lock.shows(Signs::TIMED) && !lock.shows(Signs::KEPT));
        lock.lock().0 = None;
        assert!(!lock.shows(Signs::TIMED));
    }
}
