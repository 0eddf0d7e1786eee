//! What ends a handler that does not end.

use arborio_scope::{catch_cancel, finally, move_on_after, timeout};
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
