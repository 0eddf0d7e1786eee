//! Many futures in one task: races, joins, and those of which a limited number runs.

use std::{
    cell::{Cell, RefCell},
    future::{pending, poll_fn, ready},
    panic::{AssertUnwindSafe, catch_unwind},
    pin::{Pin, pin},
    sync::Arc,
    task::{Context, Poll, Waker},
    time::Duration,
};

use arborio_scope::{Race, finally, join, limit, move_on_after, race};
use arborio_timers::Instant;
use futures_util::StreamExt;

use crate::support::{Log, everywhere, millis_since, ms, nap, run};

type Part<'a, T> = Pin<Box<dyn Future<Output = T> + 'a>>;

async fn slow(millis: u64) -> u64 {
    nap(millis).await;
    millis
}

/// Never wins, and takes so long to clean up.
fn cleans_up(log: &Log, millis: u64) -> Part<'_, u64> {
    let cleanup = async move || {
        nap(millis).await;
        log.note("cleaned up");
    };
    Box::pin(finally(pending(), cleanup))
}

/// What the race gives, and how long it takes.
async fn timed<R: Race>(futures: R) -> (R::Output, u128) {
    let start = Instant::now();
    let winner = race(futures).await;
    (winner, millis_since(start))
}

#[test]
fn a_race_of_any_kind_waits_for_its_losers_and_gives_the_winner() {
    everywhere(|| async {
        let log = Log::default();
        let parts = || [cleans_up(&log, 30), Box::pin(slow(10)), cleans_up(&log, 20)];
        assert_eq!(timed(parts()).await, (10, 40));
        assert_eq!(log.take(), ["cleaned up"; 2]);
        assert_eq!(timed(Vec::from(parts())).await, (10, 40));
        assert_eq!(log.take(), ["cleaned up"; 2]);
        let [a, b, c] = parts();
        assert_eq!(timed((a, b, c)).await, (10, 40));
        assert_eq!(log.take(), ["cleaned up"; 2]);
        assert_eq!(timed([slow(30), slow(20), slow(25)]).await, (20, 20));
        assert_eq!(timed((slow(30), slow(20))).await, (20, 20));
        assert_eq!(timed([slow(7)]).await, (7, 7));
        assert_eq!(timed((slow(7),)).await, (7, 7));
    });
}

#[test]
fn losers_have_as_long_as_the_race_says() {
    everywhere(|| async {
        let log = Log::default();
        let start = Instant::now();
        let parts = || (cleans_up(&log, 5_000), slow(10));
        assert_eq!(race(parts()).await, 10);
        assert_eq!(
            millis_since(start),
            1_010,
            "a second, if nobody says otherwise"
        );
        let (a, b) = parts();
        let start = Instant::now();
        assert_eq!(race((a, b)).grace(ms(20)).await, 10);
        assert_eq!(millis_since(start), 30);
        let (a, b) = parts();
        let start = Instant::now();
        assert_eq!(race([a, Box::pin(b)]).grace(ms(20)).await, 10);
        assert_eq!(millis_since(start), 30);
        assert!(log.take().is_empty());
        let (a, b) = parts();
        assert_eq!(race([a, Box::pin(b)]).grace(Duration::MAX).await, 10);
        assert_eq!(log.take(), ["cleaned up"]);
    });
}

#[cfg(panic = "unwind")]
#[test]
fn of_several_that_are_ready_the_first_one_wins() {
    run(async {
        assert_eq!(race((pending(), ready(1), ready(2))).await, 1);
        let boxed = |number: u8| Box::pin(ready(number)) as Part<'_, u8>;
        let never: Part<'_, u8> = Box::pin(pending());
        assert_eq!(race([never, boxed(1), boxed(2)]).await, 1);
    });
    assert!(catch_unwind(|| race(Vec::<Part<'_, ()>>::new())).is_err());
}

#[test]
fn a_join_of_any_kind_gives_all_outputs_in_their_places() {
    everywhere(|| async {
        let start = Instant::now();
        assert_eq!(join((slow(10), slow(5), ready("c"))).await, (10, 5, "c"));
        assert_eq!(join([slow(10), slow(30), slow(20)]).await, [10, 30, 20]);
        assert_eq!(join(vec![slow(1), slow(2)]).await, [1, 2]);
        assert!(join(Vec::<Part<'_, u8>>::new()).await.is_empty());
        assert_eq!(join([ready(4), ready(5)]).await, [4, 5]);
        assert_eq!(millis_since(start), 42, "each takes as long as its longest");
    });
}

/// Futures that say how many of them run.
struct Crowd {
    now: Cell<usize>,
    most: Cell<usize>,
    begun: RefCell<Vec<u64>>,
}

impl Crowd {
    const fn new() -> Self {
        Self {
            now: Cell::new(0),
            most: Cell::new(0),
            begun: RefCell::new(Vec::new()),
        }
    }

    async fn one(&self, millis: u64) -> u64 {
        self.begun.borrow_mut().push(millis);
        self.now.set(self.now.get() + 1);
        self.most.set(self.most.get().max(self.now.get()));
        nap(millis).await;
        self.now.set(self.now.get() - 1);
        millis
    }
}

const NAPS: [u64; 5] = [40, 10, 20, 5, 1];

#[test]
fn no_more_than_the_limit_run_and_outputs_come_as_they_end_or_in_order() {
    everywhere(|| async {
        let crowd = Crowd::new();
        let mut ended = limit(2).run(NAPS.map(|millis| crowd.one(millis)));
        assert_eq!(ended.next().await, Some(10));
        assert_eq!(*crowd.begun.borrow(), NAPS[..2], "nobody looked since");
        assert_eq!(ended.collect().await, [20, 5, 1, 40]);
        assert_eq!((crowd.most.get(), crowd.now.get()), (2, 0));
        assert_eq!(*crowd.begun.borrow(), NAPS);

        let crowd = Crowd::new();
        let start = Instant::now();
        let mut ordered = limit(2).run_ordered(NAPS.map(|millis| crowd.one(millis)));
        assert_eq!(ordered.next().await, Some(40));
        assert_eq!(
            *crowd.begun.borrow(),
            NAPS[..2],
            "an output that waits takes a place"
        );
        assert_eq!(StreamExt::collect::<Vec<_>>(&mut ordered).await, NAPS[1..]);
        assert_eq!(ordered.next().await, None);
        assert_eq!((crowd.most.get(), millis_since(start)), (2, 61));

        let crowd = Crowd::new();
        let all = limit(9).run_ordered(NAPS.map(|millis| crowd.one(millis)));
        assert_eq!(all.collect().await, NAPS);
        assert_eq!(crowd.most.get(), 5);
        let none = limit(1).run(Vec::<Part<'_, u8>>::new());
        assert!(none.collect().await.is_empty());
    });
}

#[test]
fn what_runs_is_dropped_with_the_stream_and_what_does_not_is_not_begun() {
    run(async {
        let crowd = Crowd::new();
        let all = limit(3).run(NAPS.map(|millis| crowd.one(millis)));
        assert_eq!(move_on_after(ms(2), all.collect()).await, None);
        assert_eq!((crowd.now.get(), crowd.begun.borrow().len()), (3, 3));
    });
}

#[cfg(panic = "unwind")]
#[test]
fn a_limit_of_zero_is_refused() {
    let refused = catch_unwind(AssertUnwindSafe(|| limit(0)));
    let said = refused.unwrap_err();
    assert_eq!(
        said.downcast_ref(),
        Some(&"with a limit of zero nothing would ever run")
    );
}

#[test]
fn a_waker_that_is_kept_after_the_end_wakes_nobody_and_keeps_no_task() {
    let kept = RefCell::new(Vec::new());
    let keeps = || {
        poll_fn(|cx| {
            kept.borrow_mut().push(cx.waker().clone());
            Poll::<()>::Pending
        })
    };
    let (task, wakes) = crate::concurrent::counted();
    let mut cx = Context::from_waker(&task);
    assert!(pin!(join([keeps(), keeps()])).poll(&mut cx).is_pending());
    assert!(pin!(race([keeps(), keeps()])).poll(&mut cx).is_pending());
    let mut bounded = limit(2).run([keeps(), keeps()]);
    assert!(bounded.poll_next_unpin(&mut cx).is_pending());
    drop(bounded);
    assert_eq!(kept.borrow().len(), 6);
    assert_eq!(
        Arc::strong_count(&wakes),
        2,
        "nobody keeps the task's waker"
    );
    kept.take().into_iter().for_each(Waker::wake);
    assert_eq!(wakes.take(), 0);
}
