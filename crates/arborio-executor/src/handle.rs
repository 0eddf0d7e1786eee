//! A loop as other threads see it.

use arborio_task::{BorrowScope, Reason, ReasonKind, SpawnOptions, Submitter, Task, WaitError};

use crate::here;

/// A loop as other threads see it: where to send tasks, and how to stop it. Two handles are
/// equal if they are of the same loop.
///
/// # Examples
/// ```
/// # use arborio_executor::doc::run;
/// use arborio_executor::Handle;
/// let sum = run(async {
///     let handle = Handle::current().unwrap();
///     // A plain thread sends a task to this loop; a thread is joined by a task.
///     let sent = std::thread::spawn(move || handle.spawn(async { 4 })).join().unwrap();
///     sent.await.unwrap()
/// });
/// assert_eq!(sum, 4);
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
#[doc(alias("Spawner", "EventLoop"))]
pub struct Handle {
    pub(crate) submitter: Submitter,
}

impl Handle {
    /// The loop that runs on this thread, if one does.
    ///
    /// # Examples
    /// ```
    /// assert!(arborio_executor::Handle::current().is_none());
    /// ```
    #[doc(alias("try_current", "get_running_loop"))]
    pub fn current() -> Option<Self> {
        Submitter::current().map(|submitter| Self { submitter })
    }

    /// The handle of the loop that `submitter` sends to.
    ///
    /// # Examples
    /// ```
    /// use arborio_task::{NoNotify, Tasks};
    /// let tasks = Tasks::new(std::sync::Arc::new(NoNotify));
    /// assert!(!arborio_executor::Handle::new(tasks.submitter()).is_closed());
    /// ```
    pub fn new(submitter: Submitter) -> Self {
        Self { submitter }
    }

    /// Spawns `future` on the loop, from any thread. What one thread sends
    /// starts in the order in which it was sent. If the loop has ended, the
    /// future is dropped here, and the task has ended as
    /// [`Interrupt::Stopped`](crate::Interrupt::Stopped).
    ///
    /// # Examples
    /// ```
    /// # use arborio_executor::doc::run;
    /// use arborio_executor::{Handle, Interrupt};
    /// let handle = run(async { Handle::current().unwrap() });
    /// let mut late = handle.spawn(async {});
    /// assert!(matches!(late.try_take(), Some(Err(Interrupt::Stopped))));
    /// ```
    #[track_caller]
    #[doc(alias("call_soon_threadsafe", "create_task"))]
    pub fn spawn<F>(&self, future: F) -> Task<F::Output>
    where
        F: Future + Send + 'static,
        F::Output: Send + 'static,
    {
        self.submitter.spawn(future, SpawnOptions::new())
    }

    /// Spawns the future that `make` makes on the loop's thread, so that it need not be
    /// `Send`. `make` is called when the task has its first turn. Otherwise as
    /// [`spawn`](Self::spawn).
    ///
    /// # Examples
    /// ```
    /// # use arborio_executor::doc::run;
    /// use arborio_executor::Handle;
    /// use std::rc::Rc;
    /// let length = run(async {
    ///     let handle = Handle::current().unwrap();
    ///     let make = || {
    ///         let local = Rc::new("not Send");
    ///         async move { local.len() }
    ///     };
    ///     std::thread::spawn(move || handle.spawn_with(make)).join().unwrap().await.unwrap()
    /// });
    /// assert_eq!(length, 8);
    /// ```
    #[track_caller]
    pub fn spawn_with<M, F>(&self, make: M) -> Task<F::Output>
    where
        M: FnOnce() -> F + Send + 'static,
        F: Future + 'static,
        F::Output: Send + 'static,
    {
        self.submitter.spawn_with(make, SpawnOptions::new())
    }

    /// Runs `future` as a task of the loop, blocks this thread until it has ended, and
    /// returns its output. For synchronous code. Future and output may borrow from the
    /// caller: both have left the loop when this returns. The loop goes on.
    ///
    /// # Errors
    /// [`WaitError::OnLoop`] if an Arborio loop runs on this thread: the future is dropped,
    /// since to block the loop could be a deadlock. [`WaitError::Interrupted`] if the future
    /// panicked, or if the loop was stopped.
    ///
    /// # Examples
    /// ```
    /// # use arborio_executor::doc::run;
    /// use arborio_executor::{Handle, WaitError};
    /// run(async {
    ///     let handle = Handle::current().unwrap();
    ///     assert!(matches!(handle.run(async {}), Err(WaitError::OnLoop)));
    ///     let blocking = std::thread::spawn(move || {
    ///         let word = String::from("borrowed");
    ///         handle.run(async { word.len() }).unwrap()
    ///     });
    ///     while !blocking.is_finished() {
    ///         arborio_executor::yield_now().await;
    ///     }
    ///     assert_eq!(blocking.join().unwrap(), 8);
    /// });
    /// ```
    #[track_caller]
    #[doc(alias("block_on", "run_until_complete", "run_coroutine_threadsafe"))]
    pub fn run<F>(&self, future: F) -> Result<F::Output, WaitError>
    where
        F: Future + Send,
        F::Output: Send,
    {
        self.submitter.run(future, SpawnOptions::new())
    }

    /// Runs `body` on this thread, and waits until all tasks have ended that it has spawned on the scope that
    /// it gets. They run on the loop, or on all workers of the pool in parallel, and may borrow from the caller. For
    /// synchronous code, as [`std::thread::scope`] is; tasks may spawn further ones on the scope, and await each other.
    /// Async code has `scope(async |s| ..)` of the crate `arborio-scope`, which the facade re-exports: its tasks own what they
    /// use, and an error of one ends the others.
    ///
    /// When this returns, every future of the scope has been dropped, and every output that nobody took. A `Borrower`
    /// that was forgotten leaks its output. A task that never ends blocks this thread for ever, unless somebody
    /// [stops](Self::stop) the loop: then the tasks end, as in every end of a loop, and this returns.
    ///
    /// # Errors
    /// [`WaitError::OnLoop`] if an Arborio loop runs on this thread: to block it could be a deadlock.
    /// [`WaitError::Interrupted`] if the loop is stopping or has ended. In both cases
    /// `body` is not called.
    ///
    /// # Panics
    /// If `body` does: its tasks are asked to end, and the panic goes on when they have. If a task panicked and
    /// nobody took that from its handle: the others go on, and the first such panic goes on here when all have ended.
    ///
    /// # Examples
    /// ```
    /// # use arborio_executor::doc::run;
    /// use arborio_executor::{Handle, WaitError};
    /// run(async {
    ///     let handle = Handle::current().unwrap();
    ///     assert!(matches!(handle.scope(|_| ()), Err(WaitError::OnLoop)));
    ///     let blocking = std::thread::spawn(move || {
    ///         let words = [String::from("lent"), String::from("borrowed")];
    ///         let lengths = handle.scope(|s| {
    ///             let mut lengths = words.each_ref().map(|word| s.spawn(async { word.len() }));
    ///             lengths.each_mut().map(|length| length.wait().unwrap())
    ///         });
    ///         lengths.unwrap()
    ///     });
    ///     while !blocking.is_finished() {
    ///         arborio_executor::yield_now().await;
    ///     }
    ///     assert_eq!(blocking.join().unwrap(), [4, 8]);
    /// });
    /// ```
    ///
    /// What is declared in the body does not live long enough to be lent:
    /// ```compile_fail,E0373
    /// fn count(handle: &arborio_executor::Handle) {
    ///     let _ = handle.scope(|s| {
    ///         let word = String::from("mine");
    ///         s.spawn(async { word.len() });
    ///     });
    /// }
    /// ```
    #[track_caller]
    #[doc(alias("lend", "thread_scope", "block_in_place"))]
    pub fn scope<'env, R, B>(&self, body: B) -> Result<R, WaitError>
    where
        B: for<'scope> FnOnce(&'scope BorrowScope<'scope, 'env>) -> R,
    {
        self.submitter.scope(body)
    }

    /// Ends the loop: every task is asked to end, and has the loop's grace to clean up. What
    /// is left then is dropped, on the loop's thread, and whoever waits for a task is told
    /// [`Interrupt::Stopped`](crate::Interrupt::Stopped).
    ///
    /// The request stands in the queue behind the tasks that are ready now. It may be made
    /// from any thread, also by the loop's own tasks, and more than once; only the first counts, and
    /// [`stop_now`](Self::stop_now) ends the grace. Does not wait. What
    /// other threads send afterwards ends as `Stopped`, unpolled; the tasks that clean up may
    /// still spawn. `run` gives [`RunError::Stopped`](crate::RunError::Stopped) if `main` has
    /// not ended by itself.
    ///
    /// # Examples
    /// ```
    /// # use arborio_executor::doc::run;
    /// use arborio_executor::{Handle, Interrupt};
    /// let task = run(async {
    ///     let task = arborio_executor::spawn(std::future::pending::<()>());
    ///     Handle::current().unwrap().stop();
    ///     task
    /// });
    /// assert!({ task }.wait().is_err());
    /// ```
    #[track_caller]
    #[doc(alias("shutdown", "shutdown_background"))]
    pub fn stop(&self) {
        if !self.is_stopping() {
            self.stop_with(Reason::new(ReasonKind::Stop));
        }
    }

    /// As [`stop`](Self::stop), but without a grace: every task is asked to end, and what has not ended in its next turn is
    /// dropped, and told to the observer. A loop that is stopping already has no grace from now on: `stop` a second time does
    /// nothing, so this is for a second signal, or for who has no patience. As the second Ctrl-C.
    ///
    /// A grace is given by whoever composes the runtime, as the crate `arborio` does; without one this is `stop`.
    ///
    /// # Examples
    /// ```
    /// # use arborio_executor::doc::run;
    /// use arborio_executor::Handle;
    /// let task = run(async {
    ///     let task = arborio_executor::spawn(std::future::pending::<()>());
    ///     Handle::current().unwrap().stop_now();
    ///     task
    /// });
    /// assert!({ task }.wait().is_err());
    /// ```
    #[track_caller]
    #[doc(alias("kill", "shutdown_now"))]
    pub fn stop_now(&self) {
        for worker in self.submitter.team() {
            worker.force();
        }
        self.stop();
    }

    /// As [`stop`](Self::stop), for a reason: the scopes of the loop pass it on to their tasks, and
    /// [`stop_reason`](Self::stop_reason) tells it. The first reason stays.
    ///
    /// # Examples
    /// ```
    /// # use arborio_executor::doc::run;
    /// use arborio_executor::{Handle, Reason, ReasonKind};
    /// let handle = run(async { Handle::current().unwrap() });
    /// handle.stop_with(Reason::new(ReasonKind::Stop));
    /// assert!(handle.stop_reason().is_none(), "it had ended before");
    /// ```
    pub fn stop_with(&self, reason: Reason) {
        if self.is_stopping() {
            return;
        }
        self.submitter.give_stop_reason(reason);
        let options = SpawnOptions::new().name("stop").awaited(false);
        // Before it is noted: afterwards, who sees the note need not ask again.
        drop(self.submitter.spawn(async { here::ask_stop() }, options));
        self.submitter.note_stop();
    }

    /// Why the loop was stopped; `None` if nobody has stopped it before it ended.
    ///
    /// # Examples
    /// ```
    /// # use arborio_executor::doc::run;
    /// use arborio_executor::{Handle, ReasonKind};
    /// let handle = run(async {
    ///     let handle = Handle::current().unwrap();
    ///     handle.stop();
    ///     handle
    /// });
    /// let reason = handle.stop_reason().unwrap();
    /// assert_eq!(reason.kind(), ReasonKind::Stop);
    /// ```
    pub fn stop_reason(&self) -> Option<Reason> {
        self.submitter.stop_reason()
    }

    /// Whether somebody has [stopped](Self::stop) the loop, or it has ended.
    ///
    /// # Examples
    /// ```
    /// # use arborio_executor::doc::run;
    /// run(async {
    ///     let handle = arborio_executor::Handle::current().unwrap();
    ///     assert!(!handle.is_stopping());
    ///     handle.stop();
    ///     assert!(handle.is_stopping() && !handle.is_closed());
    /// });
    /// ```
    pub fn is_stopping(&self) -> bool {
        self.submitter.is_stopping()
    }

    /// Whether the loop has ended.
    ///
    /// # Examples
    /// ```
    /// # use arborio_executor::doc::run;
    /// let handle = run(async { arborio_executor::Handle::current().unwrap() });
    /// assert!(handle.is_closed());
    /// ```
    pub fn is_closed(&self) -> bool {
        self.submitter.is_closed()
    }

    /// Whether the loop runs on this thread now.
    ///
    /// # Examples
    /// ```
    /// # use arborio_executor::doc::run;
    /// assert!(run(async { arborio_executor::Handle::current().unwrap().is_here() }));
    /// ```
    pub fn is_here(&self) -> bool {
        self.submitter.is_here()
    }
}
