//! How a worker gives: to who asks, to who sleeps, or by waking one that asks then. What it sends is counted before it
//! leaves (T4 of [`super`]).

use std::{hint, time::Duration};

use arborio_base::sync::{Instant, atomic::Ordering};
use arborio_task::{Running, Submitter};

use super::{Padded, SEARCH, Seat, URGENT, sleeping::WATCH, worker::Worker};
use crate::grain::Verdict;

/// How many tasks are given at a time.
pub(super) const MOST: usize = 128;
/// Up to so many tasks that another worker has woken follow it.
const FEW: usize = 32;
/// For so long one looks whether another goes on to another poll.
pub(super) const GLANCE: Duration = Duration::from_micros(2);

impl Seat {
    /// Answers who asks, and otherwise wakes one who sleeps if there is work for him that is worth moving.
    /// One who winds down gives nothing.
    pub(crate) fn offer(&self, running: &Running<'_>, winds_down: bool) {
        let coarse = self.grain.judge(running) == Verdict::Coarse;
        self.grain.begin(running);
        let asked_by = self.worker().asked_by.load(Ordering::Acquire);
        if asked_by != 0 {
            let pays = coarse || self.is_urgent(asked_by, running);
            self.give(running, asked_by & !URGENT, pays && !winds_down);
        } else if winds_down || !running.has_two_ready() {
            // Who asked does not any more.
        } else if coarse && self.grain.tends_long() {
            self.share(running); // who is woken to ask would come too late
        } else if coarse && self.grain.is_much(running) {
            self.wake_one();
        } else {
            self.note_given(0);
        }
    }

    /// Gives work to worker `asked_by - 1`, if it `may`, and tells it that this was all.
    fn give(&self, running: &Running<'_>, asked_by: usize, may: bool) {
        let team = &*self.team;
        if may
            && self.process.is_this()
            && let Some(other) = team.workers[asked_by - 1].0.reached.get()
            && running.has_two_ready()
        {
            team.busy.fetch_add(MOST, Ordering::Relaxed); // T4
            let given = running.give(&other.inbox, MOST);
            self.note_given(given);
            self.settle(MOST - given);
        }
        // Release: what was given comes first. T3: it may have been withdrawn.
        self.worker().clear_request(asked_by, Ordering::Release);
    }

    /// This worker is about to poll, probably for long, and answers nobody meanwhile: if several tasks are ready, who asks for work or
    /// sleeps gets some of them now.
    #[inline(always)]
    pub(crate) fn share_before_long_polls(&self, running: &Running<'_>) {
        if self.grain.tends_long() && self.pause_left.get() == 0 && running.has_two_ready() {
            self.share(running);
        }
    }

    #[inline(never)]
    fn share(&self, running: &Running<'_>) {
        let asked_by = self.worker().asked_by.load(Ordering::Acquire);
        if asked_by != 0 {
            self.give(running, asked_by & !URGENT, true);
        } else if let Some(given) =
            self.give_to_a_sleeper(running, |other| running.give(other, MOST))
        {
            self.note_given(given); // if none may move there may be many to look through
        }
    }

    /// Whether this worker has nothing ready, and has just made long polls: what has become ready meanwhile has waited for them.
    pub(crate) fn has_polled_long(&self) -> bool {
        self.grain.was_long()
    }

    /// What is ready has waited for a long poll, and would again: if there is just one task, somebody who sleeps gets it.
    pub(crate) fn send_last(&self, running: &Running<'_>) {
        if !running.has_two_ready() {
            self.give_to_a_sleeper(running, |other| running.give_all(other, 1));
        }
    }

    /// Has `give` send up to [`MOST`] tasks to one who sleeps, if there is one that has not just been sent some. How many
    /// went; `None` if there is nobody.
    fn give_to_a_sleeper(
        &self,
        running: &Running<'_>,
        give: impl FnOnce(&Submitter) -> usize,
    ) -> Option<usize> {
        let mut asleep = self.team.control.0.load(Ordering::Relaxed) & !SEARCH;
        while asleep != 0 && self.process.is_this() {
            // The next one in turn: others who send at the same time take another one.
            let after = self.number as u32 + 1;
            let number = (asleep.rotate_right(after).trailing_zeros() + after) % u64::BITS;
            let number = number as usize;
            asleep &= !(1 << number);
            let Some(reached) = self.team.workers[number].0.reached.get() else {
                continue;
            };
            let told = (number, running.polls_of(&reached.inbox));
            if self
                .told
                .get()
                .is_some_and(|(last, when)| last == told && when.elapsed() < WATCH)
            {
                continue; // it has not begun with what it was sent
            }
            self.team.busy.fetch_add(MOST, Ordering::Relaxed); // T4
            let given = give(&reached.inbox);
            self.settle(MOST - given);
            if given > 0 {
                self.told.set(Some((told, Instant::now())));
            }
            return Some(given);
        }
        None
    }

    /// This worker slept, and was woken. If another one has woken a few tasks here, and what was polled here last took
    /// less than waking this worker, they go to where they were woken, and find each other there next time.
    pub(crate) fn send_after(&self, running: &Running<'_>) {
        if !self.grain.was_short() || !self.process.is_this() {
            return;
        }
        let ready = running.count_ready(FEW + 1);
        if ready == 0 || ready > FEW {
            return;
        }
        let by = |(_, worker): &(usize, &Padded<Worker>)| {
            let reached = worker.0.reached.get();
            reached.is_some_and(|other| running.was_called_by(&other.inbox))
        };
        if let Some((number, other)) = self.team.workers.iter().enumerate().find(by)
            && let Some(reached) = other.0.reached.get()
            && self.is_at_hand(number, &reached.inbox, running)
        {
            self.team.busy.fetch_add(FEW, Ordering::Relaxed); // T4
            let given = running.give_all(&reached.inbox, FEW);
            self.settle(FEW - given);
        }
    }

    /// Whether worker `number` sleeps, or goes on to another poll while we look: what is sent to it does not wait there for long.
    /// That it has its hub says nothing: it may be in a destructor, where nobody could rescue what it gets.
    fn is_at_hand(&self, number: usize, other: &Submitter, running: &Running<'_>) -> bool {
        if self.team.control.0.load(Ordering::Relaxed) & (1 << number) != 0 {
            return true;
        }
        let (polls, start) = (running.polls_of(other), Instant::now());
        while start.elapsed() < GLANCE {
            if running.polls_of(other) != polls {
                return true;
            }
            hint::spin_loop();
        }
        false
    }

    /// Wakes one who sleeps, and hands SEARCH to him (T1).
    fn wake_one(&self) {
        let control = &self.team.control.0;
        let mut seen = control.load(Ordering::Relaxed);
        while seen != 0 && seen & SEARCH == 0 {
            let number = seen.trailing_zeros() as usize;
            let next = (seen & !(1 << number)) | SEARCH;
            match control.compare_exchange_weak(seen, next, Ordering::AcqRel, Ordering::Relaxed) {
                Ok(_) => return self.team.workers[number].0.notify(),
                Err(other) => seen = other,
            }
        }
    }
}
