//! How a scope ends: who wins, who is asked and when, and what becomes of one whose owner is gone.

use std::{cell::RefCell, future::pending, pin::pin, rc::Rc};

use arborio_executor::{Handle, spawn_local, yield_now};
use arborio_scope::{FreeScope, Scope, catch_cancel, finally, is_cancelling, scope, shield};
use arborio_task::Interrupt;
use arborio_timers::Instant;
use futures_lite::future::or;

use crate::support::{Bad, Log, bad, millis_since, ms, nap, panic_of, poll_once, run};

#[test]
fn a_deadline_that_was_taken_away_does_not_strike() {
    run(async {
        let start = Instant::now();
        let ended = scope(async |s: &Scope<Bad>| {
            s.set_timeout(Some(ms(10)));
            nap(5).await;
            s.set_deadline(None);
            nap(50).await;
            Ok("in time")
        });
        assert_eq!((ended.await, millis_since(start)), (Ok("in time"), 55));
    });
}

#[test]
fn a_scope_hears_of_every_change_that_is_made_from_outside() {
    run(async {
        let start = Instant::now();
        let handle = Rc::new(RefCell::new(None));
        let theirs = Rc::clone(&handle);
        let waits = spawn_local(async move {
            let ended = scope(async |s: &Scope<Bad>| {
                *theirs.borrow_mut() = Some(s.clone());
                pending::<Result<(), Bad>>().await
            });
            ended.await
        });
        yield_now().await;
        let s = handle.take().unwrap();
        for _ in 0..3 {
            s.set_timeout(Some(ms(1000)));
            nap(5).await;
        }
        s.cancel();
        assert_eq!(waits.await.unwrap(), bad("Cancel"));
        assert_eq!(millis_since(start), 15);
    });
}

#[test]
fn an_error_wins_over_a_request_and_of_two_requests_the_first_one_stays() {
    run(async {
        let ended = scope(async |s: &Scope<Bad>| {
            s.spawn(async {
                let _asked = catch_cancel(pending::<()>()).await;
                bad::<()>("in the cleanup")
            });
            yield_now().await;
            s.cancel();
            pending::<Result<(), Bad>>().await
        });
        assert_eq!(ended.await, bad("in the cleanup"));
        let ended = scope(async |s: &Scope<Bad>| {
            s.spawn(finally(pending::<()>(), || nap(10)));
            s.set_timeout(Some(ms(5)));
            yield_now().await;
            s.cancel();
            pending::<Result<(), Bad>>().await
        });
        assert_eq!(
            ended.await,
            bad("Cancel"),
            "and not the deadline after that"
        );
    });
}

#[test]
fn a_task_that_is_not_awaited_is_asked_once_and_may_swallow_that() {
    run(async {
        for fails in [false, true] {
            let log = Log::default();
            let noted = log.clone();
            let ended = scope(async |s: &Scope<Bad>| {
                let steers = s.clone();
                s.task().awaited(false).spawn(async move {
                    let asked = catch_cancel(pending::<()>()).await;
                    asked.unwrap_err().swallow();
                    let goes_on = catch_cancel(async {
                        for _ in 0..3 {
                            nap(5).await;
                            steers.set_timeout(Some(ms(1000))); // has the scope polled
                        }
                    });
                    noted.note(match goes_on.await {
                        Ok(()) => "asked once",
                        Err(_) => "asked again",
                    });
                });
                yield_now().await;
                if fails { bad("no") } else { Ok(()) }
            });
            assert_eq!(ended.await.is_err(), fails);
            assert_eq!(log.take(), ["asked once"], "fails: {fails}");
        }
    });
}

#[test]
fn a_grace_that_runs_does_not_begin_again_when_the_scope_fails_meanwhile() {
    run(async {
        let start = Instant::now();
        let patient = Scope::<Bad>::builder().grace(ms(100));
        let ended = patient.run(async |s| {
            let daemon = || s.task().awaited(false);
            daemon().spawn(finally(pending::<()>(), pending::<()>));
            daemon().spawn(async {
                let _asked = catch_cancel(pending::<()>()).await;
                nap(50).await;
                bad::<()>("late")
            });
            yield_now().await;
            Ok(())
        });
        assert_eq!(ended.await, bad("late"));
        assert_eq!(millis_since(start), 100);
    });
}

#[test]
fn a_body_cannot_swallow_the_end_of_its_scope() {
    run(async {
        let (start, log) = (Instant::now(), Log::default());
        let ended = Scope::<Bad>::builder().grace(ms(100)).run(async |s| {
            s.cancel();
            let asked = catch_cancel(pending::<()>()).await.unwrap_err();
            nap(60).await;
            asked.swallow();
            log.note(if is_cancelling() {
                "still asked"
            } else {
                "free"
            });
            finally(pending::<()>(), || nap(60)).await;
            Ok(())
        });
        assert_eq!(ended.await, bad("Cancel"));
        assert_eq!(log.take(), ["still asked"]);
        assert_eq!(millis_since(start), 100, "it has no new grace");
    });
}

#[cfg(panic = "unwind")]
#[test]
fn a_panic_of_a_scope_that_is_dropped_then_comes_up_in_the_one_around() {
    run(async {
        let start = Instant::now();
        let failing = scope(async |_: &Scope<Bad>| {
            let mut inner = Box::pin(scope(async |inner: &Scope<Bad>| {
                inner.spawn(async {
                    if true {
                        panic!("oh");
                    }
                });
                inner.spawn(finally(pending::<()>(), || nap(10)));
                pending::<Result<(), Bad>>().await
            }));
            let sees_it = async { inner.as_mut().await.is_ok() };
            assert!(
                or(sees_it, async {
                    nap(5).await;
                    true
                })
                .await
            );
            drop(inner);
            pending::<Result<(), Bad>>().await
        });
        assert_eq!(panic_of(failing).await, "oh");
        assert_eq!(millis_since(start), 10);
    });
}

#[test]
fn a_fork_ends_with_its_scope_however_many_others_have_come_and_gone() {
    run(async {
        let ended = scope(async |s: &Scope<Bad>| {
            let long = s.fork::<Bad>();
            let long = spawn_local(long.run(async |_| pending::<Result<(), Bad>>().await));
            yield_now().await;
            for _ in 0..100 {
                let short = s.fork::<Bad>().run(async |_| Ok(()));
                assert_eq!(short.await, Ok(()));
            }
            Ok(long)
        });
        let long = ended.await.unwrap();
        assert_eq!(long.await.unwrap(), bad("ScopeEnded"));
    });
}

#[test]
fn a_free_scope_whose_owner_is_dropped_is_finalized() {
    run(async {
        let log = Log::default();
        let (free, theirs) = (Scope::<Bad>::new(), log.clone());
        let handle = (*free).clone();
        free.spawn(async move {
            nap(10).await;
            theirs.note("went on");
        });
        yield_now().await;
        drop(free);
        assert!(handle.erase().is_open(), "until its tasks have ended");
        nap(20).await;
        assert_eq!(log.take(), ["went on"]);
        assert!(!handle.erase().is_open());
    });
}

/// Whoever has opened a free scope leaves it here.
type Kept = Rc<RefCell<Option<FreeScope<Bad>>>>;

/// Runs a scope whose body, or a task of it that is not awaited, opens a free one, and is done then.
async fn with_free(kept: &Kept, in_a_daemon: bool) {
    let keeps = Rc::clone(kept);
    let ended = scope(async |s: &Scope<Bad>| {
        let open = async move {
            *keeps.borrow_mut() = Some(Scope::<Bad>::new());
        };
        if in_a_daemon {
            let daemon = async {
                open.await;
                pending::<()>().await;
            };
            drop(s.local().unwrap().task().awaited(false).spawn(daemon));
        } else {
            open.await;
        }
        yield_now().await;
        yield_now().await;
        Ok(())
    });
    assert_eq!(ended.await, Ok(()));
}

#[test]
fn a_free_scope_is_waited_for_unless_it_is_one_of_a_task_that_is_not() {
    run(async {
        let start = Instant::now();
        let kept = Kept::default();
        let finalizes = Rc::clone(&kept);
        drop(spawn_local(async move {
            nap(10).await;
            finalizes.borrow().as_ref().unwrap().finalize();
        }));
        with_free(&kept, false).await;
        assert_eq!(millis_since(start), 10);
        with_free(&kept, true).await;
        assert_eq!(millis_since(start), 10, "nobody waits for it");
        assert_eq!(kept.take().unwrap().await, bad("ScopeEnded"));
    });
}

#[test]
fn a_free_scope_that_is_cancelled_before_it_has_begun_ends_with_its_tasks() {
    run(async {
        let start = Instant::now();
        let (mut kept, log) = (None, Log::default());
        let captured = log.on_drop("dropped");
        let ended = scope(async |s: &Scope<Bad>| {
            let free = Scope::<Bad>::new();
            free.spawn(async move {
                let _captured = captured;
                pending::<()>().await;
            });
            kept = Some(free);
            s.cancel();
            pending::<Result<(), Bad>>().await
        });
        assert_eq!(ended.await, bad("Cancel"));
        assert_eq!((log.take(), millis_since(start)), (vec!["dropped"], 0));
        let free = kept.unwrap();
        assert!(free.is_over() && !free.erase().is_open());
    });
}

#[test]
fn what_is_opened_again_and_again_leaves_nothing_in_the_tree() {
    run(async {
        let ended = scope(async |s: &Scope<Bad>| {
            for _ in 0..3 {
                let mut dropped = pin!(Some(scope(async |inner: &Scope<Bad>| {
                    inner.spawn(finally(pending::<()>(), || nap(1)));
                    pending::<Result<(), Bad>>().await
                })));
                assert!(
                    poll_once(dropped.as_mut().as_pin_mut().unwrap())
                        .await
                        .is_pending()
                );
                yield_now().await;
                dropped.set(None);
                nap(2).await;
            }
            Ok(s.tree().to_string().lines().count())
        });
        assert_eq!(ended.await, Ok(1), "the scope itself");
    });
}

#[test]
fn the_tasks_of_a_scope_whose_loop_ends_are_told_that_it_stops() {
    let child = Rc::new(RefCell::new(None));
    let theirs = Rc::clone(&child);
    run(async {
        drop(spawn_local(async move {
            let ended = scope(async |s: &Scope<Bad>| {
                let stubborn = shield(pending::<Result<(), Bad>>());
                *theirs.borrow_mut() = Some(s.spawn(stubborn));
                pending::<Result<(), Bad>>().await
            });
            ended.await
        }));
        yield_now().await;
        Handle::current().unwrap().stop_now();
    });
    let outcome = child.take().unwrap().try_take();
    assert!(
        matches!(outcome, Some(Err(Interrupt::Stopped))),
        "{outcome:?}"
    );
}
