//! Start some tasks and go on when all have ended: ten, or a thousand, at a time.
//!
//! A figure is one task's share: of opening whatever holds the tasks, spawning, running, and waiting
//! for all ends. The tasks are those of `spawn-join`: each ends at its first poll.
//!
//! # Who does it how
//! Arborio has a scope, tokio a `JoinSet`; the floor, smol, monoio and compio keep the handles and await
//! them. `moro`, `futures` (`FuturesUnordered`) and `futures-concurrency` (`FutureGroup`) have no tasks:
//! they poll futures inside of the one that waits, which runs on Arborio's loop here. That gives less (no
//! future is polled without the others' owner, a panic of one ends all), and may be faster.
//! What holds the tasks is used again where that is possible.

use std::cell::Cell;
use std::future::Future;
use std::marker::PhantomData;
use std::pin::pin;

use futures_util::StreamExt as _;
use futures_util::stream::FuturesUnordered;

use super::sync::pairs;
use super::{NANOSECONDS, Rounds, Scenario};
use crate::measure::{Effort, Meter};
use crate::runtime::Runtime;
use crate::sample::Sample;

/// The entries of one of the scenarios.
macro_rules! everyone {
    ($measure:ident) => {
        pairs!($measure:
            "arborio" = Arborio + Scope,
            "floor" = Floor + Handles<crate::contestants::Floor>,
            "tokio-bare" = TokioBare + JoinSet,
            "tokio" = Tokio + JoinSet,
            "smol" = Smol + Handles<crate::contestants::Smol>,
            "monoio" = Monoio + Handles<crate::contestants::Monoio>,
            "monoio-uring" = MonoioUring + Handles<crate::contestants::MonoioUring>,
            "compio" = Compio + Handles<crate::contestants::Compio>,
            "compio-uring" = CompioUring + Handles<crate::contestants::CompioUring>,
            "moro" = Arborio + Moro,
            "futures" = Arborio + Unordered,
            "futures-concurrency" = Arborio + Group,
        )
    };
}

pub(super) const TEN: Scenario = Scenario {
    key: "scope-10",
    what: "a scope of 10 tasks, all ends awaited, per task",
    figures: NANOSECONDS,
    entries: everyone!(ten),
    rounds: Rounds::Timed,
};

pub(super) const THOUSAND: Scenario = Scenario {
    key: "scope-1000",
    what: "a scope of 1000 tasks, all ends awaited, per task",
    figures: NANOSECONDS,
    entries: everyone!(thousand),
    rounds: Rounds::Timed,
};

fn ten<R: Runtime, H: Holder>(effort: Effort) -> Sample {
    measure::<R, H>(effort, 10)
}

fn thousand<R: Runtime, H: Holder>(effort: Effort) -> Sample {
    measure::<R, H>(effort, 1000)
}

thread_local! {
    /// What the tasks have added up; every contestant runs them on one thread.
    static SUM: Cell<u64> = const { Cell::new(0) };
}

/// A task: ends at its first poll, and leaves a trace. `Send`, because moro asks for that.
async fn add(number: u64) {
    SUM.set(SUM.get() + number);
}

/// Something that starts tasks and waits for all of them.
trait Holder: Default + 'static {
    /// Runs [`add`] for each number below `count`.
    fn run_all(&mut self, count: u64) -> impl Future<Output = ()>;
}

fn measure<R: Runtime, H: Holder>(effort: Effort, count: u64) -> Sample {
    R::run(async move {
        let mut meter = Meter::new(effort, count);
        let mut holder = H::default();
        while let Some(units) = meter.next() {
            SUM.set(0);
            for _ in 0..units {
                holder.run_all(count).await;
            }
            assert_eq!(
                SUM.get(),
                units * count * (count - 1) / 2,
                "every task ran once"
            );
        }
        meter.sample()
    })
}

#[derive(Default)]
struct Scope;

impl Holder for Scope {
    async fn run_all(&mut self, count: u64) {
        let ended = arborio::scope(async |scope: &arborio::Scope<()>| {
            for number in 0..count {
                scope.spawn(add(number));
            }
            Ok(())
        });
        assert_eq!(ended.await, Ok(()));
    }
}

/// Keeps the handles of a runtime's tasks, and awaits them in order.
struct Handles<R>(PhantomData<R>);

impl<R> Default for Handles<R> {
    fn default() -> Self {
        Self(PhantomData)
    }
}

impl<R: Runtime> Holder for Handles<R> {
    async fn run_all(&mut self, count: u64) {
        // Their type has no name that a field could have, so the list is a new one each time.
        let handles: Vec<_> = (0..count).map(|number| R::spawn(add(number))).collect();
        for handle in handles {
            handle.await;
        }
    }
}

#[derive(Default)]
struct JoinSet(tokio::task::JoinSet<()>);

impl Holder for JoinSet {
    async fn run_all(&mut self, count: u64) {
        for number in 0..count {
            self.0.spawn_local(add(number));
        }
        while let Some(ended) = self.0.join_next().await {
            ended.expect("a task of a scenario does not panic");
        }
    }
}

#[derive(Default)]
struct Moro;

impl Holder for Moro {
    async fn run_all(&mut self, count: u64) {
        let scope = moro::async_scope!(|scope| {
            for number in 0..count {
                drop(scope.spawn(add(number)));
            }
        });
        scope.await;
    }
}

/// Futures of one opaque type, which therefore need no box.
fn futures(count: u64) -> impl Iterator<Item = impl Future<Output = ()>> {
    (0..count).map(add)
}

#[derive(Default)]
struct Unordered;

impl Holder for Unordered {
    async fn run_all(&mut self, count: u64) {
        let mut set: FuturesUnordered<_> = futures(count).collect();
        while let Some(()) = set.next().await {}
    }
}

#[derive(Default)]
struct Group;

impl Holder for Group {
    async fn run_all(&mut self, count: u64) {
        let mut group = futures_concurrency::future::FutureGroup::with_capacity(count as usize);
        group.extend(futures(count));
        let mut group = pin!(group);
        while let Some(()) = group.next().await {}
    }
}
