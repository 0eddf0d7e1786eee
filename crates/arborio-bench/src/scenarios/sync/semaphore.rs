//! A semaphore with one permit, taken and given back by one task.

use std::future::{Future, poll_fn};
use std::hint::black_box;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::Poll;

use futures_lite::future::poll_once;

use super::pairs;
use crate::contestants::floor::sync as floor;
use crate::measure::{Effort, Meter};
use crate::runtime::Runtime;
use crate::sample::Sample;
use crate::scenarios::{NANOSECONDS, Rounds, Scenario};

pub(in crate::scenarios) const FREE_LOCAL: Scenario = Scenario {
    key: "semaphore-free-local",
    what: "take and give back a permit that nobody else wants, for one thread",
    figures: NANOSECONDS,
    entries: pairs!(free:
        "arborio" = Arborio + arborio::sync::local::Semaphore,
        "floor" = Floor + floor::Permits<floor::Alone<floor::Queue>>,
        "tokio-bare" = TokioBare + tokio::sync::Semaphore,
        "tokio@arborio" = Arborio + tokio::sync::Semaphore,
        "smol" = Smol + smol::lock::Semaphore,
        "smol@arborio" = Arborio + smol::lock::Semaphore,
        "monoio" = Monoio + local_sync::semaphore::Semaphore,
        "monoio@arborio" = Arborio + local_sync::semaphore::Semaphore,
    ),
    rounds: Rounds::Timed,
};

pub(in crate::scenarios) const FREE_SEND: Scenario = Scenario {
    key: "semaphore-free-send",
    what: "take and give back a permit that nobody else wants, for any threads",
    figures: NANOSECONDS,
    entries: pairs!(free:
        "arborio" = Arborio + arborio::sync::Semaphore,
        "floor" = Floor + Word,
        "tokio-bare" = TokioBare + tokio::sync::Semaphore,
        "tokio@arborio" = Arborio + tokio::sync::Semaphore,
        "smol" = Smol + smol::lock::Semaphore,
        "smol@arborio" = Arborio + smol::lock::Semaphore,
    ),
    rounds: Rounds::Timed,
};

/// A semaphore; dropping what [`acquire`](Semaphore::acquire) returns gives the permit back.
trait Semaphore: 'static {
    fn new(permits: usize) -> Self;
    fn acquire(&self) -> impl Future<Output = impl Sized>;
}

macro_rules! semaphores {
    ($($semaphore:ty),+) => {$(
        impl Semaphore for $semaphore {
            fn new(permits: usize) -> Self {
                <$semaphore>::new(permits)
            }

            fn acquire(&self) -> impl Future<Output = impl Sized> {
                <$semaphore>::acquire(self)
            }
        }
    )+};
}

semaphores!(
    arborio::sync::local::Semaphore,
    arborio::sync::Semaphore,
    floor::Permits<floor::Alone<floor::Queue>>,
    tokio::sync::Semaphore,
    smol::lock::Semaphore,
    local_sync::semaphore::Semaphore
);

/// The floor for any threads: one exchange down, one up. Nobody can wait for it.
struct Word(AtomicUsize);

struct Taken<'a>(&'a AtomicUsize);

impl Semaphore for Word {
    fn new(permits: usize) -> Self {
        Self(AtomicUsize::new(permits))
    }

    fn acquire(&self) -> impl Future<Output = impl Sized> {
        poll_fn(|_| {
            let free = self.0.load(Ordering::Relaxed);
            let taken = free > 0
                && self
                    .0
                    .compare_exchange(free, free - 1, Ordering::Acquire, Ordering::Relaxed)
                    .is_ok();
            if taken {
                Poll::Ready(Taken(&self.0))
            } else {
                Poll::Pending
            }
        })
    }
}

impl Drop for Taken<'_> {
    fn drop(&mut self) {
        self.0.fetch_add(1, Ordering::Release);
    }
}

fn free<R: Runtime, S: Semaphore>(effort: Effort) -> Sample {
    R::run(async move {
        let mut meter = Meter::new(effort, 1);
        let semaphore = S::new(1);
        while let Some(units) = meter.next() {
            for _ in 0..units {
                drop(black_box(&semaphore).acquire().await);
            }
        }
        let _held = semaphore.acquire().await;
        let second = poll_once(semaphore.acquire()).await;
        assert!(second.is_none(), "there was one permit, and it is taken");
        meter.sample()
    })
}
