//! The handle of a scope: what its body and its tasks do with it.

use std::{error::Error, fmt, io, ops, sync::Arc, time::Duration};

use arborio_task::{
    Branch, Interrupt, Reason, ReasonKind, SpawnOptions, Task, Tree, embedded::Local,
};
use arborio_timers::Instant;

use super::{
    builder::{ChildBuilder, ChildOptions},
    child::{AtEnd, Child, ChildFuture, ChildOf, ChildOutput},
    current::{AnyScope, Erased},
    failure::Failure,
    free::FreeScope,
    local::LocalScope,
    note::ScopeNote,
    options::ScopeBuilder,
    shared::ScopeState,
    start::{Ready, Starting},
};

/// A scope, as its body and its tasks see it: spawns tasks that end with it.
///
/// Clones are handles to the same scope; they do not keep it open. Made by
/// [`scope`](super::scope) and [`Scope::builder`].
///
/// # Examples
/// ```
/// # use arborio_executor::doc::run;
/// use arborio_scope::{Scope, scope};
/// let total = run(scope(async |s: &Scope<()>| {
///     let handle = s.clone();
///     let child = s.spawn(async move {
///         let grandchild = handle.spawn(async { Ok(20) });
///         Ok(grandchild.await? + 1)
///     });
///     child.await
/// }));
/// assert_eq!(total, Ok(21));
/// ```
#[doc(alias("nursery", "JoinSet", "CancellationToken"))]
pub struct Scope<E>(pub(crate) Arc<ScopeState<E>>);

impl<E> Scope<E>
where
    E: From<Interrupt> + Send + 'static,
{
    /// A scope with options.
    ///
    /// # Examples
    /// ```
    /// # use arborio_executor::doc::run;
    /// use arborio_scope::Scope;
    /// let scope = Scope::<()>::builder().name("errands");
    /// let name = run(scope.run(async |s| Ok(s.name().unwrap().to_owned())));
    /// assert_eq!(name.unwrap(), "errands");
    /// ```
    #[track_caller]
    pub fn builder() -> ScopeBuilder<E> {
        ScopeBuilder::new()
    }

    /// A scope without a body. It is open from now on, and has an owner, which
    /// says when it is to end: see [`FreeScope`]. [`builder`](Self::builder) has options
    /// for it, and [`fork`](Self::fork) makes one that ends with this scope.
    ///
    /// # Panics
    /// If no loop runs on this thread.
    ///
    /// # Examples
    /// ```
    /// # use arborio_executor::doc::run;
    /// let ended = run(async {
    ///     let scope = arborio_scope::Scope::<()>::new();
    ///     scope.spawn(async {});
    ///     scope.finalize();
    ///     scope.await
    /// });
    /// assert_eq!(ended, Ok(()));
    /// ```
    #[track_caller]
    #[expect(clippy::new_ret_no_self, reason = "what is made is the scope's owner")]
    pub fn new() -> FreeScope<E> {
        Self::builder().open()
    }

    /// A [free scope](FreeScope) ends from now on when every awaited task has ended. Until then tasks
    /// may be spawned. Nothing changes for a scope with a body, which ends with
    /// that and its tasks. Finalizing twice does nothing.
    ///
    /// # Examples
    /// ```
    /// # use arborio_executor::doc::run;
    /// let ended = run(async {
    ///     let scope = arborio_scope::Scope::<()>::new();
    ///     let handle = scope.clone();
    ///     scope.spawn(async move { handle.finalize() });
    ///     scope.await
    /// });
    /// assert_eq!(ended, Ok(()));
    /// ```
    pub fn finalize(&self) {
        self.0.progress().finalized = true;
        self.0.wake();
    }

    /// The scope of the code that is running, whatever its errors are; as
    /// [`AnyScope::current`].
    ///
    /// # Examples
    /// ```
    /// # use arborio_executor::doc::run;
    /// use arborio_scope::{Scope, scope};
    /// assert!(run(async { Scope::<()>::current().is_none() }));
    /// let found = run(scope(async |s: &Scope<()>| {
    ///     Ok(Scope::<()>::current() == Some(s.erase()))
    /// }));
    /// assert_eq!(found, Ok(true));
    /// ```
    pub fn current() -> Option<AnyScope> {
        AnyScope::current()
    }

    /// The same scope for tasks that need not be `Send`; `None` if it does not belong to
    /// the loop that runs on this thread, or has ended.
    ///
    /// # Examples
    /// ```
    /// # use arborio_executor::doc::run;
    /// use arborio_scope::{Scope, scope};
    /// use std::rc::Rc;
    /// let word = run(scope(async |s: &Scope<()>| {
    ///     let shared = Rc::new("not sent");
    ///     s.local().unwrap().spawn(async move { Ok(shared.len()) }).await
    /// }));
    /// assert_eq!(word, Ok(8));
    /// ```
    pub fn local(&self) -> Option<LocalScope<E>> {
        let here = self.0.branch().is_some_and(|branch| branch.is_local());
        here.then(|| LocalScope::new(self.clone()))
    }

    /// The same scope without the type of its errors.
    pub fn erase(&self) -> AnyScope {
        AnyScope(Arc::clone(&self.0) as Arc<dyn Erased>)
    }

    /// A scope that ends when this one does, wherever it is run. An error of it is its
    /// own: it does not end this scope.
    ///
    /// If this scope is closed, the fork gives `E::from(Interrupt::Closed)`.
    ///
    /// # Examples
    /// ```
    /// # use arborio_executor::doc::run;
    /// use arborio_scope::{Scope, scope};
    /// let went_on = run(scope(async |s: &Scope<()>| {
    ///     let inner = s.fork::<()>().name("inner");
    ///     let failed = inner.run(async |_| Err::<(), ()>(())).await;
    ///     Ok(failed.is_err())
    /// }));
    /// assert_eq!(went_on, Ok(true));
    /// ```
    #[track_caller]
    pub fn fork<E2>(&self) -> ScopeBuilder<E2>
    where
        E2: From<Interrupt> + Send + 'static,
    {
        ScopeBuilder::new().below(self.erase())
    }

    /// Spawns the task that `body` makes, and waits until it says that it is
    /// [ready](super::Ready::tell); then it goes on as a task of the scope.
    ///
    /// # Errors
    /// The task's error if it ends before it is ready, which does not end the scope then;
    /// `E::from(Interrupt::Closed)` if it ends well without having said so.
    ///
    /// # Panics
    /// Goes on with a panic of the task before it is ready.
    ///
    /// # Cancel safety
    /// If the future is dropped, the task is asked to end.
    ///
    /// # Examples
    /// ```
    /// # use arborio_executor::doc::run;
    /// use arborio_scope::{Ready, Scope, scope};
    /// let refused = run(scope(async |s: &Scope<std::io::Error>| {
    ///     let server = async |_: Ready<()>| Err(std::io::Error::other("no port"));
    ///     Ok(s.start(server).await.unwrap_err().to_string())
    /// }));
    /// assert_eq!(refused.unwrap(), "no port");
    /// ```
    #[track_caller]
    pub fn start<V, B, F>(&self, body: B) -> impl Future<Output = Result<V, E>> + use<V, B, F, E>
    where
        V: 'static,
        B: FnOnce(Ready<V>) -> F,
        F: Future<Output = Result<(), E>> + Send + 'static,
    {
        let child = self.task().observed(true);
        Starting::new(move |ready| child.spawn(body(ready)))
    }

    /// Spawns `future` as a task of the scope. It gives `Result<T, E>`, or `()`.
    ///
    /// An error of the task ends the scope, unless its handle is being awaited: then it
    /// goes to whoever awaits. If the scope is closed, the future is dropped, and the
    /// task ends with [`Interrupt::Closed`].
    ///
    /// # Panics
    /// If no loop runs on this thread.
    ///
    /// # Examples
    /// ```
    /// # use arborio_executor::doc::run;
    /// use arborio_scope::{Scope, scope};
    /// let failed = run(scope(async |s: &Scope<std::io::Error>| {
    ///     s.spawn(async { Err::<(), _>(std::io::Error::other("no luck")) });
    ///     std::future::pending::<Result<(), _>>().await
    /// }));
    /// assert_eq!(failed.unwrap_err().to_string(), "no luck");
    /// ```
    #[track_caller]
    pub fn spawn<F>(&self, future: F) -> ChildOf<F, E>
    where
        F: Future + Send + 'static,
        F::Output: ChildOutput<E, Value: Send>,
    {
        self.task().spawn(future)
    }

    /// As [`spawn`](Self::spawn), for a future that need not be `Send`: it stays on this
    /// thread. A scope that belongs to another thread is closed for it; see
    /// [`local`](Self::local).
    ///
    /// # Panics
    /// If no loop runs on this thread.
    ///
    /// # Examples
    /// ```
    /// # use arborio_executor::doc::run;
    /// use arborio_scope::{Scope, scope};
    /// use std::rc::Rc;
    /// let word = run(scope(async |s: &Scope<()>| {
    ///     let shared = Rc::new("not sent");
    ///     s.spawn_local(async move { Ok(shared.len()) }).await
    /// }));
    /// assert_eq!(word, Ok(8));
    /// ```
    #[track_caller]
    pub fn spawn_local<F>(&self, future: F) -> ChildOf<F, E>
    where
        F: Future + 'static,
        F::Output: ChildOutput<E>,
    {
        ChildBuilder::<E, Local>::new(self).spawn(future)
    }

    /// As [`spawn`](Self::spawn), but gives the future back if the scope is closed.
    ///
    /// # Errors
    /// [`ScopeClosed`] with the future. On another thread than the scope's it may close just then: the
    /// task is spawned, and ends as [`Interrupt::Closed`].
    ///
    /// # Examples
    /// ```
    /// # use arborio_executor::doc::run;
    /// use arborio_scope::{Scope, scope};
    /// let refused = run(async {
    ///     let mut kept = None;
    ///     scope(async |s: &Scope<()>| Ok(kept = Some(s.clone()))).await.unwrap();
    ///     kept.unwrap().try_spawn(async { Ok(5) }).unwrap_err().into_inner().await
    /// });
    /// assert_eq!(refused, Ok(5));
    /// ```
    #[track_caller]
    pub fn try_spawn<F>(&self, future: F) -> Result<ChildOf<F, E>, ScopeClosed<F>>
    where
        F: Future + Send + 'static,
        F::Output: ChildOutput<E, Value: Send>,
    {
        self.task().try_spawn(future)
    }

    /// A task with options.
    ///
    /// # Examples
    /// ```
    /// # use arborio_executor::doc::run;
    /// use arborio_scope::{Scope, scope};
    /// let done = run(scope(async |s: &Scope<()>| {
    ///     s.task().name("ticker").awaited(false).spawn(std::future::pending::<()>());
    ///     Ok("the ticker does not hold us up")
    /// }));
    /// assert!(done.is_ok());
    /// ```
    #[track_caller]
    pub fn task(&self) -> ChildBuilder<'_, E> {
        ChildBuilder::new(self)
    }

    /// Spawns `future` by `spawn`, which does so if the branch is open.
    #[inline]
    pub(crate) fn spawn_with<F>(
        &self,
        future: F,
        options: ChildOptions,
        spawn: impl FnOnce(&Arc<Branch>, ChildFuture<F, E>, SpawnOptions) -> Spawned<F, E>,
    ) -> Result<ChildOf<F, E>, F>
    where
        F: Future + 'static,
        F::Output: ChildOutput<E>,
    {
        let Some(branch) = self.0.branch() else {
            return Err(future);
        };
        let noted = self.0.tells_all();
        let duties = AtEnd::new(options.master, noted);
        let child = ChildFuture::<F, E>::new(future, options.bubble, duties);
        let task = spawn(branch, child, options.spawn).map_err(ChildFuture::into_inner)?;
        if noted && let Some(info) = task.info() {
            self.0.tell(&ScopeNote::Spawned(info));
        }
        Ok(Child::new(task))
    }

    /// Asks the body and every task to end; the scope gives `E::from(Interrupt)` unless
    /// the body is ready before. Cancelling twice does nothing.
    ///
    /// # Examples
    /// ```
    /// # use arborio_executor::doc::run;
    /// use arborio_scope::{Scope, scope};
    /// use std::future::pending;
    /// let ended = run(scope(async |s: &Scope<()>| {
    ///     s.spawn(pending::<()>());
    ///     s.cancel();
    ///     pending::<Result<(), ()>>().await
    /// }));
    /// assert_eq!(ended, Err(()));
    /// ```
    #[track_caller]
    pub fn cancel(&self) {
        let reason = Reason::new(ReasonKind::Cancel);
        self.0
            .fail(Failure::Cancelled(Interrupt::Cancelled(reason)));
    }

    /// The same, with an error that the scope gives.
    ///
    /// # Examples
    /// ```
    /// # use arborio_executor::doc::run;
    /// use arborio_scope::Scope;
    /// let ended = run(Scope::<std::io::Error>::builder().run(async |s| {
    ///     s.cancel_with(std::io::Error::other("enough"));
    ///     std::future::pending::<Result<(), _>>().await
    /// }));
    /// assert_eq!(ended.unwrap_err().to_string(), "enough");
    /// ```
    pub fn cancel_with(&self, error: E) {
        self.0.fail(Failure::Error(error));
    }

    /// Ends the scope at `deadline`; `None` takes the deadline away.
    ///
    /// # Examples
    /// ```
    /// # use arborio_executor::doc::run;
    /// use arborio_scope::{Scope, scope};
    /// use arborio_timers::Instant;
    /// let ended = run(scope(async |s: &Scope<()>| {
    ///     s.set_deadline(Some(Instant::now()));
    ///     std::future::pending::<Result<(), ()>>().await
    /// }));
    /// assert_eq!(ended, Err(()));
    /// ```
    pub fn set_deadline(&self, deadline: Option<Instant>) {
        self.0.progress().deadline = deadline;
        self.0.wake();
    }

    /// Ends the scope when `limit` is over, counted from now; `None` takes the
    /// limit away.
    pub fn set_timeout(&self, limit: Option<Duration>) {
        self.set_deadline(limit.map(|limit| Instant::now() + limit));
    }

    /// The scope's name.
    pub fn name(&self) -> Option<&str> {
        self.0.name.as_deref()
    }

    /// What hangs on the scope, as it is now: its tasks, the scopes below, and what is
    /// known of each. Empty if the scope has ended, or belongs to another thread.
    ///
    /// # Examples
    /// ```
    /// # use arborio_executor::doc::run;
    /// use arborio_scope::Scope;
    /// let scope = Scope::<()>::builder().name("kitchen");
    /// let drawn = run(scope.run(async |s| {
    ///     s.task().name("cook").spawn(async {});
    ///     Ok(s.tree().to_string())
    /// }));
    /// let drawn = drawn.unwrap();
    /// assert!(drawn.starts_with("scope `kitchen` (running"));
    /// assert!(drawn.contains("\n└─ task `cook` (new) "));
    /// ```
    pub fn tree(&self) -> Tree {
        self.erase().tree()
    }

    /// Whether there is a reason for the scope to end before its time.
    pub fn is_cancelling(&self) -> bool {
        self.0.progress().failing
    }
}

impl<E> Clone for Scope<E> {
    fn clone(&self) -> Self {
        Self(Arc::clone(&self.0))
    }
}

impl<E> fmt::Debug for Scope<E> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Scope")
            .field("name", &self.0.name)
            .field("opened_at", &self.0.opened_at.to_string())
            .finish_non_exhaustive()
    }
}

/// A task of the branch, or its future back.
type Spawned<F, E> = Result<Task<<ChildFuture<F, E> as Future>::Output>, ChildFuture<F, E>>;

/// `&scope << future` is [`scope.spawn(future)`](Scope::spawn).
impl<E, F> ops::Shl<F> for &Scope<E>
where
    E: From<Interrupt> + Send + 'static,
    F: Future + Send + 'static,
    F::Output: ChildOutput<E, Value: Send>,
{
    type Output = ChildOf<F, E>;

    #[track_caller]
    fn shl(self, future: F) -> ChildOf<F, E> {
        self.spawn(future)
    }
}

/// The scope takes no tasks any more; the future was not touched.
///
/// # Examples
/// ```
/// # use arborio_executor::doc::run;
/// use arborio_scope::{Scope, scope};
/// let message = run(async {
///     let mut kept = None;
///     scope(async |s: &Scope<()>| Ok(kept = Some(s.clone()))).await.unwrap();
///     kept.unwrap().try_spawn(async {}).unwrap_err().to_string()
/// });
/// assert_eq!(message, "the scope is closed, and takes no tasks any more: spawn on one that is open");
/// ```
pub struct ScopeClosed<F> {
    pub(crate) future: F,
}

impl<F> ScopeClosed<F> {
    /// The future that was to be spawned.
    pub fn into_inner(self) -> F {
        self.future
    }
}

impl<F> fmt::Debug for ScopeClosed<F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ScopeClosed").finish_non_exhaustive()
    }
}

impl<F> fmt::Display for ScopeClosed<F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the scope is closed, and takes no tasks any more: spawn on one that is open")
    }
}

impl<F> Error for ScopeClosed<F> {}

impl<F> From<ScopeClosed<F>> for io::Error {
    /// Of the kind `Other`, with a `ScopeClosed<()>` inside. The future is dropped.
    fn from(_: ScopeClosed<F>) -> Self {
        Self::other(ScopeClosed { future: () })
    }
}
