//! A task has its turn: its future is polled, with nobody around that or with somebody, and as a worker
//! that lets go of its hub meanwhile.

use std::{
    any::Any,
    panic::{AssertUnwindSafe, catch_unwind},
    task::{Context, Poll},
};

use arborio_base::{budget, sync::atomic::Ordering};

use super::{
    cancelling,
    finishing::{finish, turn_of_done},
    wake,
};
use crate::{
    around::{self, Subject},
    cell::{FutureGone, TaskRef},
    current, guests,
    hub::Hub,
    interrupt::{Interrupt, Payload},
    local::Flags,
    waker,
};

/// Polls ready tasks, oldest first, until none is left, `limit` were polled, or
/// the root calls for attention. Returns how many were polled.
///
/// A function of its own, never inlined: how its loop is laid out then does not
/// depend on the executor around it.
#[inline(never)]
pub(crate) fn run_some(hub: &Hub, limit: u32) -> u32 {
    run_some_with(hub, limit, run_next_alone)
}

/// The same with somebody around each poll.
#[cold]
#[inline(never)]
pub(crate) fn run_some_around(hub: &Hub, limit: u32) -> u32 {
    run_some_with(hub, limit, run_next_around)
}

#[inline(always)]
fn run_some_with(hub: &Hub, limit: u32, run_next: impl Fn(&Hub) -> bool) -> u32 {
    let mut polls = 0;
    hub.polling.begin_slice();
    while polls < limit && run_next(hub) {
        polls += 1;
        if hub.root.wants_attention() {
            break;
        }
    }
    hub.meter.add_polls(polls);
    polls
}

/// Polls the task that has waited longest. False if none is ready.
#[inline(always)]
pub(crate) fn run_next(hub: &Hub) -> bool {
    match hub.around.get() {
        None => run_next_alone(hub),
        Some(_) => run_next_around(hub),
    }
}

#[inline(always)]
fn run_next_alone(hub: &Hub) -> bool {
    run_next_with(hub, poll)
}

/// The same with somebody around the poll.
#[cold]
fn run_next_around(hub: &Hub) -> bool {
    run_next_with(hub, |task| around::poll_at(hub, task, poll))
}

/// The same for a worker, which lets go of its hub meanwhile.
#[inline(always)]
pub(crate) fn run_next_as_worker(hub: &Hub) -> bool {
    run_next_with(hub, |task| let_go_to(hub, task, || poll(task)))
}

/// The same with somebody around the poll, who does not have the hub, either.
#[cold]
pub(crate) fn run_next_around_as_worker(hub: &Hub) -> bool {
    run_next_with(hub, |task| {
        let Some(around) = hub.around.get() else {
            return let_go_to(hub, task, || poll(task));
        };
        let subject = Subject::of(task);
        let_go_to(hub, task, || subject.poll(&**around, task, poll))
    })
}

/// Lets go of the hub of a worker as long as `poll`, that of `task`, takes.
#[inline(always)]
fn let_go_to<R>(hub: &Hub, task: TaskRef, poll: impl FnOnce() -> R) -> R {
    // Relaxed: only we count.
    let polls = hub.polls.load(Ordering::Relaxed);
    hub.polls.store(polls.wrapping_add(1), Ordering::Relaxed);
    current::let_go(hub);
    let polled = poll();
    current::take_back(hub);
    if hub.polling.take_woken() {
        wake(hub, task);
    }
    polled
}

#[inline(always)]
fn run_next_with(
    hub: &Hub,
    poll: impl FnOnce(TaskRef) -> Result<Poll<()>, Box<dyn Any + Send>>,
) -> bool {
    let Some(task) = hub.queue.pop() else {
        return false;
    };
    let seen = task.local.seen();
    if seen.any(Flags::DONE.and(Flags::ABORT)) {
        turn_of_ended(hub, task);
        return true;
    }
    task.local.change_from(seen, Flags::QUEUED, Flags::STARTED);
    budget::refill();
    hub.polling.set(task); // L5
    let polled = poll(task);
    if polled.is_err() {
        task.local.set(Flags::ENDING); // its future has yet to be dropped
    }
    hub.polling.clear();
    match polled {
        Ok(Poll::Pending) if task.local.seen().any(Flags::ABORT) => {
            cancelling::asked_while_polled(hub, task);
        }
        Ok(Poll::Pending) => {}
        Ok(Poll::Ready(())) => finish(hub, task, Flags::NONE),
        Err(raised) => after_panic(hub, task, raised),
    }
    true
}

/// Polls the future of `task` and catches its panic.
#[inline(always)]
pub(super) fn poll(task: TaskRef) -> Result<Poll<()>, Box<dyn Any + Send>> {
    let waker = waker::borrowed(task);
    let mut cx = Context::from_waker(&waker);
    // SAFETY: the owner calls; the task is not DONE, and everyone else keeps
    // from the future of the task that is being polled (L5).
    caught(|| unsafe { task.poll(&mut cx) })
}

/// Runs user code and catches its panic; a model's failure is let through.
#[inline(always)]
pub(super) fn caught<R>(code: impl FnOnce() -> R) -> Result<R, Box<dyn Any + Send>> {
    let caught = catch_unwind(AssertUnwindSafe(code));
    #[cfg(loom)]
    let caught = caught.map_err(|raised| {
        if !raised.is::<crate::life::UserPanic>() {
            std::panic::resume_unwind(raised);
        }
        raised
    });
    caught
}

#[cold]
pub(super) fn after_panic(hub: &Hub, task: TaskRef, raised: Box<dyn Any + Send>) {
    let raised = match raised.downcast::<FutureGone>() {
        Ok(gone) => gone.0,
        Err(raised) => {
            let outer = hub.ending.replace(Some(task));
            // SAFETY: the poll is over, and nobody will touch the future again.
            arborio_base::contain(|| unsafe { task.drop_future() });
            hub.ending.set(outer);
            raised
        }
    };
    // SAFETY: the future is gone.
    unsafe { task.write_interrupt(Interrupt::Panicked(Payload::of(Some(task), raised))) };
    finish(hub, task, Flags::INTERRUPTED);
}

/// A queued task has ended, or shall end.
#[cold]
fn turn_of_ended(hub: &Hub, task: TaskRef) {
    task.local.clear(Flags::QUEUED);
    let seen = task.local.seen();
    if seen.any(Flags::DONE) {
        turn_of_done(hub, task);
    } else if seen.any(Flags::HOMEWARD) {
        guests::go_home(hub, task);
    } else {
        cancelling::turn(hub, task);
    }
}
