//! Spawns on the loop that runs on this thread.

use arborio_base::drop_contained;

use crate::{
    current::{held_current, own_current},
    handle::Task,
    hub::Hub,
    interrupt::Interrupt,
    life_cycle::{self, SpawnOptions},
};

/// Spawns `future` on the loop that runs on this thread, or gives it back if
/// none does, or only one that is [embedded](crate::embedded) in a future.
///
/// The body starts when the caller has suspended, in the order of spawning. If
/// the loop is ending, the future is dropped and the task ends with
/// [`Interrupt::Stopped`].
///
/// # Errors
/// The future, if no loop runs on this thread.
///
/// # Examples
/// ```
/// let future = arborio_task::try_spawn(async {}, arborio_task::SpawnOptions::new());
/// assert!(future.is_err(), "no loop runs here");
/// ```
#[inline(always)]
pub fn try_spawn<F>(future: F, options: SpawnOptions) -> Result<Task<F::Output>, F>
where
    F: Future + 'static,
    F::Output: 'static,
{
    match held_current() {
        Some(hub) if !hub.embedded.get() => Ok(spawn(hub, future, options)),
        Some(_) => Err(future),
        None => try_spawn_as_worker(future, options),
    }
}

/// The same where no loop holds its hub: a worker may have let go of its own, and is never embedded.
#[inline(never)]
fn try_spawn_as_worker<F>(future: F, options: SpawnOptions) -> Result<Task<F::Output>, F>
where
    F: Future + 'static,
    F::Output: 'static,
{
    match own_current() {
        Some(hub) => Ok(spawn(&hub, future, options)),
        None => Err(future),
    }
}

/// As [`try_spawn`], for a future that is `Send`: its task may move to another loop of a pool
/// ([`Running::give`](crate::Running::give)).
///
/// # Errors
/// The future, if no loop runs on this thread.
///
/// # Examples
/// ```
/// let future = arborio_task::try_spawn_sent(async {}, arborio_task::SpawnOptions::new());
/// assert!(future.is_err(), "no loop runs here");
/// ```
#[inline(always)]
pub fn try_spawn_sent<F>(future: F, options: SpawnOptions) -> Result<Task<F::Output>, F>
where
    F: Future + Send + 'static,
    F::Output: Send + 'static,
{
    try_spawn(future, options.roving())
}

/// Spawns on the current loop, which holds `hub`. Always inlined: a future that is passed on is
/// copied, and spawning is little else.
#[inline(always)]
pub(super) fn spawn<F>(hub: &Hub, future: F, options: SpawnOptions) -> Task<F::Output>
where
    F: Future + 'static,
    F::Output: 'static,
{
    if hub.closing.get() {
        return spawn_stopped(hub, future, options);
    }
    // SAFETY: this thread is the owner, and the future borrows nothing.
    let task = unsafe { life_cycle::spawn(hub, future, options) };
    // SAFETY: the future's output is an `F::Output`.
    unsafe { Task::new(task) }
}

/// The same on a loop that is ending.
#[cold]
pub(super) fn spawn_stopped<F: Future>(
    hub: &Hub,
    future: F,
    options: SpawnOptions,
) -> Task<F::Output> {
    drop_contained(future);
    let task = life_cycle::spawn_ended::<F>(hub, options, Interrupt::Stopped);
    // SAFETY: the future's output is an `F::Output`.
    unsafe { Task::new(task) }
}
