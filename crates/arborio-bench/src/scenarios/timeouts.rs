//! A timeout that never fires: around a future that is ready, and around one that yields once.

use std::future::{Future, ready};
use std::hint::black_box;
use std::time::Duration;

use super::{NANOSECONDS, Rounds, Scenario};
use crate::contestants::everyone_with_a_clock;
use crate::measure::{Effort, Meter};
use crate::runtime::{Runtime, SelfWake};
use crate::sample::Sample;

/// Far enough not to fire within a run.
const LIMIT: Duration = Duration::from_secs(60);

pub(super) const READY: Scenario = Scenario {
    key: "timeout-ready",
    what: "a timeout around a ready future",
    figures: NANOSECONDS,
    entries: everyone_with_a_clock!(around_ready),
    rounds: Rounds::Timed,
};

pub(super) const YIELD: Scenario = Scenario {
    key: "timeout-yield",
    what: "a timeout around a future that yields once",
    figures: NANOSECONDS,
    entries: everyone_with_a_clock!(around_yield),
    rounds: Rounds::Timed,
};

fn around_ready<R: Runtime>(effort: Effort) -> Sample {
    measure::<R, _>(effort, || ready(()))
}

fn around_yield<R: Runtime>(effort: Effort) -> Sample {
    measure::<R, _>(effort, SelfWake::default)
}

fn measure<R, F>(effort: Effort, future: impl Fn() -> F + 'static) -> Sample
where
    R: Runtime,
    F: Future<Output = ()> + 'static,
{
    R::run(async move {
        let mut meter = Meter::new(effort, 1);
        while let Some(units) = meter.next() {
            for _ in 0..units {
                // What is inside must be opaque, or a ready future is folded away altogether.
                black_box(R::timeout(black_box(LIMIT), black_box(future())).await);
            }
        }
        meter.sample()
    })
}
