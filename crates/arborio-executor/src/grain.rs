//! How long the polls of a worker take: whether it pays to give tasks to others.
//!
//! To move a task costs about as much as a poll of 100 ns: its memory goes to another processor, and comes back with its
//! outcome. So tasks that do less are not shared out, however many are ready: two workers would need longer for them than one.
//!
//! A worker looks at the clock only while somebody wants work from it, after 1, 2, 4, 8 and 16 polls. When they
//! took [`WINDOW`] together, or there were 16, it judges by their mean.

use std::{
    cell::Cell,
    time::{Duration, Instant},
};

use arborio_task::Running;

/// Polls that take less on average are not worth moving their tasks.
const FINE: Duration = Duration::from_nanos(150);
/// So many polls are enough for a judgement.
const POLLS: usize = 16;
/// So is this time. That a look at the clock takes a while does not matter then.
const WINDOW: Duration = Duration::from_nanos(2400);

/// What it takes to wake a worker that sleeps: work that is done sooner is done here.
const AWAKENING: Duration = Duration::from_micros(20);

/// What is known of a worker's polls.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Verdict {
    /// Too little.
    Unknown,
    /// They are short: giving does not pay.
    Fine,
    /// They are long.
    Coarse,
}

/// Measures the polls of a worker.
#[derive(Debug)]
pub(crate) struct Grain {
    verdict: Cell<Verdict>,
    since: Cell<Option<Instant>>,
    /// How many polls the worker had begun then.
    before: Cell<usize>,
    /// After how many polls it looks at the clock next.
    look_after: Cell<usize>,
    /// How long a poll took on average, when that was judged last.
    mean: Cell<Duration>,
}

impl Grain {
    pub(crate) fn new() -> Self {
        Self {
            verdict: Cell::new(Verdict::Unknown),
            since: Cell::new(None),
            before: Cell::new(0),
            look_after: Cell::new(1),
            mean: Cell::new(AWAKENING),
        }
    }

    /// Whether two tasks are ready, and so many that they will take longer than to wake somebody for them.
    pub(crate) fn is_much(&self, running: &Running<'_>) -> bool {
        let mean = self.mean.get().max(Duration::from_nanos(1));
        let enough = AWAKENING.as_nanos().div_ceil(mean.as_nanos());
        let enough = usize::try_from(enough).unwrap_or(usize::MAX).max(2);
        running.count_ready(enough) == enough
    }

    /// What is measured begins now, after so many polls.
    pub(crate) fn begin(&self, polls: usize) {
        if cfg!(loom) {
            return; // a model has no time: everything is worth it
        }
        self.verdict.set(Verdict::Unknown);
        self.since.set(Some(Instant::now()));
        self.before.set(polls);
        self.look_after.set(1);
    }

    /// What is known after so many polls. A judgement stands until the next [`begin`](Self::begin).
    #[inline(always)]
    pub(crate) fn judge(&self, polls: usize) -> Verdict {
        let made = polls.wrapping_sub(self.before.get());
        if self.verdict.get() == Verdict::Unknown && made >= self.look_after.get() {
            self.look(made);
        }
        self.verdict.get()
    }

    #[cold]
    fn look(&self, made: usize) {
        let Some(since) = self.since.get() else {
            return self.verdict.set(Verdict::Coarse);
        };
        self.look_after.set(made * 2);
        let took = since.elapsed();
        if made < POLLS && took < WINDOW {
            return;
        }
        let mean = took / u32::try_from(made).unwrap_or(u32::MAX);
        self.mean.set(mean);
        self.verdict.set(if mean < FINE {
            Verdict::Fine
        } else {
            Verdict::Coarse
        });
    }
}
