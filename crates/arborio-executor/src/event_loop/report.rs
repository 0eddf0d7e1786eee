//! What a loop tells that nobody asked for.

use std::{fmt, io};

use arborio_task::{Payload, Tree};

use crate::{here, watchdog::SlowPoll};

/// Something that nobody asked for and somebody should know.
///
/// # Examples
/// ```
/// use arborio_executor::Report;
/// let tree = arborio_executor::Tree::default();
/// let report = Report::Lingering(&tree).to_string();
/// assert!(report.starts_with("main has ended; the loop waits for 0 tasks"));
/// ```
#[derive(Clone, Copy, Debug)]
// Exhaustive: what a loop in which all parts meet makes of each report is to be a match that misses none.
pub enum Report<'a> {
    /// A task panicked, and nobody observed it; or its panic lay in a handle that is gone. It
    /// [names](Payload::task_name) its task.
    Panic(&'a Payload),
    /// `main` has ended, and the loop has been waiting for these tasks since: the
    /// [awaited](Tree::awaited) part of its tree.
    Lingering(&'a Tree),
    /// The loop is ending, and these tasks had not ended when their grace was over: they
    /// are dropped now.
    Forced(&'a Tree),
    /// The system refuses to tell the loop of its I/O. The loop goes on with
    /// its timers and what other threads send, and asks again.
    Io(&'a io::Error),
    /// A poll takes long, says the [watchdog](crate::watch), on a thread of its own: nothing else runs on this
    /// thread meanwhile.
    SlowPoll(&'a SlowPoll),
}

impl fmt::Display for Report<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Panic(payload) => write!(f, "a task panicked: {payload}"),
            Self::Lingering(tree) => {
                let tasks = tree.tasks().count();
                write!(
                    f,
                    "main has ended; the loop waits for {tasks} tasks\n{tree}"
                )
            }
            Self::Forced(tree) => write!(
                f,
                "the loop is ending, and drops what has outlived its grace\n{tree}"
            ),
            Self::Io(error) => write!(f, "the loop cannot wait for its I/O: {error}"),
            Self::SlowPoll(poll) => poll.fmt(f),
        }
    }
}

/// Tells of panics that nobody will take.
pub(super) fn tell_reported(tell: &dyn Fn(Report<'_>)) {
    for panic in here::take_reported() {
        tell(Report::Panic(&panic));
    }
}
