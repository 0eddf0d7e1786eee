//! Start a runtime, run a future that is ready, stop it.

use super::{Figure, Rounds, Scenario};
use crate::contestants::everyone;
use crate::measure::{Effort, Meter};
use crate::runtime::Runtime;
use crate::sample::Sample;

pub(super) const SCENARIO: Scenario = Scenario {
    key: "start-stop",
    what: "start and stop a loop",
    figures: &[Figure {
        key: "time_us",
        unit: "µs",
    }],
    entries: everyone!(measure),
    rounds: Rounds::Timed,
};

fn measure<R: Runtime>(effort: Effort) -> Sample {
    let mut meter = Meter::new(effort, 1);
    while let Some(units) = meter.next() {
        for _ in 0..units {
            R::run(async {});
        }
    }
    // By the wall clock: closing descriptors may wait for the kernel.
    Sample::of("time_us", meter.median_wall_ns() / 1000.0)
}
