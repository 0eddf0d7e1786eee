//! The end of a watched value that looks at it.

use std::fmt;

use arborio_base::drop_contained;

use super::{
    RecvError,
    changed::{Changed, IntoStream, WatchStream},
    ends::{Ends, STEP, Version},
    snapshot::Snapshot,
    wait_for::WaitFor,
};
use crate::{
    blocking::{assert_may_block, block_on},
    flavour::Flavour,
};

/// Watches a value. It remembers which version it has seen.
///
/// Under the name [`watch::Receiver`](crate::watch::Receiver) for any threads, and
/// [`local::watch::Receiver`](crate::local::watch::Receiver) for one. A clone has
/// seen what the original has.
///
/// # Fairness
/// A change wakes all who wait for one, in the order in which they came.
///
/// # Examples
/// ```
/// use arborio_sync::watch;
/// # futures_lite::future::block_on(async {
/// let (sender, mut receiver) = watch::channel(1);
/// sender.send(2)?;
/// sender.send(3)?;
/// receiver.changed().await.unwrap();
/// assert_eq!(*receiver.get(), 3);
/// assert!(!receiver.has_changed(), "both changes were one to it");
/// # Ok::<(), watch::SendError<i32>>(())
/// # }).unwrap();
/// ```
pub struct Receiver<T, F: Flavour> {
    pub(super) ends: F::Counted<Ends<T, F>>,
    /// The version that it has seen.
    pub(super) seen: Version,
    /// What `latest` has shown last.
    shown: Option<(Snapshot<T, F>, Version)>,
}

impl<T, F: Flavour> Receiver<T, F> {
    /// A receiver that has seen the present value.
    pub(crate) fn from_now_on(ends: F::Counted<Ends<T, F>>) -> Self {
        let seen = ends.add_receiver();
        Self {
            ends,
            seen,
            shown: None,
        }
    }

    /// Waits for a value that this receiver has not seen, and marks it as seen.
    ///
    /// A change that came before is found at once; several changes are one. A task
    /// that always finds a change lets others run: it charges the budget for each.
    ///
    /// # Errors
    /// [`RecvError`] if the senders are gone, and the last value was seen.
    ///
    /// # Cancel safety
    /// Dropping the future loses no change: the next one finds it.
    ///
    /// # Examples
    /// ```
    /// # futures_lite::future::block_on(async {
    /// let (sender, mut receiver) = arborio_sync::watch::channel(1);
    /// sender.send(2).unwrap();
    /// drop(sender);
    /// assert!(receiver.changed().await.is_ok());
    /// assert!(receiver.changed().await.is_err());
    /// # });
    /// ```
    #[inline]
    pub fn changed(&mut self) -> Changed<'_, T, F> {
        Changed::new(self)
    }

    /// [`changed`](Receiver::changed) with the whole thread.
    ///
    /// # Errors
    /// As for [`changed`](Receiver::changed).
    ///
    /// # Panics
    /// In a task of an Arborio loop, which it would hold up.
    ///
    /// # Examples
    /// ```
    /// let (sender, mut receiver) = arborio_sync::watch::channel(1);
    /// let thread = std::thread::spawn(move || receiver.blocking_changed());
    /// sender.send_replace(2);
    /// assert_eq!(thread.join().unwrap(), Ok(()));
    /// ```
    #[track_caller]
    pub fn blocking_changed(&mut self) -> Result<(), RecvError> {
        assert_may_block();
        match self.ends.news(self.seen) {
            Some(news) => news.map(|version| self.seen = version),
            None => block_on(self.changed()),
        }
    }

    /// The present value, whether it was seen or not. Does not mark it as seen.
    ///
    /// # Examples
    /// ```
    /// assert_eq!(*arborio_sync::watch::channel(7).1.get(), 7);
    /// ```
    #[doc(alias = "borrow")]
    pub fn get(&self) -> Snapshot<T, F> {
        self.ends.look().0
    }

    /// The present value, for those who look again and again: while it does not
    /// change, a look is one load. Does not mark it as seen.
    ///
    /// The receiver keeps the value that it has shown until it is asked again, or
    /// dropped.
    ///
    /// # Examples
    /// ```
    /// let (sender, mut receiver) = arborio_sync::watch::channel(1);
    /// assert_eq!(*receiver.latest(), 1);
    /// sender.send(2).unwrap();
    /// assert_eq!(*receiver.latest(), 2);
    /// ```
    #[inline]
    pub fn latest(&mut self) -> &T {
        let version = self.ends.version();
        if self.shown.as_ref().is_none_or(|shown| shown.1 != version) {
            let before = self.shown.replace(self.ends.look());
            drop_contained(before); // its sender may have left it to us
        }
        let (snapshot, _) = self.shown.as_ref().expect("it was put there");
        snapshot
    }

    /// The present value. Marks it as seen.
    ///
    /// # Examples
    /// ```
    /// let (sender, mut receiver) = arborio_sync::watch::channel(1);
    /// sender.send(2).unwrap();
    /// assert_eq!(*receiver.get_and_update(), 2);
    /// assert!(!receiver.has_changed());
    /// ```
    #[doc(alias = "borrow_and_update")]
    pub fn get_and_update(&mut self) -> Snapshot<T, F> {
        let (snapshot, version) = self.ends.look();
        self.seen = version;
        snapshot
    }

    /// Whether there is a value that this receiver has not seen. Takes no lock.
    ///
    /// # Examples
    /// ```
    /// let (sender, receiver) = arborio_sync::watch::channel(1);
    /// assert!(!receiver.has_changed(), "the first value counts as seen");
    /// sender.send(2).unwrap();
    /// assert!(receiver.has_changed());
    /// ```
    #[inline]
    pub fn has_changed(&self) -> bool {
        self.ends.version() != self.seen
    }

    /// Marks the present value as not seen, so that `changed` and streams begin
    /// with it.
    ///
    /// # Examples
    /// ```
    /// let (_sender, mut receiver) = arborio_sync::watch::channel(1);
    /// receiver.mark_changed();
    /// assert!(receiver.has_changed());
    /// ```
    pub fn mark_changed(&mut self) {
        self.seen = self.ends.version().wrapping_sub(STEP);
    }

    /// Marks the present value as seen.
    ///
    /// # Examples
    /// ```
    /// let (sender, mut receiver) = arborio_sync::watch::channel(1);
    /// sender.send(2).unwrap();
    /// receiver.mark_unchanged();
    /// assert!(!receiver.has_changed());
    /// ```
    pub fn mark_unchanged(&mut self) {
        self.seen = self.ends.version();
    }

    /// Waits until the value is one that `predicate` accepts, the present one
    /// included, and marks that as seen.
    ///
    /// No lock is held while `predicate` runs. It is shown each value at most once,
    /// and not those that were replaced before it could be.
    ///
    /// # Errors
    /// [`RecvError`] if the senders are gone, and the last value was not accepted.
    ///
    /// # Panics
    /// If `predicate` does.
    ///
    /// # Cancel safety
    /// Dropping the future has no effect: the values that it has refused are not
    /// marked as seen.
    ///
    /// # Examples
    /// ```
    /// # futures_lite::future::block_on(async {
    /// let (sender, mut receiver) = arborio_sync::watch::channel(1);
    /// sender.send(4).unwrap();
    /// assert_eq!(*receiver.wait_for(|n| n % 2 == 0).await.unwrap(), 4);
    /// # });
    /// ```
    pub fn wait_for<P>(&mut self, predicate: P) -> WaitFor<'_, T, F, P>
    where
        P: FnMut(&T) -> bool,
    {
        WaitFor::new(self, predicate)
    }

    /// [`wait_for`](Receiver::wait_for) with the whole thread.
    ///
    /// # Errors
    /// As for [`wait_for`](Receiver::wait_for).
    ///
    /// # Panics
    /// If `predicate` does; and in a task of an Arborio loop, which it would hold
    /// up.
    ///
    /// # Examples
    /// ```
    /// let (sender, mut receiver) = arborio_sync::watch::channel(0);
    /// std::thread::scope(|scope| {
    ///     scope.spawn(|| (1..=9).for_each(|n| sender.send(n).unwrap()));
    ///     assert_eq!(*receiver.blocking_wait_for(|n| *n == 9).unwrap(), 9);
    /// });
    /// ```
    #[track_caller]
    pub fn blocking_wait_for(
        &mut self,
        predicate: impl FnMut(&T) -> bool,
    ) -> Result<Snapshot<T, F>, RecvError> {
        block_on(self.wait_for(predicate))
    }

    /// Whether the senders are gone. The last value may not have been seen.
    ///
    /// # Examples
    /// ```
    /// let (sender, receiver) = arborio_sync::watch::channel(1);
    /// assert!(!receiver.is_closed());
    /// drop(sender);
    /// assert!(receiver.is_closed());
    /// ```
    pub fn is_closed(&self) -> bool {
        self.ends.is_closed()
    }

    /// The values from now on as a stream that borrows the receiver, each marked as
    /// seen; the last one ends it. It is to be pinned, as it has a place in the
    /// line while it waits.
    ///
    /// Values that are replaced before the stream is polled are skipped. The
    /// present one comes first if it was not seen; see
    /// [`mark_changed`](Receiver::mark_changed).
    ///
    /// # Cancel safety
    /// A stream that is dropped loses no change.
    ///
    /// # Examples
    /// ```
    /// use futures_lite::StreamExt;
    /// # futures_lite::future::block_on(async {
    /// let (sender, mut receiver) = arborio_sync::watch::channel(1);
    /// sender.send(2).unwrap();
    /// sender.send(3).unwrap();
    /// drop(sender);
    /// let values: Vec<_> = receiver.stream().map(|value| *value).collect().await;
    /// assert_eq!(values, [3]);
    /// # });
    /// ```
    pub fn stream(&mut self) -> WatchStream<'_, T, F> {
        WatchStream::new(self)
    }

    /// The values from now on as a stream that owns the receiver; as
    /// [`stream`](Receiver::stream) else.
    ///
    /// # Examples
    /// ```
    /// use futures_lite::StreamExt;
    /// # futures_lite::future::block_on(async {
    /// let (_sender, mut receiver) = arborio_sync::watch::channel(1);
    /// receiver.mark_changed();
    /// let mut values = Box::pin(receiver.into_stream());
    /// assert_eq!(values.next().await.as_deref(), Some(&1));
    /// # });
    /// ```
    pub fn into_stream(self) -> IntoStream<T, F> {
        IntoStream::new(self)
    }

    /// Whether both watch the same value.
    ///
    /// # Examples
    /// ```
    /// let (_sender, receiver) = arborio_sync::watch::channel(1);
    /// assert!(receiver.same_channel(&receiver.clone()));
    /// ```
    pub fn same_channel(&self, other: &Self) -> bool {
        std::ptr::eq(&raw const *self.ends, &raw const *other.ends)
    }
}

impl<T, F: Flavour> Clone for Receiver<T, F> {
    fn clone(&self) -> Self {
        self.ends.add_receiver();
        Self {
            ends: self.ends.clone(),
            seen: self.seen,
            shown: None,
        }
    }
}

impl<T, F: Flavour> Drop for Receiver<T, F> {
    fn drop(&mut self) {
        self.ends.remove_receiver();
    }
}

impl<T: fmt::Debug, F: Flavour> fmt::Debug for Receiver<T, F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Receiver")
            .field("value", &self.get())
            .field("changed", &self.has_changed())
            .finish()
    }
}
