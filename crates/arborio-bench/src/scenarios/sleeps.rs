//! Sleeps of 1 to 50 ms: many at once (cost and lateness), and one after the other (lateness).

use std::time::{Duration, Instant};

use super::{Figure, Rounds, Scenario};
use crate::contestants::everyone_with_a_clock;
use crate::measure::{Effort, cpu_time};
use crate::runtime::Runtime;
use crate::sample::Sample;
use crate::stats;

const LATENESS: Figure = Figure {
    key: "p50_us",
    unit: "µs late",
};
const TAIL: Figure = Figure {
    key: "p99_us",
    unit: "µs late",
};
const COST: Figure = Figure {
    key: "cpu_ns",
    unit: "ns per timer",
};

pub(super) const HUNDRED_THOUSAND: Scenario = Scenario {
    key: "sleeps-100k",
    what: "100,000 tasks sleep 1-50 ms at once",
    figures: &[COST],
    entries: everyone_with_a_clock!(hundred_thousand),
    rounds: Rounds::Timed,
};

pub(super) const TEN_THOUSAND: Scenario = Scenario {
    key: "sleeps-10k",
    what: "10,000 tasks sleep 1-50 ms at once",
    figures: &[LATENESS, TAIL, COST],
    entries: everyone_with_a_clock!(ten_thousand),
    rounds: Rounds::Timed,
};

pub(super) const LONE: Scenario = Scenario {
    key: "lone-sleep",
    what: "one task sleeps 1-5 ms, again and again",
    figures: &[LATENESS, TAIL],
    entries: everyone_with_a_clock!(lone),
    rounds: Rounds::Timed,
};

/// The same sequence in every process: durations with a grain of a microsecond.
struct Durations {
    state: u64,
    longest_us: u64,
}

impl Durations {
    fn up_to_ms(longest: u64) -> Durations {
        Durations {
            state: 0x9E37_79B9_7F4A_7C15,
            longest_us: longest * 1000,
        }
    }

    fn next(&mut self) -> Duration {
        // Marsaglia's xorshift64.
        self.state ^= self.state << 13;
        self.state ^= self.state >> 7;
        self.state ^= self.state << 17;
        Duration::from_micros(1000 + self.state % (self.longest_us - 1000))
    }
}

/// Sleeps and tells by how many µs the end was late; below zero if it was early.
async fn sleep_and_see<R: Runtime>(duration: Duration) -> f64 {
    let due = Instant::now() + duration;
    R::sleep(duration).await;
    let now = Instant::now();
    let late = now.saturating_duration_since(due).as_secs_f64();
    let early = due.saturating_duration_since(now).as_secs_f64();
    (late - early) * 1e6
}

fn lateness(late: &[f64]) -> Sample {
    let early = late.iter().filter(|&&late| late < 0.0).count();
    Sample::of("p50_us", stats::median(late))
        .and("p99_us", stats::percentile(late, 99.0))
        .and("_early", early as f64)
}

fn lone<R: Runtime>(effort: Effort) -> Sample {
    R::run(async move {
        let mut durations = Durations::up_to_ms(5);
        sleep_and_see::<R>(durations.next()).await;
        let mut late = Vec::new();
        for _ in 0..if effort.quick { 15 } else { 40 } {
            late.push(sleep_and_see::<R>(durations.next()).await);
        }
        lateness(&late)
    })
}

fn ten_thousand<R: Runtime>(effort: Effort) -> Sample {
    const TIMERS: usize = 10_000;
    R::run(async move {
        let mut durations = Durations::up_to_ms(50);
        let mut late = Vec::with_capacity(4 * TIMERS);
        let mut handles = Vec::with_capacity(TIMERS);
        let mut costs = Vec::new();
        let repeats = if effort.quick { 2 } else { 4 };
        for repeat in 0..repeats {
            let before = cpu_time();
            handles.extend((0..TIMERS).map(|_| R::spawn(sleep_and_see::<R>(durations.next()))));
            for handle in handles.drain(..) {
                late.push(handle.await);
            }
            costs.push((cpu_time() - before).as_nanos() as f64 / TIMERS as f64);
            // The first turn warms up.
            if repeat == 0 {
                late.clear();
                costs.clear();
            }
        }
        lateness(&late).and("cpu_ns", stats::median(&costs))
    })
}

fn hundred_thousand<R: Runtime>(effort: Effort) -> Sample {
    const TIMERS: usize = 100_000;
    R::run(async move {
        let mut durations = Durations::up_to_ms(50);
        let mut handles = Vec::with_capacity(TIMERS);
        let mut costs = Vec::new();
        for _ in 0..if effort.quick { 2 } else { 4 } {
            let before = cpu_time();
            handles.extend((0..TIMERS).map(|_| {
                let duration = durations.next();
                R::spawn(async move {
                    R::sleep(duration).await;
                })
            }));
            for handle in handles.drain(..) {
                handle.await;
            }
            costs.push((cpu_time() - before).as_nanos() as f64 / TIMERS as f64);
        }
        // The first turn warms up.
        Sample::of("cpu_ns", stats::median(&costs[1..]))
    })
}
