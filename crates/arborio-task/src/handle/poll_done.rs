//! Whether the task of a handle has ended and its outcome is to be had, on its own thread or abroad; and
//! who is woken when it has.

use std::task::{Context, Poll};

use arborio_base::Process;

use crate::{
    abroad, cell::TaskRef, current::held, endings, hub::Hub, local::Flags, side, waker::own_hub,
};

/// Who polls a handle.
#[derive(Clone, Copy)]
pub(super) enum Poller {
    /// Whoever has the handle to itself.
    Only,
    /// One of those who share it, by its number.
    Sharing(usize),
}

/// What a poll of a handle has found.
#[must_use]
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Found {
    /// The task is DONE.
    Done,
    /// It will never be: its loop is in the parent of this forked process.
    Lost,
}

/// Ready once the task is DONE, or lost; otherwise notes that the task of `cx` waits.
#[inline]
pub(super) fn poll_done(task: TaskRef, poller: Poller, cx: &mut Context<'_>) -> Poll<Found> {
    match held(task.hub()) {
        Some(hub) => poll_done_here(hub, task, poller, cx),
        None => poll_done_elsewhere(task, poller, cx),
    }
}

#[inline(never)]
fn poll_done_elsewhere(task: TaskRef, poller: Poller, cx: &mut Context<'_>) -> Poll<Found> {
    match own_hub(task) {
        Some(hub) => poll_done_here(&hub, task, poller, cx),
        None => poll_done_abroad(task, poller, cx),
    }
}

#[inline]
fn poll_done_here(hub: &Hub, task: TaskRef, poller: Poller, cx: &mut Context<'_>) -> Poll<Found> {
    let seen = task.local.seen();
    if seen.any(Flags::DONE) && (endings::none_is_left(hub, task) || endings::hurry(hub, task)) {
        return Poll::Ready(Found::Done);
    }
    if !seen.any(Flags::OBSERVED) {
        task.local.set(Flags::OBSERVED);
    }
    match poller {
        Poller::Only => task.awaiter.register_only(hub, cx.waker()),
        Poller::Sharing(number) => task.awaiter.register(hub, number, cx.waker()),
    }
    // Cloning a foreign waker may have run anything, even this task's end.
    if task.local.seen().any(Flags::DONE) && endings::none_is_left(hub, task) {
        task.awaiter.forget(hub);
        return Poll::Ready(Found::Done);
    }
    Poll::Pending
}

#[cold]
fn poll_done_abroad(task: TaskRef, poller: Poller, cx: &mut Context<'_>) -> Poll<Found> {
    if is_to_be_had_abroad(task) {
        return Poll::Ready(Found::Done);
    }
    if is_lost(task) {
        return Poll::Ready(Found::Lost);
    }
    match poller {
        Poller::Only => side::register_only(task, cx.waker()),
        Poller::Sharing(number) => side::register(task, number, cx.waker()),
    }
    if abroad::subscribe(task) {
        return Poll::Pending;
    }
    Poll::Ready(Found::Done)
}

/// Whether the outcome of a task that is DONE is to be had now.
pub(super) fn is_to_be_had(task: TaskRef) -> bool {
    match own_hub(task) {
        Some(hub) => endings::none_is_left(&hub, task) || endings::hurry(&hub, task),
        None => is_to_be_had_abroad(task),
    }
}

/// Whether the outcome of `task` is there, and no callback is to look at it first.
fn is_to_be_had_abroad(task: TaskRef) -> bool {
    if side::has_callbacks(task) {
        return false;
    }
    let seen = task.local.seen_abroad(); // afterwards: E2 of `endings`
    seen.any(Flags::DONE) && !seen.any(Flags::WATCHED)
}

/// Whether the loop of `task`, in this child of a fork, is one of the parent, and not that of this thread.
#[cold]
pub(crate) fn is_lost(task: TaskRef) -> bool {
    // SAFETY: at every moment a task refers to a hub that is alive, so it does in the copy; and in
    // this process no loop of the parent goes on, which could send the task to another one.
    Process::is_forked() && unsafe { &*task.hub() }.is_forked()
}
