//! Scopes without a body: finalized, awaited, dropped, forked.

use std::{future::pending, sync::Arc, sync::Mutex};

use arborio::{
    AnyScope, Interrupt, Scope,
    cancel::{catch_cancel, finally, move_on_after},
    run_scope, scope,
    scope::{FreeScope, ScopeNote},
    spawn, spawn_local,
    time::{clock, sleep},
    yield_now,
};

use crate::{
    scopes::{Code, millis, seconds, simulated},
    support::{Log, panic_message},
};

/// A task that panics.
async fn panicking(message: &'static str) {
    panic!("{message}");
}

#[test]
fn t05_a_finalized_scope_ends_when_its_tasks_have() {
    simulated(async {
        let start = clock();
        let scope = Scope::<Code>::builder().timeout(seconds(10)).open();
        for _ in 0..10 {
            scope.spawn(sleep(seconds(3)));
        }
        scope.finalize();
        assert!(!scope.is_over());
        assert_eq!(scope.await, Ok(()));
        assert_eq!(clock() - start, seconds(3));
    });
}

#[test]
fn t05_without_finalize_a_scope_ends_only_when_its_time_is_up() {
    simulated(async {
        let start = clock();
        let scope = Scope::<Code>::builder().timeout(millis(500)).open();
        scope.spawn(sleep(millis(200)));
        assert_eq!(scope.await, Err(Code(254)), "out of time");
        assert_eq!(clock() - start, millis(500));
    });
}

#[test]
fn t05_finalizing_is_idempotent_and_tasks_may_be_spawned_until_the_end() {
    simulated(async {
        let start = clock();
        let scope = Scope::<Code>::new();
        let handle = scope.clone();
        scope.spawn(async move {
            sleep(millis(10)).await;
            handle.spawn(sleep(millis(10)));
        });
        scope.finalize();
        scope.finalize();
        scope.spawn(sleep(millis(5)));
        let late = scope.clone();
        assert_eq!(scope.await, Ok(()));
        assert_eq!(clock() - start, millis(20));
        late.finalize();
        assert!(late.try_spawn(async {}).is_err());
    });
}

#[test]
fn t05_an_empty_scope_that_is_finalized_is_over_soon() {
    simulated(async {
        let scope = Scope::<Code>::builder().timeout(seconds(5)).open();
        scope.finalize();
        assert_eq!(scope.await, Ok(()));
        assert_eq!(clock(), seconds(0));
    });
}

#[test]
fn t02_the_time_of_a_free_scope_counts_from_when_it_was_opened() {
    simulated(async {
        let scope = Scope::<Code>::builder().timeout(millis(100)).open();
        scope.spawn(pending::<()>());
        sleep(millis(80)).await;
        assert_eq!(scope.await, Err(Code(254)));
        assert_eq!(clock(), millis(100));
    });
}

#[test]
fn t06_every_awaiter_by_reference_gets_the_end_and_its_drop_changes_nothing() {
    simulated(async {
        let scope = Arc::new(Scope::<Code>::new());
        scope.spawn(async {
            sleep(millis(20)).await;
            Err::<(), _>(Code(3))
        });
        let others: Vec<_> = (0..3)
            .map(|_| {
                let scope = Arc::clone(&scope);
                spawn_local(async move { (&*scope).await })
            })
            .collect();
        let impatient = move_on_after(millis(5), &*scope).await;
        assert_eq!(impatient, None);
        assert!(!scope.is_over(), "it went on");
        for other in others {
            assert_eq!(other.await.unwrap(), Err(Code(3)));
        }
        assert_eq!((&*scope).await, Err(Code(3)), "again");
    });
}

#[test]
fn t06_dropping_the_await_that_owns_the_scope_cancels_it_and_its_tasks_clean_up() {
    simulated(async {
        let log = Log::new();
        let scope = Scope::<Code>::new();
        let note = log.clone();
        let cleanup = move || async move {
            sleep(millis(30)).await;
            note.add("cleaned up");
        };
        scope.spawn(finally(pending::<()>(), cleanup));
        let handle = scope.clone();
        assert_eq!(move_on_after(millis(10), scope).await, None);
        assert!(handle.is_cancelling());
        assert!(log.take().is_empty(), "the cleanup has yet to run");
        sleep(millis(31)).await;
        assert_eq!(log.take(), ["cleaned up"]);
    });
}

#[cfg(panic = "unwind")]
#[test]
fn t06_an_error_of_a_task_or_a_panic_comes_out_of_the_await() {
    simulated(async {
        let scope = Scope::<Code>::new();
        scope.spawn(async { Err::<(), _>(Code(7)) });
        scope.spawn(pending::<()>());
        assert_eq!(scope.await, Err(Code(7)));
    });
    let message = panic_message(|| {
        simulated(async {
            let scope = Scope::<Code>::new();
            scope.spawn(panicking("of a task"));
            let _ = scope.await;
        });
    });
    assert_eq!(message, "of a task");
}

#[test]
fn t07_cancelling_a_free_scope_ends_it() {
    simulated(async {
        let scope = Scope::<Code>::new();
        scope.spawn(pending::<()>());
        scope.cancel();
        scope.cancel();
        assert_eq!(scope.await, Err(Code(255)), "cancelled");
        let scope = Scope::<Code>::new();
        scope.cancel_with(Code(9));
        assert_eq!(scope.await, Err(Code(9)));
    });
}

#[test]
fn t14_a_free_scope_whose_owner_is_dropped_is_finalized_and_waited_for() {
    let log = Log::new();
    let note = log.clone();
    simulated(async move {
        let outer = scope(async |_: &Scope<Code>| {
            let inner = Scope::<Code>::new();
            let heard = note.clone();
            inner.spawn(async move {
                sleep(millis(20)).await;
                heard.add("task");
            });
            drop(inner);
            Ok(())
        });
        assert_eq!(outer.await, Ok(()));
        assert_eq!(clock(), millis(20));
        note.add("after");
    });
    assert_eq!(log.take(), ["task", "after"]);
}

#[test]
fn t14_a_fork_that_is_never_finalized_ends_with_what_it_was_forked_from() {
    simulated(async {
        let kept = Mutex::new(None);
        let outer = Scope::<Code>::builder().timeout(millis(50));
        let ended = outer
            .run(async |s| {
                let fork = s.fork::<Code>().name("fork").open();
                fork.spawn(pending::<()>());
                *kept.lock().unwrap() = Some(fork);
                Ok(())
            })
            .await;
        assert_eq!(ended, Err(Code(254)), "it waited for the fork");
        assert_eq!(clock(), millis(50));
        let fork: FreeScope<Code> = kept.into_inner().unwrap().unwrap();
        assert!(fork.is_over());
        assert_eq!(fork.await, Err(Code(255)));
    });
}

#[test]
fn t14_an_error_of_a_fork_that_nobody_awaits_is_told_to_its_observer() {
    simulated(async {
        let notes = Arc::new(Mutex::new(Vec::new()));
        let heard = Arc::clone(&notes);
        let ended = scope(async |s: &Scope<Code>| {
            let observer = move |note: &ScopeNote| heard.lock().unwrap().push(note.to_string());
            let fork = s.fork::<Code>().observer(observer).open();
            fork.spawn(async {
                sleep(millis(5)).await;
                Err::<(), _>(Code(1))
            });
            drop(fork);
            sleep(millis(10)).await;
            Ok("went on")
        });
        assert_eq!(ended.await, Ok("went on"));
        let notes = notes.lock().unwrap();
        assert_eq!(
            *notes,
            ["the error of a scope that nobody awaits was dropped"]
        );
    });
}

#[cfg(panic = "unwind")]
#[test]
fn t14_a_panic_of_a_fork_that_nobody_awaits_comes_up_around_it() {
    let message = panic_message(|| {
        simulated(async {
            let ended = scope(async |s: &Scope<Code>| {
                let fork = s.fork::<Code>().open();
                fork.spawn(panicking("nobody looks"));
                drop(fork);
                pending::<Result<(), Code>>().await
            });
            let _ = ended.await;
        });
    });
    assert_eq!(message, "nobody looks");
}

#[test]
fn t14_a_fork_of_a_closed_scope_is_over() {
    simulated(async {
        let mut kept = None;
        let ended = scope(async |s: &Scope<Code>| {
            kept = Some(s.clone());
            Ok(())
        });
        ended.await.unwrap();
        let fork = kept.unwrap().fork::<Code>().open();
        assert!(fork.is_over());
        assert!(fork.try_spawn(async {}).is_err());
        assert_eq!(fork.await, Err(Code(255)));
    });
}

#[test]
fn t07_a_free_scope_that_was_ended_before_it_began_asks_its_tasks_all_the_same() {
    simulated(async {
        let log = Log::new();
        let note = log.clone();
        let outer = scope(async |s: &Scope<Code>| {
            let fork = s.fork::<Code>().open();
            let heard = note.clone();
            fork.spawn(async move {
                let caught = catch_cancel(pending::<()>()).await;
                heard.add(if caught.is_err() { "asked" } else { "no" });
            });
            Err::<(), _>(Code(1))
        });
        assert_eq!(outer.await, Err(Code(1)));
        assert_eq!(log.take(), ["asked"]);
        assert_eq!(clock(), seconds(0), "nobody was forced");
    });
}

#[test]
fn t16_the_tasks_of_a_free_scope_find_it_and_the_code_that_opened_it_does_not() {
    simulated(async {
        let scope = Scope::<Code>::builder().name("free").open();
        assert_eq!(AnyScope::current(), None);
        let found = scope.spawn(async {
            Ok::<_, Code>(AnyScope::current().and_then(|s| s.name().map(str::to_owned)))
        });
        assert_eq!(found.await.unwrap().as_deref(), Some("free"));
        scope.finalize();
        scope.await.unwrap();
    });
}

#[test]
fn t12_a_free_scope_inside_a_task_that_nobody_awaits_holds_nobody_up() {
    simulated(async {
        let keeps_on = arborio::task().awaited(false).spawn_local(async {
            let scope = Scope::<Code>::new();
            scope.spawn(pending::<()>());
            let _ = scope.await;
        });
        drop(keeps_on);
        sleep(millis(1)).await;
    });
}

#[test]
fn t01_a_free_scope_that_is_cancelled_while_nobody_looks_waits_for_cleanups() {
    simulated(async {
        let scope = Scope::<Code>::builder().grace(millis(100)).open();
        scope.spawn(finally(pending::<()>(), || sleep(millis(40))));
        yield_now().await;
        scope.cancel();
        assert_eq!((&scope).await, Err(Code(255)));
        assert_eq!(clock(), millis(40));
        let stubborn = Scope::<Code>::builder().grace(millis(100)).open();
        stubborn.spawn(finally(pending::<()>(), pending::<()>));
        yield_now().await;
        stubborn.cancel();
        assert_eq!(stubborn.await, Err(Code(255)));
        assert_eq!(clock(), millis(140));
    });
}

#[test]
fn c04_a_free_scope_is_dropped_on_another_thread_and_finalized_there() {
    simulated(async {
        let scope = Scope::<Code>::new();
        scope.spawn(sleep(millis(3)));
        std::thread::spawn(move || drop(scope)).join().unwrap();
        // `run` waits for it: without `finalize` the loop would stall.
    });
}

#[test]
fn g13_an_error_of_a_task_comes_out_of_run_scope_and_the_others_are_closed() {
    let log = Log::new();
    let note = log.clone();
    let ended = run_scope(async |s: &Scope<Code>| {
        let heard = note.clone();
        s.spawn(async move {
            let _cleanup = catch_cancel(pending::<()>()).await;
            heard.add("a handler was closed");
        });
        s.spawn(async {
            yield_now().await;
            Err::<(), _>(Code(5))
        });
        pending::<Result<(), Code>>().await
    });
    assert_eq!(ended, Err(Code(5)));
    assert_eq!(log.take(), ["a handler was closed"]);
}

#[cfg(panic = "unwind")]
#[test]
fn g13_a_panic_of_a_task_outside_of_the_scope_comes_out_of_run_scope() {
    let message = panic_message(|| {
        run_scope(async |_: &Scope<Code>| {
            drop(spawn(async { panic!("outside") }));
            pending::<Result<(), Code>>().await
        })
    });
    assert_eq!(message, "outside");
}

#[test]
fn g13_the_interrupt_of_a_root_scope_that_times_out_is_its_error() {
    let ended: Result<(), Interrupt> = arborio::run(async {
        let root = Scope::builder().timeout(millis(1));
        root.run(async |_| pending().await).await
    });
    assert!(matches!(ended, Err(Interrupt::TimedOut)));
}
