//! What a task does with a request that was made of it: it is the outermost
//! origin of its frames.
//!
//! The caller is the owner of the task, in its turn, outside of its poll: so it
//! is inside the tree, and nobody else is ([`super::table`], B1).

use std::task::Waker;

use arborio_base::contain;

use super::slots::{Asker, Next, Slots};
use crate::{cell::TaskRef, side};

/// Puts the request in force: what next?
pub(crate) fn request(task: TaskRef) -> Next {
    with_frames(task, |slots| slots.request(Asker::Root))
}

/// The task is pending after a poll, and the request is in force: what next?
pub(crate) fn settle(task: TaskRef) -> Next {
    with_frames(task, |slots| slots.settle(Asker::Root, true))
}

fn with_frames(task: TaskRef, touch: impl FnOnce(&mut Slots) -> (Next, Vec<Waker>)) -> Next {
    // SAFETY: null, or the task's table, which lives as long as the task.
    let Some(table) = (unsafe { side::frames(task).as_ref() }) else {
        return Next::Drop;
    };
    // SAFETY: see the head of this file.
    let (next, wakers) = unsafe { table.with(touch) };
    for waker in wakers {
        contain(|| waker.wake());
    }
    next
}
