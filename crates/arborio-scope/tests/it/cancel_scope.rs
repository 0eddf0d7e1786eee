//! A scope that is steered from outside.

use std::{
    future::pending,
    pin::pin,
    sync::mpsc,
    task::{Context, Poll, Waker},
    thread,
};

use arborio_executor::{spawn_local, yield_now};
use arborio_scope::{
    CancelScope, catch_cancel, current_effective_deadline, finally, is_cancelling, move_on_after,
    timeout,
};
use arborio_task::{Reason, ReasonKind};
use arborio_timers::Instant;

use crate::support::{Log, everywhere, forever, millis_since, ms, nap, run};

#[test]
fn a_request_before_the_run_ends_it_at_its_first_suspension() {
    everywhere(|| async {
        let log = Log::default();
        let scope = CancelScope::new();
        assert!(scope.cancel());
        let body = async {
            log.note("ran");
            forever(&log, "dropped").await;
        };
        assert!(scope.run(body).await.is_err());
        assert_eq!(log.take(), ["ran", "dropped"]);
        assert!(scope.is_cancelled());
    });
}

#[test]
fn a_request_drops_what_has_no_handler_without_polling_it_again() {
    everywhere(|| async {
        let scope = CancelScope::new();
        let mut polls = 0;
        let body = std::future::poll_fn(|cx| {
            polls += 1;
            scope.cancel();
            cx.waker().wake_by_ref();
            if polls > 1 {
                std::task::Poll::Ready(())
            } else {
                std::task::Poll::Pending
            }
        });
        assert!(scope.run(body).await.is_err());
        assert_eq!(polls, 1);
    });
}

#[test]
fn the_first_reason_stays() {
    run(async {
        let scope = CancelScope::new();
        scope.cancel_with(Reason::new(ReasonKind::Stop));
        scope.cancel();
        let ended = scope.run(pending::<()>()).await;
        assert_eq!(ended.unwrap_err().kind(), ReasonKind::Stop);
        assert!(!scope.cancel(), "it has ended");
        assert_eq!(scope.reason().unwrap().kind(), ReasonKind::Stop);
    });
}

#[test]
fn a_thread_ends_a_run_that_waits() {
    everywhere(|| async {
        let (scope, log) = (CancelScope::new(), Log::default());
        let (runs, running) = mpsc::channel();
        let outside = scope.clone();
        let keeps_waiting = arborio_executor::Handle::current();
        let thread = thread::spawn(move || {
            running.recv().unwrap();
            let asked = outside.cancel();
            drop(keeps_waiting); // or else the loop takes itself for stalled
            asked
        });
        let body = async {
            runs.send(()).unwrap();
            finally(forever(&log, "dropped"), async || {
                yield_now().await;
                log.note("cleaned up");
            })
            .await;
        };
        assert!(scope.run(body).await.is_err());
        assert_eq!(log.take(), ["dropped", "cleaned up"]);
        assert!(thread.join().unwrap());
    });
}

#[test]
fn a_swallowed_request_is_over_and_a_later_one_is_new() {
    run(async {
        let (scope, log) = (CancelScope::new(), Log::default());
        let body = async {
            let request = catch_cancel(pending::<()>()).await.unwrap_err();
            log.note("swallowed");
            request.swallow();
            yield_now().await;
            assert!(!is_cancelling());
            forever(&log, "dropped").await;
        };
        let asks = async {
            nap(5).await;
            assert!(scope.cancel());
            nap(5).await;
            assert!(scope.reason().is_none());
            log.note("again");
            assert!(scope.cancel());
        };
        let (ended, ()) = futures_lite::future::zip(scope.run(body), asks).await;
        assert!(ended.is_err());
        assert_eq!(log.take(), ["swallowed", "again", "dropped"]);
    });
}

#[test]
fn a_deadline_may_be_moved_while_the_scope_runs() {
    run(async {
        let (scope, start) = (CancelScope::new(), Instant::now());
        scope.set_timeout(Some(ms(10)));
        let moves = async {
            nap(5).await;
            scope.set_deadline(Some(start + ms(40)));
            nap(25).await; // beyond the first deadline
            scope.set_timeout(Some(ms(30)));
        };
        let (ended, ()) = futures_lite::future::zip(scope.run(pending::<()>()), moves).await;
        assert_eq!(ended.unwrap_err().kind(), ReasonKind::Deadline);
        assert_eq!(millis_since(start), 60);
    });
}

#[test]
fn a_deadline_may_be_taken_away_or_brought_forward() {
    run(async {
        let (scope, start) = (CancelScope::new(), Instant::now());
        scope.set_timeout(Some(ms(10)));
        let moves = async {
            nap(5).await;
            scope.set_timeout(None);
            nap(1000).await;
            scope.set_deadline(Some(Instant::now()));
        };
        let (ended, ()) = futures_lite::future::zip(scope.run(pending::<()>()), moves).await;
        assert!(ended.is_err());
        assert_eq!(millis_since(start), 1005);
    });
}

#[test]
fn a_timeout_that_was_set_before_counts_from_the_first_poll() {
    run(async {
        let scope = CancelScope::new();
        scope.set_timeout(Some(ms(10)));
        nap(100).await;
        let start = Instant::now();
        assert!(scope.run(pending::<()>()).await.is_err());
        assert_eq!(millis_since(start), 10);
    });
}

#[test]
fn a_shield_may_be_put_up_and_taken_down_while_the_scope_runs() {
    run(async {
        let (scope, log, start) = (CancelScope::new(), Log::default(), Instant::now());
        let shielded = scope.clone();
        scope.set_shield(true);
        drop(spawn_local(async move {
            nap(50).await;
            shielded.set_shield(false);
        }));
        let cleaning = finally(pending::<()>(), async || {
            log.note("asked");
            nap(5).await;
        });
        assert!(move_on_after(ms(10), scope.run(cleaning)).await.is_none());
        assert_eq!(log.take(), ["asked"]);
        assert_eq!(millis_since(start), 55);
    });
}

#[test]
fn a_shielded_scope_ends_by_its_own_request() {
    run(async {
        let (scope, start) = (CancelScope::new(), Instant::now());
        scope.set_shield(true);
        scope.set_timeout(Some(ms(20)));
        let body = async {
            assert!(scope.run(pending::<()>()).await.is_err());
            assert!(is_cancelling(), "the outer request is in force");
            pending::<()>().await;
        };
        assert!(move_on_after(ms(10), body).await.is_none());
        assert_eq!(millis_since(start), 20);
    });
}

#[test]
fn a_grace_may_be_shortened_while_it_runs() {
    run(async {
        let (scope, start) = (CancelScope::new(), Instant::now());
        let stubborn = finally(pending::<()>(), pending::<()>);
        let steers = async {
            nap(10).await;
            scope.cancel();
            nap(10).await;
            scope.set_grace(ms(15));
        };
        let (ended, ()) = futures_lite::future::zip(scope.run(stubborn), steers).await;
        assert!(ended.is_err());
        assert_eq!(millis_since(start), 25, "counted from the request");
    });
}

#[test]
fn a_run_that_is_dropped_has_ended_and_was_not_cancelled() {
    let scope = CancelScope::new();
    drop(scope.run(pending::<()>()));
    assert!(!scope.cancel() && !scope.is_cancelled() && !scope.set_shield(true));
}

#[test]
#[should_panic(expected = "a cancel scope runs once")]
fn a_scope_runs_once() {
    let scope = CancelScope::new();
    drop(scope.run(pending::<()>()));
    drop(scope.run(pending::<()>()));
}

#[test]
fn deadlines_nest_and_the_earliest_counts_also_in_the_first_poll() {
    everywhere(|| async {
        assert_eq!(current_effective_deadline(), None);
        let outer = timeout(ms(500), async {
            let outer = current_effective_deadline().unwrap();
            let inner = timeout(ms(9000), async { current_effective_deadline() }).await;
            assert_eq!(inner.unwrap(), Some(outer));
            let inner = timeout(ms(5), async {
                let first = current_effective_deadline();
                assert!(first.unwrap() < outer);
                nap(1).await;
                assert_eq!(current_effective_deadline(), first, "it does not move");
                let shielded = async { current_effective_deadline() };
                assert_eq!(arborio_scope::shield(shielded).await, None);
            });
            inner.await.unwrap();
            assert_eq!(current_effective_deadline(), Some(outer));
            let scope = CancelScope::new();
            scope.set_deadline(Some(outer - ms(1)));
            let inside = scope.run(async { current_effective_deadline() }).await;
            assert_eq!(inside.unwrap(), Some(outer - ms(1)));
        });
        outer.await.unwrap();
    });
}

#[test]
fn the_deadline_that_was_asked_for_is_the_one_that_strikes() {
    run(async {
        let start = Instant::now();
        let mut told = None;
        let limited = move_on_after(ms(5), async {
            told = current_effective_deadline();
            pending::<()>().await;
        });
        assert_eq!(limited.await, None);
        assert_eq!(told, Some(start + ms(5)));
        assert_eq!(Instant::now(), start + ms(5));
    });
}

#[test]
fn who_cancels_its_own_scope_is_dropped_at_its_next_suspension_and_not_later() {
    let (scope, log) = (CancelScope::new(), Log::default());
    let mut whole = pin!(scope.run(async {
        scope.cancel();
        forever(&log, "dropped").await;
    }));
    let polled = whole.as_mut().poll(&mut Context::from_waker(Waker::noop()));
    assert!(matches!(polled, Poll::Ready(Err(_))));
    assert_eq!(log.take(), ["dropped"]);
}
