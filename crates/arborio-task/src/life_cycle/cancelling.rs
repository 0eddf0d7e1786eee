//! The turn of a task that was asked to end: its frames are asked, and it is
//! polled until they have answered.
//!
//! # States, beside ABORT
//! | flag       | meaning                                   | next                     |
//! |------------|-------------------------------------------|--------------------------|
//! | (none)     | the request was noted, nobody was asked   | `begin`                  |
//! | CANCELLING | handlers were asked                       | withdrawn, or the end    |
//!
//! A request that comes after all have swallowed the one before, and before the turn has
//! seen that, is a new one: the handlers are asked anew, without a withdrawal.

use std::task::Poll;

use arborio_base::budget;

use super::{
    finish,
    polling::{after_panic, poll},
    requests::end_by_request,
    wake,
};
use crate::{
    around,
    cell::TaskRef,
    frames::{Next, root},
    hub::Hub,
    local::Flags,
    request,
    side::Manner,
};

/// A task whose handlers answer at once is polled so often in one turn; then the
/// others have theirs.
const POLLS_PER_TURN: u32 = 32;

/// A task with ABORT has its turn.
#[cold]
pub(super) fn turn(hub: &Hub, task: TaskRef) {
    let seen = task.local.seen();
    if seen.any(Flags::INSISTS) && !seen.any(Flags::STARTED) {
        task.local.set(Flags::STARTED);
        if request::manner(task) != Some(Manner::Force) && !poll_once(hub, task) {
            return;
        }
    }
    let next = match begin(task) {
        Next::Wait => Next::Poll, // it is its turn all the same
        next => next,
    };
    go_on(hub, task, next);
}

/// A task was asked to end while it was being polled, and is pending.
#[cold]
pub(super) fn asked_while_polled(hub: &Hub, task: TaskRef) {
    let next = if task.local.seen().any(Flags::CANCELLING) {
        root::settle(task)
    } else {
        begin(task)
    };
    go_on(hub, task, next);
}

/// Asks the handlers, unless that was done in an earlier turn.
fn begin(task: TaskRef) -> Next {
    let seen = task.local.seen();
    if seen.any(Flags::CANCELLING) {
        return Next::Poll;
    }
    if !seen.any(Flags::STARTED) || request::manner(task) == Some(Manner::Force) {
        return Next::Drop;
    }
    task.local.set(Flags::CANCELLING);
    root::request(task)
}

fn go_on(hub: &Hub, task: TaskRef, mut next: Next) {
    for _ in 0..POLLS_PER_TURN {
        if request::manner(task) == Some(Manner::Force) {
            next = Next::Drop;
        }
        match next {
            Next::Wait => return,
            Next::Drop => return end_by_request(hub, task),
            Next::Withdraw if request::is_asked_anew(task) => {
                next = root::request(task);
                continue;
            }
            Next::Withdraw => return withdraw(hub, task),
            Next::Poll => {}
        }
        if !poll_once(hub, task) {
            return;
        }
        next = root::settle(task);
    }
    wake(hub, task);
}

/// Polls the task; false if that ended it.
fn poll_once(hub: &Hub, task: TaskRef) -> bool {
    budget::refill();
    hub.polling.set(task); // L5
    let polled = around::poll_at(hub, task, poll);
    if polled.is_err() {
        task.local.set(Flags::ENDING); // its future has yet to be dropped
    }
    hub.polling.clear();
    match polled {
        Ok(Poll::Pending) => return true,
        Ok(Poll::Ready(())) => finish(hub, task, Flags::NONE),
        Err(raised) => after_panic(hub, task, raised),
    }
    false
}

/// The request was swallowed: the task goes on as if nothing had happened.
fn withdraw(hub: &Hub, task: TaskRef) {
    hub.withdrawn.set(true);
    task.local.clear(Flags::ABORT.and(Flags::CANCELLING));
}
