//! How a worker that has nothing to do asks the others: one of them at a time (T1 of [`super`]), and no longer than its
//! request stands (T3).

use std::{hint, time::Duration};

use arborio_base::sync::{Instant, atomic::Ordering};
use arborio_task::Running;

use super::{SEARCH, Seat, URGENT, giving::GLANCE};
use crate::park::Park;

/// How long one who asks for work waits awake for the answer. A poll may go on for longer: then the request stands, and the
/// answer ends its sleep.
const PATIENCE: Duration = Duration::from_micros(10);

impl Seat {
    /// Asks the others for work. True if something came.
    pub(crate) fn search(&self, running: &Running<'_>, park: &mut dyn Park) -> bool {
        // In the child of a fork the others are not there, and their tasks are their parent's.
        if self.team.len() == 1 || !self.process.is_this() {
            return false;
        }
        self.grain.end(running);
        self.publish_grain();
        self.held_up.set(0);
        if !self.searches.replace(false) {
            let before = self.team.control.0.fetch_or(SEARCH, Ordering::AcqRel);
            if before & SEARCH != 0 {
                return false; // T1
            }
        }
        let count = self.team.len();
        let first = self.random.borrow_mut().below(count);
        let found = (0..count).any(|step| {
            let number = (first + step) % count;
            number != self.number && self.ask(number, running, park)
        });
        self.end_search();
        if found {
            self.withdraw();
        }
        found
    }

    /// Asks worker `number`, if it is awake. True if something came from it, or from anybody.
    fn ask(&self, number: usize, running: &Running<'_>, park: &mut dyn Park) -> bool {
        let asleep = self.team.control.0.load(Ordering::Relaxed) & (1 << number) != 0;
        let other = &self.team.workers[number].0;
        let me = self.number + 1;
        if asleep || other.reached.get().is_none() {
            return false;
        }
        let word = &other.asked_by;
        let polls = || {
            other
                .reached
                .get()
                .map(|other| running.polls_of(&other.inbox))
        };
        let polls_long = other.polls_long();
        if polls_long && self.stands_in(number, running, park) {
            return true; // it needs nobody's answer
        }
        let before = polls();
        // Release: pairs with the acquire of `offer`.
        let asked = word.compare_exchange(0, me, Ordering::AcqRel, Ordering::Relaxed);
        if asked.is_err() {
            return false;
        }
        self.asks.set(true);
        let patience = if polls_long { GLANCE } else { PATIENCE };
        let mut start = None;
        // Acquire: what was given has come before the answer.
        while word.load(Ordering::Acquire) == me {
            for _ in 0..32 {
                hint::spin_loop();
            }
            // A model has no time: it looks once.
            if !cfg!(loom) && start.get_or_insert_with(Instant::now).elapsed() <= patience {
                continue;
            }
            if polls() == before {
                // It is not known how much longer, but longer than moving takes.
                let urgent = me | URGENT;
                let _ = word.compare_exchange(me, urgent, Ordering::AcqRel, Ordering::Relaxed);
            }
            self.held_up.set(self.held_up.get() | 1 << number);
            self.rescue(number, polls_long, running, park);
            break; // the request stands: what is given later ends our sleep
        }
        running.has_mail()
    }

    /// This worker asks nobody any more (T3).
    pub(super) fn withdraw(&self) {
        if !self.asks.replace(false) {
            return;
        }
        let me = self.number + 1;
        for worker in &self.team.workers {
            // Whoever gives at this moment gives all the same.
            worker.0.clear_request(me, Ordering::Relaxed);
        }
    }

    /// This worker has something to do: others may look for work (T1), and one of them looks again later (T6).
    pub(crate) fn leave_search(&self) {
        if self.unwatched.replace(false) {
            self.be_watched();
        }
        if self.searches.replace(false) {
            self.end_search();
        }
    }

    /// This worker has had SEARCH until now.
    fn end_search(&self) {
        let before = self.team.control.0.fetch_and(!SEARCH, Ordering::AcqRel);
        debug_assert!(before & SEARCH != 0, "T1: somebody else has ended it");
    }
}
