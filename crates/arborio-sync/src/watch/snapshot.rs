//! A watched value as it was.

use std::{fmt, ops::Deref};

use crate::flavour::Flavour;

/// The value as it was at one moment. It holds no lock, and may be kept for as
/// long as one likes; the value lives as long as its last snapshot.
///
/// # Examples
/// ```
/// use arborio_sync::watch;
/// let (sender, receiver) = watch::channel(String::from("old"));
/// let before = receiver.get();
/// sender.send(String::from("new")).unwrap();
/// assert_eq!((before.as_str(), receiver.get().as_str()), ("old", "new"));
/// ```
pub struct Snapshot<T, F: Flavour> {
    pub(super) value: F::Counted<T>,
}

impl<T, F: Flavour> Snapshot<T, F> {
    /// Takes the value out, if this is the last snapshot of it.
    ///
    /// # Errors
    /// The snapshot, if there are others, or if the value is the present one.
    ///
    /// # Examples
    /// ```
    /// use arborio_sync::{flavour::watch::Snapshot, watch};
    /// let (sender, _receiver) = watch::channel(1);
    /// assert!(Snapshot::try_into_inner(sender.get()).is_err());
    /// assert_eq!(Snapshot::try_into_inner(sender.send_replace(2)).ok(), Some(1));
    /// ```
    pub fn try_into_inner(snapshot: Self) -> Result<T, Self> {
        F::into_inner(snapshot.value).map_err(|value| Self { value })
    }
}

impl<T, F: Flavour> Deref for Snapshot<T, F> {
    type Target = T;

    #[inline(always)]
    fn deref(&self) -> &T {
        &self.value
    }
}

impl<T, F: Flavour> Clone for Snapshot<T, F> {
    fn clone(&self) -> Self {
        Self {
            value: self.value.clone(),
        }
    }
}

impl<T: fmt::Debug, F: Flavour> fmt::Debug for Snapshot<T, F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        (**self).fmt(f)
    }
}

impl<T: fmt::Display, F: Flavour> fmt::Display for Snapshot<T, F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        (**self).fmt(f)
    }
}
