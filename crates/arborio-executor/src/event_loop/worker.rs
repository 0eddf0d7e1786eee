//! What differs if the loop is a worker of a pool: it gives between two polls, asks the others before it sleeps, and
//! says when it has nothing to do. The invariants are those of [`team`](crate::team).

use arborio_task::{Interrupt, Running};

use super::{ending::End, turns::Turns};
use crate::{here, park::Wait, team::Seat};

/// How often a worker may have work from others before it makes a pass.
const FOUND_IN_A_ROW: u32 = 32;

impl Turns<'_> {
    /// Polls ready tasks, and shares them with those who have none.
    pub(super) fn run_as_worker(&mut self, seat: &Seat, limit: u32) -> u32 {
        if self.running.has_ready() {
            seat.leave_search(); // T1: a poll may take long, and then somebody else must look
        }
        if self.winding.is_none() {
            seat.share_before_long_polls(self.running);
        }
        let lookout = seat.lookout();
        let stop = move |running: &Running<'_>| running.has_mail() || lookout.sees(running);
        let polled = self.running.run_until(limit, stop);
        if self.running.has_mail() {
            self.take_mail();
        }
        if seat.is_wanted(self.running) {
            seat.offer(self.running, self.winding.is_some());
        }
        polled
    }

    /// The same for a worker. One that has nothing to do asks the others before it sleeps.
    pub(super) fn pass_as_worker(&mut self, seat: &Seat) -> Option<End> {
        let winds_down = self.winding.is_some();
        let busy = self.running.has_ready() || here::somebody_waits();
        let found = !busy && !winds_down && seat.search(self.running, self.park);
        if found && !self.has_found_enough() {
            seat.begin(self.running); // what was found is measured, too
            return None;
        }
        if !winds_down && seat.may_end() {
            let end = self.decide(); // before every sleep: see T5 of `team`
            if end.is_some() {
                return end;
            }
        }
        // Asked again: whoever was told to end just now is ready.
        let busy = found || self.running.has_ready() || here::somebody_waits();
        if busy {
            let _ = self.park.pass(Wait::Never); // a team never stalls
            if !winds_down {
                seat.look_after_others(self.running, self.park);
            }
        } else if winds_down || !self.has_missed_something(seat) {
            self.sleep_as_worker(seat);
        }
        self.found = 0;
        if winds_down || busy || self.running.has_ready() {
            seat.leave_search(); // T1: others may look for work meanwhile
        }
        seat.begin(self.running);
        here::pass_made();
        None
    }

    /// Whether polls were long: then timers and I/O were looked at, and what has become ready meanwhile may have gone to
    /// somebody who sleeps. Everything is looked at again before a sleep: the pass has taken calls (the door, T5), and
    /// what went may have been the last awaited task (T4).
    fn has_missed_something(&mut self, seat: &Seat) -> bool {
        if !seat.has_polled_long() {
            return false;
        }
        let _ = self.park.pass(Wait::Never);
        if self.running.has_ready() {
            seat.send_last(self.running);
        }
        true
    }

    /// Work that others give must not keep this worker from its own timers and I/O.
    fn has_found_enough(&mut self) -> bool {
        self.found += 1;
        self.found >= FOUND_IN_A_ROW || self.park.slice_is_over()
    }

    fn sleep_as_worker(&mut self, seat: &Seat) {
        seat.lie_down();
        if self.running.try_sleep() {
            let _ = match seat.watch() {
                None => self.park.pass(Wait::Allowed),
                Some(limit) => {
                    seat.attend(self.park);
                    self.park.pass_within(limit)
                }
            };
            self.wake_up();
            if let Some(winding) = &mut self.winding {
                winding.asked = 0;
            }
        }
        seat.rise();
        let arrived = self.count(seat);
        if arrived == 0 && self.winding.is_none() {
            seat.send_after(self.running);
        }
    }

    /// Says whether this worker has awaited tasks, and returns how many have arrived. What comes from another one when the others were asked to end
    /// is asked now.
    pub(super) fn count(&self, seat: &Seat) -> usize {
        let arrived = self.running.take_arrivals();
        if arrived > 0
            && let Some(winding) = &self.winding
        {
            self.running
                .ask_all(&Interrupt::Stopped, Some(&winding.grace));
        }
        if seat.count(self.running, arrived) {
            seat.report_quiet();
        }
        arrived
    }
}
