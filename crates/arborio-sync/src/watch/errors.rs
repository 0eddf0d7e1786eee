//! What goes wrong with a watched value.

use std::{error::Error, fmt};

/// Nobody watches: the new value is back, and the old one stays.
///
/// # Examples
/// ```
/// use arborio_sync::watch;
/// let (sender, receiver) = watch::channel(1);
/// drop(receiver);
/// let error = sender.send(2).unwrap_err();
/// assert_eq!(error.to_string(), "nobody watches the value");
/// assert_eq!((error.0, *sender.get()), (2, 1));
/// ```
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct SendError<T>(pub T);

impl<T> SendError<T> {
    /// The value that was not stored.
    ///
    /// # Examples
    /// ```
    /// assert_eq!(arborio_sync::watch::SendError(7).into_inner(), 7);
    /// ```
    pub fn into_inner(self) -> T {
        self.0
    }
}

impl<T> fmt::Debug for SendError<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("SendError(..)")
    }
}

impl<T> fmt::Display for SendError<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("nobody watches the value")
    }
}

impl<T> Error for SendError<T> {}

/// The senders are gone: the value will not change any more.
///
/// # Examples
/// ```
/// use arborio_sync::watch;
/// # futures_lite::future::block_on(async {
/// let (sender, mut receiver) = watch::channel(1);
/// drop(sender);
/// let error = receiver.changed().await.unwrap_err();
/// assert_eq!(error.to_string(), "the senders are gone: the value will not change any more");
/// # });
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct RecvError;

impl fmt::Display for RecvError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the senders are gone: the value will not change any more")
    }
}

impl Error for RecvError {}
