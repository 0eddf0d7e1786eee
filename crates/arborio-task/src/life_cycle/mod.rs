//! A task's life on its owner's thread: spawn, wake, poll, end, free.
//!
//! | file            | what happens there                                                       |
//! |-----------------|--------------------------------------------------------------------------|
//! | `options.rs`    | what is said of a task when it is spawned                                |
//! | `spawning.rs`   | it is made, hung on its node, and queued                                 |
//! | this one        | it is woken; its last reference goes, and it is freed                    |
//! | `polling.rs`    | it has its turn                                                          |
//! | `requests.rs`   | it is asked to end, or ended without being asked                         |
//! | `cancelling.rs` | it has a turn after it was asked                                         |
//! | `finishing.rs`  | its future is gone: everybody is told, and its outcome taken or dropped  |
//! | `settling.rs`   | the owner does what threads abroad have said about it                    |
//! | `closing.rs`    | the loop ends, and all its tasks do                                      |
//!
//! No function here does an atomic read-modify-write, except where a thread
//! abroad has had a part in the task before.
//!
//! User code runs inside `poll`, inside the drop of a future or an outcome, and
//! inside foreign wakers. It may call anything here again, so every word is in
//! order before it is called, and nothing that was read before is trusted
//! afterwards.

mod cancelling;
mod closing;
mod finishing;
mod options;
mod polling;
mod requests;
mod settling;
mod spawning;

use arborio_base::sync::atomic::Ordering;

use crate::{cell::TaskRef, hub::Hub, node::Node, side};

pub use options::SpawnOptions;

pub(crate) use closing::{end_tasks, leave_behind, orphan_tasks};
pub(crate) use finishing::{detach, finish, queue_done};
pub(crate) use polling::{
    run_next, run_next_around_as_worker, run_next_as_worker, run_some, run_some_around,
};
pub(crate) use requests::{abort, cancel, cancel_all};
pub(crate) use settling::{settle, settle_all, settle_permuted};
pub(crate) use spawning::{make_abroad, spawn, spawn_ended, spawn_on};

/// Futures and outcomes that are dropped inside each other, before the rest waits
/// for its turn in the queue: a chain of tasks that abort each other from their
/// destructors, or that hold each other's handles, must not use up the stack.
pub(crate) const MAX_DROP_DEPTH: u32 = 32;

/// Queues `task` if it wants to be polled and is not queued.
#[inline(always)]
pub(crate) fn wake(hub: &Hub, task: TaskRef) {
    if task.local.mark_queued() {
        hub.queue.push(task); // L1
    }
}

/// Gives one reference up.
#[inline(always)]
pub(crate) fn release(hub: &Hub, task: TaskRef) {
    if task.local.drop_reference() {
        last_local_reference(hub, task);
    }
}

/// The owner counts no reference any more. Frees the task, or finds out who
/// abroad still refers to it (S3, L4).
fn last_local_reference(hub: &Hub, task: TaskRef) {
    if task.shared.is_quiet() {
        return free(hub, task);
    }
    let taken = task.shared.take_count();
    task.local.add_references(taken.count());
    if task.local.seen().count() != 0 || taken.is_claimed() {
        return;
    }
    free(hub, task);
    if taken.is_orphan() {
        // It was submitted too late and counted the hub by itself. Relaxed: the
        // loop's own reference keeps the hub alive.
        hub.refs.fetch_sub(1, Ordering::Relaxed);
    }
}

fn free(hub: &Hub, task: TaskRef) {
    // SAFETY: the owner calls, and the cell is still allocated.
    unsafe { arborio_base::unlink(task.links()) };
    // SAFETY: nobody else refers to the task.
    unsafe { side::free(task) };
    let (memory, layout) = task.end_life();
    // SAFETY: every cell comes from the cache's allocation functions.
    unsafe { hub.cache().free(memory, layout) };
}

/// The node that `task` hangs on.
#[inline(always)]
pub(crate) fn parent_of<'a>(task: TaskRef) -> &'a Node {
    // SAFETY: a node outlives the ends of its tasks, and the owner calls.
    unsafe { &*task.parent.get() }
}
