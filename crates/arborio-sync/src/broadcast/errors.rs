//! What goes wrong with a broadcast.

use std::{error::Error, fmt};

/// Nobody will receive the message: here it is back. There is no receiver at the
/// moment, or the broadcast was closed.
///
/// # Examples
/// ```
/// use arborio_sync::broadcast;
/// let (sender, receiver) = broadcast::channel(8);
/// drop(receiver);
/// let error = sender.send("lost").unwrap_err();
/// assert_eq!(error.to_string(), "the broadcast has no receiver for the message");
/// assert_eq!(error.0, "lost");
/// ```
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct SendError<T>(pub T);

impl<T> SendError<T> {
    /// The message that was not sent.
    ///
    /// # Examples
    /// ```
    /// assert_eq!(arborio_sync::broadcast::SendError(7).into_inner(), 7);
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
        f.write_str("the broadcast has no receiver for the message")
    }
}

impl<T> Error for SendError<T> {}

/// This many messages were dropped before the receiver saw them. It goes on with
/// the oldest one that is kept.
///
/// # Examples
/// ```
/// use arborio_sync::broadcast::Lagged;
/// assert_eq!(Lagged(1).to_string(), "the receiver was too slow and missed 1 message");
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Lagged(pub u64);

impl fmt::Display for Lagged {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let missed = self.0;
        let plural = if missed == 1 { "" } else { "s" };
        write!(
            f,
            "the receiver was too slow and missed {missed} message{plural}"
        )
    }
}

impl Error for Lagged {}

/// No message was received.
///
/// # Examples
/// ```
/// use arborio_sync::broadcast::{self, RecvError};
/// # futures_lite::future::block_on(async {
/// let (sender, mut receiver) = broadcast::channel(1);
/// sender.send(1)?;
/// sender.send(2)?;
/// drop(sender);
/// assert_eq!(receiver.recv().await, Err(RecvError::Lagged(1)));
/// assert_eq!(receiver.recv().await, Ok(2));
/// assert_eq!(receiver.recv().await, Err(RecvError::Closed));
/// # Ok::<(), broadcast::SendError<i32>>(())
/// # }).unwrap();
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RecvError {
    /// No message will come any more.
    Closed,
    /// This many messages were dropped before the receiver saw them; said once.
    Lagged(u64),
}

impl fmt::Display for RecvError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Closed => f.write_str("the broadcast is closed: no message will come"),
            Self::Lagged(missed) => Lagged(*missed).fmt(f),
        }
    }
}

impl Error for RecvError {}

/// No message was received without waiting.
///
/// # Examples
/// ```
/// use arborio_sync::broadcast::{self, TryRecvError};
/// let (sender, mut receiver) = broadcast::channel::<u8>(1);
/// assert_eq!(receiver.try_recv(), Err(TryRecvError::Empty));
/// drop(sender);
/// assert_eq!(receiver.try_recv(), Err(TryRecvError::Closed));
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TryRecvError {
    /// There is none yet.
    Empty,
    /// No message will come any more.
    Closed,
    /// This many messages were dropped before the receiver saw them; said once.
    Lagged(u64),
}

impl fmt::Display for TryRecvError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Empty => f.write_str("no message is there yet"),
            Self::Closed => RecvError::Closed.fmt(f),
            Self::Lagged(missed) => Lagged(*missed).fmt(f),
        }
    }
}

impl Error for TryRecvError {}

impl From<RecvError> for TryRecvError {
    fn from(error: RecvError) -> Self {
        match error {
            RecvError::Closed => Self::Closed,
            RecvError::Lagged(missed) => Self::Lagged(missed),
        }
    }
}
