//! What an armed sleep takes: its future, and what the runtime keeps for it.

use std::future::{Future, poll_fn};
use std::pin::Pin;
use std::task::Poll;
use std::time::Duration;

use super::{BYTES, Rounds, Scenario};
use crate::contestants::everyone_with_a_clock;
use crate::measure::Effort;
use crate::memory;
use crate::runtime::Runtime;
use crate::sample::Sample;

/// A little below 65,536: tables that double are nearly full, which is their best case.
const SLEEPS: usize = 60_000;

pub(super) const SCENARIO: Scenario = Scenario {
    key: "sleep-size",
    what: "bytes of an armed sleep, future and slot",
    figures: BYTES,
    entries: everyone_with_a_clock!(measure),
    rounds: Rounds::Counted,
};

fn measure<R: Runtime>(_: Effort) -> Sample {
    memory::count();
    R::run(async {
        let mut sleeps: Vec<Pin<Box<_>>> = Vec::with_capacity(SLEEPS);
        let before = memory::live();
        poll_fn(|cx| {
            for number in 0..SLEEPS {
                // Spread over ten minutes, so that no two need the same slot.
                let duration = Duration::from_secs(600) + Duration::from_millis(10 * number as u64);
                let mut sleep = Box::pin(R::sleep(duration));
                assert!(sleep.as_mut().poll(cx).is_pending(), "the sleep is armed");
                sleeps.push(sleep);
            }
            Poll::Ready(())
        })
        .await;
        let bytes = memory::live() - before;
        let future = sleeps.first().map_or(0, |sleep| size_of_val(&**sleep));
        Sample::of("bytes", bytes as f64 / SLEEPS as f64).and("_future", future as f64)
    })
}
