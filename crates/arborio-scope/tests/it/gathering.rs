//! Gathered tasks, and limits of time for rounds and for tasks that run.

use std::{
    future::{pending, ready},
    panic::AssertUnwindSafe,
    rc::Rc,
    time::Duration,
};

use arborio_executor::{spawn_local, yield_now};
use arborio_scope::{
    ApplyTimeout, Scope, Ticker, catch_cancel, current_effective_deadline, finally, gather,
    gather_all, gather_all_local, gather_local, repeat_timeout, scope, timeout, try_gather,
    try_gather_local,
};
use arborio_task::Interrupt;
use arborio_timers::{Instant, TimedOut};
use futures_util::FutureExt;

use crate::support::{Log, millis_since, ms, nap, run};

#[derive(Debug, PartialEq, Eq)]
enum Bad {
    Own(u64),
    Interrupted,
}

impl From<Interrupt> for Bad {
    fn from(_: Interrupt) -> Self {
        Self::Interrupted
    }
}

/// Fails if the number is odd.
async fn even(millis: u64) -> Result<u64, Bad> {
    nap(millis).await;
    match millis % 2 {
        0 => Ok(millis),
        _ => Err(Bad::Own(millis)),
    }
}

async fn number(millis: u64) -> u64 {
    nap(millis).await;
    millis
}

#[test]
fn outputs_come_in_the_order_of_the_futures() {
    run(async {
        let start = Instant::now();
        assert_eq!(
            gather([30, 10, 20].map(number)).await.unwrap(),
            [30, 10, 20]
        );
        assert_eq!(try_gather([6, 2, 4].map(even)).await, Ok(vec![6, 2, 4]));
        assert_eq!(try_gather_local([6, 2].map(even)).await, Ok(vec![6, 2]));
        let local = gather_local([1, 2].map(async |n| Rc::new(n)));
        assert_eq!(local.await.unwrap(), [Rc::new(1), Rc::new(2)]);
        assert!(
            gather(Vec::<std::future::Ready<()>>::new())
                .await
                .unwrap()
                .is_empty()
        );
        assert_eq!(gather!(number(3), ready("b")).await.unwrap(), (3, "b"));
        let both = gather_local!(async { Rc::new(1) }, number(2));
        assert_eq!(both.await.unwrap(), (Rc::new(1), 2));
        assert_eq!(millis_since(start), 30 + 6 + 6 + 3 + 2);
    });
}

#[test]
fn the_first_failure_comes_at_once_and_the_others_go_on() {
    run(async {
        let log = Log::default();
        let start = Instant::now();
        let others = |millis| {
            let log = log.clone();
            async move {
                let ended = even(millis).await;
                log.note("went on");
                ended
            }
        };
        let failed = try_gather([others(20), others(5), others(7)]).await;
        assert_eq!((failed, millis_since(start)), (Err(Bad::Own(5)), 5));
        assert_eq!(log.take(), ["went on"]);
        nap(20).await;
        assert_eq!(log.take(), ["went on"; 2]);

        let fine = try_gather_local([others(20), others(4)]);
        assert_eq!(fine.await, Ok(vec![20, 4]));
    });
}

#[cfg(panic = "unwind")]
#[test]
fn panics_and_requests_are_failures_of_those_who_gather() {
    run(async {
        let one = async |n: u8| {
            assert!(n != 1, "as it is told");
            n
        };
        let failed = gather((0..3).map(one)).await.unwrap_err();
        let Interrupt::Panicked(payload) = failed else {
            panic!("{failed}");
        };
        assert_eq!(payload.message(), "as it is told");
        let all = gather_all((0..3).map(one)).await;
        let fine: Vec<_> = all.iter().map(Result::is_ok).collect();
        assert_eq!(fine, [true, false, true]);
        let all = gather_all_local((0..2).map(async |n| Rc::new(n))).await;
        assert_eq!(**all[1].as_ref().unwrap(), 1);
        let tried = try_gather((0..3).map(async |n: u8| {
            assert!(n != 1, "as it is told");
            Ok::<_, Bad>(n)
        }));
        let raised = AssertUnwindSafe(tried).catch_unwind().await.unwrap_err();
        assert_eq!(raised.downcast_ref(), Some(&"as it is told"));
        assert!(gather!(one(1), one(2)).await.is_err());
    });
}

#[test]
fn tasks_are_asked_to_end_when_nobody_gathers_any_more() {
    run(async {
        let log = Log::default();
        let asked = |what| {
            let log = log.clone();
            finally(pending::<Result<u8, Bad>>(), async move || log.note(what))
        };
        assert!(timeout(ms(1), gather([asked("gather")])).await.is_err());
        assert!(timeout(ms(1), try_gather([asked("try")])).await.is_err());
        assert!(timeout(ms(1), gather_all([asked("all")])).await.is_err());
        assert!(
            timeout(ms(1), gather!(asked("tuple"), ready(())))
                .await
                .is_err()
        );
        assert!(timeout(ms(1), gather_local!(asked("local"))).await.is_err());
        nap(1).await;
        assert_eq!(log.take(), ["gather", "try", "all", "tuple", "local"]);
        // One that its scope ends is an interrupt.
        let told = log.clone();
        let ended = scope(async |s: &Scope<()>| {
            s.set_timeout(Some(ms(5)));
            let gathered = try_gather([pending::<Result<u8, Bad>>()]);
            let cleanup = async move || {
                assert_eq!(gathered.await, Err(Bad::Interrupted));
                told.note("interrupted");
            };
            finally(pending::<Result<(), ()>>(), cleanup).await
        });
        assert!(ended.await.is_err());
        assert_eq!(log.take(), ["interrupted"]);
    });
}

#[test]
fn each_round_has_its_time_and_the_first_one_begins_with_the_call() {
    run(async {
        let start = Instant::now();
        let rounds = repeat_timeout(ms(10), async |t: &Ticker| {
            for _ in 0..3 {
                nap(8).await;
                t.tick();
            }
            let due = current_effective_deadline();
            assert_eq!(due, Some(start + ms(34)));
            nap(50).await;
        });
        assert_eq!(rounds.await, Err(TimedOut));
        assert_eq!(millis_since(start), 34);
        let fine = repeat_timeout(ms(10), async |_| number(10).await);
        assert_eq!(fine.await, Ok(10), "a value wins over the time");
        // Who swallows the request goes on without a limit.
        let start = Instant::now();
        let swallowed = repeat_timeout(ms(10), async |t: &Ticker| {
            let caught = catch_cancel(pending::<()>()).await;
            caught.unwrap_err().swallow();
            t.tick();
            nap(90).await;
            current_effective_deadline()
        });
        assert_eq!((swallowed.await, millis_since(start)), (Ok(None), 100));
    });
}

#[test]
fn of_several_limits_of_a_task_the_earliest_counts() {
    run(async {
        let start = Instant::now();
        let task = spawn_local(pending::<()>());
        for millis in [50, 10, 30] {
            assert!(task.apply_timeout(ms(millis)));
        }
        assert!(matches!(task.await, Err(Interrupt::TimedOut)));
        assert_eq!(millis_since(start), 10);
        let task = spawn_local(pending::<()>());
        yield_now().await;
        assert!(task.apply_timeout(ms(0)));
        assert!(matches!(task.await, Err(Interrupt::TimedOut)));
        let task = spawn_local(number(5));
        assert!(task.apply_timeout(ms(100)));
        nap(6).await;
        assert!(task.is_finished() && !task.apply_timeout(ms(1)));
        assert_eq!(task.await.unwrap(), 5);
        assert_eq!(millis_since(start), 16, "no timer is left to be waited for");
    });
}

#[test]
fn handlers_in_a_round_that_is_too_long_have_a_second() {
    run(async {
        for (cleanup, took, notes) in [(500, 510, &["cleaned up"][..]), (1500, 1010, &[])] {
            let (start, log) = (Instant::now(), Log::default());
            let rounds = repeat_timeout(ms(10), async |_| {
                let clean_up = async || {
                    nap(cleanup).await;
                    log.note("cleaned up");
                };
                finally(pending::<()>(), clean_up).await;
            });
            assert_eq!(rounds.await, Err(TimedOut));
            assert_eq!((millis_since(start), log.take()), (took, notes.to_vec()));
        }
    });
}

#[test]
fn rounds_without_an_end_have_no_limit() {
    run(async {
        let rounds = repeat_timeout(Duration::MAX, async |t: &Ticker| {
            t.tick();
            nap(1_000_000_000).await;
            current_effective_deadline()
        });
        assert_eq!(rounds.await, Ok(None));
    });
}
