//! What a job looks at to see whether it is still wanted.

use std::{fmt, sync::Arc};

use super::job::Flag;

/// Tells a job that runs on a pool thread whether anybody still waits for it.
///
/// Nothing can end a closure from outside; a long one looks at its token now and then, and
/// returns early. Clones belong to the same job, and may be sent anywhere.
///
/// # Examples
/// ```
/// use arborio_executor::blocking::spawn_blocking_with;
/// let (sender, told) = std::sync::mpsc::channel();
/// let job = spawn_blocking_with(move |token| {
///     sender.send(()).unwrap(); // it runs
///     while !token.is_cancelled() {
///         std::thread::yield_now();
///     }
///     sender.send(()).unwrap(); // it was told
/// });
/// told.recv().unwrap();
/// drop(job);
/// told.recv().unwrap();
/// ```
#[derive(Clone)]
pub struct JobToken(Arc<dyn Flag>);

impl JobToken {
    pub(super) fn new(flag: Arc<dyn Flag>) -> Self {
        Self(flag)
    }

    /// Whether the job's handle was cancelled or dropped, or its pool is closing. Once true, it
    /// stays true. It costs a load.
    ///
    /// # Examples
    /// ```
    /// use arborio_executor::{blocking::spawn_blocking_with, doc::run};
    /// let wanted = run(async { spawn_blocking_with(|token| !token.is_cancelled()).await });
    /// assert!(wanted.unwrap());
    /// ```
    pub fn is_cancelled(&self) -> bool {
        self.0.is_set()
    }
}

impl fmt::Debug for JobToken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("JobToken")
            .field("is_cancelled", &self.is_cancelled())
            .finish()
    }
}
