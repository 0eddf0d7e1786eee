//! Workers for the models: what `event_loop` does with its seat, without a world outside and without time.

use arborio_base::sync::atomic::Ordering;
use arborio_task::Running;

use super::{Ending, SEARCH, Seat, Team};
use crate::park::{Park, Passed, Wait};

/// There is no world outside.
struct Nowhere;

impl Park for Nowhere {
    fn pass(&mut self, _wait: Wait) -> Passed {
        Passed::Looked
    }
}

/// Drives the loop of `seat` to its end; `sleep` returns when its notifier was called.
pub fn drive(seat: &Seat, running: &Running<'_>, sleep: &dyn Fn()) {
    loop {
        if poll_ready(seat, running) {
            return;
        }
        let found = seat.search(running, &mut Nowhere);
        if found {
            continue;
        }
        if seat.may_end() && is_over(seat, running) {
            return;
        }
        seat.lie_down();
        if running.try_sleep() {
            sleep();
            running.wake_up();
        }
        seat.rise();
        count(seat, running);
        if running.has_ready() {
            seat.leave_search();
        }
    }
}

/// True if that was the end.
fn poll_ready(seat: &Seat, running: &Running<'_>) -> bool {
    loop {
        running.take_mail();
        count(seat, running);
        if running.has_ready() {
            seat.leave_search();
        }
        let polled = running.run_until(1, |_| true);
        if seat.is_wanted(running) {
            seat.offer(running, false);
        }
        if running.take_attention() && is_over(seat, running) {
            return true;
        }
        if polled == 0 && !running.has_ready() && !running.has_mail() {
            return false;
        }
    }
}

fn count(seat: &Seat, running: &Running<'_>) {
    if seat.count(running, running.take_arrivals()) {
        seat.report_quiet();
    }
}

fn is_over(seat: &Seat, running: &Running<'_>) -> bool {
    if running.pending() == 0 {
        running.take_mail();
    }
    count(seat, running);
    let over = running.pending() == 0 && seat.may_end();
    if over {
        seat.team().end(Ending::WhenDone);
    }
    over
}

/// What holds at every moment: only workers sleep, or are said to look again, and no count is below zero.
pub fn check(team: &Team) {
    let control = team.control.0.load(Ordering::Acquire);
    let timed = team.timed.0.load(Ordering::Acquire);
    let busy = team.busy.load(Ordering::Acquire);
    assert_eq!((control & !SEARCH | timed) >> team.len(), 0, "{team:?}");
    assert!(busy < usize::MAX / 2, "{team:?}");
}

/// Nobody sleeps, searches, asks or is counted. For who has seen all seats go.
pub fn is_at_rest(team: &Team) -> bool {
    is_left(team) && team.busy.load(Ordering::Acquire) == 0
}

/// Nobody sleeps, searches or asks. What was sent too late, or when the workers had been asked to end, may be counted
/// for ever.
pub fn is_left(team: &Team) -> bool {
    team.control.0.load(Ordering::Acquire) == 0
}
