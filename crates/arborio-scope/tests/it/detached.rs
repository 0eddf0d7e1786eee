//! Cleanups that are handed to the scope around when their future is dropped.

use std::{
    future::{pending, poll_fn},
    pin::pin,
    task::Poll,
    time::Duration,
};

use arborio_executor::yield_now;
use arborio_scope::{Scope, finally_detached, move_on_after, scope};
use arborio_timers::{Instant, sleep};

use crate::support::{Log, millis_since, ms, nap, run};

/// Polls `future` once, and drops it.
async fn begin_and_drop<F: Future>(future: F) {
    let mut future = pin!(future);
    poll_fn(|cx| {
        assert!(future.as_mut().poll(cx).is_pending());
        Poll::Ready(())
    })
    .await;
}

/// Takes 20 ms, and notes its end.
async fn cleanup(log: Log) {
    nap(20).await;
    log.note("cleaned up");
}

#[test]
fn a_scope_waits_for_the_cleanup_of_a_future_that_was_dropped() {
    run(async {
        let log = Log::default();
        let note = log.clone();
        let start = Instant::now();
        let ended = scope(async |_: &Scope<()>| {
            let theirs = note.clone();
            begin_and_drop(finally_detached(pending::<()>(), || cleanup(theirs))).await;
            note.note("the body goes on");
            Ok(())
        });
        assert_eq!(ended.await, Ok(()));
        assert_eq!(log.take(), ["the body goes on", "cleaned up"]);
        assert_eq!(millis_since(start), 20);
    });
}

#[test]
fn the_loop_waits_for_it_outside_of_all_scopes() {
    let log = Log::default();
    let theirs = log.clone();
    run(async move {
        begin_and_drop(finally_detached(pending::<()>(), || cleanup(theirs))).await;
    });
    assert_eq!(log.take(), ["cleaned up"]);
}

#[test]
fn a_request_waits_for_it_as_for_any_cleanup() {
    run(async {
        let log = Log::default();
        let theirs = log.clone();
        let start = Instant::now();
        let work = finally_detached(pending::<()>(), || cleanup(theirs));
        assert_eq!(move_on_after(ms(5), work).await, None);
        assert_eq!(log.take(), ["cleaned up"]);
        assert_eq!(millis_since(start), 25);
    });
}

#[test]
fn a_value_comes_after_the_cleanup() {
    run(async {
        let log = Log::default();
        let theirs = log.clone();
        let value = finally_detached(async { 5 }, || cleanup(theirs)).await;
        assert_eq!((value, log.take()), (5, vec!["cleaned up"]));
    });
}

#[test]
fn a_cleanup_that_is_dropped_while_it_runs_goes_on_where_it_was() {
    run(async {
        let log = Log::default();
        let theirs = log.clone();
        let start = Instant::now();
        let ended = scope(async |_: &Scope<()>| {
            let mut work = pin!(Some(finally_detached(async {}, || cleanup(theirs))));
            poll_fn(|cx| {
                let running = work.as_mut().as_pin_mut().expect("not dropped yet");
                assert!(running.poll(cx).is_pending());
                Poll::Ready(())
            })
            .await;
            nap(10).await;
            work.set(None);
            Ok(())
        });
        assert_eq!(ended.await, Ok(()));
        assert_eq!(log.take(), ["cleaned up"]);
        assert_eq!(millis_since(start), 20, "it was not begun again");
    });
}

#[test]
fn nothing_is_cleaned_up_before_the_first_poll() {
    let log = Log::default();
    let theirs = log.clone();
    run(async move {
        drop(finally_detached(pending::<()>(), || cleanup(theirs)));
    });
    assert!(log.take().is_empty());
}

#[test]
fn a_scope_that_is_failing_waits_for_it_within_its_grace() {
    run(async {
        let log = Log::default();
        let note = log.clone();
        let start = Instant::now();
        let ended = Scope::<()>::builder().run(async |s| {
            let theirs = note.clone();
            let child = s.spawn(async move {
                let work = finally_detached(pending::<()>(), || cleanup(theirs));
                // It is dropped when the scope is closed already.
                arborio_scope::finally(pending::<()>(), || begin_and_drop(work)).await;
            });
            yield_now().await;
            drop(child);
            Err::<(), ()>(())
        });
        assert_eq!(ended.await, Err(()));
        assert_eq!(log.take(), ["cleaned up"]);
        assert_eq!(millis_since(start), 20);
    });
}

#[test]
fn a_scope_that_forces_its_tasks_has_no_time_for_it() {
    run(async {
        let log = Log::default();
        let note = log.clone();
        let start = Instant::now();
        let short = Scope::<()>::builder().grace(ms(10));
        let ended = short.run(async |s| {
            let theirs = note.clone();
            s.spawn(async move {
                let shielded = arborio_scope::shield(pending::<()>());
                finally_detached(shielded, || cleanup(theirs)).await;
            });
            let theirs = note.clone();
            s.spawn(finally_detached(pending::<()>(), || async move {
                sleep(Duration::from_secs(60)).await;
                theirs.note("after a minute");
            }));
            yield_now().await;
            Err::<(), ()>(())
        });
        assert_eq!(ended.await, Err(()));
        assert_eq!(millis_since(start), 10);
        assert!(log.take().is_empty());
    });
}

#[cfg(panic = "unwind")]
#[test]
fn a_cleanup_that_cannot_be_made_hurts_nobody() {
    run(async {
        let work = finally_detached(pending::<()>(), || -> std::future::Ready<()> {
            panic!("no cleanup today")
        });
        begin_and_drop(work).await;
        nap(1).await;
    });
}

#[test]
fn under_another_executor_it_is_an_ordinary_cleanup() {
    let log = Log::default();
    let theirs = log.clone();
    let value = futures_lite::future::block_on(async {
        let value =
            finally_detached(async { 5 }, || async move { theirs.note("cleaned up") }).await;
        begin_and_drop(finally_detached(pending::<()>(), || async {
            unreachable!()
        }))
        .await;
        value
    });
    assert_eq!((value, log.take()), (5, vec!["cleaned up"]));
}

/// A cleanup that would notice if it were asked to end.
async fn wary_cleanup(log: Log) {
    let caught = arborio_scope::catch_cancel(nap(20)).await;
    log.note(if caught.is_ok() { "whole" } else { "asked" });
}

#[test]
fn what_is_inside_of_a_cleanup_is_not_asked_whatever_handler_it_is_of() {
    run(async {
        let log = Log::default();
        let start = Instant::now();
        let theirs = log.clone();
        let ended = arborio_scope::finally(async { 5 }, || wary_cleanup(theirs));
        assert_eq!(move_on_after(ms(5), ended).await, Some(5));
        let theirs = log.clone();
        let ended = finally_detached(async { 6 }, || wary_cleanup(theirs));
        assert_eq!(move_on_after(ms(5), ended).await, Some(6));
        let theirs = log.clone();
        let asked = arborio_scope::finally(pending::<()>(), || wary_cleanup(theirs));
        let inner = move_on_after(ms(5), asked);
        assert_eq!(move_on_after(ms(10), inner).await, Some(None));
        assert_eq!(log.take(), ["whole", "whole", "whole"]);
        assert_eq!(millis_since(start), 65);
    });
}
