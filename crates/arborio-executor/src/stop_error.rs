//! Why what has threads of its own (a loop, a pool) has not ended as it should.

use std::{error::Error, fmt, io};

use arborio_base::Forked;
use arborio_task::{Payload, PolledTask, Tree};

/// Why a loop, a pool of loops, or a [blocking pool](crate::blocking::BlockingPool) has not ended as it should.
///
/// # Examples
/// ```
/// use arborio_executor::StopError;
/// use std::io::{Error, ErrorKind};
/// assert_eq!(
///     StopError::OnLoop.to_string(),
///     "the loop was stopped, but nobody waits for its end on the thread of a loop: wait on another thread",
/// );
/// assert_eq!(Error::from(StopError::Jobs(1)).kind(), ErrorKind::TimedOut);
/// ```
#[derive(Clone, Debug)]
#[non_exhaustive]
pub enum StopError {
    /// An Arborio loop runs on this thread: to wait could be a deadlock. The loop was stopped, and
    /// ends in the background.
    OnLoop,
    /// The loop has ended, and these tasks were dropped before they had: their grace was over.
    Forced(Tree),
    /// This is the child of a fork, and the loop or pool is its parent's, where it goes on.
    Forked,
    /// A panic that nobody observed had ended the loop
    /// ([`OnUnobservedPanic::Propagate`](crate::OnUnobservedPanic::Propagate)).
    Panicked(Payload),
    /// The time is up and the loop has not ended: a task does not return from its poll, or from a
    /// destructor. Nothing can force it. The loop ends in the background when it returns. These tasks are being
    /// polled now. If there is none it is a destructor, or the system does not let the task be known.
    Running(Vec<PolledTask>),
    /// So many jobs of a blocking pool had not ended when their grace was over. They were given up, and their threads
    /// end when they do.
    Jobs(usize),
}

impl fmt::Display for StopError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::OnLoop => f.write_str(
                "the loop was stopped, but nobody waits for its end on the thread of a loop: \
                 wait on another thread",
            ),
            Self::Forced(tree) => write!(
                f,
                "tasks of the loop were dropped when their grace was over: give a longer one, \
                 or see what they wait for\n{tree}"
            ),
            Self::Panicked(payload) => {
                write!(f, "a panic had ended the loop: {}", payload.message())
            }
            Self::Forked => f.write_str(
                "it belongs to the parent of the forked process: start one in this process",
            ),
            Self::Running(tasks) if tasks.is_empty() => f.write_str(
                "the loop has not ended: a task does not return, and nothing can force it to",
            ),
            Self::Running(tasks) => {
                f.write_str(
                    "the loop has not ended: these do not return, and nothing can force them to",
                )?;
                tasks.iter().try_for_each(|task| write!(f, "\n{task}"))
            }
            Self::Jobs(jobs) => write!(
                f,
                "jobs that still ran when the grace was over: {jobs}; \
                 give a longer one, or have them look at their tokens"
            ),
        }
    }
}

impl Error for StopError {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        match self {
            Self::Forked => Some(&Forked),
            _ => None,
        }
    }
}

impl From<StopError> for io::Error {
    /// `Deadlock` on the thread of a loop, `TimedOut` if the grace was too short, else `Other`. The error is inside.
    fn from(error: StopError) -> Self {
        let kind = match &error {
            StopError::OnLoop => io::ErrorKind::Deadlock,
            StopError::Forced(_) | StopError::Running(_) | StopError::Jobs(_) => {
                io::ErrorKind::TimedOut
            }
            StopError::Forked | StopError::Panicked(_) => io::ErrorKind::Other,
        };
        Self::new(kind, error)
    }
}
