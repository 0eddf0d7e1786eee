//! The handle of a job.

use std::{
    fmt, mem,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll},
    time::{Duration, Instant},
};

use arborio_base::Process;
use arborio_task::{Interrupt, Reason, ReasonKind, WaitError, block_until, is_running};

use super::{crew::Aside, job::Outcome};

/// A job on a pool thread: a future of what it returns, and the means to give it up.
///
/// Awaiting it gives the closure's value, or the [`Interrupt`] because of which there is none:
/// [`Panicked`](Interrupt::Panicked), [`Cancelled`](Interrupt::Cancelled),
/// [`NoThread`](Interrupt::NoThread) if the system refused to start a thread and none was there,
/// [`Closed`](Interrupt::Closed) or [`Stopped`](Interrupt::Stopped) if the pool was stopped.
/// It is an ordinary `Send` future, which any executor may poll.
///
/// Dropping the handle gives the job up, unlike the handle of a task, which would let it go on: a
/// timeout or a scope that ends drops what it waits for. A job that has not begun then never
/// runs; one that runs has its [token](super::JobToken) set, goes on, and its value is dropped.
/// [`detach`](Self::detach) lets it go on in any case.
///
/// # Cancel safety
/// Dropping it gives the job up. Awaiting `&mut job` and dropping that future loses nothing.
///
/// # Panics
/// Polling it again after it was ready panics.
///
/// # Examples
/// ```
/// use arborio_executor::{blocking::spawn_blocking, doc::run};
/// let text = run(async { spawn_blocking(|| "a".repeat(3)).await });
/// assert_eq!(text.unwrap(), "aaa");
/// ```
#[must_use = "dropping a job's handle gives the job up; await it, or call `detach`"]
pub struct Blocking<T> {
    /// `None` once the outcome was given out.
    job: Option<Arc<dyn Outcome<T>>>,
    /// Another thread of the pool works while the one on which this was polled waits.
    aside: Option<Aside>,
    /// Where the job is done.
    process: Process,
}

impl<T> Blocking<T> {
    pub(super) fn new(job: Arc<dyn Outcome<T>>) -> Self {
        Self {
            job: Some(job),
            aside: None,
            process: Process::watched(),
        }
    }

    /// What a child of a fork gets, which has not the thread that the job is for. Its locks are
    /// not touched: the thread may have them.
    fn lost(&mut self) -> Option<Interrupt> {
        let error = self.process.check().err()?;
        mem::forget((self.job.take(), self.aside.take()));
        Some(Interrupt::NoThread(Arc::new(error)))
    }

    /// Whether the job has an outcome: it has ended, or was given up.
    ///
    /// # Examples
    /// ```
    /// use arborio_executor::{blocking::spawn_blocking, doc::run};
    /// run(async {
    ///     let (sender, go_on) = std::sync::mpsc::channel();
    ///     let mut job = spawn_blocking(move || go_on.recv());
    ///     assert!(!job.is_finished());
    ///     sender.send(()).unwrap();
    ///     (&mut job).await.unwrap().unwrap();
    ///     assert!(job.is_finished());
    /// });
    /// ```
    pub fn is_finished(&self) -> bool {
        !self.process.is_this() || self.job.as_ref().is_none_or(|job| job.is_finished())
    }

    /// Gives the job up: awaiting it gives [`Interrupt::Cancelled`] at once. False if it had
    /// ended already.
    ///
    /// A job that has not begun never runs. One that runs has its token set, and goes on.
    ///
    /// # Examples
    /// ```
    /// use arborio_executor::{Interrupt, blocking::spawn_blocking, doc::run};
    /// run(async {
    ///     let (sender, go_on) = std::sync::mpsc::channel::<()>();
    ///     let job = spawn_blocking(move || go_on.recv());
    ///     assert!(job.cancel());
    ///     assert!(matches!(job.await, Err(Interrupt::Cancelled(_))));
    ///     drop(sender);
    /// });
    /// ```
    #[track_caller]
    pub fn cancel(&self) -> bool {
        let job = self.job.as_ref().filter(|_| self.process.is_this());
        let Some(job) = job else { return false };
        job.end(Interrupt::Cancelled(Reason::new(ReasonKind::Cancel)))
    }

    /// Lets the job go on without anybody who waits for it. What it returns is dropped on its
    /// thread.
    ///
    /// # Examples
    /// ```
    /// use arborio_executor::blocking::spawn_blocking;
    /// let (sender, done) = std::sync::mpsc::channel();
    /// spawn_blocking(move || sender.send("done").unwrap()).detach();
    /// assert_eq!(done.recv().unwrap(), "done");
    /// ```
    pub fn detach(mut self) {
        if self.lost().is_none()
            && let Some(job) = self.job.take()
        {
            job.detach();
        }
    }

    /// Blocks this thread until the job has ended, and takes what it returned.
    ///
    /// For synchronous code; async code awaits the handle. A job that has ended is ready at once, on
    /// every thread. A job may wait for another one in this way; its thread does not count meanwhile.
    ///
    /// # Errors
    /// [`WaitError::OnLoop`] if an Arborio loop runs on this thread and the job has not ended;
    /// [`WaitError::Interrupted`] if there is no value.
    ///
    /// # Panics
    /// If the outcome was given out before.
    ///
    /// # Examples
    /// ```
    /// use arborio_executor::{WaitError, blocking::spawn_blocking, doc::run};
    /// assert_eq!(spawn_blocking(|| 6).wait().unwrap(), 6);
    ///
    /// let (sender, go_on) = std::sync::mpsc::channel::<()>();
    /// let in_a_task = run(async { spawn_blocking(move || go_on.recv()).wait() });
    /// assert!(matches!(in_a_task, Err(WaitError::OnLoop)));
    /// # drop(sender);
    /// ```
    pub fn wait(&mut self) -> Result<T, WaitError> {
        self.wait_until(None)
    }

    /// The same for at most `limit`, in real time. The job goes on if the time is up.
    ///
    /// # Errors
    /// As [`wait`](Self::wait), and [`WaitError::TimedOut`].
    ///
    /// # Panics
    /// If the outcome was given out before.
    ///
    /// # Examples
    /// ```
    /// use arborio_executor::{WaitError, blocking::spawn_blocking};
    /// let (sender, go_on) = std::sync::mpsc::channel::<()>();
    /// let mut job = spawn_blocking(move || go_on.recv().is_err());
    /// let early = job.wait_timeout(std::time::Duration::from_millis(1));
    /// assert!(matches!(early, Err(WaitError::TimedOut)));
    /// drop(sender);
    /// assert!(job.wait().unwrap());
    /// ```
    pub fn wait_timeout(&mut self, limit: Duration) -> Result<T, WaitError> {
        // A limit beyond the end of time is none.
        self.wait_until(Instant::now().checked_add(limit))
    }

    fn wait_until(&mut self, deadline: Option<Instant>) -> Result<T, WaitError> {
        assert!(
            self.job.is_some(),
            "a blocking job was waited for after it had given its outcome"
        );
        if let Some(outcome) = self.try_take() {
            return outcome.map_err(WaitError::Interrupted);
        }
        if is_running() {
            return Err(WaitError::OnLoop);
        }
        let outcome = block_until(&mut *self, deadline).or_else(|| self.try_take());
        self.aside = None;
        let outcome = outcome.ok_or(WaitError::TimedOut)?;
        outcome.map_err(WaitError::Interrupted)
    }

    /// Takes the outcome if there is one.
    ///
    /// # Examples
    /// ```
    /// use arborio_executor::blocking::spawn_blocking;
    /// let mut job = spawn_blocking(|| 1);
    /// let outcome = loop {
    ///     match job.try_take() {
    ///         Some(outcome) => break outcome,
    ///         None => std::thread::yield_now(),
    ///     }
    /// };
    /// assert_eq!(outcome.unwrap(), 1);
    /// assert!(job.try_take().is_none(), "it is gone");
    /// ```
    pub fn try_take(&mut self) -> Option<Result<T, Interrupt>> {
        if self.job.is_some()
            && let Some(lost) = self.lost()
        {
            return Some(Err(lost));
        }
        let outcome = self.job.as_ref()?.try_take()?;
        self.job = None;
        self.aside = None;
        Some(outcome)
    }
}

impl<T> Future for Blocking<T> {
    type Output = Result<T, Interrupt>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        const SPENT: &str = "a blocking job was polled after it had given its outcome";
        if self.job.is_some()
            && let Some(lost) = self.lost()
        {
            return Poll::Ready(Err(lost));
        }
        let job = self.job.as_ref().expect(SPENT);
        let polled = job.poll_take(cx);
        if polled.is_ready() {
            self.job = None;
            self.aside = None;
        } else if self.aside.is_none() {
            self.aside = Aside::step();
        }
        polled
    }
}

impl<T> Drop for Blocking<T> {
    fn drop(&mut self) {
        if self.lost().is_none()
            && let Some(job) = &self.job
        {
            job.abandon();
        }
    }
}

impl<T> fmt::Debug for Blocking<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Blocking")
            .field("is_finished", &self.is_finished())
            .finish()
    }
}
