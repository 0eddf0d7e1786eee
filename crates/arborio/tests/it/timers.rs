//! Sleeps, timeouts and intervals on a simulated clock, where everything is
//! exact.

use std::{
    future::{pending, ready},
    pin::pin,
};

use arborio::{
    RunError, spawn, spawn_local,
    time::{
        Duration, Instant, Interval, MissedTick, TimedOut, clock, interval, interval_at, sleep,
        sleep_until, timeout, timeout_at,
    },
    yield_now,
};
use futures_lite::future::or;

use crate::support::{Log, ms, poll_once, secs, simulated, without_hanging};

#[test]
fn d1_a_sleep_of_zero_yields_exactly_one_ready_cycle() {
    let log = Log::new();
    simulated().run(async {
        for name in ["a", "b"] {
            let log = log.clone();
            drop(spawn_local(async move {
                for round in 0..3 {
                    log.add((round, name));
                    sleep(ms(0)).await;
                }
            }));
        }
    });
    let expected = (0..3).flat_map(|round| [(round, "a"), (round, "b")]);
    assert!(log.take().into_iter().eq(expected));
}

#[test]
fn s23_twelve_sleeps_with_one_deadline_wake_in_their_order() {
    let log = Log::new();
    simulated().run(async {
        let deadline = Instant::now() + secs(1);
        for number in 0..12 {
            let log = log.clone();
            drop(spawn_local(async move {
                // Both forms, armed alternately, for the same instant.
                if number % 2 == 0 {
                    sleep_until(deadline).await;
                } else {
                    sleep(secs(1)).await;
                }
                log.add(number);
            }));
        }
    });
    assert_eq!(log.take(), (0..12).collect::<Vec<_>>());
}

#[test]
fn d4_sleeps_wake_by_deadline_and_then_by_age_across_all_levels_of_the_wheel() {
    let log = Log::new();
    simulated().run(async {
        let lengths = [1, 1_000, 70, 1_000_000, 70, 1, 86_400_000, 1_000, 4_096];
        for (age, length) in lengths.into_iter().enumerate() {
            let log = log.clone();
            drop(spawn_local(async move {
                sleep(ms(length)).await;
                log.add((length, age));
                assert_eq!(clock(), ms(length));
            }));
        }
    });
    let woken = log.take();
    assert_eq!(woken.len(), 9);
    assert!(woken.is_sorted());
}

#[test]
fn s23_the_deadline_is_fixed_when_the_sleep_is_made() {
    simulated().run(async {
        let early = sleep(ms(50));
        sleep(ms(60)).await;
        early.await;
        assert_eq!(clock(), ms(60), "it was over already");
        let later = sleep(ms(50));
        sleep(ms(20)).await;
        later.await;
        assert_eq!(clock(), ms(110));
    });
}

#[test]
fn s23_a_sleep_that_was_dropped_holds_nothing_up() {
    let end = simulated().try_run(async {
        for _ in 0..100 {
            assert!(poll_once(&mut sleep(secs(1))).is_pending());
        }
        let aborted = spawn(sleep(secs(1)));
        yield_now().await;
        aborted.abort();
        pending::<()>().await;
    });
    // No timer is left, so nothing can happen any more.
    assert!(matches!(end, Err(RunError::Stalled(_))), "{end:?}");
}

#[test]
fn w01_a_sleep_without_end_never_fires() {
    without_hanging(|| {
        let end = simulated().try_run(async {
            for length in [
                Duration::MAX,
                secs(u64::MAX),
                Duration::MAX - Duration::from_nanos(1),
            ] {
                drop(spawn(sleep(length)));
            }
            drop(spawn(sleep_until(Instant::FAR_FUTURE)));
            sleep(secs(3600)).await;
            assert_eq!(clock(), secs(3600));
        });
        let Err(RunError::Stalled(tree)) = end else {
            panic!("a sleep without end has ended")
        };
        assert_eq!(tree.tasks().filter(|task| task.awaited).count(), 4);
    });
}

#[test]
fn w02_an_interval_without_end_ticks_once() {
    without_hanging(|| {
        let end = simulated().try_run(async {
            let mut ticks = interval(Duration::MAX);
            assert_eq!(ticks.tick().await, Instant::now());
            ticks.tick().await;
        });
        assert!(matches!(end, Err(RunError::Stalled(_))), "{end:?}");
    });
}

#[test]
fn w03_no_time_is_enough_for_what_is_ready_and_for_nothing_else() {
    let never = Duration::MAX;
    simulated().run(async {
        assert_eq!(timeout(ms(0), ready(1)).await, Ok(1));
        assert_eq!(timeout(ms(0), pending::<()>()).await, Err(TimedOut));
        assert_eq!(timeout(ms(0), yield_now()).await, Err(TimedOut));
        assert_eq!(timeout(never, ready(1)).await, Ok(1));
        assert_eq!(timeout(never, sleep(secs(9))).await, Ok(()));
        assert_eq!(clock(), secs(9));

        let past = Instant::now();
        assert_eq!(timeout_at(past, ready(1)).await, Ok(1));
        assert_eq!(timeout_at(past, pending::<()>()).await, Err(TimedOut));
        assert_eq!(clock(), secs(9));
    });
}

#[test]
fn w03_a_timeout_ends_exactly_at_its_limit() {
    simulated().run(async {
        assert_eq!(timeout(secs(1), sleep(secs(2))).await, Err(TimedOut));
        assert_eq!(clock(), secs(1));
        assert_eq!(timeout(secs(2), sleep(secs(1))).await, Ok(()));
        assert_eq!(clock(), secs(2));
    });
}

#[test]
fn d3_a_value_that_comes_at_the_limit_wins_over_the_timeout() {
    simulated().run(async {
        assert_eq!(timeout(secs(1), sleep(secs(1))).await, Ok(()));
        let task = spawn(async {
            sleep(secs(1)).await;
            7
        });
        yield_now().await;
        let outcome = timeout(secs(1), task).await;
        assert_eq!(outcome.map(Result::unwrap), Ok(7));
    });
}

#[test]
fn d3_of_two_nested_timeouts_the_earlier_one_ends_it() {
    simulated().run(async {
        let inner = timeout(secs(2), pending::<()>());
        assert_eq!(timeout(secs(1), inner).await, Err(TimedOut));
        assert_eq!(clock(), secs(1));
        let inner = timeout(secs(1), pending::<()>());
        assert_eq!(timeout(secs(2), inner).await, Ok(Err(TimedOut)));
        assert_eq!(clock(), secs(2));
    });
}

#[test]
fn s23_a_timeout_around_a_task_leaves_the_task_if_only_borrowed() {
    simulated().run(async {
        let task = spawn(async {
            sleep(secs(2)).await;
            "in the end"
        });
        assert_eq!(
            timeout(secs(1), (&task).into_future())
                .await
                .map(Result::unwrap),
            Err(TimedOut)
        );
        assert_eq!(task.await.unwrap(), "in the end");
    });
}

#[test]
fn s23_the_loser_of_a_race_is_disarmed() {
    simulated().run(async {
        for _ in 0..1000 {
            or(sleep(secs(1)), sleep(secs(1000))).await;
        }
        assert_eq!(clock(), secs(1000));
    });
}

#[test]
fn w14_a_sleep_that_is_put_off_from_another_task_keeps_its_new_deadline() {
    simulated().run(async {
        let mut nap = pin!(sleep(secs(1)));
        assert_eq!(timeout(ms(500), nap.as_mut()).await, Err(TimedOut));
        nap.as_mut().reset(Instant::now() + secs(10));
        nap.as_mut().await;
        assert_eq!(clock(), ms(10_500));
        nap.as_mut().reset(Instant::now() + secs(1));
        nap.await;
        assert_eq!(clock(), ms(11_500));
    });
}

/// The times (in seconds from the start) of five ticks every second, the
/// second of which is taken 2.5 s too late.
async fn ticks_with_a_delay(mut ticks: Interval) -> Vec<f64> {
    let mut seen = Vec::new();
    for number in 0..5 {
        if number == 1 {
            sleep(ms(3500)).await;
        }
        ticks.tick().await;
        seen.push(clock().as_secs_f64());
    }
    seen
}

#[test]
fn s23_an_interval_catches_up_or_starts_anew_or_leaves_out_what_it_missed() {
    for (policy, expected) in [
        (MissedTick::Burst, [0.0, 3.5, 3.5, 3.5, 4.0]),
        (MissedTick::Delay, [0.0, 3.5, 4.5, 5.5, 6.5]),
        (MissedTick::Skip, [0.0, 3.5, 4.0, 5.0, 6.0]),
    ] {
        let seen = simulated()
            .run(async { ticks_with_a_delay(interval(secs(1)).with_missed_tick(policy)).await });
        assert_eq!(seen, expected, "{policy:?}");
    }
}

#[test]
fn s23_an_interval_does_not_drift() {
    simulated().run(async {
        let start = Instant::now() + ms(250);
        let mut ticks = interval_at(start, ms(100));
        for number in 0..100 {
            let scheduled = ticks.tick().await;
            assert_eq!(scheduled, start + ms(100) * number);
            assert_eq!(scheduled, Instant::now());
            sleep(ms(u64::from(number) % 90)).await;
        }
    });
}

#[test]
fn w03_an_interval_of_zero_lets_the_others_run_at_each_tick() {
    let log = Log::new();
    simulated().run(async {
        let inside = log.clone();
        let peer = spawn_local(async move {
            loop {
                inside.add("peer");
                yield_now().await;
            }
        });
        let mut ticks = interval(ms(0));
        for _ in 0..3 {
            ticks.tick().await;
            log.add("tick");
        }
        peer.abort();
        assert_eq!(clock(), ms(0));
    });
    assert_eq!(log.take(), ["tick", "peer", "tick", "peer", "tick"]);
}

#[test]
fn s23_many_timers_end_at_their_own_times() {
    simulated().run(async {
        let tasks: Vec<_> = (0..2000_u64)
            .map(|number| {
                let length = ms(number * 7919 % 10_007);
                spawn(async move {
                    sleep(length).await;
                    assert_eq!(clock(), length);
                })
            })
            .collect();
        for task in tasks {
            task.await.unwrap();
        }
    });
}
