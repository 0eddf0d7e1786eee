//! The loop while it turns: mail, drain, pass, as the head of [`super`] says.

use arborio_base::sync::Instant;
use arborio_task::Running;

use super::{
    DRAIN_BOUND, Drain, LoopOptions, MAIL_EVERY, RARELY, Report, SLICE,
    ending::{End, Winding},
    report::tell_reported,
};
use crate::{
    awake::Awake,
    here,
    park::{Park, Passed, Wait},
    random::Random,
    team::Seat,
};

/// The loop while it turns.
pub(super) struct Turns<'a> {
    pub(super) running: &'a Running<'a>,
    pub(super) park: &'a mut dyn Park,
    pub(super) options: LoopOptions,
    pub(super) tell: &'a dyn Fn(Report<'_>),
    /// Its place, if this is a worker of a pool.
    pub(super) seat: Option<&'a Seat>,
    /// State of the generator that permutes arrivals; `None` keeps their order.
    pub(super) arrivals: Option<Random>,
    /// The park was not told yet that `main` has ended.
    pub(super) main_runs: bool,
    /// How often this worker had work from others since its last pass.
    pub(super) found: u32,
    /// After how many polls the park is asked whether its slice is over: a power of two, and [`SLICE`] on a loop that is alone.
    pub(super) first_look: u32,
    /// How long the last sleeps took that other threads have ended.
    pub(super) awake: Awake,
    /// The loop is ending: everybody who is left was asked to.
    pub(super) winding: Option<Winding>,
}

impl Turns<'_> {
    pub(super) fn run_to_the_end(&mut self) -> End {
        loop {
            self.take_mail();
            let end = self.poll_ready().or_else(|| self.grace_is_over());
            if let Some(end) = end.or_else(|| self.pass()) {
                return end;
            }
        }
    }

    /// Polls ready tasks until none is left, or the bound is reached.
    fn poll_ready(&mut self) -> Option<End> {
        let mut polls = 0_u32;
        let mut left = self.first_look;
        loop {
            let polled = match self.seat {
                None => self.running.run_some(left),
                Some(seat) => self.run_as_worker(seat, left),
            };
            if self.running.take_attention() || here::stop_asked() {
                let end = self.decide();
                if end.is_some() {
                    return end;
                }
            } else if polled < left && !self.running.has_ready() {
                return None;
            }
            polls = polls.saturating_add(polled); // `Drain::ToEmpty` may never return
            left -= polled;
            if left == 0 {
                self.take_mail();
                if self.drained_enough(polls) {
                    return None;
                }
                left = polls.clamp(self.first_look, MAIL_EVERY);
            }
        }
    }

    /// Whether there is to be a pass although tasks are ready, after so many polls: a worker asks early if polls took long the last time.
    fn drained_enough(&mut self, polls: u32) -> bool {
        if self.options.drain == Drain::ToEmpty || polls >= DRAIN_BOUND {
            return self.options.drain == Drain::Bounded;
        }
        if !is_time_to_look(polls, self.first_look) {
            return false;
        }
        let over = self.park.slice_is_over();
        if self.seat.is_some() {
            self.first_look = match over {
                true => (polls / 2).clamp(1, SLICE),
                false => polls.clamp(self.first_look, SLICE),
            };
        }
        over
    }

    /// One pass over the outside world; sleeps if there is nothing else to do.
    pub(super) fn pass(&mut self) -> Option<End> {
        tell_reported(self.tell);
        let (timers, descriptors) = self.park.counts();
        self.running.publish(timers, descriptors);
        if let Some(seat) = self.seat {
            return self.pass_as_worker(seat);
        }
        let busy =
            self.running.has_ready() || here::somebody_waits() || self.has_mail_by_staying_awake();
        let mut passed = Passed::Looked;
        if busy {
            passed = self.park.pass(Wait::Never);
        } else if self.running.try_sleep() {
            passed = if self.running.has_submitters() {
                let start = Instant::now();
                let passed = self.park.pass(Wait::Allowed);
                if self.running.has_mail() {
                    self.awake.note_sleep(start.elapsed());
                }
                passed
            } else {
                self.park.pass(Wait::Alone)
            };
            self.wake_up();
            if let Some(winding) = &mut self.winding {
                winding.asked = 0;
            }
        }
        here::pass_made();
        let stalled = passed == Passed::Stalled && !busy && !self.running.has_ready();
        if !stalled {
            return None;
        }
        // A request from another thread may have ended the last task.
        if self.running.take_attention() {
            return self.decide();
        }
        match self.winding.take() {
            Some(winding) => Some(self.force(winding)),
            None => Some(End::Stalled(self.running.tree())),
        }
    }

    /// Whether something comes from another thread if this one does not sleep yet.
    fn has_mail_by_staying_awake(&mut self) -> bool {
        self.awake.is_worth_it() && self.awake.wait(|| self.running.has_mail())
    }

    pub(super) fn take_mail(&mut self) {
        match &mut self.arrivals {
            None => self.running.take_mail(),
            Some(random) => self
                .running
                .take_mail_permuted(&mut |bound| random.below(bound)),
        };
        if let Some(seat) = self.seat {
            self.count(seat);
        }
    }

    pub(super) fn wake_up(&mut self) {
        match &mut self.arrivals {
            None => self.running.wake_up(),
            Some(random) => self
                .running
                .wake_up_permuted(&mut |bound| random.below(bound)),
        };
    }
}

/// Whether the park is asked after so many polls, if it was asked after `first`.
fn is_time_to_look(polls: u32, first: u32) -> bool {
    (polls / first).is_power_of_two() || polls.is_multiple_of(RARELY)
}
