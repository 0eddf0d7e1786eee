//! What the body, the tasks and the handles of a scope share.

use std::{
    borrow::Cow,
    collections::BTreeMap,
    error::Error,
    fmt, ops,
    panic::Location,
    sync::{Arc, OnceLock, Weak},
    task::Waker,
    time::Duration,
};

use arborio_base::{contain, drop_contained};
use arborio_task::{
    Branch, Interrupt, Payload, Reason, ReasonKind, ScopeInfo, SpawnOptions, Task, Tree,
};
use arborio_timers::Instant;

use super::{
    builder::{ChildBuilder, ChildOptions},
    child::{AtEnd, Child, ChildFuture, ChildOf, ChildOutput, Kept},
    current::{self, AnyScope, Erased, current_state},
    describe::{self, Life},
    failure::{Failure, Later},
    free::FreeScope,
    local::LocalScope,
    note::{Observer, ScopeNote},
    options::ScopeBuilder,
    signs::{Locked, Signed, SignedLock, Signs},
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
pub struct Scope<E>(pub(crate) Arc<ScopeState<E>>);

/// The state of one scope.
pub(crate) struct ScopeState<E> {
    pub(crate) name: Option<Cow<'static, str>>,
    pub(crate) opened_at: &'static Location<'static>,
    /// When it was opened, for its age.
    pub(super) opened: Instant,
    /// How far its future is.
    pub(super) life: Life,
    pub(crate) observer: Option<Observer>,
    /// Its place in the tree, from its first poll on.
    branch: OnceLock<Arc<Branch>>,
    /// The scope around it.
    above: OnceLock<Weak<dyn Erased>>,
    /// How long those who are asked to end may take.
    pub(crate) grace: Duration,
    progress: SignedLock<Progress<E>>,
}

/// What changes.
pub(crate) struct Progress<E> {
    /// The first failure, until the scope's end takes it.
    pub(crate) failure: Option<Failure<E>>,
    /// There is, or was, a reason to end.
    pub(crate) failing: bool,
    /// Nothing is waited for but those who are pending: a master has ended.
    pub(crate) finished: bool,
    /// The scope has ended, and takes no errors any more.
    pub(crate) over: bool,
    /// A free scope: it ends when its tasks have.
    pub(crate) finalized: bool,
    /// A free scope: nobody will take its error.
    disowned: bool,
    /// A free scope: its error waits for its owner.
    unclaimed: bool,
    /// A free scope: somebody was given how it has ended.
    claimed: bool,
    /// Errors that wait for the handle of their task, by number.
    kept: BTreeMap<u64, E>,
    next_kept: u64,
    pub(crate) deadline: Option<Instant>,
    /// The limit around it in its task, and whether the scope around it counts.
    outside: (Option<u64>, bool),
    /// Scopes that end with this one although no task of it polls them.
    forks: Vec<Weak<dyn Erased>>,
    /// Errors after the first, if they are to be reported.
    pub(crate) later: Option<Later<E>>,
    /// Has the scope polled.
    waker: Option<Waker>,
}

impl<E> Signed for Progress<E> {
    #[inline]
    fn signs(&self) -> Signs {
        let ending = self.failing || self.finished || self.failure.is_some();
        Signs::of([
            (Signs::ENDING, ending),
            (Signs::TIMED, self.deadline.is_some()),
            (Signs::KEPT, !self.kept.is_empty()),
            (Signs::WAITING, self.waker.is_some()),
            (Signs::FORKED, !self.forks.is_empty()),
        ])
    }
}

impl<E> ScopeState<E> {
    pub(crate) fn new(
        name: Option<Cow<'static, str>>,
        opened_at: &'static Location<'static>,
        observer: Option<Observer>,
        deadline: Option<Instant>,
        grace: Duration,
        later: Option<Later<E>>,
    ) -> Self {
        Self {
            name,
            opened_at,
            opened: Instant::recent(),
            life: Life::new(),
            observer,
            branch: OnceLock::new(),
            above: OnceLock::new(),
            grace,
            progress: SignedLock::new(Progress {
                failure: None,
                failing: false,
                finished: false,
                over: false,
                finalized: false,
                disowned: false,
                unclaimed: false,
                claimed: false,
                kept: BTreeMap::new(),
                next_kept: 0,
                deadline,
                outside: (None, true),
                forks: Vec::new(),
                later,
                waker: None,
            }),
        }
    }

    pub(crate) fn progress(&self) -> Locked<'_, Progress<E>> {
        self.progress.lock()
    }

    /// Whether `progress` has something of that kind, without the lock.
    #[inline]
    pub(crate) fn shows(&self, sign: Signs) -> bool {
        self.progress.shows(sign)
    }

    /// When it ends at the latest, by itself.
    pub(crate) fn deadline(&self) -> Option<Instant> {
        self.shows(Signs::TIMED)
            .then(|| self.progress().deadline)
            .flatten()
    }

    pub(crate) fn branch(&self) -> Option<&Arc<Branch>> {
        self.branch.get()
    }

    /// Has the scope polled by `waker` when something happens.
    #[cold]
    pub(crate) fn set_waker(&self, waker: &Waker) {
        let fresh = waker.clone(); // foreign code: not under the lock
        let old = self.progress().waker.replace(fresh);
        drop_contained(old);
    }

    pub(crate) fn wake(&self) {
        let waker = self.progress().waker.take();
        contain(|| waker.map(Waker::wake));
    }

    /// Something failed. The first failure is kept; of a later one the observer is told.
    pub(crate) fn fail(&self, failure: Failure<E>) {
        self.note_failure(failure);
        self.wake();
    }

    /// The same in the scope's own poll, which looks afterwards.
    pub(crate) fn note_failure(&self, failure: Failure<E>) {
        let late = {
            let mut progress = self.progress();
            // A real failure wins over a cancellation that is still in force.
            let replaceable =
                matches!(progress.failure, None | Some(Failure::Cancelled(_))) && !progress.over;
            let real = !matches!(failure, Failure::Cancelled(_));
            if replaceable && (real || progress.failure.is_none()) {
                progress.failing = true;
                progress.failure.replace(failure)
            } else {
                Some(failure)
            }
        };
        if let Some(late) = late {
            self.tell_late(late);
        }
    }

    fn tell_late(&self, late: Failure<E>) {
        match late {
            Failure::Cancelled(_) => {}
            Failure::Panic(payload) => self.tell(&ScopeNote::LaterPanic(payload)),
            Failure::Error(error) => {
                let unkept = match &mut self.progress().later {
                    Some(later) => later.add(error),
                    None => Some(error),
                };
                drop_contained(unkept);
                self.tell(&ScopeNote::LaterError);
            }
        }
    }

    /// Keeps an error for the handle of its task.
    pub(crate) fn keep(&self, error: E) -> u64 {
        let mut progress = self.progress();
        let number = progress.next_kept;
        progress.next_kept += 1;
        progress.kept.insert(number, error);
        number
    }

    /// The error that was kept, unless the scope has ended meanwhile.
    pub(crate) fn take_kept(&self, number: u64) -> Option<E> {
        self.progress().kept.remove(&number)
    }

    /// Puts back what `take_kept` took.
    pub(crate) fn keep_again(&self, number: u64, error: E) {
        self.progress().kept.insert(number, error);
    }

    /// Errors that nobody will take from their handles: the scope, which is ending, fails.
    pub(crate) fn fail_with_kept(&self) {
        if !self.shows(Signs::KEPT) {
            return;
        }
        let kept = std::mem::take(&mut self.progress().kept);
        for error in kept.into_values() {
            self.note_failure(Failure::Error(error));
        }
    }

    /// Notes the limit around the scope in its task, and whether the scope around it counts.
    #[cold]
    pub(crate) fn note_limits(&self, outside: (Option<u64>, bool)) {
        self.progress().outside = outside;
    }

    /// Asks the scopes to end that were forked from this one.
    pub(crate) fn end_forks(&self, end: &Interrupt) {
        if !self.shows(Signs::FORKED) {
            return;
        }
        let forks = std::mem::take(&mut self.progress().forks);
        for fork in forks.iter().filter_map(Weak::upgrade) {
            fork.end_with(end.clone());
        }
    }

    /// The same, because the scope has ended but for those who are asked now.
    pub(crate) fn end_forks_of_ended(&self) {
        if self.shows(Signs::FORKED) {
            let reason = Reason::new(ReasonKind::ScopeEnded);
            self.end_forks(&Interrupt::Cancelled(reason));
        }
    }

    /// A free scope has ended with an error, which waits for its owner.
    pub(crate) fn note_unclaimed(&self) {
        let disowned = {
            let mut progress = self.progress();
            progress.unclaimed = !progress.disowned;
            progress.disowned
        };
        if disowned {
            self.tell(&ScopeNote::Unclaimed);
        }
    }

    /// Somebody who awaits a free scope was given how it has ended.
    pub(crate) fn claim(&self) {
        let mut progress = self.progress();
        progress.claimed = true;
        progress.unclaimed = false;
    }

    /// The owner of a free scope is gone. Whether anybody was given how it has ended.
    pub(crate) fn disown(&self) -> bool {
        let (unclaimed, claimed) = {
            let mut progress = self.progress();
            progress.disowned = true;
            (std::mem::take(&mut progress.unclaimed), progress.claimed)
        };
        if unclaimed {
            self.tell(&ScopeNote::Unclaimed);
        }
        claimed
    }

    /// A panic that is the reason to end.
    pub(crate) fn take_first_panic(&self) -> Option<Payload> {
        let mut progress = self.progress();
        match progress.failure.take() {
            Some(Failure::Panic(payload)) => Some(payload),
            other => {
                progress.failure = other;
                None
            }
        }
    }

    /// A master has ended: those who are left are asked to end, and that is no failure.
    pub(crate) fn finish(&self) {
        self.progress().finished = true;
        self.wake();
    }
}

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

    /// Enters the tree. False if no loop runs on this thread.
    pub(crate) fn enter(&self) -> bool {
        if let Some(above) = current::current() {
            let _ = self.0.above.set(Arc::downgrade(&above));
        }
        let Some(branch) = Branch::enter(Arc::clone(&self.0) as _) else {
            return false;
        };
        self.0.branch.set(branch).is_ok()
    }

    /// Enters the tree as a fork. False if what it is forked from is closed, or belongs
    /// to another thread.
    pub(crate) fn enter_below(&self, above: &AnyScope) -> bool {
        let fork = Arc::downgrade(&self.0) as Weak<dyn Erased>;
        let branch = above
            .0
            .branch()
            .and_then(|branch| branch.enter_below(Arc::clone(&self.0) as _));
        let Some(branch) = branch else { return false };
        above.0.add_fork(fork);
        let _ = self.0.above.set(Arc::downgrade(&above.0));
        self.0.branch.set(branch).is_ok()
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
        let child = self.task().observed();
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

    /// As [`spawn`](Self::spawn), but gives the future back if the scope is closed.
    ///
    /// # Errors
    /// [`ScopeClosed`] with the future, also if this is not the thread of the scope.
    ///
    /// # Examples
    /// ```
    /// # use arborio_executor::doc::run;
    /// use arborio_scope::{Scope, scope};
    /// let refused = run(async {
    ///     let mut kept = None;
    ///     scope(async |s: &Scope<()>| Ok(kept = Some(s.clone()))).await.unwrap();
    ///     kept.unwrap().try_spawn(async { Ok(5) }).unwrap_err().into_future().await
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
        spawn: impl FnOnce(&Branch, ChildFuture<F, E>, SpawnOptions) -> Spawned<F, E>,
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

impl<E> Erased for ScopeState<E>
where
    E: Send + 'static,
{
    fn name(&self) -> Option<&str> {
        self.name.as_deref()
    }

    fn opened_at(&self) -> &'static Location<'static> {
        self.opened_at
    }

    fn branch(&self) -> Option<&Arc<Branch>> {
        self.branch.get()
    }

    fn limits(&self) -> (Option<u64>, Option<Weak<dyn Erased>>) {
        let progress = self.progress();
        let (outside, to_root) = progress.outside;
        let own = progress.deadline.map(|deadline| deadline.as_nanos());
        let limit = own.into_iter().chain(outside).min();
        let above = to_root.then(|| self.above.get().cloned()).flatten();
        (limit, above)
    }

    fn grace(&self) -> Duration {
        self.grace
    }

    fn end_with(&self, end: Interrupt) {
        self.fail(Failure::Cancelled(end));
    }

    fn observer(&self) -> Option<&Observer> {
        self.observer.as_ref()
    }

    fn info(&self) -> ScopeInfo {
        describe::info(self)
    }

    fn add_fork(&self, fork: Weak<dyn Erased>) {
        let mut progress = self.progress();
        if progress.forks.len() == progress.forks.capacity() {
            progress.forks.retain(|fork| fork.strong_count() > 0);
        }
        progress.forks.push(fork);
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

/// Where an error of a task that is being polled is to go.
pub(crate) fn place_error<E: Send + 'static>(error: E) -> Kept<E> {
    let Some(state) = current_state::<E>() else {
        return Kept::Own(Some(error));
    };
    if arborio_task::is_taken_over() {
        return Kept::Own(Some(error));
    }
    if arborio_task::is_observed() {
        let number = state.keep(error);
        return Kept::InScope { state, number };
    }
    state.fail(Failure::Error(error));
    Kept::Bubbled
}

/// Panics came up from tasks, says the branch in the scope's own poll.
pub(crate) fn fail_with_panics<E>(state: &ScopeState<E>, panics: Vec<Payload>) {
    for panic in panics {
        state.note_failure(Failure::Panic(panic));
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
/// assert_eq!(message, "the scope is closed");
/// ```
pub struct ScopeClosed<F> {
    pub(crate) future: F,
}

impl<F> ScopeClosed<F> {
    /// The future that was to be spawned.
    pub fn into_future(self) -> F {
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
        f.write_str("the scope is closed")
    }
}

impl<F> Error for ScopeClosed<F> {}
