//! A task that is asked to end: who sees what.

use std::{future::pending, sync::mpsc, thread};

use arborio_executor::spawn_local;
use arborio_scope::{cancelled, catch_cancel, finally, is_cancelling, move_on_after, timeout};
use arborio_task::{Interrupt, Task};
use arborio_timers::{Instant, TimedOut};

use crate::support::{Log, forever, millis_since, ms, nap, run};

/// How a task that was asked deals with it.
#[derive(Clone, Copy, Debug)]
enum Inside {
    CatchAndReturn,
    CatchAndFail,
    CleanUpAwait,
}

use Inside::{CatchAndFail, CatchAndReturn, CleanUpAwait};

async fn inside(how: Inside, log: &Log) -> Result<&'static str, &'static str> {
    match how {
        CatchAndReturn => {
            let request = catch_cancel(pending::<()>()).await.unwrap_err();
            assert!(is_cancelling());
            log.note("asked");
            request.swallow();
            Ok("value")
        }
        CatchAndFail => {
            let _request = catch_cancel(pending::<()>()).await.unwrap_err();
            log.note("asked");
            Err("error")
        }
        CleanUpAwait => {
            finally(pending::<()>(), async || {
                log.note("asked");
                nap(20).await;
                log.note("cleaned up");
            })
            .await;
            Ok("not reached")
        }
    }
}

fn spawn_inside(how: Inside, log: &Log) -> Task<Result<&'static str, &'static str>> {
    let log = log.clone();
    spawn_local(async move { inside(how, &log).await })
}

#[test]
fn s22_error_wins_over_cancellation_and_that_over_nothing() {
    for end in [None, Some(Interrupt::TimedOut)] {
        for how in [CatchAndReturn, CatchAndFail, CleanUpAwait] {
            run(async {
                let (log, start) = (Log::default(), Instant::now());
                let task = spawn_inside(how, &log);
                nap(5).await;
                let asked = match &end {
                    None => task.cancel(),
                    Some(end) => task.cancel_with(end.clone()),
                };
                assert!(asked && !task.is_finished());
                let outcome = task.await;
                match (how, &end) {
                    (CatchAndReturn, _) => assert_eq!(outcome.unwrap(), Ok("value")),
                    (CatchAndFail, _) => assert_eq!(outcome.unwrap(), Err("error")),
                    (CleanUpAwait, None) => {
                        assert!(matches!(outcome, Err(Interrupt::Cancelled(_))));
                    }
                    (CleanUpAwait, Some(_)) => {
                        assert!(matches!(outcome, Err(Interrupt::TimedOut)));
                    }
                }
                let cleaned_up = matches!(how, CleanUpAwait);
                assert_eq!(log.take().len(), 1 + usize::from(cleaned_up), "{how:?}");
                assert_eq!(millis_since(start), if cleaned_up { 25 } else { 5 });
            });
        }
    }
}

#[test]
fn s22_the_same_holds_for_a_timeout_around_it() {
    for how in [CatchAndReturn, CatchAndFail, CleanUpAwait] {
        run(async {
            let (log, start) = (Log::default(), Instant::now());
            let outcome = timeout(ms(5), inside(how, &log)).await;
            match how {
                CatchAndReturn => assert_eq!(outcome, Ok(Ok("value"))),
                CatchAndFail => assert_eq!(outcome, Ok(Err("error"))),
                CleanUpAwait => {
                    assert_eq!(outcome, Err(TimedOut));
                    assert_eq!(millis_since(start), 25);
                }
            }
            assert_eq!(log.take()[0], "asked");
        });
    }
}

#[test]
fn s21_cancel_tells_whether_the_task_had_ended() {
    run(async {
        let task = spawn_local(async { 1 });
        assert_eq!((&task).await.unwrap(), 1);
        assert!(!task.cancel(), "it has ended");
        let task = spawn_local(pending::<()>());
        nap(1).await;
        assert!(task.cancel());
        assert!(task.cancel(), "it has not ended yet");
        assert!(task.await.is_err());
    });
}

#[test]
fn s21_hello_is_cancelled_and_world_is_printed() {
    run(async {
        let log = Log::default();
        let hello = log.clone();
        let task = spawn_local(async move {
            nap(1000).await;
            hello.note("hello");
        });
        nap(100).await;
        task.cancel();
        assert!(task.await.is_err());
        log.note("world");
        assert_eq!(log.take(), ["world"]);
    });
}

#[test]
fn s21_a_swallowed_request_is_over_and_the_next_one_is_new() {
    run(async {
        let log = Log::default();
        let inner = log.clone();
        let task = spawn_local(async move {
            loop {
                let request = catch_cancel(pending::<()>()).await.unwrap_err();
                inner.note("swallowed");
                request.swallow();
            }
        });
        for _ in 0..3 {
            nap(5).await;
            assert!(task.cancel());
        }
        nap(5).await;
        assert_eq!(log.take(), ["swallowed"; 3]);
        assert!(!task.is_finished());
        task.abort();
        assert!(matches!(task.await, Err(Interrupt::Cancelled(_))));
    });
}

#[test]
fn d8_a_second_request_while_a_handler_is_busy_changes_nothing() {
    run(async {
        let log = Log::default();
        let task = spawn_inside(CleanUpAwait, &log);
        nap(5).await;
        task.cancel_with(Interrupt::TimedOut);
        nap(5).await;
        task.cancel();
        assert!(matches!(task.await, Err(Interrupt::TimedOut)));
        assert_eq!(log.take(), ["asked", "cleaned up"]);
    });
}

#[test]
fn the_first_reason_stays_even_if_the_task_is_aborted_then() {
    run(async {
        let log = Log::default();
        let task = spawn_inside(CleanUpAwait, &log);
        nap(5).await;
        task.cancel_with(Interrupt::TimedOut);
        nap(5).await;
        task.abort();
        assert!(matches!(task.await, Err(Interrupt::TimedOut)));
        assert_eq!(log.take(), ["asked"], "the cleanup was cut off");
    });
}

#[test]
fn s27_a_task_that_runs_out_of_time_is_asked_and_its_awaiters_see_timed_out() {
    run(async {
        let log = Log::default();
        let inner = log.clone();
        let task = spawn_local(async move {
            let request = catch_cancel(pending::<()>()).await.unwrap_err();
            assert!(is_cancelling());
            inner.note("a request");
            drop(request);
            forever(&inner, "dropped").await;
        });
        nap(5).await;
        task.cancel_with(Interrupt::TimedOut);
        assert!(matches!((&task).await, Err(Interrupt::TimedOut)));
        assert!(matches!((&task).await, Err(Interrupt::TimedOut)));
        assert_eq!(log.take(), ["a request", "dropped"]);
    });
}

#[test]
fn a_task_has_no_grace_of_its_own() {
    run(async {
        let log = Log::default();
        let cleaning = log.clone();
        let task = spawn_local(async move {
            finally(pending::<()>(), async || {
                nap(3_600_000).await;
                cleaning.note("an hour later");
            })
            .await;
        });
        nap(5).await;
        task.cancel();
        assert!(task.await.is_err());
        assert_eq!(log.take(), ["an hour later"]);
    });
}

#[test]
fn awaiting_a_task_does_not_pass_the_request_on_to_it() {
    run(async {
        let shared = std::rc::Rc::new(spawn_local(async {
            nap(50).await;
            5
        }));
        let awaited = std::rc::Rc::clone(&shared);
        let awaiter = spawn_local(async move { (&*awaited).await });
        nap(5).await;
        awaiter.cancel();
        assert!(awaiter.await.is_err());
        assert_eq!((&*shared).await.unwrap(), 5);
    });
}

#[test]
fn another_thread_may_ask_a_task_to_end() {
    run(async {
        let log = Log::default();
        let inner = log.clone();
        let task = spawn_local(async move {
            finally(forever(&inner, "dropped"), async || {
                arborio_executor::yield_now().await;
                inner.note("cleaned up");
            })
            .await;
        });
        arborio_executor::yield_now().await;
        let abroad = thread::spawn(move || {
            assert!(task.cancel());
            futures_lite::future::block_on(task)
        });
        while !abroad.is_finished() {
            arborio_executor::yield_now().await;
        }
        let outcome = abroad.join().unwrap();
        assert!(matches!(outcome, Err(Interrupt::Cancelled(_))));
        assert_eq!(log.take(), ["dropped", "cleaned up"]);
    });
}

#[test]
fn a_request_from_abroad_that_comes_while_one_is_swallowed_is_not_an_abort() {
    run(async {
        let (busy, is_busy) = mpsc::channel();
        let (asked_again, was_asked_again) = mpsc::channel();
        let task = std::sync::Arc::new(spawn_local(async move {
            let request = catch_cancel(pending::<()>()).await.unwrap_err();
            busy.send(()).unwrap();
            was_asked_again.recv().unwrap(); // its message lies in the inbox now
            request.swallow();
            nap(5).await;
            "went on"
        }));
        nap(1).await;
        let abroad = std::sync::Arc::clone(&task);
        let thread = thread::spawn(move || {
            is_busy.recv().unwrap();
            assert!(abroad.cancel());
            drop(abroad);
            asked_again.send(()).unwrap();
        });
        assert!(task.cancel());
        nap(100).await;
        thread.join().unwrap();
        let task = std::sync::Arc::into_inner(task).unwrap();
        assert_eq!(task.await.unwrap(), "went on");
    });
}

#[test]
fn cancelled_is_ready_when_a_request_comes_and_the_others_go_on() {
    run(async {
        let log = Log::default();
        let watch = async {
            cancelled().await;
            log.note("watched");
            pending::<()>().await;
        };
        let body = futures_lite::future::zip(watch, forever(&log, "dropped"));
        assert!(move_on_after(ms(5), body).await.is_none());
        assert_eq!(log.take(), ["watched", "dropped"]);
    });
}

#[test]
fn cancelled_waits_for_the_request_and_not_longer() {
    run(async {
        let (log, start) = (Log::default(), Instant::now());
        let watch = async {
            cancelled().await;
            assert_eq!(millis_since(start), 5, "not before");
            log.note("watched");
            pending::<()>().await;
        };
        assert!(move_on_after(ms(5), watch).await.is_none());
        assert_eq!(log.take(), ["watched"]);
        // While another handler has the request, which is busy with it.
        let watch = async {
            let asked = catch_cancel(pending::<()>()).await;
            cancelled().await;
            log.note("known already");
            drop(asked);
            pending::<()>().await;
        };
        assert!(move_on_after(ms(5), watch).await.is_none());
        assert_eq!(log.take(), ["known already"]);
        assert_eq!(millis_since(start), 10);
    });
}
