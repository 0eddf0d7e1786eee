//! Futures that one task polls until all have ended: ten, or a thousand, at a time.
//!
//! A figure is one future's share: of making whatever holds the futures, polling them, and collecting
//! their values. Each future is ready at its first poll, or wakes itself once before.
//!
//! # Who does it how
//! Everyone runs on Arborio's loop. Arborio's `Concurrent` takes branches of any type and hands out a handle for
//! each, which is awaited for its value; so does moro's scope. `futures-concurrency` joins a vector, `futures` has a
//! `FuturesUnordered` and, as `futures-join`, `join_all`: futures of one type, which need no box.

use std::future::Future;

use futures_concurrency::future::Join as _;
use futures_util::StreamExt as _;
use futures_util::stream::FuturesUnordered;

use super::sync::pairs;
use super::{NANOSECONDS, Rounds, Scenario};
use crate::measure::{Effort, Meter};
use crate::runtime::{Runtime, SelfWake};
use crate::sample::Sample;

/// The entries of one of the scenarios.
macro_rules! everyone {
    ($measure:ident, $kind:ty) => {
        pairs!($measure:
            "arborio" = Arborio + (Branches, $kind),
            "arborio-local" = Arborio + (LocalBranches, $kind),
            "moro" = Arborio + (Moro, $kind),
            "futures" = Arborio + (Unordered, $kind),
            "futures-join" = Arborio + (JoinAll, $kind),
            "futures-concurrency" = Arborio + (Join, $kind),
        )
    };
}

pub(super) const TEN: Scenario = Scenario {
    key: "concurrent-10",
    what: "10 futures of one task that are ready at once, per future",
    figures: NANOSECONDS,
    entries: everyone!(ten, Ready),
    rounds: Rounds::Timed,
};

pub(super) const THOUSAND: Scenario = Scenario {
    key: "concurrent-1000",
    what: "1000 futures of one task that are ready at once, per future",
    figures: NANOSECONDS,
    entries: everyone!(thousand, Ready),
    rounds: Rounds::Timed,
};

pub(super) const TEN_YIELDS: Scenario = Scenario {
    key: "concurrent-10-yield",
    what: "10 futures of one task that yield once, per future",
    figures: NANOSECONDS,
    entries: everyone!(ten, Yields),
    rounds: Rounds::Timed,
};

pub(super) const THOUSAND_YIELDS: Scenario = Scenario {
    key: "concurrent-1000-yield",
    what: "1000 futures of one task that yield once, per future",
    figures: NANOSECONDS,
    entries: everyone!(thousand, Yields),
    rounds: Rounds::Timed,
};

fn ten<R: Runtime, C: Contest>(effort: Effort) -> Sample {
    measure::<R, C>(effort, 10)
}

fn thousand<R: Runtime, C: Contest>(effort: Effort) -> Sample {
    measure::<R, C>(effort, 1000)
}

fn measure<R: Runtime, C: Contest>(effort: Effort, count: u64) -> Sample {
    R::run(async move {
        let mut meter = Meter::new(effort, count);
        while let Some(units) = meter.next() {
            for _ in 0..units {
                let sum = C::sum_of(count).await;
                assert_eq!(sum, count * (count - 1) / 2, "every future ran once");
            }
        }
        meter.sample()
    })
}

/// What the futures do.
trait Kind: 'static {
    fn future(number: u64) -> impl Future<Output = u64> + Send;
}

struct Ready;

impl Kind for Ready {
    async fn future(number: u64) -> u64 {
        number
    }
}

struct Yields;

impl Kind for Yields {
    async fn future(number: u64) -> u64 {
        SelfWake::default().await;
        number
    }
}

/// Something that polls futures until all have ended.
trait Holder: 'static {
    /// The sum of what `futures` give.
    fn sum<F>(futures: impl ExactSizeIterator<Item = F> + Send) -> impl Future<Output = u64>
    where
        F: Future<Output = u64> + Send;
}

/// A holder and a kind of future.
trait Contest: 'static {
    fn sum_of(count: u64) -> impl Future<Output = u64>;
}

impl<H: Holder, K: Kind> Contest for (H, K) {
    fn sum_of(count: u64) -> impl Future<Output = u64> {
        H::sum((0..count as usize).map(|number| K::future(number as u64)))
    }
}

macro_rules! branches {
    ($holder:ident, $new:ident) => {
        impl Holder for $holder {
            async fn sum<F>(futures: impl ExactSizeIterator<Item = F> + Send) -> u64
            where
                F: Future<Output = u64> + Send,
            {
                let c = arborio::Concurrent::$new();
                let handles: Vec<_> = futures.map(|future| c.spawn(future)).collect();
                c.run(async {}).await;
                let mut sum = 0;
                for handle in handles {
                    sum += handle.await.expect("nobody ends a branch of a scenario");
                }
                sum
            }
        }
    };
}

struct Branches;
branches!(Branches, new);

struct LocalBranches;
branches!(LocalBranches, local);

struct Moro;

impl Holder for Moro {
    async fn sum<F>(futures: impl ExactSizeIterator<Item = F> + Send) -> u64
    where
        F: Future<Output = u64> + Send,
    {
        let scope = moro::async_scope!(|scope| {
            let handles: Vec<_> = futures.map(|future| scope.spawn(future)).collect();
            let mut sum = 0;
            for handle in handles {
                sum += handle.await;
            }
            sum
        });
        scope.await
    }
}

struct Unordered;

impl Holder for Unordered {
    async fn sum<F>(futures: impl ExactSizeIterator<Item = F> + Send) -> u64
    where
        F: Future<Output = u64> + Send,
    {
        let mut set: FuturesUnordered<_> = futures.collect();
        let mut sum = 0;
        while let Some(number) = set.next().await {
            sum += number;
        }
        sum
    }
}

struct JoinAll;

impl Holder for JoinAll {
    async fn sum<F>(futures: impl ExactSizeIterator<Item = F> + Send) -> u64
    where
        F: Future<Output = u64> + Send,
    {
        futures_util::future::join_all(futures).await.iter().sum()
    }
}

struct Join;

impl Holder for Join {
    async fn sum<F>(futures: impl ExactSizeIterator<Item = F> + Send) -> u64
    where
        F: Future<Output = u64> + Send,
    {
        let futures: Vec<_> = futures.collect();
        futures.join().await.iter().sum()
    }
}
