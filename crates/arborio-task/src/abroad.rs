//! What threads other than the owner do to a task.
//!
//! Each operation is one change of the shared word ([`crate::shared`]) and then
//! the duty that the change names: push, free, or answer the messages that a
//! closed inbox can no longer bring to the owner.

use arborio_base::sync::atomic::Ordering;

use crate::{
    cache,
    cell::TaskRef,
    endings::{self, Order},
    hub::Hub,
    inbox::Pushed,
    interrupt::Interrupt,
    local::Flags,
    shared::{AfterDrop, AfterSend, Message, Unpinned},
    side::{self, Manner},
};

/// `Waker::wake`: gives the reference up.
pub(crate) fn wake(task: TaskRef) {
    match task.shared.send(Message::WAKE, true) {
        AfterSend::Nothing => {}
        AfterSend::Push => push(task),
        AfterSend::Orphan => release(task),
    }
}

/// `Waker::wake_by_ref`.
pub(crate) fn wake_by_ref(task: TaskRef) {
    if task.shared.send(Message::WAKE, false) == AfterSend::Push {
        push(task);
    }
}

/// Gives one reference up.
pub(crate) fn release(task: TaskRef) {
    match task.shared.drop_abroad() {
        AfterDrop::Nothing => {}
        AfterDrop::Push => push(task),
        AfterDrop::Free => free(task),
    }
}

/// Asks the owner to end the task.
pub(crate) fn end(task: TaskRef, end: Interrupt, manner: Manner) {
    if task.local.seen_abroad().any(Flags::DONE) {
        return;
    }
    side::request_end(task, end, manner);
    if task.shared.send(Message::ABORT, false) == AfterSend::Push {
        push(task);
    }
}

/// Has the owner carry `order` out. If the loop is over this thread does what is left to do.
pub(crate) fn order(task: TaskRef, order: Order) {
    side::add_order(task, order);
    match task.shared.send(Message::ABORT, false) {
        AfterSend::Nothing => {}
        AfterSend::Push => push(task),
        AfterSend::Orphan => endings::carry_out_alone(task),
    }
}

/// A frame of the task was dropped here: asks the owner to look at what it left.
pub(crate) fn notice(task: TaskRef) {
    if task.shared.send(Message::ABORT, false) == AfterSend::Push {
        push(task);
    }
}

/// Gives the join handle up. The owner drops the outcome, so that a destructor
/// runs where the task ran; only if there is no owner left does this thread.
pub(crate) fn detach(task: TaskRef) {
    side::drop_waiters(task);
    match task.shared.send(Message::DETACH, true) {
        AfterSend::Nothing => {}
        AfterSend::Push => push(task),
        AfterSend::Orphan => {
            drop_outcome(task);
            release(task);
        }
    }
}

/// Asks the owner to call the waiters of the side record when the task ends.
/// False if the loop is over: the outcome is there.
#[must_use]
pub(crate) fn subscribe(task: TaskRef) -> bool {
    match task.shared.send(Message::SUBSCRIBE, false) {
        AfterSend::Nothing => true,
        AfterSend::Push => {
            push(task);
            true
        }
        AfterSend::Orphan => false,
    }
}

/// Brings `task`, whose PIN the caller has set, to its owner; or does what the
/// owner no longer can.
fn push(task: TaskRef) {
    // SAFETY: a pinned task's hub is alive until the push has succeeded: the
    // owner frees neither before it has settled the task.
    if unsafe { Hub::push(task.hub(), task) } == Pushed::Closed {
        unpin(task);
    }
}

/// Clears the PIN of a task whose loop is over, and answers what was asked.
fn unpin(task: TaskRef) {
    loop {
        match task.shared.unpin() {
            // Otherwise the owner wakes them when what comes first has been done.
            Unpinned::WakeWaiters if task.local.seen_abroad().any(Flags::WATCHED) => {}
            Unpinned::WakeWaiters => side::wake_waiters_unless_ordered(task),
            Unpinned::Done => return,
            Unpinned::Free => return free(task),
        }
    }
}

/// Drops the outcome of an orphaned task, whose join handle is the caller's.
fn drop_outcome(task: TaskRef) {
    // The loop orphaned the task after it had ended, which `send` acquired.
    let seen = task.local.seen_abroad();
    debug_assert!(seen.any(Flags::DONE), "a closed loop has ended its tasks");
    if !seen.any(Flags::BARE) {
        // SAFETY: L3: the task is DONE, its handle is the caller's, and no
        // owner is left.
        unsafe { task.drop_outcome(seen.any(Flags::INTERRUPTED)) };
    }
}

/// Frees a task that its loop left behind.
fn free(task: TaskRef) {
    let hub = task.hub();
    free_memory(task);
    // SAFETY: the hub counted this task when it was orphaned.
    unsafe { Hub::release(hub) };
}

/// Frees the cell alone. Nobody refers to it, and it is in no list that will
/// be used again.
pub(crate) fn free_memory(task: TaskRef) {
    // SAFETY: nobody refers to the task (S4).
    unsafe { side::free(task) };
    let (memory, layout) = task.end_life();
    // SAFETY: every cell comes from the cache's allocation functions.
    unsafe { cache::free(memory, layout) };
}

/// The loop is over and `task` is one that it never saw: the submitter ends it
/// alone and keeps only the join handle's reference.
pub(crate) fn end_unseen(task: TaskRef, end: Interrupt) {
    // SAFETY: the maker owns the task alone, and its future was not touched.
    arborio_base::contain(|| unsafe { task.drop_future() });
    // SAFETY: the future is gone.
    unsafe { task.write_interrupt(end) };
    task.local.reset(Flags::DONE.and(Flags::INTERRUPTED));
    // SAFETY: the submitter holds a reference to the hub.
    let hub = unsafe { &*task.hub() };
    #[cfg(loom)]
    hub.check_life();
    // Relaxed: the submitter's own reference keeps the hub alive meanwhile.
    hub.refs.fetch_add(1, Ordering::Relaxed);
    task.shared.reset_to_orphan();
}
