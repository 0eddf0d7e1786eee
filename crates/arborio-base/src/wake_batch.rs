//! Wakers gathered under a lock and called outside of it.

use std::task::Waker;

use crate::contain::contain;

/// Wakers to call once all locks are released.
///
/// The owner keeps one and uses it again: its memory grows to the largest
/// batch seen and stays, so a steady state allocates nothing. A waker that
/// panics does not keep the others from being called.
///
/// # Examples
/// ```
/// use arborio_base::WakeBatch;
/// use std::task::Waker;
/// let mut batch = WakeBatch::new();
/// batch.push(Waker::noop().clone());
/// assert_eq!(batch.wake_all(), 1);
/// assert!(batch.is_empty());
/// ```
#[derive(Debug, Default)]
pub struct WakeBatch {
    /// In the order in which they will be called.
    wakers: Vec<Waker>,
}

impl WakeBatch {
    /// An empty batch. Allocates nothing.
    ///
    /// # Examples
    /// ```
    /// assert!(arborio_base::WakeBatch::new().is_empty());
    /// ```
    pub const fn new() -> Self {
        Self { wakers: Vec::new() }
    }

    /// Adds `waker` at the end.
    ///
    /// # Examples
    /// ```
    /// let mut batch = arborio_base::WakeBatch::new();
    /// batch.push(std::task::Waker::noop().clone());
    /// assert_eq!(batch.len(), 1);
    /// ```
    pub fn push(&mut self, waker: Waker) {
        self.wakers.push(waker);
    }

    /// How many wakers wait to be called.
    ///
    /// # Examples
    /// ```
    /// assert_eq!(arborio_base::WakeBatch::new().len(), 0);
    /// ```
    pub fn len(&self) -> usize {
        self.wakers.len()
    }

    /// Whether no waker waits to be called.
    ///
    /// # Examples
    /// ```
    /// assert!(arborio_base::WakeBatch::new().is_empty());
    /// ```
    pub fn is_empty(&self) -> bool {
        self.wakers.is_empty()
    }

    /// Puts the wakers into another order: `random(n)` gives a number below `n`.
    /// For wakes whose order means nothing, in a run that a seed shall explore.
    ///
    /// # Examples
    /// ```
    /// let mut batch = arborio_base::WakeBatch::new();
    /// batch.push(std::task::Waker::noop().clone());
    /// batch.permute(&mut |bound| bound - 1);
    /// assert_eq!(batch.len(), 1);
    /// ```
    pub fn permute(&mut self, random: &mut dyn FnMut(usize) -> usize) {
        for last in (1..self.wakers.len()).rev() {
            self.wakers.swap(last, random(last + 1));
        }
    }

    /// Calls every waker in the order they were added, and returns how many
    /// there were. A panic of one is contained and counted
    /// ([`contained_panics`](crate::contained_panics)).
    ///
    /// # Examples
    /// ```
    /// assert_eq!(arborio_base::WakeBatch::new().wake_all(), 0);
    /// ```
    pub fn wake_all(&mut self) -> usize {
        let count = self.wakers.len();
        for waker in self.wakers.drain(..) {
            contain(|| waker.wake());
        }
        count
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::{
        sync::{Arc, Mutex},
        task::Wake,
    };

    /// Notes its number when it is called.
    struct Numbered(usize, Arc<Mutex<Vec<usize>>>);

    impl Wake for Numbered {
        fn wake(self: Arc<Self>) {
            self.1.lock().unwrap().push(self.0);
        }
    }

    /// The order in which five wakers are called.
    fn called(permute: impl FnOnce(&mut WakeBatch)) -> Vec<usize> {
        let (mut batch, order) = (WakeBatch::new(), Arc::default());
        for number in 0..5 {
            batch.push(Arc::new(Numbered(number, Arc::clone(&order))).into());
        }
        assert!(!batch.is_empty());
        permute(&mut batch);
        assert_eq!(batch.len(), 5);
        assert_eq!(batch.wake_all(), 5);
        assert!(batch.is_empty());
        let order = order.lock().unwrap();
        order.clone()
    }

    #[test]
    fn wakers_are_called_in_the_order_they_came_or_in_that_of_the_lot() {
        assert_eq!(called(|_| {}), [0, 1, 2, 3, 4]);
        assert_eq!(called(|batch| batch.permute(&mut |_| 0)), [1, 2, 3, 4, 0]);
        assert_eq!(
            called(|batch| batch.permute(&mut |bound| bound - 1)),
            [0, 1, 2, 3, 4]
        );
        let mut bounds = Vec::new();
        called(|batch| {
            batch.permute(&mut |bound| {
                bounds.push(bound);
                bound / 2
            });
        });
        assert_eq!(bounds, [5, 4, 3, 2], "every place has a chance");
    }
}
