//! What code asks that runs on the thread of a loop: which loop, which task, and what is known
//! of them.

use crate::{
    cell::TaskRef,
    current::{current, own_current},
    interrupt::Requester,
    local::Flags,
    side,
    tree::{TaskInfo, Tree, walk},
};

/// The tree of the loop that runs on this thread: its scopes, and the tasks that have
/// not ended. Empty if no loop runs here; see [`Tree`] for what can be asked of it.
///
/// # Examples
/// ```
/// assert!(arborio_task::tree().is_empty(), "no loop runs here");
/// ```
pub fn tree() -> Tree {
    own_current().map_or_else(Tree::default, |hub| walk::from_root(&hub, None))
}

/// The same without the task whose code runs, and what hangs on that: for one that only looks.
///
/// # Examples
/// ```
/// use arborio_task::{NoNotify, SpawnOptions, Tasks, tree, tree_around, try_spawn};
/// let tasks = Tasks::new(std::sync::Arc::new(NoNotify));
/// let main = async {
///     let look = async { (tree().tasks().count(), tree_around().tasks().count()) };
///     try_spawn(look, SpawnOptions::new()).ok().unwrap().await.unwrap()
/// };
/// let (_, seen) = tasks.run_main(main, |running| while running.run_next() {});
/// assert_eq!(seen.unwrap(), (2, 1));
/// ```
pub fn tree_around() -> Tree {
    let look = current_task();
    own_current().map_or_else(Tree::default, |hub| walk::from_root(&hub, look))
}

/// Whether a loop runs on this thread, be it one that is [embedded](crate::embedded) in a future.
///
/// # Examples
/// ```
/// assert!(!arborio_task::is_running());
/// ```
pub fn is_running() -> bool {
    !current().is_null()
}

/// How many tasks the loop that runs on this thread still waits for, this one
/// included; `None` if no loop does.
///
/// # Examples
/// ```
/// assert!(arborio_task::pending().is_none(), "no loop runs here");
/// ```
pub fn pending() -> Option<usize> {
    own_current().map(|hub| hub.root.pending())
}

/// The task that runs on this thread, as the author of a request.
pub(crate) fn running_task() -> Option<Requester> {
    let task = current_task()?;
    Some(Requester::Task {
        name: side::name(task),
        spawned_at: task.spawned_at,
    })
}

/// Whether somebody looks after the outcome of the task that is being polled: its
/// handle is polled, or it was spawned [observed](crate::SpawnOptions::observed).
pub fn is_observed() -> bool {
    let observed = |task: TaskRef| {
        task.local.seen().any(Flags::OBSERVED) || task.shared.is_subscribed() // in this poll
    };
    current_task().is_some_and(observed)
}

/// Whether a callback looks after the outcome of the task that is being polled
/// ([`Task::on_done`](crate::Task::on_done)): then it is nobody else's.
pub fn is_taken_over() -> bool {
    current_task().is_some_and(side::is_silent)
}

/// What is known of the task whose code runs on this thread. `None` outside of every
/// task.
pub fn current_info() -> Option<TaskInfo> {
    let task = current_task()?;
    TaskInfo::of(&*own_current()?, task)
}

/// Whether the code that runs on this thread belongs to a task whose future is being
/// dropped before it was ready.
pub fn is_dropping() -> bool {
    // SAFETY: a current hub is alive, and this thread is its owner.
    unsafe { current().as_ref() }.is_some_and(|hub| hub.ending.get().is_some())
}

/// The task whose code runs on this thread: the innermost one whose future is
/// being dropped by request, or the one that is being polled.
#[inline]
pub(crate) fn current_task() -> Option<TaskRef> {
    let hub = current();
    // SAFETY: a current hub is alive, and this thread is its owner.
    let hub = unsafe { hub.as_ref() }?;
    hub.ending.get().or(hub.polling.get())
}
