//! How a scope ends, for every combination of what its tasks may be and do.

use std::{
    future::pending,
    panic::{AssertUnwindSafe, catch_unwind},
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use arborio::{
    EventLoop, Interrupt, LocalScope, Scope, local_scope, scope, spawn,
    time::{Clock, clock, sleep},
};

use crate::scopes::{Code, millis, seconds, simulated};

#[derive(Clone, Copy, Debug, PartialEq)]
enum End {
    Well,
    Error,
    Panic,
    Cancelled,
}

#[derive(Clone, Copy, Debug)]
struct Case {
    end: End,
    bubble: bool,
    master: bool,
    awaited: bool,
}

/// What comes out of the scope, and when; the sibling is done if it was not cancelled.
#[derive(Debug, PartialEq)]
struct Expected {
    result: Result<(), End>,
    at: Duration,
    sibling_done: bool,
}

/// The table of the rule, as it is written down.
fn expected(case: Case) -> Expected {
    let fails = matches!(case.end, End::Error | End::Panic) && case.bubble;
    let ends_at_once = fails || case.master;
    Expected {
        result: if fails { Err(case.end) } else { Ok(()) },
        at: millis(if ends_at_once { 50 } else { 300 }),
        sibling_done: !ends_at_once,
    }
}

async fn special(end: End) -> Result<(), Code> {
    sleep(millis(50)).await;
    match end {
        End::Well => Ok(()),
        End::Error => Err(Code(1)),
        End::Panic => std::panic::panic_any(Code(2)),
        End::Cancelled => pending().await,
    }
}

/// Runs a scope with one task as the case says, and a sibling that takes 300 ms.
fn run_case(case: Case) -> Expected {
    use std::sync::{
        Arc,
        atomic::{AtomicBool, AtomicU64, Ordering::Relaxed},
    };
    let (done, at) = (
        Arc::new(AtomicBool::new(false)),
        Arc::new(AtomicU64::new(0)),
    );
    let (set_done, set_at) = (Arc::clone(&done), Arc::clone(&at));
    let run = || {
        EventLoop::builder()
            .clock(Clock::simulated())
            .run(async move {
                let start = clock();
                let scope = scope(async |s: &Scope<Code>| {
                    let task = s.task().bubble(case.bubble).master(case.master);
                    let child = task.awaited(case.awaited).spawn(special(case.end));
                    s.spawn(async move {
                        sleep(millis(300)).await;
                        set_done.store(true, Relaxed);
                    });
                    if case.end == End::Cancelled {
                        drop(spawn(async move {
                            sleep(millis(50)).await;
                            child.cancel();
                        }));
                    }
                    Ok(())
                });
                let ended = futures_lite::FutureExt::catch_unwind(AssertUnwindSafe(scope)).await;
                set_at.store((clock() - start).as_millis() as u64, Relaxed);
                match ended {
                    Ok(result) => result
                        .map_err(|code| assert_eq!(code, Code(1)))
                        .map_err(|()| End::Error),
                    Err(raised) => {
                        assert_eq!(raised.downcast_ref(), Some(&Code(2)));
                        Err(End::Panic)
                    }
                }
            })
    };
    Expected {
        result: run(),
        at: millis(at.load(Relaxed)),
        sibling_done: done.load(Relaxed),
    }
}

#[cfg(panic = "unwind")]
#[test]
fn t13_the_matrix_of_flags() {
    let mut cases = 0;
    for end in [End::Well, End::Error, End::Panic, End::Cancelled] {
        for bits in 0..8 {
            let [bubble, master, awaited] = [1, 2, 4].map(|bit| bits & bit != 0);
            let case = Case {
                end,
                bubble,
                master,
                awaited,
            };
            assert_eq!(run_case(case), expected(case), "{case:?}");
            cases += 1;
        }
    }
    assert_eq!(cases, 32);
}

#[test]
fn t12_a_task_that_nobody_waits_for_never_runs_if_it_is_alone() {
    for bits in 0..4 {
        simulated(async move {
            let start = clock();
            let mut ran = false;
            let noted = std::rc::Rc::new(std::cell::Cell::new(false));
            let inside = std::rc::Rc::clone(&noted);
            let ended = local_scope(async |s: &LocalScope<Code>| {
                let task = s
                    .task()
                    .awaited(false)
                    .bubble(bits & 1 != 0)
                    .master(bits & 2 != 0);
                task.spawn(async move { inside.set(true) });
                ran = true;
                Ok(())
            });
            assert_eq!(ended.await, Ok(()));
            assert_eq!(clock(), start);
            assert!(ran && !noted.get());
        });
    }
}

#[test]
fn t12_the_error_of_a_task_that_nobody_waits_for_ends_the_scope() {
    simulated(async {
        let start = clock();
        let ended = scope(async |s: &Scope<Code>| {
            s.task().awaited(false).spawn(special(End::Error));
            s.spawn(sleep(seconds(5)));
            Ok(())
        });
        assert_eq!(ended.await, Err(Code(1)));
        assert_eq!(clock() - start, millis(50));
    });
}

#[cfg(panic = "unwind")]
#[test]
fn t09_an_error_that_does_not_bubble_is_in_the_handle() {
    simulated(async {
        let ended = scope(async |s: &Scope<Code>| {
            let quiet = s.task().bubble(false).spawn(special(End::Error));
            let loud = s.task().bubble(false).spawn(special(End::Panic));
            sleep(seconds(1)).await;
            let interrupt = loud.outcome().await.unwrap_err();
            assert!(matches!(interrupt, Interrupt::Panicked(_)));
            quiet.await
        });
        assert_eq!(ended.await, Err(Code(1)));
    });
}

#[test]
fn t10_a_task_that_is_awaited_before_it_fails_does_not_end_the_scope_and_after_it_does() {
    simulated(async {
        let before = scope(async |s: &Scope<Code>| {
            let child = s.spawn(special(End::Error));
            assert_eq!(child.await, Err(Code(1)));
            sleep(seconds(1)).await;
            Ok(())
        });
        assert_eq!(before.await, Ok(()));
        let after = scope(async |s: &Scope<Code>| {
            let child = s.spawn(special(End::Error));
            sleep(seconds(1)).await;
            child.await
        });
        assert_eq!(after.await, Err(Code(1)));
    });
}

#[test]
fn t10_an_error_that_was_waited_for_and_is_not_taken_ends_the_scope_after_all() {
    simulated(async {
        let start = clock();
        let ended = scope(async |s: &Scope<Code>| {
            let child = s.task().observed(true).spawn(special(End::Error));
            sleep(seconds(1)).await;
            drop(child); // the error was waiting in it
            pending::<Result<(), Code>>().await
        });
        assert_eq!(ended.await, Err(Code(1)));
        assert_eq!(clock() - start, seconds(1));
        let ended = scope(async |s: &Scope<Code>| {
            let child = s.task().observed(true).spawn(special(End::Error));
            sleep(seconds(1)).await;
            Ok(child) // it outlives the scope with its error
        });
        assert_eq!(ended.await.map(drop), Err(Code(1)));
    });
}

#[test]
fn t10_what_is_said_to_be_observed_and_then_not_is_as_if_nothing_was_said() {
    simulated(async {
        let start = clock();
        let ended = scope(async |s: &Scope<Code>| {
            let task = s.task().observed(true).observed(false);
            let child = task.spawn(special(End::Error));
            sleep(seconds(1)).await;
            drop(child);
            Ok(())
        });
        assert_eq!(ended.await, Err(Code(1)));
        assert!(clock() - start < seconds(1), "nobody waited for it");
    });
}

#[test]
fn the_observer_of_a_scope_that_is_not_verbose_hears_only_what_is_lost() {
    simulated(async {
        for verbose in [false, true] {
            let heard = Arc::new(AtomicUsize::new(0));
            let count = Arc::clone(&heard);
            let scope = Scope::<Code>::builder().verbose(true).verbose(verbose);
            let scope = scope.observer(move |_| _ = count.fetch_add(1, Ordering::Relaxed));
            let ended = scope.run(async |s| {
                s.spawn(async {});
                Ok(())
            });
            assert_eq!(ended.await, Ok(()));
            assert_eq!(heard.load(Ordering::Relaxed) > 0, verbose);
        }
    });
}

#[test]
fn t10_a_child_whose_error_has_ended_the_scope_says_so() {
    simulated(async {
        let mut kept = None;
        let ended = scope(async |s: &Scope<Code>| {
            kept = Some(s.spawn(special(End::Error)));
            pending::<Result<(), Code>>().await
        });
        assert_eq!(ended.await, Err(Code(1)));
        let outcome = kept.unwrap().outcome().await;
        assert!(matches!(outcome, Err(Interrupt::ScopeFailed)));
    });
}

#[test]
fn t08_errors_that_come_later_are_reported() {
    simulated(async {
        let scope = Scope::<Code>::builder().report();
        let ended = scope.run(async |s| {
            for code in 0..70 {
                s.spawn(arborio::cancel::finally(
                    async move {
                        pending::<()>().await;
                        Ok(())
                    },
                    async move || assert!(code < 70),
                ));
            }
            s.spawn(special(End::Error));
            for code in 10..80 {
                s.spawn(async move {
                    arborio::cancel::catch_cancel(pending::<()>()).await.ok();
                    Err::<(), _>(Code(code))
                });
            }
            Ok(())
        });
        let failed = ended.await.unwrap_err();
        assert_eq!(failed.first, Code(1));
        assert_eq!(failed.later.len() + failed.dropped, 70);
        assert_eq!((failed.later[0], failed.dropped), (Code(10), 6));
    });
}

#[test]
fn t07_an_error_of_the_body_after_a_cancel_is_returned_and_a_cancel_counts_once() {
    simulated(async {
        let ended = scope(async |s: &Scope<Code>| {
            s.cancel();
            s.cancel_with(Code(8));
            s.cancel_with(Code(9));
            pending::<Result<(), Code>>().await
        });
        assert_eq!(
            ended.await,
            Err(Code(8)),
            "a real error replaces a plain cancel"
        );
        let ended = scope(async |s: &Scope<Code>| {
            s.cancel();
            Err::<(), _>(Code(7))
        });
        assert_eq!(ended.await, Err(Code(7)));
        let ended = scope(async |s: &Scope<Code>| {
            s.spawn(pending::<()>());
            s.cancel();
            Ok("the body was ready")
        });
        assert_eq!(ended.await, Ok("the body was ready"));
    });
}

#[test]
fn t11_a_master_interrupts_a_body_that_is_still_running() {
    simulated(async {
        let start = clock();
        let ended = scope(async |s: &Scope<Code>| {
            s.task().master(true).spawn(sleep(millis(10)));
            pending::<Result<(), Code>>().await
        });
        assert_eq!(ended.await, Err(Code(255)));
        assert_eq!(clock() - start, millis(10));
    });
}

#[cfg(panic = "unwind")]
#[test]
fn c12_the_end_of_a_scope_cannot_be_skipped() {
    let early = simulated(async {
        let start = clock();
        let ended = scope(async |s: &Scope<Code>| {
            s.spawn(arborio::cancel::finally(pending::<()>(), async || {
                sleep(millis(20)).await
            }));
            sleep(millis(1)).await;
            Err::<(), _>(Code(3))?;
            Ok(())
        });
        (ended.await, clock() - start)
    });
    assert_eq!(early, (Err(Code(3)), millis(21)));
    let panicked = catch_unwind(|| {
        simulated(async {
            let ended = scope(async |s: &Scope<Code>| -> Result<(), Code> {
                s.spawn(sleep(millis(1)));
                std::panic::panic_any(Code(4))
            });
            let _ = ended.await;
        })
    });
    assert_eq!(panicked.unwrap_err().downcast_ref(), Some(&Code(4)));
}
