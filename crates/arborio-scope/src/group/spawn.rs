//! How a member's task is spawned: where its group hangs, on all workers or here.

use arborio_task::{Interrupt, SpawnOptions, Task, try_spawn, try_spawn_sent};

use super::{
    ending::MemberFuture,
    member::{Member, Running},
};
use crate::scope::AnyScope;

/// The task of a member, or why there is none.
pub(crate) type Spawn<F> = Result<Task<()>, Refused<MemberFuture<F>>>;

/// A future that was not spawned.
pub(crate) enum Refused<F> {
    /// The scope is closed, or belongs to another thread.
    Closed(F),
    /// There is no scope, and no loop runs on this thread.
    NoLoop(F),
}

/// Spawns below `scope`, or on the loop of this thread.
pub(crate) fn spawn_on<F>(
    scope: Option<&AnyScope>,
    future: MemberFuture<F>,
    options: SpawnOptions,
) -> Spawn<F>
where
    F: Future + 'static,
    F::Output: 'static,
{
    match scope {
        Some(scope) => scope.try_spawn(future, options).map_err(Refused::Closed),
        None => try_spawn(future, options).map_err(Refused::NoLoop),
    }
}

/// The same for a task that may run on every worker of a pool.
pub(crate) fn spawn_sent_on<F>(
    scope: Option<&AnyScope>,
    future: MemberFuture<F>,
    options: SpawnOptions,
) -> Spawn<F>
where
    F: Future + Send + 'static,
    F::Output: Send + Sync + 'static,
{
    match scope {
        Some(scope) => scope
            .try_spawn_sent(future, options)
            .map_err(Refused::Closed),
        None => try_spawn_sent(future, options).map_err(Refused::NoLoop),
    }
}

/// One of the two above.
pub(crate) trait Spawner<F: Future<Output: 'static>>:
    FnOnce(Option<&AnyScope>, MemberFuture<F>, SpawnOptions) -> Spawn<F>
{
}

impl<F, S> Spawner<F> for S
where
    F: Future<Output: 'static>,
    S: FnOnce(Option<&AnyScope>, MemberFuture<F>, SpawnOptions) -> Spawn<F>,
{
}

impl<T: 'static> Member<T> {
    /// It is `future`, which `spawner` spawns below `scope`, from now on.
    #[track_caller]
    pub(crate) fn run_on<F>(&self, scope: Option<&AnyScope>, future: F, spawner: impl Spawner<F>)
    where
        F: Future<Output = T> + 'static,
    {
        let future = MemberFuture::new(future, self.clone());
        match spawner(scope, future, SpawnOptions::new()) {
            Ok(task) => self.set_task(Running::Own(task)),
            Err(Refused::Closed(future)) => future.refuse(Interrupt::Closed),
            Err(Refused::NoLoop(future)) => {
                future.refuse(Interrupt::Closed);
                panic!("no Arborio loop runs on this thread: a group spawns on one");
            }
        }
    }
}
