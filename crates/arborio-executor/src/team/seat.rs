//! A worker's own place in its team: what it knows of itself and of the others, and the count of those that have
//! something to do (T4 of [`super`]).
//!
//! Only the worker's own thread has it, so what is in its cells needs no atomic operations. The neighbouring files say
//! what it does with them.

use std::cell::{Cell, RefCell};

use arborio_base::{
    Process,
    sync::{
        Arc, Instant,
        atomic::{Ordering, fence},
    },
};
use arborio_task::{Notify, Running, Submitter};

use super::{
    GONE, Team,
    worker::{Reached, Worker},
};
use crate::{grain::Grain, random::Random};

/// A worker's place in its team, for its own thread.
///
/// # Examples
/// ```
/// use arborio_executor::{Seat, Team};
/// use arborio_task::{NoNotify, Tasks};
/// use std::sync::Arc;
/// let team = Arc::new(Team::new(1));
/// let tasks = Tasks::new(Arc::new(NoNotify));
/// let seat = Seat::take(Arc::clone(&team), 0, tasks.submitter(), Arc::new(NoNotify));
/// assert_eq!(seat.number(), 0);
/// ```
#[derive(Debug)]
pub struct Seat {
    pub(super) team: Arc<Team>,
    pub(super) number: usize,
    /// Whether `busy` counts this worker.
    pub(super) counted: Cell<bool>,
    /// Whether this worker has SEARCH.
    pub(super) searches: Cell<bool>,
    /// Whether a request of this worker may stand somewhere.
    pub(super) asks: Cell<bool>,
    /// Whether it has lain down and not risen.
    pub(super) lies: Cell<bool>,
    /// Whether it has risen, and nobody was told to look again (T6): it has had nothing to do so far.
    pub(super) unwatched: Cell<bool>,
    /// Whether it is known to be timed when it sleeps.
    pub(super) timed: Cell<bool>,
    /// How often in a row it has looked while everybody slept.
    pub(super) looks: Cell<u32>,
    /// For how many polls it wakes nobody after it had nothing to give, and how many of them are left.
    pub(super) pause: Cell<u32>,
    pub(super) pause_left: Cell<u32>,
    /// Whether polls are long enough for giving to pay.
    pub(super) grain: Grain,
    /// Which sleeper was sent tasks last, how many polls it had begun then, and when that was.
    pub(super) told: Cell<Option<((usize, usize), Instant)>>,
    /// In what order others are asked.
    pub(super) random: RefCell<Random>,
    /// How many polls each worker had begun when it did not answer.
    pub(super) unanswered: RefCell<Vec<Option<usize>>>,
    /// The same when this worker, which had enough to do itself, looked last, and when that was.
    pub(super) seen: RefCell<Vec<Option<usize>>>,
    pub(super) looked: Cell<Instant>,
    /// A bit for each worker that was in a poll for a while when this one looked for work last.
    pub(super) held_up: Cell<u64>,
    /// A bit for each worker that nobody else attends because this one does.
    pub(super) attends: Cell<u64>,
    /// Where the others are: in the child of a fork nothing is given to them.
    pub(super) process: Process,
}

impl Seat {
    /// Worker `number`, whose tasks come through `inbox` and whose sleep `notifier` ends.
    ///
    /// # Panics
    /// If there is no such worker, or it has started before.
    ///
    /// # Examples
    /// See [`Seat`].
    pub fn take(
        team: Arc<Team>,
        number: usize,
        inbox: Submitter,
        notifier: std::sync::Arc<dyn Notify>,
    ) -> Self {
        let count = team.len();
        inbox.count_sent(Arc::clone(&team.busy)); // T4
        let reached = Reached { inbox, notifier };
        let free = team.workers[number].0.reached.set(reached).is_ok();
        assert!(free, "worker {number} has started before");
        fence(Ordering::SeqCst); // T5
        Self {
            team,
            number,
            counted: Cell::new(false),
            searches: Cell::new(false),
            asks: Cell::new(false),
            lies: Cell::new(false),
            unwatched: Cell::new(false),
            timed: Cell::new(false),
            looks: Cell::new(0),
            pause: Cell::new(0),
            pause_left: Cell::new(0),
            grain: Grain::new(),
            told: Cell::new(None),
            random: RefCell::new(Random::new(number as u64)),
            unanswered: RefCell::new(vec![None; count]),
            seen: RefCell::new(vec![None; count]),
            looked: Cell::new(Instant::now()),
            held_up: Cell::new(0),
            attends: Cell::new(0),
            process: Process::watched(),
        }
    }

    /// Which worker it is.
    ///
    /// # Examples
    /// See [`Seat`].
    pub fn number(&self) -> usize {
        self.number
    }

    pub(crate) fn team(&self) -> &Team {
        &self.team
    }

    pub(super) fn worker(&self) -> &Worker {
        &self.team.workers[self.number].0
    }

    pub(super) fn bit(&self) -> u64 {
        1 << self.number
    }

    /// Counts this worker in or out, after its tasks have changed and `arrived` have come. True if it was the last
    /// one that had any.
    pub(crate) fn count(&self, running: &Running<'_>, arrived: usize) -> bool {
        let has = running.pending() > 0;
        let mut less = arrived;
        if has && !self.counted.replace(true) {
            if arrived == 0 {
                self.team.busy.fetch_add(1, Ordering::Relaxed);
            } else {
                less -= 1; // one of them counts for the worker from now on
            }
        } else if !has && self.counted.replace(false) {
            less += 1;
        }
        self.uncount(less)
    }

    /// Takes off what was counted for tasks that did not move. Those that did may have ended meanwhile.
    pub(super) fn settle(&self, less: usize) {
        if self.uncount(less) {
            self.report_quiet();
        }
    }

    /// True if nothing is left.
    fn uncount(&self, less: usize) -> bool {
        // AcqRel: what the tasks did comes before whoever finds it zero.
        if less == 0 {
            return false;
        }
        let before = self.team.busy.fetch_sub(less, Ordering::AcqRel);
        debug_assert!(before >= less, "T4: {less} of {before} are taken off");
        before == less
    }

    /// Whether no worker has an awaited task, and this is the one that says so.
    pub(crate) fn may_end(&self) -> bool {
        self.team.ending().is_some() || (self.number == 0 && self.team.is_quiet())
    }

    /// This worker was the last one that had awaited tasks: the first one decides.
    pub(crate) fn report_quiet(&self) {
        if self.number != 0 {
            self.team.workers[0].0.notify();
        }
    }
}

impl Drop for Seat {
    /// Nobody is to wait for a worker that has left.
    fn drop(&mut self) {
        self.rise();
        self.withdraw();
        self.leave_search();
        self.worker().asked_by.store(GONE, Ordering::Release);
        if self.counted.get() && self.uncount(1) {
            self.report_quiet();
        }
    }
}
