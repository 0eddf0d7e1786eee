//! A limit of time for tasks that run already.
#![expect(clippy::async_yields_async, reason = "a handle may outlive its loop")]

use std::{future::pending, thread};

use arborio::{
    Handle, Interrupt, RunError, Scope,
    cancel::{ApplyTimeout, catch_cancel, finally},
    run, scope, spawn, spawn_local,
    time::{Duration, clock, sleep},
    yield_now,
};

use crate::{
    scopes::Code,
    support::{Gate, Log, ms, secs, simulated, without_hanging},
};

fn timed_out<T>(ended: &Result<T, Interrupt>) -> bool {
    matches!(ended, Err(Interrupt::TimedOut))
}

/// A task of a scope that takes long.
async fn hours() -> Result<(), Code> {
    sleep(secs(3600)).await;
    Ok(())
}

/// Notes when it is dropped.
struct NotesClock(Log<Duration>);

impl Drop for NotesClock {
    fn drop(&mut self) {
        self.0.add(clock());
    }
}

/// When the loop stalls after `main`: at once, unless a timer is armed.
fn stalls_at<F: Future<Output = ()>>(main: F) -> Duration {
    let log = Log::new();
    let ended = simulated().try_run(async {
        main.await;
        let _notes = NotesClock(log.clone());
        pending::<()>().await;
    });
    assert!(matches!(ended, Err(RunError::Stalled { .. })));
    log.take()[0]
}

#[test]
fn s27_a_task_that_is_not_ready_in_time_times_out_and_leaves_no_timer() {
    let stalled = stalls_at(async {
        let task = spawn(sleep(secs(3600)));
        assert!(task.apply_timeout(secs(1)));
        assert!(timed_out(&task.await));
        assert_eq!(clock(), secs(1));
    });
    assert_eq!(stalled, secs(1));
}

#[test]
fn s27_a_task_that_is_ready_in_time_disarms_its_timers() {
    let stalled = stalls_at(async {
        let task = spawn(async {
            sleep(secs(1)).await;
            7
        });
        for limit in [3600, 20, 1800] {
            assert!(task.apply_timeout(secs(limit)));
        }
        assert_eq!(task.await.unwrap(), 7);
    });
    assert_eq!(stalled, secs(1));
}

#[cfg(panic = "unwind")]
#[test]
fn s27_a_task_that_panics_or_is_aborted_disarms_its_timers() {
    let stalled = stalls_at(async {
        let aborted = spawn(pending::<()>());
        aborted.apply_timeout(secs(5));
        aborted.abort();
        assert!(matches!(aborted.await, Err(Interrupt::Cancelled(_))));
        let panics = spawn(async { panic!("on purpose") });
        panics.apply_timeout(secs(5));
        assert!(matches!(panics.await, Err(Interrupt::Panicked(_))));
    });
    assert_eq!(stalled, secs(0));
}

#[test]
fn s27_the_helper_of_these_tests_sees_a_timer_that_is_left() {
    let left = spawn_on_stalling(secs(9));
    assert_eq!(left, secs(9));
}

fn spawn_on_stalling(limit: Duration) -> Duration {
    stalls_at(async move {
        let task = spawn(pending::<()>());
        task.apply_timeout(limit); // it is pending when the loop would stall
        drop(task);
    })
}

#[test]
fn s27_of_several_limits_the_earliest_counts() {
    simulated().run(async {
        let task = spawn(pending::<()>());
        for limit in [5, 2, 9] {
            assert!(task.apply_timeout(secs(limit)));
        }
        assert!(timed_out(&task.await));
        assert_eq!(clock(), secs(2));
    });
}

#[test]
fn s27_a_limit_of_zero_times_out_at_once() {
    simulated().run(async {
        let task = spawn(pending::<()>());
        yield_now().await;
        assert!(task.apply_timeout(Duration::ZERO));
        assert!(timed_out(&task.await));
        assert_eq!(clock(), secs(0));
    });
}

#[test]
fn s27_a_task_that_has_ended_cannot_time_out() {
    let stalled = stalls_at(async {
        let task = spawn(async { 1 });
        (&task).await.unwrap();
        assert!(!task.apply_timeout(Duration::ZERO));
        assert!(!task.apply_timeout(secs(1)));
        assert_eq!(task.await.unwrap(), 1);
    });
    assert_eq!(stalled, secs(0));
}

#[test]
fn s27_a_limit_that_has_no_end_is_none() {
    simulated().run(async {
        let task = spawn(sleep(secs(3)));
        assert!(task.apply_timeout(Duration::MAX));
        task.await.unwrap();
    });
}

#[test]
fn s27_all_awaiters_see_that_it_timed_out() {
    simulated().run(async {
        let task = spawn(pending::<()>());
        task.apply_timeout(secs(1));
        let both = futures_lite::future::zip(async { (&task).await }, async { (&task).await });
        let (one, other) = both.await;
        assert!(timed_out(&one) && timed_out(&other) && timed_out(&task.await));
    });
}

#[test]
fn s22_inside_a_timeout_is_a_cancellation_and_cleans_up_without_a_limit() {
    let log = Log::new();
    simulated().run(async {
        let inside = log.clone();
        let task = spawn_local(finally(pending::<()>(), async move || {
            inside.add(clock());
            sleep(secs(3600)).await; // a task has no grace
        }));
        task.apply_timeout(secs(1));
        assert!(timed_out(&task.await));
        assert_eq!(clock(), secs(3601));
    });
    assert_eq!(log.take(), [secs(1)]);
}

#[test]
fn s22_a_timeout_that_is_swallowed_gives_the_value_and_leaves_no_timer() {
    let stalled = stalls_at(async {
        let task = spawn(async {
            let Err(caught) = catch_cancel(pending::<()>()).await else {
                unreachable!()
            };
            caught.swallow();
            sleep(secs(1)).await;
            "a value"
        });
        task.apply_timeout(secs(1));
        task.apply_timeout(secs(3600));
        assert_eq!(task.await.unwrap(), "a value");
    });
    assert_eq!(stalled, secs(2));
}

#[test]
fn s22_an_error_of_the_cleanup_wins_over_the_timeout() {
    simulated().run(async {
        let task = spawn(async {
            let Err(_caught) = catch_cancel(pending::<()>()).await else {
                unreachable!()
            };
            Err::<(), _>("the cleanup failed")
        });
        task.apply_timeout(secs(1));
        assert_eq!(task.await.unwrap(), Err("the cleanup failed"));
    });
}

#[test]
fn d8_the_first_reason_wins_whichever_it_is() {
    simulated().run(async {
        let slow = || finally(pending::<()>(), || sleep(secs(5)));
        let task = spawn(slow());
        task.apply_timeout(secs(1));
        sleep(secs(2)).await;
        assert!(task.cancel());
        assert!(timed_out(&task.await));
        let task = spawn(slow());
        task.apply_timeout(secs(2));
        sleep(secs(1)).await;
        assert!(task.cancel());
        assert!(matches!(task.await, Err(Interrupt::Cancelled(_))));
    });
}

/// As a cancellation: what has no handler is not polled again once it was asked.
#[test]
fn d8_a_timeout_before_the_turn_in_which_a_task_would_be_ready_wins() {
    simulated().run(async {
        let task = spawn(sleep(secs(1)));
        yield_now().await; // its sleep is the older one, so it is woken first
        task.apply_timeout(secs(1));
        assert!(timed_out(&task.await));
        let task = spawn(sleep(secs(1)));
        yield_now().await;
        task.apply_timeout(secs(1) + ms(1));
        assert!(task.await.is_ok());
    });
}

#[test]
fn s27_a_task_of_a_scope_times_out_and_the_scope_goes_on() {
    simulated().run(async {
        let ended = scope(async |s: &Scope<Code>| {
            let child = s.spawn(hours());
            assert!(child.apply_timeout(secs(1)));
            assert!(timed_out(&child.outcome().await));
            Ok("went on")
        });
        assert_eq!(ended.await, Ok("went on"));
        assert_eq!(clock(), secs(1));
    });
}

#[test]
fn s27_a_limit_does_not_keep_the_loop_running() {
    simulated().run(async {
        let ticker = arborio::task().awaited(false).spawn(pending::<()>());
        ticker.apply_timeout(secs(3600));
        drop(ticker);
        yield_now().await;
    });
    let started = std::time::Instant::now();
    run(async {
        let ticker = arborio::task().awaited(false).spawn(pending::<()>());
        ticker.apply_timeout(secs(3600));
        drop(ticker);
        yield_now().await;
    });
    assert!(started.elapsed() < secs(60));
}

#[test]
fn s27_a_limit_that_another_thread_applies_is_on_the_clock_of_the_task() {
    without_hanging(|| {
        simulated().run(async {
            let gate = Gate::default();
            let task = spawn(pending::<()>());
            let opened = gate.clone();
            let outside = Handle::current().unwrap(); // the loop knows of the thread
            let thread = thread::spawn(move || {
                assert!(task.apply_timeout(secs(3600)));
                opened.open();
                drop(outside);
                task
            });
            gate.passed().await;
            let task = thread.join().unwrap();
            assert!(timed_out(&task.await));
            assert_eq!(clock(), secs(3600));
        });
    });
}

#[test]
fn s27_a_limit_after_the_end_of_the_loop_is_refused() {
    let task = run(async { arborio::task().awaited(false).spawn(pending::<()>()) });
    assert!(!task.apply_timeout(ms(1)));
}

#[test]
fn s27_a_task_of_a_scope_under_a_foreign_executor_times_out() {
    without_hanging(|| {
        let ended = futures_lite::future::block_on(scope(async |s: &Scope<Code>| {
            let child = s.spawn(hours());
            assert!(child.apply_timeout(ms(5)));
            Ok(timed_out(&child.outcome().await))
        }));
        assert_eq!(ended, Ok(true));
    });
}
