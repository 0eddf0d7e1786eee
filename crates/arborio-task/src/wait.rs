//! Waiting for a task with a whole thread.
//!
//! The handle is polled as any executor would; its waker sets a flag and unparks
//! the thread. On a thread that runs a loop nobody waits: the task may be one of
//! that loop's, or wait for one, and nothing would ever end.

use std::{
    error::Error,
    fmt, io,
    pin::Pin,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    task::{Context, Poll, Wake, Waker},
    thread::{self, Thread},
    time::{Duration, Instant},
};

use crate::{handle::Task, interrupt::Interrupt, tasks::is_running};

/// Why a blocking wait did not give the output.
///
/// # Examples
/// ```
/// use arborio_task::WaitError;
/// use std::io::{Error, ErrorKind};
/// assert_eq!(
///     WaitError::TimedOut.to_string(),
///     "the time was up before the task had ended: it goes on, and may be waited for again",
/// );
/// assert_eq!(Error::from(WaitError::TimedOut).kind(), ErrorKind::TimedOut);
/// ```
#[derive(Clone, Debug)]
#[non_exhaustive]
pub enum WaitError {
    /// An Arborio loop runs on this thread: to block it could be a deadlock. Nothing was
    /// waited for; await the task instead.
    OnLoop,
    /// The time was up. The task goes on, and may be waited for again.
    TimedOut,
    /// The task has ended without an output.
    Interrupted(Interrupt),
}

impl fmt::Display for WaitError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::OnLoop => f.write_str(
                "a blocking wait on the thread of an Arborio loop could be a deadlock: await instead",
            ),
            Self::TimedOut => f.write_str(
                "the time was up before the task had ended: it goes on, and may be waited for again",
            ),
            Self::Interrupted(interrupt) => interrupt.fmt(f),
        }
    }
}

impl Error for WaitError {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        match self {
            Self::Interrupted(interrupt) => Some(interrupt),
            Self::OnLoop | Self::TimedOut => None,
        }
    }
}

impl From<WaitError> for io::Error {
    /// `Deadlock` on the thread of a loop, `TimedOut` if the time was up, else as the [`Interrupt`]'s. The error is
    /// inside.
    fn from(error: WaitError) -> Self {
        let kind = match &error {
            WaitError::OnLoop => io::ErrorKind::Deadlock,
            WaitError::TimedOut => io::ErrorKind::TimedOut,
            WaitError::Interrupted(interrupt) => interrupt.io_kind(),
        };
        Self::new(kind, error)
    }
}

impl<T> Task<T> {
    /// Blocks this thread until the task has ended, and takes its output.
    ///
    /// For synchronous code; async code awaits the task. A task that has ended is ready at once, on
    /// every thread.
    ///
    /// # Errors
    /// [`WaitError::OnLoop`] if an Arborio loop runs on this thread and the task has not ended;
    /// [`WaitError::Interrupted`] if it ended without an output.
    ///
    /// # Panics
    /// If the outcome was given out before.
    ///
    /// # Examples
    /// ```
    /// use arborio_task::{NoNotify, SpawnOptions, Tasks};
    /// let (sender, receiver) = std::sync::mpsc::channel();
    /// let thread = std::thread::spawn(move || {
    ///     let tasks = Tasks::new(std::sync::Arc::new(NoNotify));
    ///     sender.send(tasks.submitter().spawn(async { 6 }, SpawnOptions::new())).unwrap();
    ///     tasks.run_main(async {}, |running| while running.take_mail() > 0 || running.run_next() {});
    /// });
    /// assert_eq!(receiver.recv().unwrap().wait().unwrap(), 6);
    /// # thread.join().unwrap();
    /// ```
    #[doc(alias("block_on", "blocking_join"))]
    pub fn wait(&mut self) -> Result<T, WaitError> {
        self.wait_until(None)
    }

    /// The same for at most `limit`, in real time. The task goes on if the time is up; cancel it if
    /// nobody needs it any more.
    ///
    /// # Errors
    /// As [`wait`](Self::wait), and [`WaitError::TimedOut`].
    ///
    /// # Panics
    /// If the outcome was given out before.
    ///
    /// # Examples
    /// ```
    /// use arborio_task::{NoNotify, SpawnOptions, Tasks, WaitError};
    /// let tasks = Tasks::new(std::sync::Arc::new(NoNotify));
    /// let mut task = tasks.submitter().spawn(async { 6 }, SpawnOptions::new());
    /// let early = task.wait_timeout(std::time::Duration::from_millis(1));
    /// assert!(matches!(early, Err(WaitError::TimedOut)));
    ///
    /// tasks.run_main(async {}, |running| while running.take_mail() > 0 || running.run_next() {});
    /// assert_eq!(task.wait().unwrap(), 6);
    /// ```
    pub fn wait_timeout(&mut self, limit: Duration) -> Result<T, WaitError> {
        // A limit beyond the end of time is none.
        self.wait_until(Some(limit).and_then(|limit| Instant::now().checked_add(limit)))
    }

    fn wait_until(&mut self, deadline: Option<Instant>) -> Result<T, WaitError> {
        if self.reference().is_none() {
            panic!("a task was waited for after it had given its outcome");
        }
        if let Some(outcome) = self.try_take() {
            return outcome.map_err(WaitError::Interrupted);
        }
        if is_running() {
            return Err(WaitError::OnLoop);
        }
        self.block_until(deadline)
    }

    /// Returns when the task has ended, and not before.
    pub(crate) fn block_to_the_end(&mut self) -> Result<T, WaitError> {
        self.block_until(None)
    }

    /// Polls, and sleeps in between. Without a deadline it returns when the task has ended, and not
    /// before.
    fn block_until(&mut self, deadline: Option<Instant>) -> Result<T, WaitError> {
        let outcome = block_until(&mut *self, deadline).or_else(|| self.try_take());
        let outcome = outcome.ok_or(WaitError::TimedOut)?;
        outcome.map_err(WaitError::Interrupted)
    }
}

/// Polls `future` on this thread, and sleeps in between, until it is ready or `deadline` has come;
/// then it gives `None`. For waits of handles like that of a [`Task`]: whether this thread may
/// block is the caller's business.
///
/// # Examples
/// ```
/// use arborio_task::block_until;
/// use std::{future::{pending, ready}, time::Instant};
/// assert_eq!(block_until(&mut ready(1), None), Some(1));
/// assert_eq!(block_until(&mut pending::<()>(), Some(Instant::now())), None);
/// ```
pub fn block_until<F: Future + Unpin>(
    future: &mut F,
    deadline: Option<Instant>,
) -> Option<F::Output> {
    let parked = Parked::here();
    let waker = Waker::from(Arc::clone(&parked));
    let mut cx = Context::from_waker(&waker);
    loop {
        if let Poll::Ready(output) = Pin::new(&mut *future).poll(&mut cx) {
            return Some(output);
        }
        if !parked.sleep(deadline) {
            return None;
        }
    }
}

/// Polls `future` on this thread until it is ready. Each time that the thread has to sleep, it
/// keeps what `asleep` gives, and drops it before the next poll. Whether this thread may block is
/// the caller's business.
///
/// # Examples
/// ```
/// use arborio_task::block_beside;
/// use std::pin::pin;
/// let mut sleeps = 0;
/// let value = block_beside(pin!(async { 1 }), || sleeps += 1);
/// assert_eq!((value, sleeps), (1, 0));
/// ```
pub fn block_beside<F: Future, G>(
    mut future: Pin<&mut F>,
    mut asleep: impl FnMut() -> G,
) -> F::Output {
    let parked = Parked::here();
    let waker = Waker::from(Arc::clone(&parked));
    let mut cx = Context::from_waker(&waker);
    loop {
        if let Poll::Ready(output) = future.as_mut().poll(&mut cx) {
            return output;
        }
        // Acquire: as in `sleep`.
        if !parked.woken.swap(false, Ordering::Acquire) {
            let _beside = asleep();
            parked.sleep(None);
        }
    }
}

/// A thread that waits.
struct Parked {
    thread: Thread,
    /// A wake that the thread has not seen yet. A token of `unpark` alone could be used up by a
    /// foreign waker whose destructor parks.
    woken: AtomicBool,
}

impl Parked {
    /// This thread.
    fn here() -> Arc<Self> {
        Arc::new(Self {
            thread: thread::current(),
            woken: AtomicBool::new(false),
        })
    }

    /// Sleeps until the waker is called; false if the time was up first.
    fn sleep(&self, deadline: Option<Instant>) -> bool {
        // Acquire: pairs with the wake; what came before it is seen by the next poll.
        while !self.woken.swap(false, Ordering::Acquire) {
            let Some(deadline) = deadline else {
                thread::park();
                continue;
            };
            let left = deadline.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return false;
            }
            thread::park_timeout(left);
        }
        true
    }
}

impl Wake for Parked {
    fn wake(self: Arc<Self>) {
        self.wake_by_ref();
    }

    fn wake_by_ref(self: &Arc<Self>) {
        // Release: pairs with the swap of the thread that waits. Whoever finds it set leaves the
        // unpark to the one who set it.
        if !self.woken.swap(true, Ordering::Release) {
            self.thread.unpark();
        }
    }
}
