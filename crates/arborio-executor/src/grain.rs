//! How long the polls of a worker take: whether it pays to give tasks to others.
//!
//! To move a task costs 100 to 300 ns, and its polls take longer then: its memory goes to another processor, and comes back with
//! its outcome. So tasks that do less than all of that are not shared out, however many are ready: two workers would need longer for
//! them than one.
//! And to wake a worker that sleeps costs some microseconds, so there must be work for longer than that ([`AWAKENING`]); a worker
//! whose tasks are [`SHORT`], and are woken from elsewhere, sends them there.
//!
//! A worker looks at the clock only while somebody wants work from it, after each of at most 16 polls. It judges by their
//! mean, when they took [`WINDOW`] together, or after 16. The longest poll counts only if few tasks are ready: mostly it
//! is the one that has spawned the many, and says nothing about them. But that one is not back soon. If there are several
//! [`LONG`] ones among many that are short ([`Scattered`]), they are worth sharing out, and the short ones go with them.

use std::{cell::Cell, time::Duration};

use arborio_base::sync::Instant;
use arborio_task::Running;

/// Polls that take less on average are not worth moving their tasks.
const FINE: Duration = Duration::from_nanos(500);
/// So many polls are enough for a judgement.
const POLLS: u32 = if cfg!(shuttle) { 2 } else { 16 };
/// So is this time. That a look at the clock takes a while does not matter then.
const WINDOW: Duration = Duration::from_nanos(2400);
/// A worker is woken for work that takes longer than this. To wake it costs some 10 us, and a task that went with it is likely
/// to be woken from here again.
const AWAKENING: Duration = Duration::from_micros(100);
/// Polls that take less are not worth waking a worker for one of them.
const SHORT: Duration = Duration::from_micros(20);
/// For polls that take longer than this a task is moved, and a worker woken, even if it is the only one that is ready.
pub(crate) const LONG: Duration = Duration::from_micros(50);
/// More ready tasks are many: that the first of them is polled before anybody knows how long they take costs little.
const MANY: usize = 8;
/// Who has spawned for [`LONG`] has spawned more tasks than this, and is not polled again before each of them was. So if
/// another poll takes long before, it is not that.
const NEAR: usize = 256;
/// So many polls are judged by their mean together, whoever was among them.
const SLICE: u32 = 64;

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
    /// When the worker looked at the clock last, and how many polls it had begun then.
    seen: Cell<Option<Instant>>,
    before: Cell<usize>,
    measured: Cell<Measured>,
    /// How long a poll took on average, when that was judged last.
    mean: Cell<Duration>,
    /// Since when the worker has been polling, and how many polls it had begun then; `None` if it is not.
    since: Cell<Option<(Instant, usize)>>,
    /// Whether its polls were short the last time that it had any.
    was_short: Cell<bool>,
    /// Whether its polls took long, since it was started.
    was_long: Cell<bool>,
    /// Whether they did when that was known last: the next ones probably do, too.
    tends_long: Cell<bool>,
    /// What is known of long polls among many short ones.
    scattered: Cell<Scattered>,
}

/// What is measured of some polls.
#[derive(Clone, Copy, Debug, Default)]
struct Measured {
    polls: u32,
    took: Duration,
    longest: Duration,
}

impl Grain {
    pub(crate) fn new() -> Self {
        Self {
            verdict: Cell::new(Verdict::Unknown),
            seen: Cell::new(None),
            before: Cell::new(0),
            measured: Cell::default(),
            mean: Cell::new(AWAKENING),
            since: Cell::new(None),
            was_short: Cell::new(false),
            was_long: Cell::new(false),
            tends_long: Cell::new(false),
            scattered: Cell::default(),
        }
    }

    /// The worker polls from now on. If it has not slept since it was started before, that was a slice of its polls, of which
    /// nobody may have measured many.
    pub(crate) fn start(&self, running: &Running<'_>) {
        self.begin(running);
        if let (Some((since, before)), Some(now)) = (self.since.get(), self.seen.get()) {
            self.note_mean(
                now.duration_since(since),
                running.polls().wrapping_sub(before),
            );
            let mut scattered = self.scattered.get();
            let has_found = scattered.add_slice((since, before), (now, running.polls()));
            if has_found && Self::has_many(running) {
                self.scattered.set(scattered);
            }
        }
        self.since
            .set(self.seen.get().map(|seen| (seen, running.polls())));
        self.was_long.set(false);
    }

    /// It has nothing to do any more.
    pub(crate) fn end(&self, running: &Running<'_>) {
        if let Some((since, before)) = self.since.take() {
            let polls = running.polls().wrapping_sub(before);
            if let Some(mean) = self.note_mean(since.elapsed(), polls) {
                self.was_short.set(mean < SHORT);
                self.was_long.set(mean >= LONG);
            }
        }
    }

    /// So many polls took so long together. How long one took, if there were any.
    fn note_mean(&self, took: Duration, polls: usize) -> Option<Duration> {
        let mean = took.checked_div(u32::try_from(polls).unwrap_or(u32::MAX))?;
        self.tends_long.set(mean >= LONG);
        Some(mean)
    }

    /// Whether the next polls will probably take long.
    #[inline(always)]
    pub(crate) fn tends_long(&self) -> bool {
        self.tends_long.get()
    }

    /// Whether long polls are known to be among the many short ones.
    pub(crate) fn is_scattered(&self, running: &Running<'_>) -> bool {
        self.scattered.get().mean(running.polls()).is_some()
    }

    /// Whether each poll that it has just made, if any, took much longer than moving its task.
    pub(crate) fn was_long(&self) -> bool {
        self.was_long.get()
    }

    /// Whether what it polled since it was woken, the last time, took less than to wake it.
    pub(crate) fn was_short(&self) -> bool {
        self.was_short.get()
    }

    /// What is measured begins now.
    pub(crate) fn begin(&self, running: &Running<'_>) {
        if cfg!(loom) {
            return; // a model has no time: everything is worth it
        }
        self.verdict.set(Verdict::Unknown);
        self.measured.set(Measured::default());
        self.seen.set(Some(Instant::now()));
        self.before.set(running.polls());
    }

    /// What is known by now. A judgement stands until the next [`begin`](Self::begin).
    #[inline(always)]
    pub(crate) fn judge(&self, running: &Running<'_>) -> Verdict {
        if self.verdict.get() == Verdict::Unknown && running.polls() != self.before.get() {
            self.look(running);
        }
        self.verdict.get()
    }

    #[cold]
    fn look(&self, running: &Running<'_>) {
        if cfg!(loom) {
            return self.verdict.set(Verdict::Coarse);
        }
        let Some(seen) = self.seen.get() else {
            return self.begin(running);
        };
        let now = Instant::now();
        let polls = running.polls().wrapping_sub(self.before.get());
        self.seen.set(Some(now));
        self.before.set(running.polls());
        if polls > 1 {
            return self.measured.set(Measured::default()); // nobody looked for a while, so each may be anything
        }
        let mut measured = self.measured.get();
        let took = now.duration_since(seen);
        measured.add(took);
        self.measured.set(measured);
        let many = Self::has_many(running);
        let mut mean = measured.mean(many);
        if many {
            let mut scattered = self.scattered.get();
            if took >= LONG {
                scattered.add((now, running.polls()));
                self.scattered.set(scattered);
            }
            mean = scattered.mean(running.polls()).or(mean);
        }
        if let Some(mean) = mean {
            self.mean.set(mean);
            self.verdict.set(verdict(mean));
        }
    }

    /// Whether many tasks are ready.
    pub(crate) fn has_many(running: &Running<'_>) -> bool {
        running.count_ready(MANY + 1) > MANY
    }

    /// Whether two tasks are ready, and so many that they will take longer than to wake somebody for them.
    pub(crate) fn is_much(&self, running: &Running<'_>) -> bool {
        let mean = self.mean.get().as_nanos().max(1);
        let enough = AWAKENING.as_nanos().div_ceil(mean);
        let enough = usize::try_from(enough).unwrap_or(usize::MAX).max(2);
        running.count_ready(enough) == enough
    }
}

impl Measured {
    /// Adds a poll that took so long.
    fn add(&mut self, took: Duration) {
        self.polls += 1;
        self.took += took;
        self.longest = self.longest.max(took);
    }

    /// How long a poll takes, if that is known, while `many` tasks are ready or not.
    fn mean(&self, many: bool) -> Option<Duration> {
        let (polls, took) = match many {
            true => (self.polls.saturating_sub(1), self.took - self.longest),
            false => (self.polls, self.took),
        };
        (took >= WINDOW || self.polls >= POLLS).then(|| took / polls.max(1))
    }
}

/// Long polls while many tasks are ready.
#[derive(Clone, Copy, Debug, Default)]
struct Scattered {
    /// The end of the last one: when, and how many polls had begun.
    last: Option<(Instant, usize)>,
    /// How long a poll took on average from the one before to the last one, if they were near each other.
    mean: Option<Duration>,
}

impl Scattered {
    /// A long poll has `ended`.
    fn add(&mut self, ended: (Instant, usize)) {
        let (now, polls) = ended;
        self.mean = self.last.and_then(|(last, before)| {
            let between = polls.wrapping_sub(before);
            let near = (1..=NEAR).contains(&between);
            near.then(|| now.duration_since(last) / between as u32)
        });
        self.last = Some(ended);
    }

    /// Polls that nobody may have looked at were made from `start` to `end`. If there must have been long ones among them, and
    /// none is known, they count as one. Whether that is so.
    fn add_slice(&mut self, start: (Instant, usize), end: (Instant, usize)) -> bool {
        let polls = u32::try_from(end.1.wrapping_sub(start.1)).unwrap_or(u32::MAX);
        let known = self.last.is_some_and(|(last, _)| last > start.0);
        let took = end.0.duration_since(start.0);
        let adds = !known && polls >= SLICE && took / polls >= FINE;
        if adds {
            self.add(end);
        }
        adds
    }

    /// How long polls take on average, with the long ones among them, as long as the last one is near: `polls` have begun.
    fn mean(&self, polls: usize) -> Option<Duration> {
        let (_, last) = self.last?;
        self.mean.filter(|_| polls.wrapping_sub(last) <= NEAR)
    }
}

fn verdict(mean: Duration) -> Verdict {
    if mean < FINE {
        Verdict::Fine
    } else {
        Verdict::Coarse
    }
}

#[cfg(all(test, not(any(loom, shuttle))))]
mod tests {
    use arborio_task::{NoNotify, SpawnOptions, Tasks};

    use super::*;

    fn measured(polls: &[u64]) -> Measured {
        let mut measured = Measured::default();
        for &took in polls {
            measured.add(Duration::from_nanos(took));
        }
        measured
    }

    #[test]
    fn one_long_poll_is_enough_if_few_tasks_are_ready() {
        let mean = measured(&[5_000]).mean(false);
        assert_eq!(mean.map(verdict), Some(Verdict::Coarse));
    }

    #[test]
    fn the_poll_that_has_spawned_many_says_nothing_about_them() {
        assert_eq!(measured(&[500_000]).mean(true), None);
        let mut polls = vec![40; 15];
        polls.push(500_000);
        assert_eq!(
            measured(&polls).mean(true).map(verdict),
            Some(Verdict::Fine)
        );
        assert_eq!(
            measured(&[500_000, 5_000]).mean(true).map(verdict),
            Some(Verdict::Coarse)
        );
    }

    /// The end of poll number `poll`, `micros` after the start.
    fn end(start: Instant, micros: u64, poll: usize) -> (Instant, usize) {
        (start + Duration::from_micros(micros), poll)
    }

    #[test]
    fn a_second_long_poll_among_many_short_ones_is_not_the_one_that_has_spawned_them() {
        let start = Instant::now();
        let mut scattered = Scattered::default();
        scattered.add(end(start, 5_000, 17));
        assert_eq!(scattered.mean(17), None, "it may have spawned them");
        scattered.add(end(start, 10_100, 34));
        assert_eq!(scattered.mean(34), Some(Duration::from_micros(300)));
        assert_eq!(verdict(scattered.mean(34).unwrap()), Verdict::Coarse);
        assert!(scattered.mean(34 + NEAR).is_some());
        assert_eq!(scattered.mean(35 + NEAR), None, "there are no more");
    }

    #[test]
    fn who_spawns_many_again_when_they_have_run_is_alone() {
        let start = Instant::now();
        let mut scattered = Scattered::default();
        for round in 1..10 {
            scattered.add(end(start, 150 * round, 1001 * round as usize));
            assert_eq!(scattered.mean(1001 * round as usize), None);
        }
    }

    #[test]
    fn long_polls_that_nobody_has_measured_are_found_by_their_slices() {
        let start = Instant::now();
        let mut scattered = Scattered::default();
        assert!(scattered.add_slice(end(start, 0, 0), end(start, 5_000, 64)));
        assert_eq!(scattered.mean(64), None, "it may have spawned them");
        assert!(scattered.add_slice(end(start, 5_000, 64), end(start, 10_000, 192)));
        assert_eq!(verdict(scattered.mean(192).unwrap()), Verdict::Coarse);
        // A long poll that was measured, and the slice that it was in, are one.
        let mut scattered = Scattered::default();
        scattered.add(end(start, 5_000, 60));
        assert!(!scattered.add_slice(end(start, 0, 0), end(start, 5_010, 64)));
        // Short ones are none, and so is a single long one where nothing is behind it.
        assert!(!scattered.add_slice(end(start, 6_000, 64), end(start, 6_200, 4160)));
        assert!(!scattered.add_slice(end(start, 7_000, 4160), end(start, 12_000, 4161)));
        assert_eq!(scattered.mean(4161), None);
    }

    #[test]
    fn short_polls_are_judged_when_there_were_enough() {
        assert_eq!(measured(&[40; 15]).mean(false), None);
        assert_eq!(
            measured(&[40; 16]).mean(false).map(verdict),
            Some(Verdict::Fine)
        );
    }

    #[test]
    fn polls_that_are_worth_it_begin_at_half_a_microsecond() {
        assert_eq!(verdict(FINE), Verdict::Coarse);
        assert_eq!(verdict(FINE - Duration::from_nanos(1)), Verdict::Fine);
    }

    fn spin(time: Duration) {
        let start = Instant::now();
        while start.elapsed() < time {
            std::hint::spin_loop();
        }
    }

    /// Has `meet` drive so many tasks, each poll of which takes `poll`, and which are ready again at once.
    fn with_tasks(count: usize, poll: Duration, meet: impl FnOnce(&Running<'_>)) {
        let tasks = Tasks::new(std::sync::Arc::new(NoNotify));
        let busy = move || {
            std::future::poll_fn(move |cx| {
                spin(poll);
                cx.waker().wake_by_ref();
                std::task::Poll::<()>::Pending
            })
        };
        let main = async {
            for _ in 1..count {
                drop(arborio_task::try_spawn(busy(), SpawnOptions::new()));
            }
            busy().await;
        };
        let (_, ended) = tasks.run_main(main, meet);
        assert!(ended.is_err(), "they never end");
    }

    #[test]
    fn polls_at_whose_ends_nobody_has_looked_are_not_judged() {
        with_tasks(1, LONG, |running| {
            let grain = Grain::new();
            grain.begin(running);
            running.run_until(2, |_| false);
            assert_eq!(grain.judge(running), Verdict::Unknown);
            running.run_until(1, |_| false);
            assert_eq!(grain.judge(running), Verdict::Coarse);
        });
    }

    #[test]
    fn slices_of_long_polls_are_noted_where_many_tasks_are_ready() {
        let is_scattered = |count| {
            let mut found = None;
            with_tasks(count, FINE * 2, |running| {
                let grain = Grain::new();
                running.run_until(1, |_| false);
                for _ in 0..3 {
                    grain.start(running);
                    running.run_until(SLICE, |_| false);
                }
                grain.start(running);
                found = Some(grain.is_scattered(running));
            });
            found.expect("it has looked")
        };
        assert!(is_scattered(MANY + 2));
        assert!(!is_scattered(MANY - 2), "each of them is measured");
    }

    /// Short polls look longer on a busy machine, so it is enough if it holds for them once.
    #[test]
    fn a_worker_knows_whether_its_last_polls_were_short_or_long() {
        let known_of = |poll| {
            let mut known = None;
            with_tasks(1, poll, |running| {
                let grain = Grain::new();
                grain.start(running);
                running.run_until(20, |_| false);
                grain.end(running);
                known = Some((grain.was_short(), grain.was_long()));
            });
            known.expect("it has looked")
        };
        assert_eq!(known_of(LONG), (false, true));
        assert!(!known_of(SHORT).0);
        assert!((0..100).any(|_| known_of(Duration::ZERO) == (true, false)));
    }
}
