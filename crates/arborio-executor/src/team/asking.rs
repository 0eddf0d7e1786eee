//! How a worker that has nothing to do asks the others: one of them at a time (T1 of [`super`]), and no longer than its
//! request stands (T3).

use std::{hint, time::Duration};

use arborio_base::sync::{Instant, atomic::Ordering};
use arborio_task::Running;

use super::{SEARCH, Seat, URGENT, giving::GLANCE};
use crate::{grain::LONG, park::Park};

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
        let before = polls();
        // Release: pairs with the acquire of `offer`.
        let asked = word.compare_exchange(0, me, Ordering::AcqRel, Ordering::Relaxed);
        if asked.is_err() {
            return false;
        }
        self.asks.set(true);
        let mut wait = None;
        // Acquire: what was given has come before the answer.
        while word.load(Ordering::Acquire) == me {
            for _ in 0..32 {
                hint::spin_loop();
            }
            let (start, patience) = *wait.get_or_insert_with(|| {
                let now = Instant::now();
                (now, self.patience(number, before, now))
            });
            // A model has no time: it looks once.
            if !cfg!(loom) && start.elapsed() <= patience {
                continue;
            }
            if polls() == before {
                // It is not known how much longer, but longer than moving takes.
                let urgent = me | URGENT;
                let _ = word.compare_exchange(me, urgent, Ordering::AcqRel, Ordering::Relaxed);
            }
            self.held_up.set(self.held_up.get() | 1 << number);
            self.rescue(number, running, park);
            break; // the request stands: what is given later ends our sleep
        }
        running.has_mail()
    }

    /// How long to wait for an answer of worker `number`, which has begun so many `polls` until `now`. If they were [long](LONG) since it
    /// was asked last, so is probably the one that it is in.
    fn patience(&self, number: usize, polls: Option<usize>, now: Instant) -> Duration {
        let Some(polls) = polls.filter(|_| !cfg!(loom)) else {
            return PATIENCE;
        };
        let before = self.asked.borrow_mut()[number].replace((polls, now));
        let polls_long = before.is_some_and(|(before, then)| {
            let begun = u32::try_from(polls.wrapping_sub(before)).unwrap_or(u32::MAX);
            now.duration_since(then) >= LONG.saturating_mul(begun.saturating_add(1))
        });
        if polls_long { GLANCE } else { PATIENCE }
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
