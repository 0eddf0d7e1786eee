//! Timers on the real clock: never early, precise below a millisecond, and
//! re-armed when an earlier one comes. Nobody else's load may fail these, so
//! lateness is judged by the better runs.

use std::{sync::mpsc, thread, time::Instant};

use arborio::{
    Handle, run, spawn,
    time::{Duration, interval, sleep},
};

use crate::support::{FOR_EVER, KernelThread, Log, ms, simulated, without_hanging};

/// How late the best quarter of `runs` was at most.
fn best_quarter(mut lateness: Vec<Duration>) -> Duration {
    lateness.sort();
    lateness[lateness.len() / 4]
}

#[test]
fn s23_a_short_sleep_is_never_early_and_late_by_less_than_half_a_millisecond() {
    let length = Duration::from_micros(300);
    let lateness = run(async {
        let mut lateness = Vec::new();
        for _ in 0..50 {
            let start = Instant::now();
            sleep(length).await;
            let slept = start.elapsed();
            assert!(slept >= length, "{slept:?} is early");
            lateness.push(slept - length);
        }
        lateness
    });
    let typical = best_quarter(lateness);
    assert!(typical < Duration::from_micros(500), "{typical:?} late");
}

#[test]
fn s23_sleeps_with_one_deadline_wake_in_their_order_on_the_real_clock() {
    let log = Log::new();
    run(async {
        let deadline = arborio::time::Instant::now() + ms(5);
        for number in 0..12 {
            let log = log.clone();
            drop(arborio::spawn_local(async move {
                arborio::time::sleep_until(deadline).await;
                log.add(number);
            }));
        }
    });
    assert_eq!(log.take(), (0..12).collect::<Vec<_>>());
}

#[test]
fn s23_an_interval_on_the_real_clock_is_never_early_and_does_not_drift() {
    run(async {
        let start = Instant::now();
        let mut ticks = interval(ms(1));
        let first = ticks.tick().await;
        for number in 1..50 {
            assert_eq!(ticks.tick().await - first, ms(1) * number);
            assert!(start.elapsed() >= ms(1) * number);
        }
    });
}

#[test]
fn w10_an_earlier_timer_from_another_thread_wakes_a_loop_that_sleeps_longer() {
    without_hanging(|| {
        let lateness = run(async {
            let far = spawn(sleep(FOR_EVER));
            let (loop_thread, handle) = (KernelThread::current(), Handle::current().unwrap());
            let (sent, received) = mpsc::channel();
            // Twenty times: let the loop fall asleep, then send it a short sleep.
            let sender = thread::spawn(move || {
                for _ in 0..20 {
                    loop_thread.wait_until_asleep();
                    let task = handle.spawn(async {
                        let start = Instant::now();
                        sleep(ms(1)).await;
                        start.elapsed() - ms(1)
                    });
                    sent.send(futures_lite::future::block_on(task).unwrap())
                        .unwrap();
                }
                drop(handle.spawn(async move { far.abort() }));
            });
            // `run` waits for the tasks; the thread ends by itself.
            (received, sender)
        });
        let (received, sender) = lateness;
        sender.join().unwrap();
        let typical = best_quarter(received.into_iter().collect());
        assert!(typical <= ms(2), "{typical:?} late");
    });
}

#[test]
fn w01_an_hour_on_a_simulated_clock_takes_no_time() {
    let fastest = (0..5)
        .map(|_| {
            let start = Instant::now();
            simulated().run(async { sleep(Duration::from_secs(3600)).await });
            start.elapsed()
        })
        .min();
    assert!(fastest.unwrap() < ms(50), "{fastest:?}");
}

#[test]
fn s03_a_loop_that_sleeps_uses_no_processor() {
    use rustix::time::{ClockId, clock_gettime};
    let used = |clock| Duration::try_from(clock_gettime(clock)).unwrap();
    run(async {
        sleep(ms(1)).await; // whatever the first sleep sets up
        let before = used(ClockId::ThreadCPUTime);
        sleep(ms(300)).await;
        let spent = used(ClockId::ThreadCPUTime) - before;
        assert!(spent < ms(5), "{spent:?} of 300 ms");
    });
}
