//! What a task does with a request that was made of it: it is the outermost
//! origin of its frames.
//!
//! The caller of these is the owner of the task ([`super::table`], B1), except for
//! [`notice`].

use std::task::Waker;

use arborio_base::{contain, drop_contained};

use super::{asking::Next, table::Table};
use crate::{
    abroad,
    cell::TaskRef,
    interrupt::{Interrupt, Reason},
    life_cycle,
    local::Flags,
    request, side,
    tasks::current_task,
    waker::{own_hub, task_of},
};

/// Puts the request in force: what next?
pub(crate) fn request(task: TaskRef) -> Next {
    // SAFETY: the owner of the task calls (B1).
    ask_frames(task, |table| unsafe { table.request() })
}

/// The task is pending after a poll, and the request is in force: what next?
pub(crate) fn settle(task: TaskRef) -> Next {
    // SAFETY: the owner of the task calls (B1).
    ask_frames(task, |table| unsafe { table.settle() })
}

fn ask_frames(task: TaskRef, ask: impl FnOnce(&Table) -> (Next, Vec<Waker>)) -> Next {
    // SAFETY: null, or the task's table, which lives as long as the task.
    let Some(table) = (unsafe { side::frames(task).as_ref() }) else {
        return Next::Drop;
    };
    let (next, wakers) = ask(table);
    for waker in wakers {
        // The caller polls the task at once, so those whom it polls with its own waker
        // have their turn then: waking it would only bring another one.
        if next == Next::Poll && task_of(&waker) == Some(task) {
            drop_contained(waker);
        } else {
            contain(|| waker.wake());
        }
    }
    next
}

/// Why the task that is being polled was asked to end, if it was, and that is known.
///
/// # Examples
/// ```
/// assert!(arborio_task::frames::asked_because().is_none(), "no task is being polled");
/// ```
pub fn asked_because() -> Option<Reason> {
    let task = current_task()?;
    task.local.seen().any(Flags::ABORT).then_some(())?;
    match request::request(task)? {
        Interrupt::Cancelled(reason) => Some(reason),
        Interrupt::Stopped => own_hub(task)?.stop_reason.get().cloned(),
        _ => None,
    }
}

/// A frame of `task` was dropped outside of its tree, and has left a note.
pub(crate) fn notice(task: TaskRef) {
    match own_hub(task) {
        Some(hub) => {
            if look(task) {
                life_cycle::wake(&hub, task);
            }
        }
        None => abroad::notice(task),
    }
}

/// Reads what frames of the task have left that were dropped outside of its tree.
/// Whether a request of the task itself is in force, which may go on now.
#[cold]
pub(crate) fn look(task: TaskRef) -> bool {
    // SAFETY: null, or the task's table, which lives as long as the task.
    let table = unsafe { side::frames(task).as_ref() };
    // SAFETY: see the head of this file.
    table.is_some_and(|table| unsafe { table.heard_by_root() }.in_force)
}

/// A handler has swallowed a request: if that was one of the task that is being polled, and
/// all who were asked have done so, a request that comes from now on is a new one.
#[cold]
pub(super) fn swallowed() {
    let asked = |task: &TaskRef| task.local.seen().any(Flags::CANCELLING);
    if let Some(task) = current_task().filter(asked)
        && is_swallowed(task)
    {
        request::swallow(task);
    }
}

/// Whether all who were asked have swallowed the request of `task`, which is being polled.
fn is_swallowed(task: TaskRef) -> bool {
    // SAFETY: null, or the task's table, which lives as long as the task.
    let table = unsafe { side::frames(task).as_ref() };
    // SAFETY: see the head of this file.
    table.is_some_and(|table| unsafe { table.heard_by_root() }.is_taken_back())
}

/// Whether the request that was made of `task`, which is being polled, was taken back by
/// all who were asked, and there is no other. That is noted when the poll is over; nobody
/// need wait for it.
pub(crate) fn is_taken_back(task: TaskRef) -> bool {
    is_swallowed(task) && request::manner(task).is_none()
}
