//! Scopes inside of a scope that ends: how long their tasks have.

use std::{
    future::{Future, pending},
    sync::{Arc, Mutex},
    time::Duration,
};

use arborio_executor::yield_now;
use arborio_scope::{Scope, finally};
use arborio_task::Interrupt;
use arborio_timers::Instant;

use crate::support::{millis_since, run};

/// An error that tells nothing.
#[derive(Debug, PartialEq)]
struct Ended;

impl From<Interrupt> for Ended {
    fn from(_: Interrupt) -> Self {
        Self
    }
}

/// What was dropped, and how many milliseconds after the start.
type Drops = Arc<Mutex<Vec<(&'static str, u128)>>>;

/// Notes when it is dropped.
struct Probe {
    what: &'static str,
    start: Instant,
    drops: Drops,
}

impl Drop for Probe {
    fn drop(&mut self) {
        let drop = (self.what, millis_since(self.start));
        self.drops.lock().unwrap().push(drop);
    }
}

/// Once it is asked it cleans up for ever.
fn stubborn(probe: Probe) -> impl Future<Output = ()> + Send + 'static {
    finally(pending::<()>(), || async move {
        let _probe = probe;
        pending::<()>().await;
    })
}

/// Whoever was spawned has had a turn: this task may have been woken before for another reason.
async fn all_begin() {
    for _ in 0..3 {
        yield_now().await;
    }
}

/// A scope in a task of a scope; both have a stubborn task, and the outer one is cancelled.
fn nested(outer: u64, inner: u64) -> Vec<(&'static str, u128)> {
    let drops = Drops::default();
    let log = Arc::clone(&drops);
    run(async move {
        let start = Instant::now();
        let probe = |what| Probe {
            what,
            start,
            drops: Arc::clone(&log),
        };
        let (of_outer, of_inner) = (probe("outer"), probe("inner"));
        let scope = Scope::<Ended>::builder().grace(Duration::from_millis(outer));
        let ended = scope.run(async |s| {
            s.spawn(stubborn(of_outer));
            s.spawn(async move {
                let scope = Scope::<Ended>::builder().grace(Duration::from_millis(inner));
                let ended = scope.run(async |s| {
                    s.spawn(stubborn(of_inner));
                    pending::<Result<(), Ended>>().await
                });
                let _ = ended.await;
            });
            all_begin().await;
            s.cancel();
            pending::<Result<(), Ended>>().await
        });
        assert_eq!(ended.await, Err(Ended));
    });
    std::mem::take(&mut drops.lock().unwrap())
}

#[test]
fn an_inner_scope_with_a_shorter_grace_forces_its_tasks_first() {
    assert_eq!(nested(300, 100), [("inner", 100), ("outer", 300)]);
}

#[test]
fn an_inner_scope_has_not_longer_than_the_outer_one() {
    for inner in [300, 1000, u64::MAX] {
        let mut drops = nested(300, inner);
        drops.sort_unstable();
        assert_eq!(drops, [("inner", 300), ("outer", 300)], "{inner}");
    }
}

/// A scope inside of one that goes on cancels itself.
async fn alone_inside(grace: u64, probe: Probe) {
    let ended = Scope::<Ended>::builder().run(async |_| {
        let scope = Scope::<Ended>::builder().grace(Duration::from_millis(grace));
        let inner = scope.run(async |s| {
            s.spawn(stubborn(probe));
            all_begin().await;
            s.cancel();
            pending::<Result<(), Ended>>().await
        });
        inner.await
    });
    assert_eq!(ended.await, Err(Ended));
}

#[test]
fn an_inner_scope_that_ends_by_itself_has_its_own_grace() {
    let drops = Drops::default();
    let log = Arc::clone(&drops);
    run(async move {
        let start = Instant::now();
        let probe = |what| Probe {
            what,
            start,
            drops: Arc::clone(&log),
        };
        alone_inside(300, probe("first")).await;
        // A scope that was being ended comes before: nothing of it is left.
        let scope = Scope::<Ended>::builder().grace(Duration::from_millis(100));
        let (before, second) = (probe("before"), probe("second"));
        let ended = scope.run(async |s| {
            s.spawn(stubborn(before));
            all_begin().await;
            s.cancel();
            pending::<Result<(), Ended>>().await
        });
        assert_eq!(ended.await, Err(Ended));
        alone_inside(300, second).await;
    });
    let drops = std::mem::take(&mut *drops.lock().unwrap());
    assert_eq!(drops, [("first", 300), ("before", 400), ("second", 700)]);
}
