//! The scope around the code that asks, whatever its errors are.

use std::{
    any::Any,
    fmt,
    panic::Location,
    sync::{Arc, Weak},
    time::Duration,
};

use arborio_task::{Branch, Describe, Interrupt, ScopeInfo, SpawnOptions, Task, Tree};
use arborio_timers::Instant;

use super::{
    note::{Noted, Observer, ScopeNote, Spawned, tell_of_stubborn},
    options::ScopeBuilder,
    orphan,
    shared::ScopeState,
};

/// What a scope can do whatever its errors are.
pub(crate) trait Erased: Any + Send + Sync {
    fn name(&self) -> Option<&str>;
    fn opened_at(&self) -> &'static Location<'static>;
    fn branch(&self) -> Option<&Arc<Branch>>;
    /// Its own deadline, the limits around it in its task, and the scope around it
    /// if that counts.
    fn limits(&self) -> (Option<u64>, Option<Weak<dyn Erased>>);
    /// How long its tasks may take when they are asked to end.
    fn grace(&self) -> Duration;
    /// Asks it to end, because the scope that it was forked from ends.
    fn end_with(&self, end: Interrupt);
    /// From now on it is told when this scope ends.
    fn add_fork(&self, fork: Weak<dyn Erased>);
    /// Who is told what no result tells.
    fn observer(&self) -> Option<&Observer>;
    /// What is known of it.
    fn info(&self) -> ScopeInfo;
}

/// What the tasks of a branch find: the scope that builds on it.
impl<E: Send + 'static> Describe for ScopeState<E> {
    fn describe(&self) -> ScopeInfo {
        self.info()
    }

    fn give(self: Arc<Self>, slot: &mut dyn Any) {
        if let Some(slot) = slot.downcast_mut::<Option<Arc<dyn Erased>>>() {
            *slot = Some(self);
        }
    }

    fn left_abroad(self: Arc<Self>) {
        orphan::adopt(&self);
    }
}

/// The scope of the code that is running.
pub(crate) fn current() -> Option<Arc<dyn Erased>> {
    Branch::current_owner()
}

/// The same, if its errors are of type `E`.
pub(crate) fn current_state<E: Send + 'static>() -> Option<Arc<ScopeState<E>>> {
    let state: Arc<dyn Any + Send + Sync> = current()?;
    state.downcast().ok()
}

/// The earliest deadline that counts for the code that asks.
pub(crate) fn effective_limit() -> Option<u64> {
    let (mut earliest, to_root) = arborio_task::frames::limit_to_root();
    let mut around = to_root.then(current).flatten();
    while let Some(scope) = around {
        let (limit, above) = scope.limits();
        earliest = earliest.into_iter().chain(limit).min();
        around = above.and_then(|above| above.upgrade());
    }
    earliest
}

/// How long the tasks of the scope around the code that asks may take.
pub(crate) fn grace_around() -> Option<Duration> {
    current().map(|scope| scope.grace())
}

/// A part of the task that is running is dropped at the end of its grace, while a handler
/// in it is still at it: the observer of the scope around it is told, or else that of the loop.
#[cold]
pub(crate) fn tell_of_stubborn_here() {
    let scope = current();
    if let Some(task) = arborio_task::current_info() {
        tell_of_stubborn(scope.as_ref().and_then(|scope| scope.observer()), task);
    }
}

/// A scope of which nobody knows what its errors are: it runs tasks that give `()`,
/// and other scopes can be forked from it. Made by [`Scope::current`](super::Scope::current).
///
/// # Examples
/// ```
/// # use arborio_executor::doc::run;
/// use arborio_scope::{AnyScope, Scope};
/// let scope = Scope::<()>::builder().name("errands");
/// let name = run(scope.run(async |_| {
///     AnyScope::current().unwrap().spawn(async {}).await.unwrap();
///     Ok(AnyScope::current().unwrap().name().unwrap().to_owned())
/// }));
/// assert_eq!(name.unwrap(), "errands");
/// ```
#[derive(Clone)]
pub struct AnyScope(pub(crate) Arc<dyn Erased>);

impl AnyScope {
    /// The scope of the code that is running: in a body, its scope; in a task, the
    /// scope that it was spawned on; `None` outside of every scope.
    pub fn current() -> Option<Self> {
        current().map(Self)
    }

    /// The scope's name.
    pub fn name(&self) -> Option<&str> {
        self.0.name()
    }

    /// Whether it can be forked from, and tasks can be spawned, on this thread.
    pub fn is_open(&self) -> bool {
        self.0.branch().is_some_and(|branch| !branch.is_closed())
    }

    /// What hangs on the scope, as it is now; see [`Scope::tree`](super::Scope::tree).
    pub fn tree(&self) -> Tree {
        self.0
            .branch()
            .map(|branch| branch.tree())
            .unwrap_or_default()
    }

    /// Spawns a task of the scope. Gives the future back if the scope is closed, or
    /// belongs to another thread.
    pub(crate) fn try_spawn<F>(
        &self,
        future: F,
        options: SpawnOptions,
    ) -> Result<Task<F::Output>, F>
    where
        F: Future + 'static,
        F::Output: 'static,
    {
        let Some(branch) = self.0.branch() else {
            return Err(future);
        };
        if !self.tells_all() {
            return branch.try_spawn(future, options);
        }
        let (noted, spawned) = Noted::new(Arc::clone(&self.0), future);
        let task = branch.try_spawn(noted, options);
        let task = task.map_err(Noted::into_inner)?;
        Ok(self.note(task, &spawned))
    }

    /// The same for a task that may run on every worker of a pool. Gives the future back if
    /// the scope is closed.
    pub(crate) fn try_spawn_sent<F>(
        &self,
        future: F,
        options: SpawnOptions,
    ) -> Result<Task<F::Output>, F>
    where
        F: Future + Send + 'static,
        F::Output: Send + 'static,
    {
        let Some(branch) = self.0.branch() else {
            return Err(future);
        };
        if !self.tells_all() {
            return branch.try_spawn_sent(future, options);
        }
        let (noted, spawned) = Noted::new(Arc::clone(&self.0), future);
        let task = branch.try_spawn_sent(noted, options);
        let task = task.map_err(Noted::into_inner)?;
        Ok(self.note(task, &spawned))
    }

    /// Spawns a task of the scope. If the scope is closed, the future is dropped, and the
    /// task ends with [`Interrupt::Closed`].
    ///
    /// # Panics
    /// If no loop runs on this thread.
    #[track_caller]
    pub fn spawn<F>(&self, future: F) -> Task<()>
    where
        F: Future<Output = ()> + Send + 'static,
    {
        let options = SpawnOptions::new();
        if !self.tells_all() {
            return self.spawn_sent(future, options);
        }
        let (future, spawned) = Noted::new(Arc::clone(&self.0), future);
        self.note(self.spawn_sent(future, options), &spawned)
    }

    /// As [`spawn`](Self::spawn), for a future that need not be `Send`. A scope that
    /// belongs to another thread is closed for it.
    ///
    /// # Panics
    /// If no loop runs on this thread.
    #[track_caller]
    pub fn spawn_local<F>(&self, future: F) -> Task<()>
    where
        F: Future<Output = ()> + 'static,
    {
        let options = SpawnOptions::new();
        if !self.tells_all() {
            return self.spawn_here(future, options);
        }
        let (future, spawned) = Noted::new(Arc::clone(&self.0), future);
        self.note(self.spawn_here(future, options), &spawned)
    }

    fn tells_all(&self) -> bool {
        let observer = self.0.observer();
        observer.is_some_and(|observer| observer.is_told_everything)
    }

    /// The observer is told of `task`.
    fn note<T>(&self, task: Task<T>, spawned: &Spawned) -> Task<T> {
        if let (Some(info), Some(observer)) = (task.info(), self.0.observer()) {
            spawned.set();
            observer.tell(&ScopeNote::Spawned(info));
        }
        task
    }

    fn spawn_sent<F>(&self, future: F, options: SpawnOptions) -> Task<()>
    where
        F: Future<Output = ()> + Send + 'static,
    {
        let Some(branch) = self.0.branch() else {
            return never(future, options);
        };
        branch
            .try_spawn_sent(future, options.clone())
            .unwrap_or_else(|future| never(future, options))
    }

    fn spawn_here<F>(&self, future: F, options: SpawnOptions) -> Task<()>
    where
        F: Future<Output = ()> + 'static,
    {
        let Some(branch) = self.0.branch() else {
            return never(future, options);
        };
        branch
            .try_spawn(future, options.clone())
            .unwrap_or_else(|future| never(future, options))
    }

    /// A scope that ends when this one does; as [`Scope::fork`](super::Scope::fork).
    #[track_caller]
    pub fn fork<E>(&self) -> ScopeBuilder<E>
    where
        E: From<Interrupt> + Send + 'static,
    {
        ScopeBuilder::new().below(self.clone())
    }

    /// When the scope ends at the latest, by its own deadline or one around it.
    pub fn effective_deadline(&self) -> Option<Instant> {
        let mut earliest = None;
        let mut next = Some(Arc::clone(&self.0));
        while let Some(scope) = next {
            let (limit, above) = scope.limits();
            earliest = earliest.into_iter().chain(limit).min();
            next = above.and_then(|above| above.upgrade());
        }
        earliest.map(Instant::from_nanos)
    }
}

/// A task of a scope that is closed.
fn never<F>(future: F, options: SpawnOptions) -> Task<()>
where
    F: Future<Output = ()> + 'static,
{
    Branch::spawn_ended(future, options, Interrupt::Closed)
        .expect("no Arborio loop runs on this thread")
}

impl PartialEq for AnyScope {
    /// Whether they are the same scope.
    fn eq(&self, other: &Self) -> bool {
        std::ptr::addr_eq(Arc::as_ptr(&self.0), Arc::as_ptr(&other.0))
    }
}

impl Eq for AnyScope {}

impl fmt::Debug for AnyScope {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("AnyScope")
            .field("name", &self.0.name())
            .field("opened_at", &self.0.opened_at().to_string())
            .finish_non_exhaustive()
    }
}
