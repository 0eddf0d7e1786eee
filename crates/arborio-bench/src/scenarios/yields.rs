//! Yield: one task to itself, and a thousand tasks in turn.
//!
//! Each contestant yields by its own means and by a future that wakes itself; the faster one counts.
//! monoio has no yield, and puts a task that wakes itself at the head of its queue: its thousand tasks
//! do not take turns, so that its figure is that of a smaller piece of work.

use std::future::Future;

use super::{NANOSECONDS, Rounds, Scenario};
use crate::contestants::everyone;
use crate::measure::{Effort, Meter};
use crate::runtime::{Runtime, SelfWake};
use crate::sample::Sample;

const TASKS: u64 = 1000;
/// Yields of each task in one unit: enough for the spawning to vanish.
const TURNS: u64 = 100;

pub(super) const ONE: Scenario = Scenario {
    key: "yield-1",
    what: "one task yields",
    figures: NANOSECONDS,
    entries: everyone!(one),
    rounds: Rounds::Timed,
};

pub(super) const THOUSAND: Scenario = Scenario {
    key: "yield-1000",
    what: "1000 tasks yield in turn",
    figures: NANOSECONDS,
    entries: everyone!(thousand),
    rounds: Rounds::Timed,
};

fn one<R: Runtime>(effort: Effort) -> Sample {
    better(
        yield_alone::<R, _>(effort, || R::yield_now()),
        yield_alone::<R, _>(effort, SelfWake::default),
    )
}

fn thousand<R: Runtime>(effort: Effort) -> Sample {
    better(
        yield_in_turn::<R, _>(effort, || R::yield_now()),
        yield_in_turn::<R, _>(effort, SelfWake::default),
    )
}

/// The faster of the two kinds, and both beside it.
fn better(own: Meter, generic: Meter) -> Sample {
    let (own_ns, generic_ns) = (own.median_ns(), generic.median_ns());
    let faster = if own_ns <= generic_ns { own } else { generic };
    faster
        .sample()
        .and("_own_ns", own_ns)
        .and("_generic_ns", generic_ns)
}

fn yield_alone<R, Y>(effort: Effort, yield_once: impl Fn() -> Y + Copy + 'static) -> Meter
where
    R: Runtime,
    Y: Future<Output = ()> + 'static,
{
    let task = async move {
        let mut meter = Meter::new(effort, 1);
        while let Some(units) = meter.next() {
            for _ in 0..units {
                yield_once().await;
            }
        }
        meter
    };
    R::run(async move { R::spawn(task).await })
}

fn yield_in_turn<R, Y>(effort: Effort, yield_once: impl Fn() -> Y + Copy + 'static) -> Meter
where
    R: Runtime,
    Y: Future<Output = ()> + 'static,
{
    R::run(async move {
        let mut meter = Meter::new(effort, TASKS * TURNS);
        let mut handles = Vec::with_capacity(TASKS as usize);
        while let Some(units) = meter.next() {
            handles.extend((0..TASKS).map(|_| {
                R::spawn(async move {
                    for _ in 0..units * TURNS {
                        yield_once().await;
                    }
                })
            }));
            for handle in handles.drain(..) {
                handle.await;
            }
        }
        meter
    })
}
