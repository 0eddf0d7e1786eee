//! Timers: the longest, the shortest, and those that others change.

use std::{
    future::{pending, ready},
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use arborio::{
    Handle, Interrupt, spawn, spawn_blocking,
    time::{interval, sleep, timeout},
    yield_now,
};

use super::{Flavour, flavours};
use crate::support::{ms, without_hanging};

flavours! {
    w01_the_longest_sleeps_never_end: the_longest_sleeps;
    w02_an_interval_of_the_longest_period_ticks_once: the_longest_interval;
    w03_durations_of_zero_end_at_once_and_starve_nobody: durations_of_zero;
    w09_sleeps_that_are_given_up_as_they_fire_end_once: given_up_as_they_fire;
    w10_an_earlier_timer_gets_through_to_those_who_sleep: earlier_timers;
}

fn the_longest_sleeps(flavour: Flavour) {
    flavour.run(async {
        let longest = [
            Duration::MAX,
            Duration::from_secs(u64::MAX),
            Duration::MAX - Duration::from_nanos(1),
        ];
        let tasks =
            longest.map(|time| spawn(async move { timeout(ms(2), sleep(time)).await.is_err() }));
        for task in tasks {
            assert!(task.await.unwrap());
        }
        let limited = spawn(async { timeout(Duration::MAX, sleep(ms(1))).await });
        assert!(limited.await.unwrap().is_ok());
    });
}

fn the_longest_interval(flavour: Flavour) {
    flavour.run(async {
        let task = spawn(async {
            let mut ticks = interval(Duration::MAX);
            ticks.tick().await;
            timeout(ms(2), ticks.tick()).await.is_err()
        });
        assert!(task.await.unwrap());
    });
}

fn durations_of_zero(flavour: Flavour) {
    without_hanging(move || {
        flavour.run(async {
            let task = spawn(async {
                sleep(Duration::ZERO).await;
                assert_eq!(timeout(Duration::ZERO, ready(3)).await.unwrap(), 3);
                assert!(timeout(Duration::ZERO, pending::<()>()).await.is_err());
            });
            task.await.unwrap();
            let ticker = spawn(async {
                let mut ticks = interval(Duration::ZERO);
                loop {
                    ticks.tick().await;
                }
            });
            let sibling = spawn(async {
                for _ in 0..100 {
                    yield_now().await;
                }
            });
            sibling.await.unwrap();
            ticker.abort();
            let ended: Result<(), _> = ticker.await;
            assert!(matches!(ended, Err(Interrupt::Cancelled(_))));
        });
    });
}

fn given_up_as_they_fire(flavour: Flavour) {
    const TASKS: usize = 300;
    let ends = Arc::new(AtomicUsize::new(0));
    let count = Arc::clone(&ends);
    without_hanging(move || {
        flavour.run(async {
            let tasks: Vec<_> = (0..TASKS)
                .map(|n| {
                    let count = Arc::clone(&count);
                    spawn(async move {
                        sleep(Duration::from_micros(n as u64 % 7 * 100)).await;
                        count.fetch_add(1, Ordering::Relaxed);
                    })
                })
                .collect();
            // On another thread, at about the time when they fire.
            let aborts = spawn_blocking(move || {
                for task in tasks.iter().step_by(2) {
                    task.abort();
                }
                tasks
            });
            let mut ended = 0;
            for task in aborts.await.unwrap() {
                match task.await {
                    Ok(()) => ended += 1,
                    Err(why) => assert!(matches!(why, Interrupt::Cancelled(_)), "{why}"),
                }
            }
            // One that has counted may have been aborted before it returned, but none that was not.
            let counted = count.load(Ordering::Relaxed);
            assert!((TASKS / 2..=TASKS).contains(&ended), "{ended}");
            assert_eq!(ended, counted);
        });
    });
}

fn earlier_timers(flavour: Flavour) {
    without_hanging(move || {
        flavour.run(async {
            let long = spawn(sleep(Duration::from_secs(1000)));
            let handle = Handle::current().unwrap();
            let others = spawn_blocking(move || {
                for _ in 0..100 {
                    // By now everybody waits for the long one, or is about to.
                    let mut short = handle.spawn(sleep(ms(1)));
                    short.wait().unwrap();
                }
            });
            others.await.unwrap();
            long.abort();
            assert!(long.await.is_err());
        });
    });
}
