//! Jobs on the threads of a blocking pool, from a task of the loop: one after the other, which is
//! the time of a round trip, and a thousand at once, which is what a job costs a busy pool.
//!
//! By the wall clock: the jobs run on other threads, and how they are woken is what counts.

use std::future::Future;
use std::time::Instant;

use super::{Figure, Rounds, Scenario};
use crate::contestants::{Arborio, Smol, Tokio, TokioBare, entries};
use crate::measure::Effort;
use crate::runtime::{Runtime, Unwrapped};
use crate::sample::Sample;
use crate::stats;

pub(super) const SCENARIO: Scenario = Scenario {
    key: "spawn-blocking",
    what: "jobs that return at once: the round trip of one, and each of 1000 at a time",
    figures: &[
        Figure {
            key: "p50_us",
            unit: "µs",
        },
        Figure {
            key: "job_ns",
            unit: "ns per job",
        },
    ],
    entries: entries!(measure: Arborio, TokioBare, Tokio, Smol),
    rounds: Rounds::Timed,
};

/// How many jobs are spawned before the first of them is awaited.
const BATCH: u64 = 1000;

fn measure<R: Blocks>(effort: Effort) -> Sample {
    R::run(async move {
        let (trips, batches) = if effort.quick { (500, 5) } else { (2000, 20) };
        // The first ones find no thread, and some of the next a processor that sleeps.
        for _ in 0..100 {
            R::job(|| ()).await;
        }
        let mut round_trips = Vec::with_capacity(trips);
        for _ in 0..trips {
            let start = Instant::now();
            R::job(|| ()).await;
            round_trips.push(start.elapsed().as_nanos() as f64 / 1000.0);
        }
        batch::<R>().await;
        let mut jobs = Vec::with_capacity(batches);
        for _ in 0..batches {
            jobs.push(batch::<R>().await);
        }
        Sample::of("p50_us", stats::median(&round_trips)).and("job_ns", stats::median(&jobs))
    })
}

/// Nanoseconds for each job of a batch.
async fn batch<R: Blocks>() -> f64 {
    let mut handles = Vec::with_capacity(BATCH as usize);
    let start = Instant::now();
    for number in 0..BATCH {
        handles.push(R::job(move || number));
    }
    let mut sum = 0;
    for handle in handles {
        sum += handle.await;
    }
    let took = start.elapsed();
    assert_eq!(sum, BATCH * (BATCH - 1) / 2, "every job ran once");
    took.as_nanos() as f64 / BATCH as f64
}

/// A runtime with threads for what blocks.
trait Blocks: Runtime {
    fn job<T, F>(job: F) -> impl Future<Output = T> + 'static
    where
        T: Send + 'static,
        F: FnOnce() -> T + Send + 'static;
}

macro_rules! blocks {
    ($($contestant:ty: $job:ident => $future:expr;)+) => {$(
        impl Blocks for $contestant {
            fn job<T, F>($job: F) -> impl Future<Output = T> + 'static
            where
                T: Send + 'static,
                F: FnOnce() -> T + Send + 'static,
            {
                $future
            }
        }
    )+};
}

blocks! {
    Arborio: job => Unwrapped(arborio::spawn_blocking(job));
    Tokio: job => Unwrapped(tokio::task::spawn_blocking(job));
    TokioBare: job => Unwrapped(tokio::task::spawn_blocking(job));
    Smol: job => smol::unblock(job);
}
