//! Requests to end: to the branches alone, from outside, inside of a branch.

use std::{cell::Cell, future::pending};

use arborio_scope::{
    Concurrent, catch_cancel, concurrent_local, current_effective_deadline, finally, is_cancelling,
    move_on_after, timeout,
};
use arborio_task::{Interrupt, ReasonKind};
use arborio_timers::{Instant, TimedOut};

use crate::support::{Log, everywhere, forever, millis_since, ms, nap, run};

#[test]
fn cancel_drops_branches_without_handlers_and_the_body_goes_on() {
    everywhere(|| async {
        let log = Log::default();
        let c = Concurrent::local();
        let ticker = c.spawn(forever(&log, "ticker"));
        let value = c.run(async {
            nap(2).await;
            c.cancel();
            let closed = c.spawn(async {}).await;
            assert!(matches!(closed, Err(Interrupt::Closed)));
            let Err(Interrupt::Cancelled(reason)) = ticker.await else {
                panic!("it never ends by itself")
            };
            assert_eq!(reason.kind(), ReasonKind::Cancel);
            assert!(reason.location().file().ends_with("requests.rs"));
            nap(2).await;
            log.note("body");
            7
        });
        assert_eq!(value.await, 7);
        assert_eq!(log.take(), ["ticker", "body"]);
    });
}

#[test]
fn what_was_spawned_just_before_a_cancel_never_starts_and_its_handle_is_told() {
    everywhere(|| async {
        let log = Log::default();
        let c = Concurrent::local();
        c.spawn(forever(&log, "started"));
        c.run(async {
            nap(1).await;
            let captured = log.on_drop("captured");
            let branch = c.spawn(async move { drop(captured) });
            c.cancel();
            assert!(matches!(branch.await, Err(Interrupt::Cancelled(_))));
            assert_eq!(log.take(), ["started", "captured"]);
        })
        .await;
    });
}

#[test]
fn cancel_lets_handlers_clean_up_and_the_others_go_on_meanwhile() {
    everywhere(|| async {
        let log = Log::default();
        let c = Concurrent::local();
        c.spawn(finally(pending::<()>(), async || {
            nap(4).await;
            log.note("cleaned up");
        }));
        c.spawn(async {
            nap(3).await;
            log.note("went on");
            forever(&log, "dropped").await;
        });
        c.run(async {
            nap(1).await;
            c.cancel();
        })
        .await;
        assert_eq!(log.take(), ["went on", "cleaned up", "dropped"]);
    });
}

#[test]
fn what_a_branch_returns_while_it_is_asked_counts() {
    everywhere(|| async {
        let c = Concurrent::local();
        let branch = c.spawn(async {
            let caught = catch_cancel(pending::<()>()).await;
            assert!(is_cancelling());
            nap(1).await;
            drop(caught);
            "its last words"
        });
        c.run(async {
            nap(1).await;
            c.cancel();
        })
        .await;
        assert_eq!(branch.await.unwrap(), "its last words");
    });
}

#[test]
fn a_request_that_all_swallow_is_over() {
    everywhere(|| async {
        let c = Concurrent::local();
        let branch = c.spawn(async {
            let caught = catch_cancel(pending::<()>()).await;
            caught.unwrap_err().swallow();
            nap(3).await;
            assert!(!is_cancelling());
            7
        });
        let quiet = c.spawn(async {
            nap(4).await;
            8
        });
        c.run(async {
            nap(1).await;
            c.cancel();
        })
        .await;
        assert_eq!((branch.await.unwrap(), quiet.await.unwrap()), (7, 8));
        assert!(c.is_closed());
    });
}

#[test]
fn handlers_have_a_second_and_are_dropped_then() {
    everywhere(|| async {
        let log = Log::default();
        let start = Instant::now();
        let c = Concurrent::local();
        c.spawn(finally(pending::<()>(), || forever(&log, "forced")));
        c.run(async {
            nap(1).await;
            c.cancel()
        })
        .await;
        assert_eq!((log.take(), millis_since(start)), (vec!["forced"], 1001));
    });
}

#[test]
fn a_request_before_the_run_drops_what_never_started() {
    everywhere(|| async {
        let log = Log::default();
        let c = Concurrent::local();
        let captured = log.on_drop("captured");
        let branch = c.spawn(async move {
            drop(captured);
            unreachable!("it never starts");
        });
        c.cancel();
        c.run(async { log.note("body") }).await;
        assert_eq!(log.take(), ["body", "captured"]);
        let ended: Result<(), Interrupt> = branch.await;
        assert!(matches!(ended, Err(Interrupt::Cancelled(_))));
    });
}

#[test]
fn a_branch_may_ask_for_the_end() {
    everywhere(|| async {
        let log = Log::default();
        concurrent_local(async |c| {
            c.spawn(forever(&log, "sibling"));
            c.spawn(async {
                nap(1).await;
                c.cancel();
                nap(1).await;
                unreachable!("it is asked, too");
            });
        })
        .await;
        assert_eq!(log.take(), ["sibling"]);
    });
}

#[test]
fn a_request_from_outside_asks_the_handlers_of_branches_and_body() {
    everywhere(|| async {
        let log = Log::default();
        let cleans = |name: &'static str, millis| {
            let log = log.clone();
            finally(pending::<()>(), async move || {
                nap(millis).await;
                log.note(name);
            })
        };
        let c = Concurrent::local();
        c.spawn(cleans("slow", 5));
        c.spawn(cleans("quick", 3));
        c.spawn(forever(&log, "without a handler"));
        let body = c.run(cleans("body", 4));
        assert_eq!(timeout(ms(2), body).await, Err(TimedOut));
        let expected = ["quick", "body", "slow", "without a handler"];
        assert_eq!(log.take(), expected);
    });
}

#[test]
fn a_thousand_handlers_in_branches_are_all_waited_for() {
    run(async {
        let ended = Cell::new(0);
        let c = Concurrent::local();
        for number in 0..1000 {
            let ended = &ended;
            c.spawn(finally(pending::<()>(), async move || {
                nap(1 + number % 7).await;
                ended.set(ended.get() + 1);
            }));
        }
        assert_eq!(move_on_after(ms(2), c.run(async {})).await, None);
        assert_eq!(ended.get(), 1000);
    });
}

#[test]
fn an_answer_that_swallows_in_a_branch_is_one_for_the_request_around() {
    everywhere(|| async {
        let c = Concurrent::local();
        let branch = c.spawn(async {
            let caught = catch_cancel(pending::<()>()).await;
            caught.unwrap_err().swallow();
            nap(2).await;
            1
        });
        let body = async { branch.await.unwrap() + 1 };
        assert_eq!(move_on_after(ms(2), c.run(body)).await, Some(2));
    });
}

#[test]
fn timeouts_inside_of_branches_end_only_those() {
    everywhere(|| async {
        let log = Log::default();
        let c = Concurrent::local();
        let limited = c.spawn(timeout(ms(2), forever(&log, "limited")));
        let cleans = c.spawn(move_on_after(
            ms(3),
            finally(pending::<()>(), async || {
                nap(2).await;
                log.note("cleaned up");
            }),
        ));
        let free = c.spawn(async {
            assert!(current_effective_deadline().is_none());
            nap(9).await;
            log.note("free");
        });
        c.run(async {}).await;
        assert_eq!(log.take(), ["limited", "cleaned up", "free"]);
        assert_eq!(limited.await.unwrap(), Err(TimedOut));
        assert_eq!(cleans.await.unwrap(), None);
        assert!(free.await.is_ok());
    });
}

#[test]
fn the_deadline_around_is_that_of_the_branches() {
    everywhere(|| async {
        let c = Concurrent::local();
        let seen = c.spawn(async { current_effective_deadline() });
        let start = Instant::now();
        move_on_after(ms(50), c.run(async {})).await.unwrap();
        assert_eq!(seen.await.unwrap(), Some(start + ms(50)));
    });
}

#[test]
fn a_task_that_is_cancelled_cleans_up_in_its_branches() {
    run(async {
        let log = Log::default();
        let inner = log.clone();
        let task = arborio_executor::spawn_local(async move {
            let local = Cell::new(0);
            let c = Concurrent::local();
            c.spawn(finally(pending::<()>(), async || {
                nap(1).await;
                local.set(1);
                inner.note("branch");
            }));
            c.run(finally(pending::<()>(), async || {
                nap(2).await;
                inner.note("body");
            }))
            .await;
        });
        nap(1).await;
        assert!(task.cancel());
        assert!(matches!(task.await, Err(Interrupt::Cancelled(_))));
        assert_eq!(log.take(), ["branch", "body"]);
    });
}

#[test]
fn what_was_asked_to_end_stays_closed_however_often_it_is_asked() {
    everywhere(|| async {
        let c = Concurrent::local();
        let body = async {
            for _ in 0..3 {
                c.cancel();
                assert!(c.is_closed());
                assert!(matches!(c.spawn(async {}).await, Err(Interrupt::Closed)));
            }
        };
        c.run(body).await;
        for _ in 0..2 {
            c.cancel();
            assert!(c.is_closed(), "after the end, too");
        }
        let c = Concurrent::new();
        c.cancel();
        c.cancel();
        assert!(c.is_closed() && c.spawn(async {}).is_finished());
    });
}
