//! The scenarios in which requests and handlers meet, on each executor.

use std::{cell::Cell, future::pending, pin::pin, rc::Rc};

use arborio_executor::spawn_local;
use arborio_scope::{catch_cancel, finally, is_cancelling, move_on_after, shield, timeout};
use arborio_task::{Interrupt, Task};
use arborio_timers::{Instant, TimedOut};
use futures_lite::future::{or, yield_now, zip};
use futures_util::{StreamExt, stream::FuturesUnordered};

use crate::support::{Log, everywhere, forever, millis_since, ms, nap, run};

#[test]
fn what_has_no_handler_is_dropped_when_the_time_is_up() {
    everywhere(|| async {
        let log = Log::default();
        assert_eq!(move_on_after(ms(2), forever(&log, "dropped")).await, None);
        assert_eq!(log.take(), ["dropped"]);
        assert_eq!(timeout(ms(2), pending::<()>()).await, Err(TimedOut));
        assert_eq!(timeout(ms(500), async { nap(1).await }).await, Ok(()));
    });
}

#[test]
fn handlers_inside_of_a_futures_unordered_are_asked_by_their_own_wakers() {
    everywhere(|| async {
        let log = Log::default();
        let one = |cleaned: &'static str| {
            let log = log.clone();
            finally(pending::<()>(), async move || {
                nap(1).await;
                log.note(cleaned);
            })
        };
        let mut many: FuturesUnordered<_> = ["one", "two", "three"].map(one).into_iter().collect();
        let all = async { while many.next().await.is_some() {} };
        assert_eq!(move_on_after(ms(3), all).await, None);
        assert_eq!(log.take().len(), 3);
    });
}

#[test]
fn a_sibling_without_a_handler_goes_on_while_another_cleans_up() {
    everywhere(|| async {
        let log = Log::default();
        let cleaning = finally(pending::<()>(), async || {
            nap(8).await;
            log.note("cleaned up");
        });
        let frameless = async {
            nap(6).await;
            log.note("went on");
            forever(&log, "dropped").await;
        };
        assert_eq!(move_on_after(ms(2), zip(cleaning, frameless)).await, None);
        assert_eq!(log.take(), ["went on", "cleaned up", "dropped"]);
    });
}

#[test]
fn a_handler_that_is_dropped_while_it_cleans_up_has_passed_the_request_on() {
    everywhere(|| async {
        let log = Log::default();
        let body = async {
            let cleaning = finally(pending::<()>(), async || forever(&log, "cut off").await);
            or(cleaning, nap(6)).await;
            log.note("selected");
            forever(&log, "dropped").await;
        };
        assert_eq!(move_on_after(ms(2), body).await, None);
        assert_eq!(log.take(), ["cut off", "selected", "dropped"]);
    });
}

#[test]
fn a_swallowed_request_is_forgotten_and_the_value_counts() {
    everywhere(|| async {
        let body = async {
            match catch_cancel(pending::<()>()).await {
                Ok(()) => unreachable!("it is never ready"),
                Err(request) => {
                    nap(1).await;
                    request.swallow();
                }
            }
            nap(2).await;
            "went on"
        };
        assert_eq!(move_on_after(ms(2), body).await, Some("went on"));
    });
}

#[test]
fn one_who_passes_outweighs_one_who_swallows() {
    everywhere(|| async {
        let log = Log::default();
        let swallows = async {
            if let Err(request) = catch_cancel(pending::<()>()).await {
                request.swallow();
            }
            forever(&log, "the one who swallowed is dropped").await;
        };
        let passes = finally(pending::<()>(), async || log.note("cleaned up"));
        assert_eq!(move_on_after(ms(2), zip(swallows, passes)).await, None);
        let expected = ["cleaned up", "the one who swallowed is dropped"];
        assert_eq!(log.take(), expected);
    });
}

#[test]
fn handlers_further_out_are_not_asked_if_the_inner_ones_swallowed() {
    everywhere(|| async {
        let log = Log::default();
        let inner = async {
            let caught = catch_cancel(pending::<()>()).await;
            caught.unwrap_err().swallow();
            nap(2).await;
            1
        };
        let outer = async {
            let caught = catch_cancel(inner).await;
            caught.inspect_err(|_| log.note("asked")).unwrap_or(2)
        };
        assert_eq!(move_on_after(ms(2), outer).await, Some(1));
        assert!(log.take().is_empty());
    });
}

#[test]
fn a_request_unwinds_through_a_deadline_to_the_handlers_around_it() {
    everywhere(|| async {
        let log = Log::default();
        let inner = finally(pending::<()>(), async || {
            nap(1).await;
            log.note("inner");
        });
        let middle = async {
            let ended = timeout(ms(500), inner).await;
            unreachable!("the timeout is transparent: {ended:?}");
        };
        let outer = finally(middle, async || {
            nap(1).await;
            log.note("outer");
        });
        assert_eq!(move_on_after(ms(2), outer).await, None);
        assert_eq!(log.take(), ["inner", "outer"]);
    });
}

#[test]
fn a_task_that_asks_itself_to_end_does_so_at_its_next_suspension() {
    let body = async |suspends: bool, log: &Log| {
        let (give, own) = handover();
        let (give_back, back) = handover();
        let inner = log.clone();
        let task = spawn_local(async move {
            let own: Task<u8> = own().await;
            assert!(!is_cancelling());
            assert!(own.cancel() && is_cancelling());
            give_back(own);
            inner.note("still running");
            if suspends {
                forever(&inner, "dropped").await;
            }
            7
        });
        give(task);
        back().await.await
    };
    run(async {
        let log = Log::default();
        assert_eq!(body(false, &log).await.unwrap(), 7, "the value wins");
        assert_eq!(log.take(), ["still running"]);
        let ended = body(true, &log).await;
        assert!(matches!(ended, Err(Interrupt::Cancelled(_))));
        assert_eq!(log.take(), ["still running", "dropped"]);
    });
}

/// Brings one value from one task of this thread to another.
fn handover<T>() -> (impl FnOnce(T), impl AsyncFnOnce() -> T) {
    let place = Rc::new(Cell::new(None));
    let taken = Rc::clone(&place);
    let put = move |value| place.set(Some(value));
    let take = async move || loop {
        if let Some(value) = taken.take() {
            return value;
        }
        arborio_executor::yield_now().await;
    };
    (put, take)
}

#[test]
fn d8_a_value_that_comes_in_the_same_poll_as_the_request_wins() {
    run(async {
        // Both timers are due in one pass, and the inside is polled first.
        let start = Instant::now();
        assert_eq!(move_on_after(ms(3), nap(3)).await, Some(()));
        assert_eq!(millis_since(start), 3);
        let caught = catch_cancel(nap(3));
        let value = move_on_after(ms(3), async { caught.await.is_ok() }).await;
        assert_eq!(value, Some(true));
    });
}

#[test]
fn d3_a_limit_of_zero_is_over_at_the_first_suspension() {
    everywhere(|| async {
        assert_eq!(move_on_after(ms(0), async { 1 }).await, Some(1));
        assert_eq!(move_on_after(ms(0), yield_now()).await, None);
    });
}

#[test]
fn a_handler_that_was_never_polled_is_not_asked() {
    everywhere(|| async {
        let log = Log::default();
        let body = async {
            let idle = finally(pending::<()>(), async || log.note("cleaned up"));
            let idle = pin!(idle);
            forever(&log, "dropped").await;
            idle.await;
        };
        assert_eq!(move_on_after(ms(2), body).await, None);
        assert_eq!(log.take(), ["dropped"]);
    });
}

#[test]
fn s21_a_task_that_never_started_never_runs() {
    run(async {
        let log = Log::default();
        let body = log.clone();
        let captured = log.on_drop("captures dropped");
        let task = spawn_local(async move {
            let _captured = captured;
            body.note("ran");
        });
        assert!(task.cancel());
        assert!(matches!(task.await, Err(Interrupt::Cancelled(_))));
        assert_eq!(log.take(), ["captures dropped"]);
    });
}

#[test]
fn a_request_from_outside_waits_for_the_cleanup_of_one_from_inside() {
    everywhere(|| async {
        let log = Log::default();
        let inner = finally(pending::<()>(), async || {
            nap(10).await;
            log.note("inner cleaned up");
        });
        let middle = async {
            assert_eq!(move_on_after(ms(2), inner).await, None);
            log.note("inner ended");
            forever(&log, "dropped").await;
        };
        let outer = finally(middle, async || log.note("outer cleaned up"));
        assert_eq!(move_on_after(ms(5), outer).await, None);
        let expected = [
            "inner cleaned up",
            "inner ended",
            "dropped",
            "outer cleaned up",
        ];
        assert_eq!(log.take(), expected);
    });
}

#[test]
fn a_shield_is_waited_for_and_what_is_inside_is_not_asked() {
    everywhere(|| async {
        let log = Log::default();
        let body = async {
            let inner = finally(nap(8), async || log.note("inner, by itself"));
            shield(inner).await;
            log.note("after the shield");
            forever(&log, "dropped").await;
        };
        assert_eq!(move_on_after(ms(2), body).await, None);
        assert_eq!(
            log.take(),
            ["inner, by itself", "after the shield", "dropped"]
        );
    });
}

#[test]
fn a_handler_that_comes_into_being_after_the_request_is_asked_too() {
    everywhere(|| async {
        let log = Log::default();
        let body = async {
            drop(catch_cancel(pending::<()>()).await);
            log.note("first");
            finally(pending::<()>(), async || log.note("second")).await;
        };
        assert_eq!(move_on_after(ms(2), body).await, None);
        assert_eq!(log.take(), ["first", "second"]);
    });
}

#[test]
fn many_handlers_that_answer_one_after_another_are_all_waited_for() {
    run(async {
        const HANDLERS: u64 = 50_000;
        let ended = Rc::new(Cell::new(0));
        let one = |number| {
            let ended = Rc::clone(&ended);
            finally(pending::<()>(), async move || {
                nap(1 + number % 900).await;
                ended.set(ended.get() + 1);
            })
        };
        let mut many: FuturesUnordered<_> = (0..HANDLERS).map(one).collect();
        let all = async { while many.next().await.is_some() {} };
        assert_eq!(move_on_after(ms(3), all).await, None);
        assert_eq!(ended.get(), HANDLERS);
    });
}

#[test]
fn d4_handlers_side_by_side_are_asked_in_the_order_in_which_they_came() {
    everywhere(|| async {
        let log = Log::default();
        let handlers = ["one", "two", "three"].map(|name| {
            let log = log.clone();
            finally(pending::<()>(), move || async move { log.note(name) })
        });
        let all = arborio_scope::join(handlers);
        assert!(move_on_after(ms(1), all).await.is_none());
        assert_eq!(log.take(), ["one", "two", "three"]);
    });
}
