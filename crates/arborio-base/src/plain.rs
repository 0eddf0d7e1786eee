//! A word that one thread at a time may touch, without atomics.
//!
//! In production it is a [`std::cell::Cell`]. In a model it is loom's tracked
//! cell, so an access that is not ordered after the previous thread's fails
//! the model.

#[cfg(loom)]
use loom::cell::UnsafeCell;
#[cfg(not(loom))]
use std::cell::Cell;

/// A plain word. Whoever touches it must be the owner of what it lies in.
///
/// # Examples
/// ```
/// use arborio_base::Plain;
/// let word = Plain::new(1);
/// assert_eq!(word.replace(2), 1);
/// word.set(word.get() + 1);
/// assert_eq!(word.get(), 3);
/// ```
#[cfg(not(loom))]
pub struct Plain<T>(Cell<T>);

#[cfg(not(loom))]
impl<T: Copy> Plain<T> {
    /// A word that holds `value`.
    pub const fn new(value: T) -> Self {
        Self(Cell::new(value))
    }

    /// What the word holds.
    #[inline(always)]
    pub fn get(&self) -> T {
        self.0.get()
    }

    /// Makes the word hold `value`.
    #[inline(always)]
    pub fn set(&self, value: T) {
        self.0.set(value);
    }
}

/// The tracked twin of the plain word.
#[cfg(loom)]
pub struct Plain<T>(UnsafeCell<T>);

#[cfg(loom)]
impl<T: Copy> Plain<T> {
    /// A word that holds `value`.
    pub fn new(value: T) -> Self {
        Self(UnsafeCell::new(value))
    }

    /// What the word holds.
    pub fn get(&self) -> T {
        self.0.with(|value| {
            // SAFETY: loom fails the model if another access is concurrent.
            unsafe { *value }
        })
    }

    /// Makes the word hold `new`.
    pub fn set(&self, new: T) {
        self.0.with_mut(|value| {
            // SAFETY: loom fails the model if another access is concurrent.
            unsafe { *value = new }
        });
    }
}

impl<T: Copy> Plain<T> {
    /// Puts `value` in and returns what was there.
    #[inline(always)]
    pub fn replace(&self, value: T) -> T {
        let old = self.get();
        self.set(value);
        old
    }
}

impl<T: Copy + std::fmt::Debug> std::fmt::Debug for Plain<T> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_tuple("Plain").field(&self.get()).finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_shows_what_it_holds() {
        assert_eq!(format!("{:?}", Plain::new(7)), "Plain(7)");
    }
}
