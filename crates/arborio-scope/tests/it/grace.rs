//! What ends a handler that does not end.

use arborio_scope::{
    CancelScope, Scope, catch_cancel, finally, is_cancelling, move_on_after, timeout,
};
use arborio_timers::Instant;
use std::future::pending;

use crate::support::{Log, forever, millis_since, ms, nap, run};

#[test]
fn handlers_have_one_second_and_are_dropped_then() {
    run(async {
        let (log, start) = (Log::default(), Instant::now());
        let stubborn = finally(pending::<()>(), async || forever(&log, "forced").await);
        assert_eq!(move_on_after(ms(10), stubborn).await, None);
        assert_eq!(log.take(), ["forced"]);
        assert_eq!(millis_since(start), 1010);
    });
}

#[test]
fn a_guard_that_is_kept_is_waited_for_until_the_grace_is_over() {
    run(async {
        let start = Instant::now();
        let mut kept = None;
        let body = async {
            kept = catch_cancel(pending::<()>()).await.err();
            pending::<()>().await;
        };
        assert_eq!(move_on_after(ms(10), body).await, None);
        assert_eq!(millis_since(start), 1010);
        kept.unwrap().swallow(); // nobody is there any more
    });
}

#[test]
fn a_grace_begins_with_the_request_and_not_with_the_answer() {
    run(async {
        let start = Instant::now();
        let inner = finally(pending::<()>(), async || nap(600).await);
        let outer = finally(inner, async || nap(600).await);
        assert_eq!(move_on_after(ms(10), outer).await, None);
        assert_eq!(millis_since(start), 1010, "not 1210");
    });
}

#[test]
fn a_grace_may_be_chosen() {
    run(async {
        for (grace, end) in [(ms(0), 10), (ms(25), 35)] {
            let start = Instant::now();
            let stubborn = finally(pending::<()>(), pending::<()>);
            assert_eq!(move_on_after(ms(10), stubborn).grace(grace).await, None);
            assert_eq!(millis_since(start), end);
        }
        let patient = finally(pending::<()>(), async || nap(86_400_000).await);
        let start = Instant::now();
        let limited = timeout(ms(10), patient).grace(std::time::Duration::MAX);
        assert!(limited.await.is_err());
        assert_eq!(millis_since(start), 86_400_010);
    });
}

#[test]
fn an_origin_that_has_not_said_its_grace_takes_that_of_the_one_around_it() {
    run(async {
        let start = Instant::now();
        let stubborn = finally(pending::<()>(), pending::<()>);
        let inner = timeout(ms(10), stubborn);
        let middle = timeout(ms(60_000), inner);
        let outer = move_on_after(ms(60_000), middle).grace(ms(25));
        assert_eq!(outer.await, Some(Ok(Err(arborio_timers::TimedOut))));
        assert_eq!(millis_since(start), 35);

        let start = Instant::now();
        let stubborn = finally(pending::<()>(), pending::<()>);
        let inner = timeout(ms(10), stubborn).grace(ms(5));
        let outer = move_on_after(ms(60_000), inner).grace(ms(25));
        assert!(outer.await.unwrap().is_err());
        assert_eq!(millis_since(start), 15, "its own comes first");
    });
}

#[test]
fn an_origin_in_a_scope_takes_the_grace_of_the_scope_in_its_body_and_in_its_tasks() {
    run(async {
        let limited = || timeout(ms(10), finally(pending::<()>(), pending::<()>));
        let scope = Scope::<()>::builder().grace(ms(25));
        let start = Instant::now();
        let ended = scope.run(async |s| {
            assert!(limited().await.is_err());
            assert_eq!(millis_since(start), 35);
            s.spawn(async move {
                assert!(limited().await.is_err());
                Ok(())
            })
            .await
        });
        assert_eq!(ended.await, Ok(()));
        assert_eq!(millis_since(start), 70);
    });
}

#[test]
fn a_request_that_was_swallowed_is_over_at_once() {
    run(async {
        let scope = CancelScope::new();
        scope.cancel();
        let ended = scope.run(async {
            let guard = catch_cancel(pending::<()>()).await.unwrap_err();
            assert!(is_cancelling());
            guard.swallow();
            assert!(!is_cancelling(), "before the next suspension");
            7
        });
        assert_eq!(ended.await.unwrap(), 7);
    });
}

#[test]
fn a_request_of_the_task_that_was_swallowed_is_over_at_once() {
    run(async {
        let task = arborio_executor::spawn_local(async {
            let guard = catch_cancel(pending::<()>()).await.unwrap_err();
            let before = is_cancelling();
            guard.swallow();
            (before, is_cancelling())
        });
        arborio_executor::yield_now().await;
        assert!(task.cancel());
        assert_eq!(task.await.unwrap(), (true, false));
    });
}
