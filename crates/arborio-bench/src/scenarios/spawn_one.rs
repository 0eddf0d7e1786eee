//! Spawn one task and await it at once.

use super::{NANOSECONDS, Rounds, Scenario};
use crate::contestants::everyone;
use crate::measure::{Effort, Meter};
use crate::runtime::Runtime;
use crate::sample::Sample;

pub(super) const SCENARIO: Scenario = Scenario {
    key: "spawn-one",
    what: "spawn one task and await it",
    figures: NANOSECONDS,
    entries: everyone!(measure),
    rounds: Rounds::Timed,
};

fn measure<R: Runtime>(effort: Effort) -> Sample {
    R::run(async move {
        let mut meter = Meter::new(effort, 1);
        while let Some(units) = meter.next() {
            let mut sum = 0;
            for number in 0..units {
                sum += R::spawn(async move { number }).await;
            }
            assert_eq!(sum, units * (units - 1) / 2, "every task ran once");
        }
        meter.sample()
    })
}
