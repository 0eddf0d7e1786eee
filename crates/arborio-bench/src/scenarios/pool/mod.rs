//! Two workers that share their tasks, by the wall clock.
//!
//! Everyone has two threads that poll. Arborio's first worker is the calling thread, with `main` on it; tokio's
//! `main` is a task, as it is faster there; smol's executor is run by two threads. `kanal`, which has channels and no loop, runs on
//! Arborio's pool.

mod echo;
mod outside;
mod parallel;
mod timers;
mod wake;
mod work;

pub(super) use echo::{ECHO, HOT, SKEWED};
pub(super) use timers::TIMERS;
pub(super) use wake::WAKE;

use super::{Entry, Figure, NANOSECONDS, Rounds, Scenario};
use crate::measure::{Effort, Meter};
use crate::sample::Sample;
use parallel::{ArborioPool, KanalPool, Parallel, SmolPool, TokioPool};

/// The entries of a scenario: a generic function, taken for everybody, and for the library whose channel is a peer there.
macro_rules! all {
    ($measure:ident $(, $library:literal = $pool:ty)?) => {
        &[
            Entry {
                contestant: "arborio",
                measure: $measure::<ArborioPool>,
            },
            Entry {
                contestant: "tokio",
                measure: $measure::<TokioPool>,
            },
            Entry {
                contestant: "smol",
                measure: $measure::<SmolPool>,
            },
            $(Entry {
                contestant: $library,
                measure: $measure::<$pool>,
            },)?
        ]
    };
}

use all;

/// A scenario of nanoseconds, from an async function over `Parallel` that is given the meter's units.
macro_rules! scenario {
    ($constant:ident, $key:literal, $what:literal, $per_unit:expr, $work:ident $(, $library:literal = $pool:ty)?) => {
        pub(super) const $constant: Scenario = Scenario {
            key: $key,
            what: $what,
            figures: NANOSECONDS,
            entries: {
                fn measure<P: Parallel>(effort: Effort) -> Sample {
                    P::run(async move {
                        let mut meter = Meter::new(effort, $per_unit);
                        while let Some(units) = meter.next() {
                            work::$work::<P>(units).await;
                        }
                        Sample::of("ns", meter.median_wall_ns())
                    })
                }
                all!(measure $(, $library = $pool)?)
            },
            rounds: Rounds::Timed,
        };
    };
}

scenario!(
    SPAWN_JOIN,
    "pool-spawn-join",
    "two workers: spawn 1000 tasks, then await them, per task",
    1000,
    spawn_join
);
scenario!(
    SPAWN_ONE,
    "pool-spawn-one",
    "two workers: spawn one task and await it",
    1,
    spawn_one
);
scenario!(
    YIELD_ONE,
    "pool-yield-1",
    "two workers: one task yields",
    1,
    yield_one
);
scenario!(
    YIELD_THOUSAND,
    "pool-yield-1000",
    "two workers: 1000 tasks yield 100 times each, per yield",
    100_000,
    yield_thousand
);
scenario!(
    RING,
    "pool-ring-1000",
    "two workers: a token goes round 1000 tasks, per hop",
    1000,
    ring
);
scenario!(
    PING_PONG,
    "pool-pingpong",
    "two workers: two tasks send a number back and forth, per round trip",
    1,
    ping_pong,
    "kanal" = KanalPool
);
scenario!(
    MPSC,
    "pool-mpsc",
    "two workers: 8 senders and a receiver, bounded by 128, per message",
    8000,
    mpsc,
    "kanal" = KanalPool
);
scenario!(
    MUTEX,
    "pool-mutex-100",
    "two workers: 100 tasks lock one mutex 10 times each, per lock",
    1000,
    mutex
);
scenario!(
    FORK_JOIN,
    "pool-fork-join",
    "two workers: a task spawns two, 12 levels deep, per task",
    8190,
    fork_join
);
scenario!(
    SCOPE,
    "pool-scope-1000",
    "two workers: a scope of 1000 children, per child",
    1000,
    scope
);
scenario!(
    PRODUCERS,
    "pool-producers",
    "two workers: 8 tasks that spawn 64 and await them, per task",
    512,
    producers
);
scenario!(
    COARSE,
    "pool-coarse",
    "two workers: 1000 tasks of 20 us each, per task",
    1000,
    coarse
);

pub(super) const BLOCKED: Scenario = Scenario {
    key: "pool-blocked",
    what: "two workers: until a task starts whose parent blocks its worker for 50 ms, the worst of some",
    figures: &[Figure {
        key: "worst_ms",
        unit: "ms",
    }],
    entries: {
        fn measure<P: Parallel>(effort: Effort) -> Sample {
            let times = if effort.quick { 5 } else { 20 };
            let worst = P::run(async move { work::blocked::<P>(times).await });
            Sample::of("worst_ms", worst.as_secs_f64() * 1000.0)
        }
        all!(measure)
    },
    rounds: Rounds::Timed,
};

pub(super) const START_STOP: Scenario = Scenario {
    key: "pool-start-stop",
    what: "start and stop a pool of two workers",
    figures: &[Figure {
        key: "time_us",
        unit: "µs",
    }],
    entries: {
        fn measure<P: Parallel>(effort: Effort) -> Sample {
            let mut meter = Meter::new(effort, 1);
            while let Some(units) = meter.next() {
                for _ in 0..units {
                    P::run(async {});
                }
            }
            Sample::of("time_us", meter.median_wall_ns() / 1000.0)
        }
        all!(measure)
    },
    rounds: Rounds::Timed,
};
