//! Sequences that once broke the timers: each was found by somebody who tried to
//! refute them, and each stays here.

use std::{task::Waker, thread};

use arborio_timers::{Clock, Timers, sleep, sleep_until};

use crate::support::{Counter, Log, fire, ms, poll, simulated};

#[test]
fn a_waker_from_elsewhere_is_woken_at_the_end_of_the_timers() {
    let timers = Timers::new(Clock::real(), Waker::noop().clone());
    let entered = timers.enter();
    // A future that two executors share is polled here with the other's waker.
    let mut nap = sleep(ms(60_000));
    let (counter, waker) = Counter::new();
    assert!(poll(&mut nap, &waker).is_pending());
    drop(entered);
    drop(timers);
    assert_eq!(counter.count(), 1, "or nobody would poll the sleep again");
}

#[test]
fn d04_sleeps_of_this_and_of_other_threads_fire_in_the_order_of_their_deadlines() {
    let timers = simulated();
    let entered = timers.enter();
    let log = Log::default();
    let now = timers.now();
    let (mut early, mut late) = (sleep_until(now + ms(5)), sleep_until(now + ms(10)));
    assert!(poll(&mut late, &log.waker(10)).is_pending());
    let waker = log.waker(5);
    let abroad = thread::spawn(move || {
        assert!(poll(&mut early, &waker).is_pending());
        early
    });
    let early = abroad.join().unwrap();
    timers.jump_to(now + ms(20));
    assert_eq!(fire(&timers), 2);
    drop((early, entered));
    assert_eq!(log.take(), [5, 10]);
}

#[test]
fn a_clock_that_two_threads_advance_loses_no_time() {
    let clock = Clock::simulated();
    let start = clock.now();
    thread::scope(|scope| {
        for _ in 0..2 {
            scope.spawn(|| (0..100_000).for_each(|_| clock.advance(ms(1))));
        }
    });
    assert_eq!(clock.now() - start, ms(200_000));
}
