//! A task is asked to end, alone or with all of its node, or is ended without being asked: when its
//! future may be dropped, and what stands in its place.

use super::{MAX_DROP_DEPTH, finish, polling::caught, settling::link, wake};
use crate::{
    abroad,
    cell::TaskRef,
    hub::Hub,
    interrupt::{Interrupt, Payload},
    local::Flags,
    locals,
    node::Node,
    request,
    side::{self, Manner},
};

/// Ends `task` as soon as possible: at once, unless it is being polled (then
/// when the poll returns), or too many ends are under way inside each other
/// (then at its turn).
pub(crate) fn abort(hub: &Hub, task: TaskRef, end: Interrupt) {
    link(hub, task);
    let seen = task.local.seen();
    if seen.any(Flags::DONE) {
        return;
    }
    let busy = seen.any(Flags::ENDING) || hub.polling.get() == Some(task);
    let deep = hub.drop_depth.get() >= MAX_DROP_DEPTH;
    if !busy && !deep {
        let first = seen.any(Flags::ABORT).then(|| request::take(task));
        return interrupt(hub, task, first.flatten().unwrap_or(end));
    }
    request::note(task, end, Manner::Force);
    task.local.set(Flags::ABORT);
    if deep {
        wake(hub, task);
    }
}

/// Asks `task` to end: its handlers at its turn.
pub(crate) fn cancel(hub: &Hub, task: TaskRef, end: Interrupt) {
    link(hub, task);
    let seen = task.local.seen();
    if seen.any(Flags::DONE) {
        return;
    }
    request::note(task, end, Manner::Ask);
    ask(hub, task);
}

/// Asks every task of `node` to end but `spared`, and those that have: their handlers at
/// their turns. Runs no user code.
pub(crate) fn cancel_all(hub: &Hub, node: &Node, end: Interrupt, spared: Option<TaskRef>) {
    let other = node.leave_request(end);
    let mut next = node.children.first();
    while let Some(links) = next {
        // SAFETY: in this list: nothing has run meanwhile.
        next = unsafe { node.children.after(links) };
        let task = TaskRef::from_links(links);
        let seen = task.local.seen();
        if seen.any(Flags::DONE) || spared == Some(task) {
            continue;
        }
        if seen.any(Flags::AWAY) {
            if let Some(end) = other.clone().or_else(|| node.request()) {
                abroad::end(task, end, Manner::Ask);
            }
            continue;
        }
        if other.is_none() && !seen.any(Flags::ABORT) && !side::has_record(task) {
            task.local.set(Flags::BY_NODE); // Q2 of `request`
            ask(hub, task);
        } else if let Some(end) = other.clone().or_else(|| node.request()) {
            cancel(hub, task, end);
        }
    }
}

/// The request to ask `task` has been noted.
fn ask(hub: &Hub, task: TaskRef) {
    task.local.set(Flags::ABORT);
    let busy = task.local.seen().any(Flags::ENDING) || hub.polling.get() == Some(task);
    if !busy {
        wake(hub, task);
    }
}

/// A thread abroad has asked `task` to end.
pub(super) fn asked_abroad(hub: &Hub, task: TaskRef) {
    if task.local.seen().any(Flags::DONE) {
        return;
    }
    if crate::frames::root::look(task) {
        wake(hub, task); // what it was told by a dropped frame is for its turn
    }
    match request::manner(task) {
        None => {} // no request, or one that was swallowed meanwhile
        Some(Manner::Ask) => ask(hub, task),
        Some(Manner::Force) => {
            let end = request::take(task).unwrap_or(Interrupt::Stopped);
            abort(hub, task, end);
        }
    }
}

/// Ends `task` as it was asked to.
#[cold]
pub(super) fn end_by_request(hub: &Hub, task: TaskRef) {
    let end = if is_forgotten(task) {
        task.local.clear(Flags::BY_NODE); // the reason need not be fetched
        None
    } else {
        request::take(task)
    };
    interrupt(hub, task, end.unwrap_or(Interrupt::Stopped));
}

/// Drops the future of `task`, which is not DONE and not being polled, and
/// puts `end` in its place, unless nobody will look there. If its destructor panics, that is
/// the outcome.
fn interrupt(hub: &Hub, task: TaskRef, end: Interrupt) {
    task.local.set(Flags::ENDING);
    hub.drop_depth.set(hub.drop_depth.get() + 1);
    let outer = hub.ending.replace(Some(task));
    // The code that asks for this may have task-locals, which are not those of `task`.
    // SAFETY: the owner calls; ENDING keeps everyone else from the future (L5).
    let dropped = caught(|| locals::outside(|| unsafe { task.drop_future() }));
    hub.ending.set(outer);
    let end = match dropped {
        Ok(()) if is_forgotten(task) => None,
        Ok(()) => Some(end),
        Err(raised) => Some(Interrupt::Panicked(Payload::of(Some(task), raised))),
    };
    match end {
        // SAFETY: the future is gone.
        Some(end) => unsafe { task.write_interrupt(end) },
        None => task.local.set(Flags::BARE),
    }
    finish(hub, task, Flags::INTERRUPTED);
    hub.drop_depth.set(hub.drop_depth.get() - 1); // awaiters may abort, too
}

/// Whether nobody has a handle of `task`, or was promised its outcome, and nothing is noted
/// of it that would have to be dropped.
fn is_forgotten(task: TaskRef) -> bool {
    let seen = task.local.seen();
    seen.any(Flags::DETACHED) && !seen.any(Flags::WATCHED) && !side::has_record(task)
}
