//! Tasks that sleep while others compute: how late they wake up.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use super::outside::Outside;
use super::parallel::{ArborioPool, SmolPool, TokioPool};
use super::{Entry, Figure, Rounds, Scenario, all, work};
use crate::measure::Effort;
use crate::runtime::SelfWake;
use crate::sample::Sample;
use crate::stats;

const SLEEPERS: u64 = 100;

/// As many as keep both workers busy, however the tasks fall on them.
const COMPUTING: u64 = 4;

pub(in crate::scenarios) const TIMERS: Scenario = Scenario {
    key: "pool-timers",
    what: "two workers: how late 100 tasks are that sleep for 1 to 5 ms, beside 4 that compute for 20 us at a time",
    figures: &[
        Figure {
            key: "p50_us",
            unit: "µs",
        },
        Figure {
            key: "p99_us",
            unit: "µs",
        },
    ],
    entries: all!(measure),
    rounds: Rounds::Timed,
};

fn measure<P: Outside>(effort: Effort) -> Sample {
    let times = if effort.quick { 20 } else { 100 };
    let late = P::run_with_drivers(sleep_beside_work::<P>(times));
    Sample::of("p50_us", stats::percentile(&late, 50.0) / 1000.0)
        .and("p99_us", stats::percentile(&late, 99.0) / 1000.0)
}

/// By how many nanoseconds each sleep was late. Nobody awaits a task: that would keep it where it is.
async fn sleep_beside_work<P: Outside>(times: u64) -> Vec<f64> {
    let over = Arc::new(AtomicBool::new(false));
    let mut computing = Vec::new();
    for _ in 0..COMPUTING {
        let over = Arc::clone(&over);
        computing.push(P::spawn(async move {
            while !over.load(Ordering::Relaxed) {
                work::compute();
                SelfWake::default().await;
            }
        }));
    }
    let (late, mut was_late) = P::channel(128);
    let mut sleeping = Vec::new();
    for number in 0..SLEEPERS {
        let late = late.clone();
        sleeping.push(P::spawn(async move {
            for time in 0..times {
                // 7 and 41 have no factor in common: every sleeper has every length in turn.
                let length = Duration::from_micros(1000 + 100 * ((number + 7 * time) % 41));
                let start = Instant::now();
                P::sleep(length).await;
                let slept = start.elapsed();
                assert!(slept >= length, "no sleep is too short");
                P::send(&late, (slept - length).as_nanos() as u64).await;
            }
        }));
    }
    drop(late);
    let mut all = Vec::new();
    while let Some(late) = P::receive(&mut was_late).await {
        all.push(late as f64);
    }
    over.store(true, Ordering::Relaxed);
    for task in computing {
        task.await;
    }
    assert_eq!(all.len() as u64, SLEEPERS * times, "every sleep ended");
    all
}
