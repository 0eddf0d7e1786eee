//! What a worker does for another one that is in a poll for long: it takes what is ready behind that poll, and looks
//! after its timers and its I/O.

use arborio_base::sync::{Instant, atomic::Ordering};
use arborio_task::Running;

use super::{GONE, Seat, giving::MOST, sleeping::WATCH, worker::Reached};
use crate::park::Park;

impl Seat {
    /// This worker is about to sleep. Those who were in a poll when it looked for work do not see their I/O, so it does; also
    /// for those who are awake and tend to long polls, if nobody else does that: each event would wake all who do.
    pub(crate) fn attend(&self, park: &mut dyn Park) {
        let held_up = self.held_up.replace(0);
        let asleep = self.team.control.0.load(Ordering::Relaxed);
        for (number, worker) in self.team.workers.iter().enumerate() {
            let bit = 1 << number;
            let is_awake = number != self.number
                && asleep & bit == 0
                && worker.0.asked_by.load(Ordering::Relaxed) != GONE;
            if held_up & bit != 0 || (is_awake && worker.0.polls_long() && self.is_first_for(bit)) {
                park.attend(number);
            }
        }
    }

    /// Whether nobody attends the worker of `bit` yet: then this one does, until it rises.
    fn is_first_for(&self, bit: u64) -> bool {
        // Relaxed: it guards nothing. Who comes too late looks again in time (T6).
        let is_first = self.team.attended.0.fetch_or(bit, Ordering::Relaxed) & bit == 0;
        if is_first {
            self.attends.set(self.attends.get() | bit);
        }
        is_first
    }

    /// Looks after the timers and the I/O of worker `number`. Whether some task of this one is ready then.
    pub(super) fn stands_in(
        &self,
        number: usize,
        running: &Running<'_>,
        park: &mut dyn Park,
    ) -> bool {
        park.stand_in(number);
        running.has_ready() || running.has_mail()
    }

    /// Worker `number` has not answered. If its `polls_long`, or it has not begun another one since the last time,
    /// takes what is ready behind the one that it is in.
    pub(super) fn rescue(
        &self,
        number: usize,
        polls_long: bool,
        running: &Running<'_>,
        park: &mut dyn Park,
    ) {
        let Some(reached) = self.team.workers[number].0.reached.get() else {
            return;
        };
        let polls = running.polls_of(&reached.inbox);
        let last = self.unanswered.borrow_mut()[number].replace(polls);
        if polls_long {
            self.take_from(reached, running);
        } else if last == Some(polls) {
            park.stand_in(number); // first: whom it wakes is ready then
            self.take_from(reached, running);
        }
    }

    /// Its worker is in a poll for long: takes what is ready behind that poll.
    fn take_from(&self, reached: &Reached, running: &Running<'_>) {
        self.team.busy.fetch_add(MOST, Ordering::Relaxed); // T4
        let rescued = running.rescue(&reached.inbox, MOST);
        self.settle(MOST - rescued);
    }

    /// For a worker that has enough to do itself, and so does not ask: now and then it looks whether another one has been in one
    /// poll since the last time.
    pub(crate) fn look_after_others(&self, running: &Running<'_>, park: &mut dyn Park) {
        if self.team.len() == 1 || self.looked.get().elapsed() < WATCH || !self.process.is_this() {
            return;
        }
        self.looked.set(Instant::now());
        let asleep = self.team.control.0.load(Ordering::Relaxed);
        for (number, worker) in self.team.workers.iter().enumerate() {
            let is_awake = number != self.number
                && asleep & (1 << number) == 0
                && worker.0.asked_by.load(Ordering::Relaxed) != GONE;
            let reached = worker.0.reached.get().filter(|_| is_awake);
            let polls = reached.map(|reached| running.polls_of(&reached.inbox));
            let before = std::mem::replace(&mut self.seen.borrow_mut()[number], polls);
            if let Some(reached) = reached
                && before == polls
            {
                park.stand_in(number);
                self.take_from(reached, running);
            }
        }
    }
}
