//! The join handle of a task that borrows.

use std::{
    fmt,
    marker::PhantomData,
    panic::Location,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll, ready},
    time::Duration,
};

use arborio_base::{
    drop_contained,
    sync::{Mutex, lock},
};

use super::ledger::Ledger;
use crate::{
    endings::Canceller,
    handle::Task,
    interrupt::{Interrupt, Payload},
    wait::WaitError,
};

/// What a child leaves for its handle: an output, or a panic.
pub(super) struct Parcel<T>(Mutex<Option<Result<T, Payload>>>);

impl<T> Parcel<T> {
    pub(super) fn new() -> Self {
        Self(Mutex::new(None))
    }

    /// Puts `content` in, and gives what was there.
    pub(super) fn put(&self, content: Result<T, Payload>) -> Option<Result<T, Payload>> {
        lock(&self.0).replace(content)
    }

    pub(super) fn has_panic(&self) -> bool {
        matches!(*lock(&self.0), Some(Err(_)))
    }

    fn take(&self) -> Option<Result<T, Payload>> {
        lock(&self.0).take()
    }
}

/// A task that borrows, of a [`BorrowScope`](super::BorrowScope): a future of its output, and the means to wait for
/// it and to end it. Other tasks of the scope may await it.
///
/// Dropping the handle lets the task go on; its output is dropped when it has ended.
///
/// # Cancel safety
/// Awaiting `&mut` of it and dropping that future loses nothing.
///
/// # Panics
/// Polling it again after it was ready panics.
///
/// # Examples
/// See [`Submitter::scope`](crate::Submitter::scope).
pub struct Borrower<'scope, T> {
    task: Task<()>,
    /// Of its account.
    number: u64,
    /// What it leaves. Full at the latest when the task is DONE, if there is an output or a panic.
    parcel: Arc<Parcel<T>>,
    ledger: Arc<Ledger>,
    scope: PhantomData<&'scope ()>,
}

impl<T> Borrower<'_, T> {
    pub(super) fn new(
        task: Task<()>,
        number: u64,
        parcel: Arc<Parcel<T>>,
        ledger: Arc<Ledger>,
    ) -> Self {
        Self {
            task,
            number,
            parcel,
            ledger,
            scope: PhantomData,
        }
    }

    /// Whether the task has ended.
    ///
    /// # Examples
    /// See [`Submitter::scope`](crate::Submitter::scope).
    pub fn is_finished(&self) -> bool {
        self.task.is_finished()
    }

    /// Asks the task to end, as [`Task::cancel`]. False if it had ended already.
    ///
    /// # Examples
    /// See [`Task::cancel`].
    #[track_caller]
    pub fn cancel(&self) -> bool {
        self.task.cancel()
    }

    /// The same; awaiting the task gives `end` if the request ends it, as [`Task::cancel_with`].
    ///
    /// # Examples
    /// See [`Task::cancel_with`].
    pub fn cancel_with(&self, end: Interrupt) -> bool {
        self.task.cancel_with(end)
    }

    /// Keeps what `make` makes until the task has ended, as [`Task::attach`].
    ///
    /// # Examples
    /// See [`Task::attach`].
    pub fn attach<A, F>(&self, make: F) -> bool
    where
        A: Send + 'static,
        F: FnOnce(Canceller) -> A + Send + 'static,
    {
        self.task.attach(make)
    }

    /// Where the task was spawned; `None` if the outcome was given out.
    ///
    /// # Examples
    /// See [`Task::spawned_at`].
    pub fn spawned_at(&self) -> Option<&'static Location<'static>> {
        self.task.spawned_at()
    }

    /// Ends the task without asking it, as [`Task::abort`].
    ///
    /// # Examples
    /// See [`Task::abort`].
    #[track_caller]
    pub fn abort(&self) {
        self.task.abort();
    }

    /// Blocks this thread until the task has ended, and takes its output. For the body of the scope; its tasks
    /// await each other.
    ///
    /// # Errors
    /// [`WaitError::OnLoop`] if an Arborio loop runs on this thread and the task has not ended;
    /// [`WaitError::Interrupted`] if it ended without an output. A panic that was taken this way is not
    /// the scope's any more.
    ///
    /// # Panics
    /// If the outcome was given out before.
    ///
    /// # Examples
    /// See [`Submitter::scope`](crate::Submitter::scope).
    pub fn wait(&mut self) -> Result<T, WaitError> {
        let ended = self.task.wait();
        self.after_wait(ended)
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
    /// See [`Task::wait_timeout`].
    pub fn wait_timeout(&mut self, limit: Duration) -> Result<T, WaitError> {
        let ended = self.task.wait_timeout(limit);
        self.after_wait(ended)
    }

    fn after_wait(&self, ended: Result<(), WaitError>) -> Result<T, WaitError> {
        let ended = match ended {
            Ok(()) => Ok(()),
            Err(WaitError::Interrupted(interrupt)) => Err(interrupt),
            Err(still_running) => return Err(still_running),
        };
        self.outcome(ended).map_err(WaitError::Interrupted)
    }

    /// Takes the outcome if the task has ended.
    ///
    /// # Examples
    /// See [`Task::try_take`].
    pub fn try_take(&mut self) -> Option<Result<T, Interrupt>> {
        let ended = self.task.try_take()?;
        Some(self.outcome(ended))
    }

    /// The outcome of the child whose task ended as `ended`.
    fn outcome(&self, ended: Result<(), Interrupt>) -> Result<T, Interrupt> {
        match (self.parcel.take(), ended) {
            (Some(Ok(output)), _) => Ok(output),
            (Some(Err(panic)), ended) => {
                drop_contained(ended);
                self.ledger.forgive(self.number);
                Err(Interrupt::Panicked(panic))
            }
            (None, Err(interrupt)) => Err(interrupt),
            (None, Ok(())) => unreachable!("who is ready leaves something"),
        }
    }
}

impl<T> Future for Borrower<'_, T> {
    type Output = Result<T, Interrupt>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let ended = ready!(Pin::new(&mut self.task).poll(cx));
        Poll::Ready(self.outcome(ended))
    }
}

impl<T> fmt::Debug for Borrower<'_, T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Borrower").field(&self.task).finish()
    }
}
