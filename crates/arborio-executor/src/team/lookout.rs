//! Where a worker looks after each of its polls: whether somebody asks or sleeps (T2 of [`super`]), and it is known
//! whether giving pays.

use std::cell::Cell;

use arborio_base::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use arborio_task::Running;

use super::{SEARCH, Seat, URGENT};
use crate::grain::{Grain, Verdict};

/// For so many polls a worker wakes nobody after it had nothing that may move: twice as many each time.
const SHORTEST_PAUSE: u32 = 8;
const LONGEST_PAUSE: u32 = 4096;

/// Where a worker looks after each of its polls: whether somebody wants something of it.
#[derive(Clone, Copy)]
pub(crate) struct Lookout<'a> {
    asked_by: &'a AtomicUsize,
    control: &'a AtomicU64,
    pause_left: &'a Cell<u32>,
    seat: &'a Seat,
}

impl Lookout<'_> {
    /// See [`Seat::is_wanted`].
    #[inline(always)]
    pub(crate) fn sees(self, running: &Running<'_>) -> bool {
        // Relaxed: a look that is repeated.
        let asked_by = self.asked_by.load(Ordering::Relaxed);
        if asked_by != 0 {
            return self.seat.is_to_answer(asked_by, running);
        }
        if !self.may_wake() {
            return false;
        }
        let control = self.control.load(Ordering::Relaxed);
        control != 0 && self.seat.is_to_wake(control, running)
    }

    /// Whether it may help to wake somebody: not for some polls after there was nothing to give, although
    /// several tasks were ready.
    #[inline(always)]
    fn may_wake(self) -> bool {
        let left = self.pause_left.get();
        if left > 0 {
            self.pause_left.set(left - 1);
        }
        left == 0
    }
}

impl Seat {
    /// This worker polls from now on, after it has slept or looked at the outside world.
    pub(crate) fn begin(&self, running: &Running<'_>) {
        if self.team.len() > 1 {
            self.grain.start(running);
            self.publish_grain();
            if self.pause_left.get() > 0 && self.grain.is_scattered(running) {
                self.pause.set(0);
                self.pause_left.set(0);
            }
        }
    }

    /// Tells the others whether the polls of this worker tend to be long.
    pub(super) fn publish_grain(&self) {
        let says_long = &self.worker().says_long;
        if says_long.load(Ordering::Relaxed) != self.grain.tends_long() {
            says_long.store(self.grain.tends_long(), Ordering::Relaxed);
        }
    }

    /// Whether somebody is to be answered, or woken (T2): not before it is known whether giving pays.
    #[inline(always)]
    pub(crate) fn is_wanted(&self, running: &Running<'_>) -> bool {
        self.lookout().sees(running)
    }

    /// What is looked at after each poll, found once for many of them.
    #[inline(always)]
    pub(crate) fn lookout(&self) -> Lookout<'_> {
        Lookout {
            asked_by: &self.worker().asked_by,
            control: &self.team.control.0,
            pause_left: &self.pause_left,
            seat: self,
        }
    }

    /// The same when somebody has asked.
    #[inline(never)]
    fn is_to_answer(&self, asked_by: usize, running: &Running<'_>) -> bool {
        !running.has_two_ready() || self.has_judged(running) || self.is_urgent(asked_by, running)
    }

    /// The same when `control` is not zero.
    #[inline(never)]
    fn is_to_wake(&self, control: u64, running: &Running<'_>) -> bool {
        control & SEARCH == 0 && running.has_two_ready() && self.has_judged(running)
    }

    /// Whether the one who asks has seen a long poll, and that is enough.
    pub(super) fn is_urgent(&self, asked_by: usize, running: &Running<'_>) -> bool {
        asked_by & URGENT != 0 && !Grain::has_many(running)
    }

    fn has_judged(&self, running: &Running<'_>) -> bool {
        self.grain.judge(running) != Verdict::Unknown
    }

    /// So many tasks were given, and several were ready.
    pub(super) fn note_given(&self, given: usize) {
        let pause = match given {
            0 => (self.pause.get() * 2).clamp(SHORTEST_PAUSE, LONGEST_PAUSE),
            _ => 0,
        };
        self.pause.set(pause);
        self.pause_left.set(pause);
    }
}
