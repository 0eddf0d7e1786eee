//! The future of a task is gone: everybody is told, and the outcome stays for the handle, goes up to the
//! node, or is dropped.

use super::{MAX_DROP_DEPTH, last_local_reference, parent_of, release};
use crate::{
    cell::TaskRef,
    endings, guests,
    hub::Hub,
    interrupt::Interrupt,
    local::{Flags, Seen},
    side,
};

/// The future is gone and the outcome stands in its place: tells everyone, and
/// gives LIVE up.
#[inline]
pub(crate) fn finish(hub: &Hub, task: TaskRef, how: Flags) {
    if how != Flags::NONE {
        if task.local.seen().any(Flags::AWAY) {
            return guests::turn_homeward(hub, task, how);
        }
        parent_of(task).child_interrupted();
        bubble_if_unobserved(task); // before a handle abroad may take it (L3)
    }
    let mut before = task.local.seen();
    if before.any(Flags::WATCHED.and(Flags::AWAY)) {
        if before.any(Flags::AWAY) {
            return guests::turn_homeward(hub, task, how);
        }
        // They see what nobody has taken. Last: who is woken above may add some, and none
        // may be left when DONE is set.
        endings::run(task, how != Flags::NONE);
        before = task.local.seen();
    }
    let asked = Flags::ABORT.and(Flags::CANCELLING).and(Flags::BY_NODE);
    let over = Flags::ENDING.and(Flags::WATCHED).and(asked);
    let seen = (task.local).change_from(before, over, Flags::DONE.and(how));
    if seen.any(Flags::DETACHED) && (how != Flags::NONE || task.drops_output()) {
        drop_outcome(hub, task);
    }
    if parent_of(task).child_ended(seen) {
        last_of_branch_ended(hub, task);
    } else {
        task.awaiter.wake(hub);
    }
    if seen.any(Flags::WAITED.and(Flags::FRAMED)) {
        tell_abroad(task, seen);
    }
    // A task that is DONE is queued only by `drop_outcome`, for a reference of
    // its own: what counts is what was seen above.
    if !seen.any(Flags::QUEUED) {
        release(hub, task); // LIVE; otherwise the place in the queue holds it
    }
}

/// The task has ended: so have its frames, and those who wait abroad are woken.
#[cold]
fn tell_abroad(task: TaskRef, seen: Seen) {
    if seen.any(Flags::WAITED) {
        side::wake_waiters(task);
    }
    side::end_frames(task);
}

/// `task` was the last of its branch: whoever waits for that is woken, too, and after
/// that the branch may be gone.
#[cold]
fn last_of_branch_ended(hub: &Hub, task: TaskRef) {
    let waiters = parent_of(task).last_ended(task);
    task.awaiter.wake(hub);
    hub.guests.let_go_of_empty();
    waiters.wake();
}

/// A panic that nobody observes goes up to the parent.
#[cold]
fn bubble_if_unobserved(task: TaskRef) {
    if task
        .local
        .seen()
        .any(Flags::OBSERVED.and(Flags::BUBBLED).and(Flags::BARE))
        || task.shared.is_subscribed()
    {
        return;
    }
    if side::is_silent(task) {
        return; // a callback has been told
    }
    // SAFETY: an interrupt is there and not taken; the owner calls before DONE
    // is set, or after the handle is gone (L3).
    if let Interrupt::Panicked(payload) = unsafe { task.interrupt() } {
        parent_of(task).bubble(payload.clone());
        task.local.set(Flags::BUBBLED);
    }
}

/// Drops the outcome of a DONE task that has no join handle any more: at once,
/// or at the task's turn if too many are being dropped inside each other.
fn drop_outcome(hub: &Hub, task: TaskRef) {
    if !endings::none_is_left(hub, task) {
        return; // its turn drops it
    }
    if hub.drop_depth.get() < MAX_DROP_DEPTH {
        hub.drop_depth.set(hub.drop_depth.get() + 1);
        drop_outcome_now(task);
        hub.drop_depth.set(hub.drop_depth.get() - 1);
    } else {
        queue_done(hub, task);
    }
}

/// Has a task that is DONE have a turn.
pub(crate) fn queue_done(hub: &Hub, task: TaskRef) {
    if !task.local.seen().any(Flags::QUEUED) {
        task.local.add_reference(); // what a place in the queue holds when DONE
        task.local.set(Flags::QUEUED);
        hub.queue.push(task); // L1
    }
}

/// Drops the outcome of a DONE task that has no join handle any more.
pub(super) fn drop_outcome_now(task: TaskRef) {
    let seen = task.local.seen();
    if seen.any(Flags::BARE) {
        return;
    }
    task.local.set(Flags::BARE);
    // SAFETY: L3: the task is DONE and DETACHED, and the owner calls.
    unsafe { task.drop_outcome(seen.any(Flags::INTERRUPTED)) };
}

/// A queued task that is DONE has its turn: does what was put off, and gives up
/// the reference that its place in the queue held.
pub(super) fn turn_of_done(hub: &Hub, task: TaskRef) {
    let seen = task.local.seen();
    if seen.any(Flags::WATCHED) && !seen.any(Flags::ENDING) {
        endings::run_late(hub, task);
    }
    if task.local.seen().any(Flags::DETACHED) {
        drop_outcome(hub, task);
    }
    release(hub, task);
}

/// The join handle is dropped on the owner's thread.
#[inline]
pub(crate) fn detach(hub: &Hub, task: TaskRef) {
    let seen = task.local.seen();
    if !seen.any(Flags::DONE) && task.awaiter.is_empty() {
        let gone = (task.local).change_and_drop(seen, Flags::OBSERVED, Flags::DETACHED);
        if gone {
            last_local_reference(hub, task); // somebody abroad counts LIVE
        }
        return;
    }
    detach_with_care(hub, task);
}

/// The same for a task that has ended, or that somebody waits for.
fn detach_with_care(hub: &Hub, task: TaskRef) {
    task.local.change(Flags::OBSERVED, Flags::DETACHED);
    task.awaiter.forget(hub);
    handle_gone(hub, task);
    release(hub, task); // JOIN
}

/// What follows from DETACHED for a task that has ended.
#[inline]
pub(super) fn handle_gone(hub: &Hub, task: TaskRef) {
    let seen = task.local.seen();
    if !seen.any(Flags::DONE) || seen.any(Flags::WATCHED) {
        return; // if it is WATCHED, its turn comes
    }
    if seen.any(Flags::INTERRUPTED) {
        bubble_if_unobserved(task);
    }
    drop_outcome(hub, task);
}
