//! `finally` and `finally_detached` around what panics: the cleanup runs, and the panic goes on.

use std::{
    future::{pending, poll_fn, ready},
    panic::{AssertUnwindSafe, catch_unwind},
    pin::pin,
    task::{Context, Poll, Waker},
};

use arborio_scope::{Scope, finally, finally_detached, move_on_after, scope};
use arborio_task::{Interrupt, Payload};
use arborio_timers::Instant;

use crate::support::{Log, everywhere, millis_since, ms, nap, panic_of, run};

/// Panics after 1 ms.
async fn break_down(why: &'static str) {
    nap(1).await;
    panic!("{why}");
}

/// Takes 20 ms, and notes its end.
async fn clean_up(log: Log, what: &'static str) {
    nap(20).await;
    log.note(what);
}

/// Panics when it is dropped.
struct Bomb(&'static str);

impl Drop for Bomb {
    fn drop(&mut self) {
        panic!("{}", self.0);
    }
}

#[test]
fn a_panic_goes_on_when_the_cleanup_has_ended() {
    everywhere(|| async {
        let log = Log::default();
        let start = Instant::now();
        let work = finally(break_down("oh"), || clean_up(log.clone(), "cleaned up"));
        assert_eq!(panic_of(work).await, "oh");
        assert_eq!(log.take(), ["cleaned up"]);
        assert_eq!(millis_since(start), 21);
    });
}

#[test]
fn the_future_is_dropped_before_the_cleanup_begins() {
    everywhere(|| async {
        let log = Log::default();
        let guarded = async {
            let _note = log.on_drop("dropped");
            break_down("oh").await;
        };
        let work = finally(guarded, || clean_up(log.clone(), "cleaned up"));
        assert_eq!(panic_of(work).await, "oh");
        assert_eq!(log.take(), ["dropped", "cleaned up"]);
    });
}

#[test]
fn a_panic_in_main_comes_out_of_run_after_the_cleanup() {
    let log = Log::default();
    let main = finally(break_down("oh"), || clean_up(log.clone(), "cleaned up"));
    let raised = catch_unwind(AssertUnwindSafe(|| run(main))).unwrap_err();
    assert_eq!(Payload::new(raised).message(), "oh");
    assert_eq!(log.take(), ["cleaned up"]);
}

#[test]
fn cleanups_inside_each_other_run_from_the_inside_to_the_outside() {
    everywhere(|| async {
        let log = Log::default();
        let inner = finally(break_down("oh"), || clean_up(log.clone(), "inner"));
        let outer = finally(inner, || clean_up(log.clone(), "outer"));
        assert_eq!(panic_of(outer).await, "oh");
        assert_eq!(log.take(), ["inner", "outer"]);
    });
}

#[test]
fn in_a_task_of_a_scope_the_panic_ends_the_others_when_the_cleanup_has_ended() {
    run(async {
        let log = Log::default();
        let start = Instant::now();
        let work = finally(break_down("oh"), {
            let log = log.clone();
            || clean_up(log, "cleaned up")
        });
        let theirs = log.clone();
        let failing = scope(async |s: &Scope<Interrupt>| {
            s.spawn(work);
            s.spawn(async move {
                let _note = theirs.on_drop("the other one");
                pending::<()>().await;
            });
            pending::<Result<(), Interrupt>>().await
        });
        assert_eq!(panic_of(failing).await, "oh");
        assert_eq!(log.take(), ["cleaned up", "the other one"]);
        assert_eq!(millis_since(start), 21);
    });
}

#[test]
fn a_request_waits_for_the_cleanup_after_a_panic_which_goes_on_all_the_same() {
    everywhere(|| async {
        let log = Log::default();
        let start = Instant::now();
        let work = finally(break_down("oh"), || clean_up(log.clone(), "cleaned up"));
        // The request comes in the middle of the cleanup.
        assert_eq!(panic_of(move_on_after(ms(5), work)).await, "oh");
        assert_eq!(log.take(), ["cleaned up"]);
        assert_eq!(millis_since(start), 21);
    });
}

#[test]
fn a_cleanup_that_outlives_the_grace_is_cut_off_after_a_panic_too() {
    everywhere(|| async {
        let log = Log::default();
        let work = finally(break_down("oh"), || async {
            let _note = log.on_drop("cut off");
            pending::<()>().await;
        });
        let start = Instant::now();
        assert_eq!(move_on_after(ms(5), work).grace(ms(10)).await, None);
        assert_eq!(log.take(), ["cut off"]);
        assert_eq!(millis_since(start), 15);
    });
}

#[test]
fn of_the_panics_of_the_future_and_of_the_cleanup_the_first_one_goes_on() {
    everywhere(|| async {
        let both = finally(break_down("first"), || break_down("second"));
        assert_eq!(panic_of(both).await, "first");
        let made = finally(break_down("first"), || -> std::future::Ready<()> {
            panic!("cannot even be made")
        });
        assert_eq!(panic_of(made).await, "first");
        let alone = finally(nap(1), || break_down("of the cleanup"));
        assert_eq!(panic_of(alone).await, "of the cleanup");
    });
}

#[test]
fn a_panic_of_the_destructor_is_one_of_the_future() {
    everywhere(|| async {
        let log = Log::default();
        // Dropped because of a request.
        let asked = async {
            let _bomb = Bomb("dropped");
            pending::<()>().await;
        };
        let work = finally(asked, || clean_up(log.clone(), "after a request"));
        assert_eq!(panic_of(move_on_after(ms(5), work)).await, "dropped");
        // Held by the future itself, so that it goes when that is dropped after its end.
        let mut bomb = Some(Bomb("dropped"));
        let ended = poll_fn(move |_| Poll::Ready(bomb.as_mut().map(|_| ())));
        let work = finally(ended, || clean_up(log.clone(), "after a value"));
        assert_eq!(panic_of(work).await, "dropped");
        // The first panic wins.
        let mut bomb = Some(Bomb("second"));
        let broken =
            poll_fn(move |_| -> Poll<()> { panic!("{}", bomb.as_mut().map_or("", |_| "first")) });
        let work = finally(broken, || clean_up(log.clone(), "after a panic"));
        assert_eq!(panic_of(work).await, "first");
        let expected = ["after a request", "after a value", "after a panic"];
        assert_eq!(log.take(), expected);
    });
}

#[test]
fn a_cleanup_that_can_be_handed_over_runs_after_a_panic_too() {
    run(async {
        let log = Log::default();
        let theirs = log.clone();
        let work = finally_detached(break_down("oh"), || clean_up(theirs, "cleaned up"));
        assert_eq!(panic_of(work).await, "oh");
        assert_eq!(log.take(), ["cleaned up"]);
    });
}

#[test]
fn a_cleanup_after_a_panic_that_is_dropped_is_handed_over() {
    run(async {
        let log = Log::default();
        let theirs = log.clone();
        let ended = scope(async |_: &Scope<()>| {
            let mut work = Box::pin(finally_detached(break_down("oh"), || {
                clean_up(theirs, "cleaned up")
            }));
            for _ in 0..3 {
                let polled = poll_fn(|cx| Poll::Ready(work.as_mut().poll(cx)));
                assert!(polled.await.is_pending());
                nap(1).await;
            }
            drop(work); // it is cleaning up
            log.note("the body goes on");
            Ok(())
        });
        assert_eq!(ended.await, Ok(()));
        assert_eq!(log.take(), ["the body goes on", "cleaned up"]);
    });
}

#[test]
#[should_panic(expected = "a cancellation handler was polled after it had ended")]
fn a_cleanup_is_not_polled_after_its_end() {
    let mut ended = pin!(finally(ready(()), || ready(())));
    let mut cx = Context::from_waker(Waker::noop());
    assert!(ended.as_mut().poll(&mut cx).is_ready());
    let _ = ended.as_mut().poll(&mut cx);
}
