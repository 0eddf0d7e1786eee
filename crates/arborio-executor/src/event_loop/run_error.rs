//! Why a loop did not give its `main`'s output.

use std::{error::Error, fmt, io};

use arborio_task::Tree;

/// Why a loop did not give `main`'s output.
///
/// # Examples
/// ```
/// use arborio_executor::RunError;
/// assert_eq!(
///     RunError::Nested.to_string(),
///     "a loop already runs on this thread: `run` inside of `run` would never end, await or spawn instead",
/// );
/// assert_eq!(std::io::Error::from(RunError::Nested).kind(), std::io::ErrorKind::Deadlock);
/// ```
#[derive(Debug)]
#[non_exhaustive]
pub enum RunError {
    /// A loop already runs on this thread.
    Nested,
    /// Somebody [stopped](crate::Handle::stop) the loop before `main` had ended.
    Stopped,
    /// The system refused what the loop needs.
    System(io::Error),
    /// Every task waits, and there is no timer, no I/O and nobody outside that
    /// could wake one. Only a loop with a virtual clock notices.
    Stalled(Tree),
}

impl fmt::Display for RunError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Nested => f.write_str(
                "a loop already runs on this thread: `run` inside of `run` would never end, \
                 await or spawn instead",
            ),
            Self::Stopped => f.write_str(
                "the loop was stopped before `main` had ended: `Handle::stop_reason` says why",
            ),
            Self::System(error) => write!(f, "the loop could not start: {error}"),
            Self::Stalled(tree) => write!(
                f,
                "every task waits for something that cannot happen any more: \
                 hold the clock while another thread is to wake one\n{tree}"
            ),
        }
    }
}

impl Error for RunError {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        match self {
            Self::System(error) => Some(error),
            Self::Nested | Self::Stopped | Self::Stalled(_) => None,
        }
    }
}

impl From<RunError> for io::Error {
    /// `Deadlock` if a loop already runs here, or every task waits for ever; `Interrupted` if it was stopped; else
    /// that of the system. The error is inside.
    fn from(error: RunError) -> Self {
        let kind = match &error {
            RunError::Nested | RunError::Stalled(_) => io::ErrorKind::Deadlock,
            RunError::Stopped => io::ErrorKind::Interrupted,
            RunError::System(error) => error.kind(),
        };
        Self::new(kind, error)
    }
}
