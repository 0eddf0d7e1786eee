//! A task is made, hung on its node, and queued.

use super::SpawnOptions;
use crate::{
    cell::{TaskRef, layout_of},
    hub::Hub,
    interrupt::Interrupt,
    local::Flags,
    locals,
    node::Node,
    shared::SharedWord,
    side,
};

/// Makes a task and queues it. Two references: LIVE and JOIN.
///
/// # Safety
/// The owner calls, and ends the loop before anything that `future` borrows.
#[inline(always)]
pub(crate) unsafe fn spawn<F: Future>(hub: &Hub, future: F, options: SpawnOptions) -> TaskRef {
    // SAFETY: the root lies in the hub, which outlives the task's end.
    unsafe { spawn_on(hub, &hub.root, future, options) }
}

/// The same on any node. The task has the task-locals that are set here.
///
/// # Safety
/// As for `spawn`, and the node outlives the task's end.
#[inline(always)]
pub(crate) unsafe fn spawn_on<F: Future>(
    hub: &Hub,
    node: &Node,
    future: F,
    options: SpawnOptions,
) -> TaskRef {
    let memory = hub.cache().allocate(layout_of::<F>());
    let birth = options.birth(hub.address(), Flags::QUEUED, SharedWord::new(), 2);
    let task = TaskRef::create(memory, birth, future);
    // SAFETY: says the caller.
    unsafe { node.adopt(task) };
    hub.queue.push(task); // L1
    if locals::any() {
        inherit(hub, task);
    }
    task
}

/// `task`, which is new, gets the task-locals that are set here. They stay on this thread,
/// so a task that may leave it gets none.
#[cold]
fn inherit(hub: &Hub, task: TaskRef) {
    if hub.migrates.get() {
        return;
    }
    task.local.set(Flags::BOUND);
    side::set_values(task, locals::snapshot());
    task.become_heir();
}

/// A task that has ended before it began. One reference: JOIN.
pub(crate) fn spawn_ended<F: Future>(hub: &Hub, options: SpawnOptions, end: Interrupt) -> TaskRef {
    let memory = hub.cache().allocate(layout_of::<F>());
    let flags = Flags::DONE.and(Flags::INTERRUPTED);
    let birth = options.birth(hub.address(), flags, SharedWord::new(), 1);
    let task = TaskRef::create_ended::<F>(memory, birth, end);
    // SAFETY: as in `spawn`.
    unsafe { hub.root.adopt(task) };
    task
}

/// A task for a loop that another thread may own; it is brought there by a
/// push, which holds its PIN. Two references: LIVE and JOIN.
pub(crate) fn make_abroad<F: Future>(hub: *const Hub, future: F, options: SpawnOptions) -> TaskRef {
    let memory = crate::cache::allocate(layout_of::<F>());
    let birth = options.birth(hub, Flags::UNLINKED, SharedWord::new_in_transit(), 2);
    TaskRef::create(memory, birth, future)
}
