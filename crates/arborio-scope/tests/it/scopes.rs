//! Scopes: where an error is, who is told of an end, and what is known of a scope.

use std::{future::pending, sync::Arc, thread};

use arborio_executor::yield_now;
use arborio_scope::{
    AnyScope, ApplyTimeout, Failed, LocalScope, Ready, Scope, current_effective_deadline, finally,
    local_scope, scope, shield, timeout,
};
use arborio_task::{Interrupt, ReasonKind, WaitError};
use arborio_timers::{Instant, sleep};

use crate::support::{Bad, Log, Words, bad, millis_since, ms, nap, run, taken};

#[cfg(panic = "unwind")]
#[test]
fn whoever_takes_an_error_keeps_the_scope_going_and_nobody_else_does() {
    run(async {
        let ended = scope(async |s: &Scope<Bad>| {
            let child = s.task().observed(true).spawn(async { bad::<u8>("taken") });
            assert_eq!(child.await, bad("taken"));
            let child = s.spawn(async { bad::<u8>("outcome") });
            assert_eq!(child.outcome().await.unwrap(), bad("outcome"));
            let child = s.task().bubble(false).spawn(async { bad::<u8>("apart") });
            assert_eq!(child.await, bad("apart"));
            let child = s.task().bubble(false).spawn(async {
                if true {
                    panic!("apart");
                }
                Ok(())
            });
            let Err(Interrupt::Panicked(payload)) = child.outcome().await else {
                panic!("it has panicked");
            };
            assert_eq!(payload.message(), "apart");
            Ok(s.is_cancelling())
        });
        assert_eq!(ended.await, Ok(false));

        let mut is_cancelling = Vec::new();
        let ended = scope(async |s: &Scope<Bad>| {
            let kept = s
                .task()
                .observed(true)
                .spawn(async { bad::<()>("dropped") });
            yield_now().await;
            assert!(kept.is_finished());
            is_cancelling.push(s.is_cancelling());
            drop(kept);
            is_cancelling.push(s.is_cancelling()); // a panic would not be heard any more
            pending().await
        });
        assert_eq!(ended.await, bad::<()>("dropped"));
        assert_eq!(is_cancelling, [false, true]);

        let mut outcome = None;
        let ended = scope(async |s: &Scope<Bad>| {
            let child = s.spawn(async { bad::<()>("nobody awaits it") });
            let told = finally(pending::<()>(), async || {
                outcome = Some(child.outcome().await);
            });
            told.await;
            Ok(())
        });
        assert_eq!(ended.await, bad("nobody awaits it"));
        assert!(matches!(outcome, Some(Err(Interrupt::ScopeFailed))));
    });
}

#[cfg(panic = "unwind")]
#[test]
fn a_callback_is_told_how_a_task_has_ended_whatever_becomes_of_it() {
    run(async {
        let words = Words::default();
        let note = |what: &'static str| {
            let words = Arc::clone(&words);
            move |ended: Result<Result<&u8, &Bad>, &Interrupt>| {
                let how = match ended {
                    Ok(Ok(value)) => value.to_string(),
                    Ok(Err(bad)) => bad.0.clone(),
                    Err(Interrupt::Panicked(payload)) => format!("panicked: {payload}"),
                    Err(interrupt) => Bad::from(interrupt.clone()).0,
                };
                words.lock().unwrap().push(format!("{what}: {how}"));
            }
        };
        let ended = scope(async |s: &Scope<Bad>| {
            let fine = s.spawn(async { Ok(6) });
            fine.on_done(note("fine"));
            let fails = s.spawn(async { bad("no") });
            fails.on_done(note("fails"));
            let apart = s.task().bubble(false).spawn(async { bad("apart") });
            apart.on_done(note("apart"));
            let stopped = s.spawn(pending::<Result<u8, Bad>>());
            stopped.on_done_local(note("stopped"));
            yield_now().await;
            assert_eq!(taken(&words), ["fine: 6", "fails: no", "apart: apart"]);
            assert!(stopped.cancel() && !fine.cancel());
            stopped.outcome().await.unwrap_err();
            assert_eq!(taken(&words), ["stopped: Cancel"]);
            // Of one that has ended, how things stand: they stay so.
            let late = s.task().observed(true).spawn(async { bad("late") });
            let panics = s.task().bubble(false).spawn(async {
                if true {
                    panic!("late");
                }
                Ok(6)
            });
            yield_now().await;
            late.on_done(note("late"));
            panics.on_done(note("panics"));
            yield_now().await;
            let told = taken(&words);
            assert_eq!(told[0], "late: late");
            assert!(told[1].starts_with("panics: panicked: "), "{told:?}");
            assert_eq!(late.await, bad("late"));
            let _: Result<u8, Bad> = panics.outcome().await.map_err(Bad::from).and_then(|r| r);
            Ok(s.is_cancelling())
        });
        assert_eq!(ended.await, Ok(false));
    });
}

#[test]
fn errors_after_the_first_are_reported_up_to_a_number() {
    run(async {
        let fail = async |count: usize| {
            let scope = Scope::<Bad>::builder().report();
            let ended = scope.run(async |s| {
                for number in 0..count {
                    s.spawn(async move { bad::<()>(&number.to_string()) });
                }
                Ok(())
            });
            let Failed {
                first,
                later,
                dropped,
            } = ended.await.unwrap_err();
            assert_eq!(first.0, "0");
            assert!(
                later
                    .iter()
                    .zip(1..)
                    .all(|(bad, number)| bad.0 == number.to_string())
            );
            (later.len(), dropped)
        };
        assert_eq!(fail(1).await, (0, 0));
        assert_eq!(fail(65).await, (64, 0));
        assert_eq!(fail(67).await, (64, 2));
    });
}

#[test]
fn handles_are_waited_for_on_other_threads() {
    run(async {
        let ended = scope(async |s: &Scope<Bad>| {
            let mut fine = s.spawn(async { Ok(5) });
            let mut fails = s.task().observed(true).spawn(async { bad::<u8>("no") });
            let mut goes_on = s.spawn(pending::<Result<u8, Bad>>());
            assert!(matches!(fine.wait(), Err(WaitError::OnLoop)));
            assert!(fine.try_take().is_none());
            yield_now().await;
            let thread = thread::spawn(move || {
                assert_eq!(fine.wait_timeout(ms(60_000)).unwrap(), Ok(5));
                assert_eq!(fails.wait().unwrap(), bad("no"));
                let waited = goes_on.wait_timeout(ms(1));
                assert!(matches!(waited, Err(WaitError::TimedOut)));
                goes_on.cancel()
            });
            while !thread.is_finished() {
                yield_now().await;
            }
            assert!(thread.join().unwrap());
            let mut taken = s.spawn(async { Ok(7) });
            yield_now().await;
            assert_eq!(taken.try_take().unwrap().unwrap(), Ok(7));
            Ok(())
        });
        assert_eq!(ended.await, Ok(()));
    });
}

#[test]
fn a_child_may_be_asked_aborted_and_limited() {
    run(async {
        let ended = scope(async |s: &Scope<Bad>| {
            let child = || s.spawn(pending::<Result<(), Bad>>());
            let asked = child();
            assert!(!asked.is_finished() && asked.cancel());
            assert_eq!(asked.await, bad("Cancel"));
            let aborted = child();
            aborted.abort();
            assert_eq!(aborted.await, bad("Abort"));
            let limited = child();
            assert!(limited.apply_timeout(ms(5)));
            let start = Instant::now();
            assert_eq!(limited.await, bad("timed out"));
            assert_eq!(millis_since(start), 5);
            let over = s.spawn(async { Ok(()) });
            yield_now().await;
            assert!(over.is_finished() && !over.apply_timeout(ms(5)) && !over.cancel());
            Ok(())
        });
        assert_eq!(ended.await, Ok(()));
    });
}

#[test]
fn the_end_of_a_master_ends_the_scope_and_is_no_failure() {
    run(async {
        for fails in [false, true] {
            let log = Log::default();
            let cleans_up = log.clone();
            let ended = scope(async |s: &Scope<Bad>| {
                s.spawn(finally(pending::<Result<(), Bad>>(), async move || {
                    cleans_up.note("cleaned up");
                }));
                let master = s.task().master(true).bubble(false);
                master.spawn(async move {
                    nap(5).await;
                    if fails { bad("its own") } else { Ok(()) }
                });
                Ok("the value of the body")
            });
            assert_eq!(ended.await, Ok("the value of the body"));
            assert_eq!(log.take(), ["cleaned up"]);
        }
        let ended = scope(async |s: &Scope<Bad>| {
            s.task().master(true).spawn(nap(5));
            pending::<Result<(), Bad>>().await
        });
        assert_eq!(ended.await, bad("ScopeEnded"), "the body was dropped");
    });
}

#[test]
fn the_earliest_deadline_of_all_around_counts() {
    run(async {
        let start = Instant::now();
        let at = |millis| Some(start + ms(millis));
        assert_eq!(current_effective_deadline(), None);
        let outer = Scope::<Bad>::builder().deadline(start + ms(50));
        let ended = outer.run(async |s| {
            assert_eq!(current_effective_deadline(), at(50));
            let inner = scope(async |inner: &Scope<Bad>| {
                assert_eq!(current_effective_deadline(), at(50));
                assert_eq!(inner.erase().effective_deadline(), at(50));
                inner.set_deadline(at(30));
                assert_eq!(current_effective_deadline(), at(30));
                let task = inner.spawn(async { Ok(current_effective_deadline()) });
                assert_eq!(task.await?, at(30));
                let limited = timeout(ms(20), async { current_effective_deadline() });
                assert_eq!(limited.await.unwrap(), at(20));
                inner.set_timeout(Some(ms(90)));
                assert_eq!(inner.erase().effective_deadline(), at(50));
                inner.set_deadline(None);
                assert_eq!(inner.erase().effective_deadline(), at(50));
                Ok(())
            });
            inner.await?;
            // What is around a scope in its task counts for its own tasks.
            let in_a_task = async || {
                let inner = scope(async |inner: &Scope<Bad>| {
                    let task = inner.spawn(async { Ok(current_effective_deadline()) });
                    task.await
                });
                inner.await.unwrap()
            };
            assert_eq!(in_a_task().await, at(50));
            assert_eq!(timeout(ms(40), in_a_task()).await.unwrap(), at(40));
            assert_eq!(shield(in_a_task()).await, None);
            s.set_timeout(Some(ms(10)));
            pending::<Result<(), Bad>>().await
        });
        assert_eq!(ended.await, bad("timed out"));
        assert_eq!(millis_since(start), 10);
        let both = Scope::<Bad>::builder()
            .timeout(ms(5))
            .deadline(start + ms(100));
        let ended = both.run(async |_| pending::<Result<(), Bad>>().await);
        assert_eq!((ended.await, millis_since(start)), (bad("timed out"), 15));
    });
}

#[test]
fn a_scope_of_any_errors_is_the_one_around_until_it_is_closed() {
    run(async {
        assert!(AnyScope::current().is_none());
        let mut kept = None;
        let ended = Scope::<Bad>::builder().name("outer").run(async |s| {
            let here = AnyScope::current().unwrap();
            assert!(here == s.erase() && here.is_open());
            assert_eq!((here.name(), s.name()), (Some("outer"), Some("outer")));
            let fork = here.fork::<Bad>().run(async |inner| {
                assert!(inner.erase() != here && inner.name().is_none());
                Ok(AnyScope::current().unwrap() == inner.erase())
            });
            assert_eq!(fork.await, Ok(true));
            kept = Some(here);
            Ok(())
        });
        assert_eq!(ended.await, Ok(()));
        let closed = kept.unwrap();
        assert!(!closed.is_open());
        assert!(closed.tree().to_string().starts_with("(no tree"));
        for task in [closed.spawn(async {}), closed.spawn_local(async {})] {
            assert!(matches!(task.await, Err(Interrupt::Closed)));
        }
        let fork = closed.fork::<Bad>().run(async |_| Ok(()));
        assert!(fork.await.is_err());
    });
}

#[test]
fn a_tree_shows_how_far_a_scope_is() {
    run(async {
        let stages = Words::default();
        let seen = Arc::clone(&stages);
        let look = move |scope: &AnyScope| {
            let tree = scope.tree().to_string();
            let (_, stage) = tree.split_once('(').unwrap();
            let stage: String = stage.chars().take_while(|c| c.is_alphabetic()).collect();
            seen.lock().unwrap().push(stage);
        };
        let ended = scope(async |s: &Scope<Bad>| {
            let here = s.erase();
            look(&here);
            let (look, there) = (look.clone(), here.clone());
            s.spawn_local(async move {
                nap(5).await;
                look(&there);
                Ok(())
            });
            Ok(here)
        });
        ended.await.unwrap();
        assert_eq!(taken(&stages), ["running", "finishing"]);
        let ended = scope(async |s: &Scope<Bad>| {
            let (look, there) = (look.clone(), s.erase());
            let daemon = finally(pending::<()>(), async move || look(&there));
            drop(s.local().unwrap().task().awaited(false).spawn(daemon));
            yield_now().await;
            Ok(())
        });
        ended.await.unwrap();
        assert_eq!(taken(&stages), ["closing"]);
        let ended = scope(async |s: &Scope<Bad>| {
            let (look, there) = (look.clone(), s.erase());
            let child = finally(pending::<Result<(), Bad>>(), async move || look(&there));
            s.spawn_local(child);
            yield_now().await;
            bad::<()>("no")
        });
        ended.await.unwrap_err();
        assert_eq!(taken(&stages), ["ending"]);
        let mut dropped = Box::pin(scope(async |s: &Scope<Bad>| {
            let (look, there) = (look.clone(), s.erase());
            let child = finally(pending::<Result<(), Bad>>(), async move || look(&there));
            s.spawn_local(child);
            pending::<Result<(), Bad>>().await
        }));
        assert!(
            futures_lite::future::poll_once(dropped.as_mut())
                .await
                .is_none()
        );
        yield_now().await;
        drop(dropped);
        nap(5).await;
        assert_eq!(taken(&stages), ["orphaned"]);
    });
}

#[test]
fn a_free_scope_ends_when_it_was_finalized_and_its_tasks_have_ended() {
    run(async {
        let free = Scope::<Bad>::new();
        let start = Instant::now();
        free.spawn(sleep(ms(10)));
        nap(20).await;
        assert!(!free.is_over());
        free.spawn(sleep(ms(10)));
        free.finalize();
        assert!(!free.is_over());
        assert_eq!((&free).await, Ok(()));
        assert_eq!(millis_since(start), 30);
        assert!(free.is_over());
        assert_eq!(free.await, Ok(()));

        let free = Scope::<Bad>::builder().timeout(ms(5)).open();
        assert_eq!((&free).await, bad("timed out"));
        assert_eq!((&free).await, bad("timed out"), "as often as one likes");
        let free = Scope::<Bad>::new();
        free.spawn(async { bad::<()>("no") });
        assert_eq!(free.await, bad("no"));

        let free = Scope::<Bad>::new();
        let child = free.spawn(pending::<Result<(), Bad>>());
        let owned = free.into_future();
        yield_now().await;
        drop(owned);
        assert_eq!(child.await, bad("Cancel"));
    });
}

#[test]
fn a_task_that_says_when_it_is_ready_goes_on_and_one_that_does_not_is_an_error() {
    run(async {
        let log = Log::default();
        let ended = local_scope(async |s: &LocalScope<Bad>| {
            let goes_on = log.clone();
            let started = s.start(async move |ready: Ready<u8>| {
                nap(5).await;
                ready.tell(8);
                nap(5).await;
                goes_on.note("went on");
                Ok(())
            });
            let start = Instant::now();
            assert_eq!(started.await, Ok(8));
            assert_eq!(millis_since(start), 5);
            assert!(log.take().is_empty());
            let never = s.start(async |ready: Ready<u8>| {
                drop(ready);
                Ok(())
            });
            assert!(never.await.is_err());
            let inside = log.clone();
            let mut dropped = Box::pin(s.start(async move |_: Ready<u8>| {
                let _note = inside.on_drop("dropped");
                pending().await
            }));
            assert!(timeout(ms(1), dropped.as_mut()).await.is_err());
            drop(dropped);
            Ok(())
        });
        assert_eq!(ended.await, Ok(()));
        assert_eq!(log.take(), ["dropped", "went on"]);
    });
}

#[test]
fn a_request_from_outside_gives_its_reason_unless_the_body_has_a_value() {
    run(async {
        let outer = scope(async |s: &Scope<Bad>| {
            let child = s.spawn(async {
                let inner = scope(async |inner: &Scope<Bad>| {
                    inner.spawn(pending::<Result<(), Bad>>());
                    pending::<Result<(), Bad>>().await
                });
                inner.await
            });
            yield_now().await;
            child.cancel();
            let Err(Interrupt::Cancelled(reason)) = child.outcome().await else {
                panic!("it was cancelled");
            };
            Ok(reason.kind())
        });
        assert_eq!(outer.await, Ok(ReasonKind::Cancel));
        let ended = scope(async |s: &Scope<Bad>| {
            s.spawn(pending::<Result<(), Bad>>());
            s.cancel();
            Ok("a value")
        });
        assert_eq!(ended.await, Ok("a value"));
    });
}
