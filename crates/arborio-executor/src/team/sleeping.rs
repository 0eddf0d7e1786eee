//! How a worker lies down and rises, and who looks again while others are awake (T6 of [`super`]).

use std::time::Duration;

use arborio_base::sync::atomic::{Ordering, fence};

use super::{GONE, Padded, SEARCH, Seat, URGENT, worker::Worker};

/// How long one sleeps while another is awake: two times this, and some, is how long a task waits behind
/// one that blocks its worker.
pub(super) const WATCH: Duration = Duration::from_millis(3);
/// So many times in a row a sleeper looks again although everybody sleeps: mostly somebody wakes up soon, and
/// need not tell it then (T6).
const LOOKS: u32 = if cfg!(shuttle) { 2 } else { 25 };

impl Seat {
    /// This worker is about to sleep. Nobody who asked it waits for an answer.
    pub(crate) fn lie_down(&self) {
        self.lies.set(true);
        let before = (self.team.control.0).fetch_or(self.bit(), Ordering::AcqRel);
        debug_assert!(before & self.bit() == 0, "somebody else has lain down here");
        fence(Ordering::SeqCst);
        let asked_by = self.worker().asked_by.load(Ordering::Relaxed);
        if asked_by != 0 {
            self.worker()
                .clear_request(asked_by & !URGENT, Ordering::Release);
        }
    }

    /// This worker is awake, whoever woke it. One whose bit is gone was woken to search (T1).
    pub(crate) fn rise(&self) {
        if !self.lies.replace(false) {
            return;
        }
        let before = self.team.control.0.fetch_and(!self.bit(), Ordering::AcqRel);
        if before & self.bit() == 0 {
            debug_assert!(before & SEARCH != 0, "T1: woken, but not to search");
            self.searches.set(true);
        }
        self.withdraw();
        let attends = self.attends.replace(0);
        if attends != 0 {
            self.team.attended.0.fetch_and(!attends, Ordering::Relaxed);
        }
        self.unwatched.set(true);
    }

    /// This worker has said that it is awake, and is about to poll: somebody who sleeps shall look again (T6).
    pub(super) fn be_watched(&self) {
        fence(Ordering::SeqCst);
        let asleep = self.team.control.0.load(Ordering::Relaxed) & !SEARCH;
        if asleep == 0 || asleep & self.team.timed.0.load(Ordering::Relaxed) != 0 {
            return;
        }
        let number = asleep.trailing_zeros() as usize;
        // Others who rise meanwhile need not wake anybody else.
        let before = self.team.timed.0.fetch_or(1 << number, Ordering::AcqRel);
        if before & (1 << number) == 0 {
            self.team.workers[number].0.notify();
        }
    }

    /// How long this worker, which has lain down, may sleep: not for ever if another one is awake, and may turn out to be
    /// stuck (T6).
    pub(crate) fn watch(&self) -> Option<Duration> {
        if self.team.len() == 1 {
            return None;
        }
        if self.is_somebody_awake() {
            self.looks.set(0);
        } else if self.looks.get() < LOOKS {
            self.looks.set(self.looks.get() + 1);
        } else {
            self.timed.set(false);
            let timed = &self.team.timed.0;
            timed.fetch_and(!self.bit(), Ordering::AcqRel);
            fence(Ordering::SeqCst);
            if !self.is_somebody_awake() {
                return None;
            }
            self.looks.set(0);
        }
        if !self.timed.replace(true) {
            self.team.timed.0.fetch_or(self.bit(), Ordering::AcqRel);
        }
        Some(WATCH)
    }

    /// Whether a worker does not sleep that has not left. One that has yet to start counts.
    fn is_somebody_awake(&self) -> bool {
        let asleep = self.team.control.0.load(Ordering::Relaxed);
        let awake = |(number, worker): (usize, &Padded<Worker>)| {
            asleep & (1 << number) == 0 && worker.0.asked_by.load(Ordering::Relaxed) != GONE
        };
        self.team.workers.iter().enumerate().any(awake)
    }
}
