//! What the handle of a task of a scope has in common with those of all tasks: who it is, waiting for it with a whole
//! thread, and asking it to end for a reason of one's own.

use std::{borrow::Cow, panic::Location, time::Duration};

use arborio_task::{Interrupt, TaskInfo, WaitError};

use super::child::{Child, Kept, Outcome, unpack};

impl<T, E> Child<T, E> {
    /// As [`cancel`](Self::cancel); [`outcome`](Self::outcome) gives `end` if the request ends the task. It is no
    /// failure of the scope either.
    ///
    /// # Examples
    /// ```
    /// # use arborio_executor::doc::run;
    /// use arborio_scope::{Scope, scope};
    /// use arborio_task::Interrupt;
    /// let ended = run(scope(async |s: &Scope<()>| {
    ///     let child = s.spawn(std::future::pending::<()>());
    ///     child.cancel_with(Interrupt::TimedOut);
    ///     Ok(child.outcome().await)
    /// }));
    /// assert!(matches!(ended, Ok(Err(Interrupt::TimedOut))));
    /// ```
    pub fn cancel_with(&self, end: Interrupt) -> bool {
        self.task.cancel_with(end)
    }

    /// Blocks this thread until the task has ended. An error is taken over as by awaiting the handle: the scope
    /// goes on.
    ///
    /// For synchronous code on other threads; async code awaits the handle.
    ///
    /// # Errors
    /// [`WaitError::OnLoop`] if an Arborio loop runs on this thread and the task has not ended;
    /// [`WaitError::Interrupted`] if it ended without an output, also if it panicked, or if its error has ended the
    /// scope ([`Interrupt::ScopeFailed`]).
    ///
    /// # Panics
    /// If the outcome was given out before.
    ///
    /// # Examples
    /// ```
    /// # use arborio_executor::doc::run;
    /// use arborio_scope::{Scope, scope};
    /// let waited = run(scope(async |s: &Scope<()>| {
    ///     let mut child = s.spawn(async { Ok(6) });
    ///     let thread = std::thread::spawn(move || child.wait().unwrap());
    ///     while !thread.is_finished() {
    ///         arborio_executor::yield_now().await;
    ///     }
    ///     thread.join().unwrap()
    /// }));
    /// assert_eq!(waited, Ok(6));
    /// ```
    pub fn wait(&mut self) -> Result<Result<T, E>, WaitError> {
        unpack_waited(self.task.wait())
    }

    /// The same for at most `limit`, in real time. The task goes on if the time is up.
    ///
    /// # Errors
    /// As [`wait`](Self::wait), and [`WaitError::TimedOut`].
    ///
    /// # Panics
    /// If the outcome was given out before.
    ///
    /// # Examples
    /// See [`Task::wait_timeout`](arborio_task::Task::wait_timeout).
    pub fn wait_timeout(&mut self, limit: Duration) -> Result<Result<T, E>, WaitError> {
        unpack_waited(self.task.wait_timeout(limit))
    }

    /// Takes the outcome if the task has ended.
    ///
    /// This is no awaiting: an error that came while nobody awaited the handle has ended the scope.
    ///
    /// # Examples
    /// ```
    /// # use arborio_executor::doc::run;
    /// use arborio_scope::{Scope, scope};
    /// let taken = run(scope(async |s: &Scope<()>| {
    ///     let mut child = s.spawn(async { Ok(6) });
    ///     assert!(child.try_take().is_none());
    ///     arborio_executor::yield_now().await;
    ///     child.try_take().unwrap().unwrap()
    /// }));
    /// assert_eq!(taken, Ok(6));
    /// ```
    pub fn try_take(&mut self) -> Option<Outcome<T, E>> {
        self.task.try_take().map(unpack)
    }

    /// The task's name; `None` if it has none, or if the outcome was given out.
    ///
    /// # Examples
    /// ```
    /// # use arborio_executor::doc::run;
    /// use arborio_scope::{Scope, scope};
    /// let name = run(scope(async |s: &Scope<()>| {
    ///     let child = s.task().name("scribe").spawn(async {});
    ///     Ok(child.name().unwrap())
    /// }));
    /// assert_eq!(name.unwrap(), "scribe");
    /// ```
    pub fn name(&self) -> Option<Cow<'static, str>> {
        self.task.name()
    }

    /// Where the task was spawned; `None` if the outcome was given out.
    ///
    /// # Examples
    /// ```
    /// # use arborio_executor::doc::run;
    /// use arborio_scope::{Scope, scope};
    /// let place = run(scope(async |s: &Scope<()>| Ok(s.spawn(async {}).spawned_at())));
    /// assert_eq!(place.unwrap().unwrap().file(), file!());
    /// ```
    pub fn spawned_at(&self) -> Option<&'static Location<'static>> {
        self.task.spawned_at()
    }

    /// What is known of the task, as [`Task::info`](arborio_task::Task::info).
    ///
    /// # Examples
    /// ```
    /// # use arborio_executor::doc::run;
    /// use arborio_scope::{Scope, scope};
    /// use arborio_task::TaskState;
    /// let state = run(scope(async |s: &Scope<()>| {
    ///     Ok(s.spawn(async {}).info().unwrap().state)
    /// }));
    /// assert_eq!(state, Ok(TaskState::New));
    /// ```
    pub fn info(&self) -> Option<TaskInfo> {
        self.task.info()
    }
}

/// What a wait for the task of a child has given, with its error.
fn unpack_waited<T, E>(
    waited: Result<Result<T, Kept<E>>, WaitError>,
) -> Result<Result<T, E>, WaitError> {
    let ended = match waited {
        Ok(output) => Ok(output),
        Err(WaitError::Interrupted(interrupt)) => Err(interrupt),
        Err(still_running) => return Err(still_running),
    };
    unpack(ended).map_err(WaitError::Interrupted)
}
