//! Spawn a thousand tasks that end at their first poll, then await them all.

use super::{NANOSECONDS, Rounds, Scenario};
use crate::contestants::everyone;
use crate::measure::{Effort, Meter};
use crate::runtime::Runtime;
use crate::sample::Sample;

const BATCH: u64 = 1000;

pub(super) const SCENARIO: Scenario = Scenario {
    key: "spawn-join",
    what: "spawn and join in batches of 1000, per task",
    figures: NANOSECONDS,
    entries: everyone!(measure),
    rounds: Rounds::Timed,
};

fn measure<R: Runtime>(effort: Effort) -> Sample {
    R::run(async move {
        let mut meter = Meter::new(effort, BATCH);
        let mut handles = Vec::with_capacity(BATCH as usize);
        while let Some(units) = meter.next() {
            for _ in 0..units {
                handles.extend((0..BATCH).map(|number| R::spawn(async move { number })));
                let mut sum = 0;
                for handle in handles.drain(..) {
                    sum += handle.await;
                }
                assert_eq!(sum, BATCH * (BATCH - 1) / 2, "every task ran once");
            }
        }
        meter.sample()
    })
}
