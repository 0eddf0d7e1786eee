//! How a task of a scope is made.

use std::{borrow::Cow, fmt, marker::PhantomData};

use arborio_task::{
    Branch, Interrupt, SpawnOptions,
    embedded::{Local, Sent},
};

use super::{
    child::{AtEnd, Child, ChildFuture, ChildOf, ChildOutput},
    handle::{Scope, ScopeClosed},
};

/// How a task of a scope is spawned.
pub(crate) struct ChildOptions {
    pub(crate) spawn: SpawnOptions,
    pub(crate) bubble: bool,
    pub(crate) master: bool,
}

/// A task of a scope that is not spawned yet; made by [`Scope::task`], and for a future that need not
/// be `Send` by [`LocalScope::task`](super::LocalScope::task).
///
/// # Examples
/// ```
/// # use arborio_executor::doc::run;
/// use arborio_scope::{Scope, scope};
/// let ended = run(scope(async |s: &Scope<()>| {
///     s.task().name("may fail").bubble(false).spawn(async { Err::<(), ()>(()) });
///     Ok("went on")
/// }));
/// assert_eq!(ended, Ok("went on"));
/// ```
#[must_use = "nothing runs before `spawn`"]
pub struct ChildBuilder<'a, E, Kind = Sent> {
    scope: &'a Scope<E>,
    options: ChildOptions,
    kind: PhantomData<Kind>,
}

impl<'a, E, Kind> ChildBuilder<'a, E, Kind>
where
    E: From<Interrupt> + Send + 'static,
{
    #[track_caller]
    pub(crate) fn new(scope: &'a Scope<E>) -> Self {
        Self {
            scope,
            options: ChildOptions {
                spawn: SpawnOptions::new(),
                bubble: true,
                master: false,
            },
            kind: PhantomData,
        }
    }

    /// Names the task.
    pub fn name(mut self, name: impl Into<Cow<'static, str>>) -> Self {
        self.options.spawn = self.options.spawn.name(name);
        self
    }

    /// Whether an error or a panic of the task ends the scope; it does unless this says
    /// otherwise. If it does not, the handle has it. If the handle is dropped, before or after the
    /// end of the task, the observer of the scope is told ([`ScopeNote::Untaken`](super::ScopeNote::Untaken),
    /// [`UntakenPanic`](super::ScopeNote::UntakenPanic)); of a panic, if the scope has none, that of the loop.
    pub fn bubble(mut self, bubble: bool) -> Self {
        self.options.bubble = bubble;
        self
    }

    /// Whether the scope ends when the task does, in whatever way that is: the others are
    /// asked to end then, and that is no failure.
    pub fn master(mut self, master: bool) -> Self {
        self.options.master = master;
        self
    }

    /// Whether the scope waits for the task. One that is not awaited is asked to end
    /// when every awaited one has ended.
    pub fn awaited(mut self, awaited: bool) -> Self {
        self.options.spawn = self.options.spawn.awaited(awaited);
        self
    }

    /// Whether somebody will look at the outcome for sure: then an error waits in the handle
    /// from the start.
    pub fn observed(mut self, observed: bool) -> Self {
        self.options.spawn = self.options.spawn.observed(observed);
        self
    }
}

/// A task of a scope that is closed.
#[cold]
fn never<F, E>(future: F, options: SpawnOptions) -> ChildOf<F, E>
where
    F: Future + 'static,
    F::Output: ChildOutput<E>,
    E: From<Interrupt> + Send + 'static,
{
    let never = ChildFuture::<F, E>::new(future, false, AtEnd::nothing());
    let ended = Branch::spawn_ended(never, options, Interrupt::Closed);
    Child::new(ended.expect("no Arborio loop runs on this thread"))
}

impl<E> ChildBuilder<'_, E, Sent>
where
    E: From<Interrupt> + Send + 'static,
{
    /// Spawns it; as [`Scope::spawn`].
    ///
    /// # Panics
    /// If no loop runs on this thread.
    #[inline]
    pub fn spawn<F>(self, future: F) -> ChildOf<F, E>
    where
        F: Future + Send + 'static,
        F::Output: ChildOutput<E, Value: Send>,
    {
        let at_once = self.options.spawn.clone();
        let spawned = self
            .scope
            .spawn_with(future, self.options, Branch::try_spawn_sent);
        spawned.unwrap_or_else(|future| never(future, at_once))
    }

    /// Spawns it; as [`Scope::try_spawn`].
    ///
    /// # Errors
    /// [`ScopeClosed`] with the future.
    pub fn try_spawn<F>(self, future: F) -> Result<ChildOf<F, E>, ScopeClosed<F>>
    where
        F: Future + Send + 'static,
        F::Output: ChildOutput<E, Value: Send>,
    {
        let spawned = self
            .scope
            .spawn_with(future, self.options, Branch::try_spawn_sent);
        spawned.map_err(|future| ScopeClosed { future })
    }
}

impl<E> ChildBuilder<'_, E, Local>
where
    E: From<Interrupt> + Send + 'static,
{
    /// Spawns it; as [`Scope::spawn`], but the future need not be `Send`.
    ///
    /// # Panics
    /// If no loop runs on this thread.
    #[inline]
    pub fn spawn<F>(self, future: F) -> ChildOf<F, E>
    where
        F: Future + 'static,
        F::Output: ChildOutput<E>,
    {
        let at_once = self.options.spawn.clone();
        let spawned = self
            .scope
            .spawn_with(future, self.options, |branch, child, options| {
                branch.try_spawn(child, options)
            });
        spawned.unwrap_or_else(|future| never(future, at_once))
    }

    /// Spawns it; as [`Scope::try_spawn`], but the future need not be `Send`.
    ///
    /// # Errors
    /// [`ScopeClosed`] with the future.
    pub fn try_spawn<F>(self, future: F) -> Result<ChildOf<F, E>, ScopeClosed<F>>
    where
        F: Future + 'static,
        F::Output: ChildOutput<E>,
    {
        let spawned = self
            .scope
            .spawn_with(future, self.options, |branch, child, options| {
                branch.try_spawn(child, options)
            });
        spawned.map_err(|future| ScopeClosed { future })
    }
}

impl<E, Kind> fmt::Debug for ChildBuilder<'_, E, Kind> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ChildBuilder")
            .field("spawn", &self.options.spawn)
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use std::{future::pending, sync::Arc, sync::mpsc, thread, time::Duration};

    use crate::scope;

    use super::*;

    /// Longer than any machine takes; only a lock that is waited for takes longer.
    const PATIENCE: Duration = Duration::from_secs(60);

    /// Spawning on a scope of this loop is to cost no lock and no atomic read-modify-write. That no
    /// instruction of the kind is executed, also while a task runs and ends, is seen in a profile: a
    /// scope of one task and one of ten execute as many (`valgrind --tool=callgrind
    /// --dump-instr=yes`). What would bring them back is a count or a lock.
    #[test]
    fn spawning_takes_no_lock_and_counts_nothing() {
        let (tell, told) = mpsc::channel();
        thread::spawn(move || {
            let ended = arborio_executor::doc::run(scope(async |s: &Scope<()>| {
                let branch = s.0.branch().unwrap();
                let counts = || {
                    let scope = (Arc::strong_count(&s.0), Arc::weak_count(&s.0));
                    (scope, Arc::strong_count(branch), Arc::weak_count(branch))
                };
                let before = counts();
                let held = s.0.progress();
                for _ in 0..10 {
                    s.task().awaited(false).spawn(pending::<()>());
                }
                drop(held);
                assert_eq!(counts(), before);
                Ok(())
            }));
            let _ = tell.send(ended);
        });
        assert_eq!(told.recv_timeout(PATIENCE), Ok(Ok(())));
    }
}
