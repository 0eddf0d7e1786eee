//! A thread that is none of the pool's wakes a task while every worker sleeps.

use std::future::poll_fn;
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Poll, Waker};
use std::thread;
use std::time::{Duration, Instant};

use super::outside::Outside;
use super::parallel::{ArborioPool, SmolPool, TokioPool};
use super::{Entry, Figure, Rounds, Scenario, all};
use crate::measure::Effort;
use crate::sample::Sample;
use crate::stats;

/// For so long nobody does anything before each wake: the workers have gone to sleep by then.
const PAUSE: Duration = Duration::from_micros(500);

pub(in crate::scenarios) const WAKE: Scenario = Scenario {
    key: "pool-wake",
    what: "two workers that sleep: from the wake by another thread until the task is polled",
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
    let times = if effort.quick { 200 } else { 1000 };
    let late = P::run_with_drivers(async move {
        let bell = Arc::new(Bell::default());
        let ringing = Arc::clone(&bell);
        let ringer = thread::spawn(move || ringing.ring(times));
        let late = P::spawn(async move { bell.hear(times).await }).await;
        ringer.join().expect("the thread that wakes");
        late
    });
    Sample::of("p50_us", stats::percentile(&late, 50.0) / 1000.0)
        .and("p99_us", stats::percentile(&late, 99.0) / 1000.0)
}

/// What the thread that wakes and the task have in common.
#[derive(Default)]
struct Bell(Mutex<Rung>);

#[derive(Default)]
struct Rung {
    /// When it was, if the task has not been polled since.
    at: Option<Instant>,
    waker: Option<Waker>,
}

impl Bell {
    /// Wakes the task so many times, each time after it has waited for a while.
    fn ring(&self, times: u32) {
        let mut left = times;
        while left > 0 {
            thread::sleep(PAUSE);
            let mut rung = self.0.lock().unwrap_or_else(PoisonError::into_inner);
            let Some(waker) = rung.waker.take() else {
                continue; // it is still on its way here
            };
            rung.at = Some(Instant::now());
            drop(rung);
            waker.wake();
            left -= 1;
        }
    }

    /// How many nanoseconds each wake took.
    async fn hear(&self, times: u32) -> Vec<f64> {
        let mut late = Vec::with_capacity(times as usize);
        while late.len() < times as usize {
            let took = poll_fn(|cx| {
                let mut rung = self.0.lock().unwrap_or_else(PoisonError::into_inner);
                if let Some(at) = rung.at.take() {
                    return Poll::Ready(at.elapsed());
                }
                rung.waker = Some(cx.waker().clone());
                Poll::Pending
            });
            late.push(took.await.as_nanos() as f64);
        }
        late
    }
}
