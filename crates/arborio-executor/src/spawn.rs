//! Spawning tasks: on the loop of this thread, or on another one.

use std::{borrow::Cow, error::Error, fmt, io};

use arborio_task::{
    SpawnOptions, Task, try_spawn as spawn_here, try_spawn_sent as spawn_sent_here,
};

use crate::{default_loop, handle::Handle};

/// Spawns `future` as a task of the loop that runs on this thread.
///
/// The body starts when the caller has suspended, in the order of spawning.
/// Dropping the handle lets the task go on; `run` waits for it. On a thread without a loop
/// the task goes to the [default loop](crate::get_or_create_default), if there is one.
///
/// # Panics
/// If there is no loop; [`try_spawn`] gives the future back instead.
///
/// # Examples
/// ```
/// # use arborio_executor::doc::run;
/// use arborio_executor::spawn;
/// let sum = run(async {
///     let one = spawn(async { 1 });
///     let two = spawn(async { 2 });
///     one.await.unwrap() + two.await.unwrap()
/// });
/// assert_eq!(sum, 3);
/// ```
#[track_caller]
#[inline]
#[doc(alias("create_task", "ensure_future", "spawn_task", "go"))]
pub fn spawn<F>(future: F) -> Task<F::Output>
where
    F: Future + Send + 'static,
    F::Output: Send + 'static,
{
    match spawn_sent_here(future, SpawnOptions::new()) {
        Ok(task) => task,
        Err(future) => match spawn_on_default(future, SpawnOptions::new()) {
            Ok(task) => task,
            Err(_) => no_loop(),
        },
    }
}

/// Spawns where a thread without a loop spawns, or gives the future back.
#[cold]
fn spawn_on_default<F>(future: F, options: SpawnOptions) -> Result<Task<F::Output>, F>
where
    F: Future + Send + 'static,
    F::Output: Send + 'static,
{
    match default_loop::for_this_thread() {
        Some(handle) => Ok(handle.submitter.spawn(future, options)),
        None => Err(future),
    }
}

/// Spawns `future`, which need not be `Send`, as a task of the loop that runs
/// on this thread. Otherwise as [`spawn`].
///
/// # Panics
/// If no loop runs on this thread; [`try_spawn_local`] gives the future back.
///
/// # Examples
/// ```
/// # use arborio_executor::doc::run;
/// use std::rc::Rc;
/// let length = run(async {
///     let shared = Rc::new(String::from("not Send"));
///     let copy = Rc::clone(&shared);
///     arborio_executor::spawn_local(async move { copy.len() }).await.unwrap()
/// });
/// assert_eq!(length, 8);
/// ```
#[track_caller]
#[inline]
#[doc(alias("LocalSet", "LocalExecutor", "LocalPool"))]
pub fn spawn_local<F>(future: F) -> Task<F::Output>
where
    F: Future + 'static,
    F::Output: 'static,
{
    match spawn_here(future, SpawnOptions::new()) {
        Ok(task) => task,
        Err(_) => no_loop(),
    }
}

/// What is wrong, and what may be done.
const NO_LOOP: &str = "no Arborio loop runs on this thread: call `run`, or use a loop's `Handle`";

#[cold]
#[track_caller]
fn no_loop() -> ! {
    panic!("{NO_LOOP}")
}

/// As [`spawn`], but gives the future back if there is no loop.
///
/// # Errors
/// [`NoLoop`] with the future.
///
/// # Examples
/// ```
/// let refused = arborio_executor::try_spawn(async { 5 }).unwrap_err();
/// let future = refused.into_inner();
/// assert_eq!(arborio_executor::doc::run(future), 5);
/// ```
#[track_caller]
pub fn try_spawn<F>(future: F) -> Result<Task<F::Output>, NoLoop<F>>
where
    F: Future + Send + 'static,
    F::Output: Send + 'static,
{
    spawn_sent_here(future, SpawnOptions::new())
        .or_else(|future| spawn_on_default(future, SpawnOptions::new()))
        .map_err(|future| NoLoop { future })
}

/// As [`spawn_local`], but gives the future back if no loop runs on this
/// thread.
///
/// # Errors
/// [`NoLoop`] with the future.
///
/// # Examples
/// ```
/// assert!(arborio_executor::try_spawn_local(async {}).is_err());
/// ```
#[track_caller]
pub fn try_spawn_local<F>(future: F) -> Result<Task<F::Output>, NoLoop<F>>
where
    F: Future + 'static,
    F::Output: 'static,
{
    spawn_here(future, SpawnOptions::new()).map_err(|future| NoLoop { future })
}

/// No Arborio loop runs on this thread; the future was not touched.
///
/// # Examples
/// ```
/// let refused = arborio_executor::try_spawn(async {}).unwrap_err();
/// assert_eq!(
///     refused.to_string(),
///     "no Arborio loop runs on this thread: call `run`, or use a loop's `Handle`",
/// );
/// ```
pub struct NoLoop<F> {
    future: F,
}

impl<F> NoLoop<F> {
    /// The future that was to be spawned.
    ///
    /// # Examples
    /// ```
    /// let future = arborio_executor::try_spawn(async { 5 }).unwrap_err().into_inner();
    /// assert_eq!(arborio_executor::doc::run(future), 5);
    /// ```
    pub fn into_inner(self) -> F {
        self.future
    }
}

impl<F> fmt::Debug for NoLoop<F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("NoLoop").finish_non_exhaustive()
    }
}

impl<F> fmt::Display for NoLoop<F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(NO_LOOP)
    }
}

impl<F> Error for NoLoop<F> {}

impl<F> From<NoLoop<F>> for io::Error {
    /// Of the kind `Other`, with a `NoLoop<()>` inside. The future is dropped.
    fn from(_: NoLoop<F>) -> Self {
        Self::other(NoLoop { future: () })
    }
}

/// A task to be spawned, with a name or other options.
///
/// # Examples
/// ```
/// # use arborio_executor::doc::run;
/// run(async {
///     let task = arborio_executor::task().name("scribe").spawn(async { "ink" });
///     assert_eq!(task.name().unwrap(), "scribe");
///     assert_eq!(task.await.unwrap(), "ink");
/// });
/// ```
#[track_caller]
pub fn task() -> TaskBuilder {
    TaskBuilder {
        options: SpawnOptions::new(),
    }
}

/// Options of a task that is about to be spawned; made by [`task`].
#[derive(Clone, Debug)]
#[must_use = "a builder does nothing until it spawns"]
pub struct TaskBuilder {
    options: SpawnOptions,
}

impl TaskBuilder {
    /// Names the task, for reports and for the list of what a loop waits for.
    ///
    /// # Examples
    /// ```
    /// # use arborio_executor::doc::run;
    /// run(async {
    ///     let task = arborio_executor::task().name(format!("worker {}", 7)).spawn(async {});
    ///     assert_eq!(task.name().unwrap(), "worker 7");
    /// });
    /// ```
    pub fn name(mut self, name: impl Into<Cow<'static, str>>) -> Self {
        self.options = self.options.name(name);
        self
    }

    /// Whether `run` waits for the task (it does by default). One that is not
    /// awaited is ended when every awaited task has ended.
    ///
    /// # Examples
    /// ```
    /// # use arborio_executor::doc::run;
    /// run(async {
    ///     // Would keep the loop alive for ever if it were awaited.
    ///     drop(arborio_executor::task().awaited(false).spawn(std::future::pending::<()>()));
    /// });
    /// ```
    pub fn awaited(mut self, awaited: bool) -> Self {
        self.options = self.options.awaited(awaited);
        self
    }

    /// Whether somebody will look at the outcome for sure: then a panic waits in the handle,
    /// even if the handle has not been polled when it happens.
    ///
    /// # Examples
    /// ```
    /// # use arborio_executor::doc::run;
    /// use arborio_executor::Interrupt;
    /// run(async {
    ///     let task = arborio_executor::task().observed(true).spawn(async { panic!("oh") });
    ///     arborio_executor::yield_now().await;
    ///     let Err(Interrupt::Panicked(payload)) = task.await else { panic!("no panic") };
    ///     assert_eq!(payload.message(), "oh");
    /// });
    /// ```
    pub fn observed(mut self, observed: bool) -> Self {
        self.options = self.options.observed(observed);
        self
    }

    /// As [`spawn`].
    ///
    /// # Panics
    /// If there is no loop.
    ///
    /// # Examples
    /// ```
    /// # use arborio_executor::doc::run;
    /// let out = run(async { arborio_executor::task().spawn(async { 2 }).await });
    /// assert_eq!(out.unwrap(), 2);
    /// ```
    #[track_caller]
    pub fn spawn<F>(self, future: F) -> Task<F::Output>
    where
        F: Future + Send + 'static,
        F::Output: Send + 'static,
    {
        match default_loop::for_this_thread() {
            Some(handle) => handle.submitter.spawn(future, self.options),
            None => match spawn_sent_here(future, self.options) {
                Ok(task) => task,
                Err(_) => no_loop(),
            },
        }
    }

    /// As [`spawn_local`].
    ///
    /// # Panics
    /// If no loop runs on this thread.
    ///
    /// # Examples
    /// ```
    /// # use arborio_executor::doc::run;
    /// let rc = std::rc::Rc::new(2);
    /// let out = run(async { arborio_executor::task().spawn_local(async move { *rc }).await });
    /// assert_eq!(out.unwrap(), 2);
    /// ```
    #[track_caller]
    pub fn spawn_local<F>(self, future: F) -> Task<F::Output>
    where
        F: Future + 'static,
        F::Output: 'static,
    {
        match spawn_here(future, self.options) {
            Ok(task) => task,
            Err(_) => no_loop(),
        }
    }

    /// As [`try_spawn`].
    ///
    /// # Errors
    /// [`NoLoop`] with the future.
    ///
    /// # Examples
    /// ```
    /// let refused = arborio_executor::task().name("lost").try_spawn(async { 5 }).unwrap_err();
    /// assert_eq!(arborio_executor::doc::run(refused.into_inner()), 5);
    /// ```
    #[track_caller]
    pub fn try_spawn<F>(self, future: F) -> Result<Task<F::Output>, NoLoop<F>>
    where
        F: Future + Send + 'static,
        F::Output: Send + 'static,
    {
        match default_loop::for_this_thread() {
            Some(handle) => Ok(handle.submitter.spawn(future, self.options)),
            None => spawn_sent_here(future, self.options).map_err(|future| NoLoop { future }),
        }
    }

    /// As [`try_spawn_local`].
    ///
    /// # Errors
    /// [`NoLoop`] with the future.
    ///
    /// # Examples
    /// ```
    /// let refused = arborio_executor::task().try_spawn_local(async {}).unwrap_err();
    /// assert!(refused.to_string().starts_with("no Arborio loop runs on this thread"));
    /// ```
    #[track_caller]
    pub fn try_spawn_local<F>(self, future: F) -> Result<Task<F::Output>, NoLoop<F>>
    where
        F: Future + 'static,
        F::Output: 'static,
    {
        spawn_here(future, self.options).map_err(|future| NoLoop { future })
    }

    /// As [`Handle::spawn`].
    ///
    /// # Examples
    /// ```
    /// # use arborio_executor::doc::run;
    /// use arborio_executor::{Handle, task};
    /// let out = run(async {
    ///     task().name("sent").spawn_on(&Handle::current().unwrap(), async { 2 }).await
    /// });
    /// assert_eq!(out.unwrap(), 2);
    /// ```
    pub fn spawn_on<F>(self, handle: &Handle, future: F) -> Task<F::Output>
    where
        F: Future + Send + 'static,
        F::Output: Send + 'static,
    {
        handle.submitter.spawn(future, self.options)
    }
}
