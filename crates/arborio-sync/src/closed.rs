//! The error of a primitive that was closed.

use std::{error::Error, fmt};

/// The semaphore is closed: no permit will ever come.
///
/// # Examples
/// ```
/// use arborio_sync::Semaphore;
/// # futures_lite::future::block_on(async {
/// let semaphore = Semaphore::new(1);
/// semaphore.close();
/// let error = semaphore.acquire().await.unwrap_err();
/// assert_eq!(error.to_string(), "the semaphore is closed");
/// # });
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Closed;

impl fmt::Display for Closed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the semaphore is closed")
    }
}

impl Error for Closed {}
