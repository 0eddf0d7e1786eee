//! A limit of time for each round of a loop, on a simulated clock.

use std::{future::pending, rc::Rc};

use arborio::{
    RunError,
    cancel::{
        Ticker, catch_cancel, current_effective_deadline, finally, move_on_after, repeat_timeout,
    },
    spawn, task,
    time::{TimedOut, clock, sleep},
    yield_now,
};

use crate::support::{DropProbe, Log, secs, simulated};

/// Runs a closure when it is dropped.
struct OnDrop<F: FnMut()>(F);

impl<F: FnMut()> Drop for OnDrop<F> {
    fn drop(&mut self) {
        (self.0)();
    }
}

#[test]
fn s28_the_limit_counts_from_the_start_of_the_last_round() {
    let log = Log::new();
    simulated().run(async {
        let ended = repeat_timeout(secs(5), async |t: &Ticker| {
            for length in [2, 4, 6] {
                t.tick();
                sleep(secs(length)).await;
                log.add(("hi", clock()));
            }
        });
        assert_eq!(ended.await, Err(TimedOut));
        log.add(("TIMEOUT!", clock()));
    });
    let expected = [("hi", 2), ("hi", 6), ("TIMEOUT!", 11)];
    assert_eq!(log.take(), expected.map(|(what, at)| (what, secs(at))));
}

#[test]
fn s28_the_limit_holds_before_the_first_round_and_counts_from_the_call() {
    simulated().run(async {
        let ended = repeat_timeout(secs(5), async |_: &Ticker| pending::<()>().await);
        sleep(secs(3)).await; // it is not polled yet
        assert_eq!(ended.await, Err(TimedOut));
        assert_eq!(clock(), secs(5));
    });
}

#[test]
fn s28_a_body_that_breaks_out_gives_its_value_and_leaves_no_timer_behind() {
    let stalled_at = Log::new();
    let stalled = simulated().try_run(async {
        let ended = repeat_timeout(secs(5), async |t: &Ticker| {
            loop {
                t.tick();
                sleep(secs(2)).await;
                if clock() >= secs(6) {
                    break "out";
                }
            }
        });
        assert_eq!(ended.await, Ok("out"));
        // With a timer left the loop would not stall before that rings.
        let _at_the_end = OnDrop(|| stalled_at.add(clock()));
        pending::<()>().await;
    });
    assert!(matches!(stalled, Err(RunError::Stalled { .. })));
    assert_eq!(stalled_at.take(), [secs(6)]);
}

#[test]
fn s28_a_limit_that_was_dropped_leaves_no_timer_behind() {
    simulated().run(async {
        let round = repeat_timeout(secs(3600), async |_: &Ticker| pending::<()>().await);
        assert_eq!(move_on_after(secs(1), round).await, None);
        assert_eq!(clock(), secs(1));
    });
}

#[test]
fn s28_a_body_that_swallows_the_timeout_goes_on_without_a_limit() {
    simulated().run(async {
        let ended = repeat_timeout(secs(5), async |t: &Ticker| {
            t.tick();
            let Err(caught) = catch_cancel(pending::<()>()).await else {
                unreachable!()
            };
            caught.swallow();
            assert_eq!(clock(), secs(5));
            sleep(secs(100)).await;
            t.tick(); // does not set a limit again
            assert_eq!(current_effective_deadline(), None);
            sleep(secs(100)).await;
            "a value"
        });
        assert_eq!(ended.await, Ok("a value"));
        assert_eq!(clock(), secs(205));
    });
}

#[test]
fn s28_a_body_may_clean_up_within_the_grace() {
    let log = Log::new();
    simulated().run(async {
        let ended = repeat_timeout(secs(5), async |t: &Ticker| {
            t.tick();
            let cleanup = async || {
                sleep(secs(60)).await;
                log.add("never");
            };
            finally(pending::<()>(), cleanup).await;
        });
        assert_eq!(ended.await, Err(TimedOut));
        assert_eq!(clock(), secs(6));
    });
    assert!(log.take().is_empty());
}

#[test]
fn s28_of_two_limits_the_one_that_rang_is_the_one_that_converts() {
    simulated().run(async {
        // The inner one rings: the outer one goes on.
        let outer = repeat_timeout(secs(20), async |t: &Ticker| {
            t.tick();
            let inner = repeat_timeout(secs(5), async |_: &Ticker| pending::<()>().await);
            assert_eq!(inner.await, Err(TimedOut));
            sleep(secs(2)).await;
            "went on"
        });
        assert_eq!(outer.await, Ok("went on"));
        assert_eq!(clock(), secs(7));
        // The outer one rings: the inner one passes that on and says nothing.
        let said = Log::new();
        let outer = repeat_timeout(secs(5), async |_: &Ticker| {
            let inner = repeat_timeout(secs(20), async |_: &Ticker| pending::<()>().await);
            said.add(inner.await);
        });
        assert_eq!(outer.await, Err(TimedOut));
        assert_eq!(said.take(), []);
        assert_eq!(clock(), secs(12));
    });
}

#[test]
fn s28_only_what_is_inside_ends_and_its_task_goes_on() {
    simulated().run(async {
        let (probe, dropped) = DropProbe::new();
        let task = spawn(async move {
            let ended = repeat_timeout(secs(5), async move |_: &Ticker| {
                let _probe = probe;
                pending::<()>().await;
            });
            assert_eq!(ended.await, Err(TimedOut));
            assert_eq!(dropped.lock().unwrap().len(), 1);
            "still here"
        });
        assert_eq!(task.await.unwrap(), "still here");
    });
}

#[test]
fn s28_a_cancellation_from_outside_is_not_taken_for_a_timeout() {
    simulated().run(async {
        let said = Rc::new(Log::new());
        let log = Rc::clone(&said);
        let waiting = task().spawn_local(async move {
            let round = repeat_timeout(secs(50), async |_: &Ticker| pending::<()>().await);
            log.add(round.await);
        });
        yield_now().await;
        assert!(waiting.cancel());
        let ended = waiting.await;
        assert!(matches!(ended, Err(arborio::Interrupt::Cancelled(_))));
        assert_eq!(said.take(), []);
        assert_eq!(clock(), secs(0));
    });
}

#[test]
fn s28_a_limit_of_zero_is_over_at_the_first_suspension() {
    simulated().run(async {
        let ready = repeat_timeout(secs(0), async |t: &Ticker| {
            t.tick();
            1
        });
        assert_eq!(ready.await, Ok(1));
        let suspends = repeat_timeout(secs(0), async |_: &Ticker| pending::<()>().await);
        assert_eq!(suspends.await, Err(TimedOut));
        assert_eq!(clock(), secs(0));
    });
}

#[test]
fn s28_the_effective_deadline_moves_with_the_rounds() {
    simulated().run(async {
        let rounds = repeat_timeout(secs(5), async |t: &Ticker| {
            let deadline = || current_effective_deadline().map(|due| due.as_nanos());
            let first = deadline();
            sleep(secs(2)).await;
            t.tick();
            assert_eq!(deadline(), first.map(|due| due + 2_000_000_000));
        });
        assert_eq!(rounds.await, Ok(()));
    });
}
