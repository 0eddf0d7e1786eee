//! What a promise can say instead of a value.

use std::{error::Error, fmt, sync::Arc};

/// A promise was done, but not with a value; or the value is gone.
///
/// Everybody who asks gets the same one.
///
/// # Examples
/// ```
/// use arborio_sync::{Promise, PromiseError};
/// # futures_lite::future::block_on(async {
/// let promise = Promise::<u32>::new();
/// promise.fail("the disk is full").unwrap();
/// let error = promise.wait().await.unwrap_err();
/// assert_eq!(error.to_string(), "the promise failed: the disk is full");
/// assert!(matches!(error, PromiseError::Failed(_)));
/// # });
/// ```
#[derive(Clone, Debug)]
#[non_exhaustive]
pub enum PromiseError {
    /// It was completed by [`Promise::fail`](crate::flavour::Promise::fail), with
    /// this error.
    Failed(Arc<dyn Error + Send + Sync>),
    /// It was completed by [`Promise::cancel`](crate::flavour::Promise::cancel).
    Cancelled,
    /// Its value was moved out by [`Promise::take`](crate::flavour::Promise::take).
    Taken,
}

impl fmt::Display for PromiseError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Failed(error) => write!(f, "the promise failed: {error}"),
            Self::Cancelled => f.write_str("the promise was cancelled"),
            Self::Taken => f.write_str("the promise's value was taken by somebody else"),
        }
    }
}

impl Error for PromiseError {
    // The message is part of ours, so a report goes on with what is behind it.
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        match self {
            Self::Failed(error) => error.source(),
            Self::Cancelled | Self::Taken => None,
        }
    }
}

/// A promise is completed once, and this one was: here is what came too late.
///
/// # Examples
/// ```
/// use arborio_sync::{AlreadyDone, Promise};
/// let promise = Promise::new();
/// promise.set(1).unwrap();
/// let error = promise.set(2).unwrap_err();
/// assert_eq!(error.to_string(), "the promise is done already");
/// assert_eq!(error, AlreadyDone(2));
/// ```
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct AlreadyDone<T>(pub T);

impl<T> AlreadyDone<T> {
    /// What came too late.
    ///
    /// # Examples
    /// ```
    /// assert_eq!(arborio_sync::AlreadyDone(7).into_inner(), 7);
    /// ```
    pub fn into_inner(self) -> T {
        self.0
    }
}

impl<T> fmt::Debug for AlreadyDone<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("AlreadyDone(..)")
    }
}

impl<T> fmt::Display for AlreadyDone<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the promise is done already")
    }
}

impl<T> Error for AlreadyDone<T> {}

/// A promise was asked for its outcome before it had one.
///
/// # Examples
/// ```
/// let promise = arborio_sync::Promise::<u32>::new();
/// let error = promise.try_result().unwrap_err();
/// assert_eq!(error.to_string(), "the promise is still pending");
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct StillPending;

impl fmt::Display for StillPending {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the promise is still pending")
    }
}

impl Error for StillPending {}
