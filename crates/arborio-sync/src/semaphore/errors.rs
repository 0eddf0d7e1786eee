//! What a semaphore refuses.

use std::{error::Error, fmt};

/// No permit was taken by a `try_` method.
///
/// # Examples
/// ```
/// use arborio_sync::{Semaphore, TryAcquireError};
/// let error = Semaphore::empty().try_acquire().unwrap_err();
/// assert_eq!(error, TryAcquireError::NoPermits);
/// assert_eq!(error.to_string(), "too few permits are free, or others wait for them");
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TryAcquireError {
    /// The semaphore is closed: no permit will ever come.
    Closed,
    /// Too few permits are free, or others wait for them.
    NoPermits,
}

impl fmt::Display for TryAcquireError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Closed => "the semaphore is closed",
            Self::NoPermits => "too few permits are free, or others wait for them",
        })
    }
}

impl Error for TryAcquireError {}

/// A semaphore cannot have that many permits.
///
/// # Examples
/// ```
/// use arborio_sync::Semaphore;
/// let error = Semaphore::new(1).add_permits(Semaphore::MAX_PERMITS).unwrap_err();
/// assert_eq!(error.to_string(), "the semaphore would have more than MAX_PERMITS permits");
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TooManyPermits;

impl fmt::Display for TooManyPermits {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the semaphore would have more than MAX_PERMITS permits")
    }
}

impl Error for TooManyPermits {}
