//! What a loop has done and what it has, for whoever counts.
//!
//! Its owner writes, with plain loads and stores: polls when a slice of them is over, the rest once a turn
//! ([`Running::publish`](crate::Running::publish)). Anybody reads; each figure by itself is one that was true.

use std::sync::atomic::{AtomicU64, Ordering}; // Not the models' own: nothing depends on them.

use crate::hub::Hub;

/// If a loop has more branches than this, they are counted only after [`POLLS_PER_BRANCH`] polls for each.
const FEW_BRANCHES: usize = 16;
const POLLS_PER_BRANCH: u64 = 4;

/// See the head of this file.
#[derive(Default)]
pub(crate) struct Meter {
    polls: AtomicU64,
    turns: AtomicU64,
    given: AtomicU64,
    rescued: AtomicU64,
    tasks: AtomicU64,
    timers: AtomicU64,
    descriptors: AtomicU64,
    /// How many polls there were when the tasks were counted.
    counted_at: AtomicU64,
}

/// The figures of one loop, or of one worker of a pool. Counts grow for as long as the loop lives.
///
/// # Examples
/// ```
/// use arborio_task::{NoNotify, Tasks};
/// let tasks = Tasks::new(std::sync::Arc::new(NoNotify));
/// let submitter = tasks.submitter();
/// tasks.run_main(async {}, |running| {
///     running.publish(0, 0);
///     assert_eq!(submitter.figures().tasks, 1);
///     running.run_some(1);
/// }).1.unwrap();
/// assert_eq!(submitter.figures().polls, 1);
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct WorkerMetrics {
    /// How many tasks it polls that have not ended. Counted once a turn; where more than 16 scopes are open, after four
    /// polls for each.
    pub tasks: u64,
    /// How many polls of tasks it has made. Counted after at most 64.
    pub polls: u64,
    /// How often it has looked at timers and I/O.
    pub turns: u64,
    /// How many ready tasks it has given to others that had none.
    pub given: u64,
    /// How many ready tasks it has taken from others that were stuck in a poll.
    pub rescued: u64,
    /// How many timers were armed at its last turn.
    pub timers: u64,
    /// How many sockets and other descriptors were registered at its last turn.
    pub descriptors: u64,
}

impl std::ops::AddAssign for WorkerMetrics {
    fn add_assign(&mut self, other: Self) {
        self.tasks += other.tasks;
        self.polls += other.polls;
        self.turns += other.turns;
        self.given += other.given;
        self.rescued += other.rescued;
        self.timers += other.timers;
        self.descriptors += other.descriptors;
    }
}

/// Only the owner adds, so nothing is lost between the two.
#[inline(always)]
fn add(counter: &AtomicU64, more: u64) {
    // Relaxed, here and below: nothing is published by a figure.
    let before = counter.load(Ordering::Relaxed);
    counter.store(before + more, Ordering::Relaxed);
}

impl Meter {
    #[inline(always)]
    pub(crate) fn add_polls(&self, polls: u32) {
        add(&self.polls, polls.into());
    }

    pub(crate) fn add_given(&self, given: usize) {
        add(&self.given, given as u64);
    }

    pub(crate) fn add_rescued(&self, rescued: usize) {
        add(&self.rescued, rescued as u64);
    }

    /// What everybody may know.
    pub(crate) fn read(&self) -> WorkerMetrics {
        let read = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
        WorkerMetrics {
            tasks: read(&self.tasks),
            polls: read(&self.polls),
            turns: read(&self.turns),
            given: read(&self.given),
            rescued: read(&self.rescued),
            timers: read(&self.timers),
            descriptors: read(&self.descriptors),
        }
    }
}

/// A turn of the loop of `hub` begins, whose driver has so many timers and descriptors. The owner calls.
pub(crate) fn publish(hub: &Hub, timers: usize, descriptors: usize) {
    let meter = &hub.meter;
    add(&meter.turns, 1);
    meter.timers.store(timers as u64, Ordering::Relaxed);
    meter
        .descriptors
        .store(descriptors as u64, Ordering::Relaxed);
    let polls = meter.polls.load(Ordering::Relaxed);
    let since = polls - meter.counted_at.load(Ordering::Relaxed);
    let branches = hub.branches.borrow().len();
    if branches <= FEW_BRANCHES || since >= POLLS_PER_BRANCH * branches as u64 {
        meter.counted_at.store(polls, Ordering::Relaxed);
        meter.tasks.store(count(hub), Ordering::Relaxed);
    }
}

/// How many tasks of the loop have not ended, with those of others that it polls, and without its own that others poll.
fn count(hub: &Hub) -> u64 {
    let mut tasks = hub.root.pending() + hub.root.daemons();
    for (branch, _) in hub.branches.borrow().iter() {
        let node = branch.node();
        tasks += node.pending() + node.daemons();
        // The node above counts it as one (N1).
        tasks = tasks.saturating_sub(node.is_counted_above().into());
    }
    tasks.saturating_sub(hub.guests.not_here()) as u64
}

#[cfg(all(test, not(loom)))]
mod tests {
    use super::*;

    #[test]
    fn each_count_is_a_figure_of_its_own() {
        let meter = Meter::default();
        (1..=2).for_each(|round| {
            meter.add_polls(round);
            meter.add_given(10);
            meter.add_rescued(100);
        });
        let figures = meter.read();
        let counts = (figures.polls, figures.given, figures.rescued);
        assert_eq!(counts, (3, 20, 200));
    }
}
