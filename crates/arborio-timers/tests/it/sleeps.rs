//! Sleeps on the thread of a loop that is driven by hand.

use std::{
    pin::{Pin, pin},
    sync::{Arc, Mutex},
    task::{Context, Poll, Waker},
    time::Duration,
};

use arborio_timers::{Instant, Sleep, clock, sleep, sleep_until};

use crate::support::{Calls, Counter, Log, fire, ms, pass, poll, real, simulated};

/// Durations so long that they mean "for ever".
const FOR_EVER: [Duration; 3] = [
    Duration::MAX,
    Duration::from_secs(u64::MAX),
    Duration::MAX.checked_sub(Duration::from_nanos(1)).unwrap(),
];

#[test]
fn g04_a_sleep_of_two_seconds_takes_two_seconds_by_the_loops_clock() {
    let timers = simulated();
    let _entered = timers.enter();
    let (counter, waker) = Counter::new();
    let mut nap = sleep(Duration::from_secs(2));
    assert!(poll(&mut nap, &waker).is_pending());
    assert_eq!(pass(&timers, Duration::from_nanos(1_999_999_999)), 0);
    assert_eq!(counter.count(), 0, "never early");
    assert_eq!(pass(&timers, Duration::from_nanos(1)), 1);
    assert_eq!(counter.count(), 1);
    assert!(poll(&mut nap, &waker).is_ready());
    assert_eq!(clock(), Duration::from_secs(2));
}

#[test]
fn s23_a_sleep_counts_from_its_making_and_needs_no_slot_when_it_is_due() {
    let timers = simulated();
    let _entered = timers.enter();
    let mut nap = sleep(ms(50));
    timers.jump_to(timers.now() + ms(60));
    assert!(poll(&mut nap, Waker::noop()).is_ready());
    assert!(timers.is_idle());
}

#[test]
fn s23_twelve_sleeps_with_equal_deadlines_wake_in_order() {
    let timers = simulated();
    let _entered = timers.enter();
    let deadline = timers.now() + ms(700);
    let log = Log::default();
    let mut sleeps = Vec::new();
    for number in 0..12 {
        let mut nap = sleep_until(deadline);
        assert!(poll(&mut nap, &log.waker(number)).is_pending());
        sleeps.push(nap);
        pass(&timers, ms(1 << (number / 2)));
    }
    timers.jump_to(deadline);
    assert_eq!(fire(&timers), 12);
    assert_eq!(log.take(), (0..12).collect::<Vec<_>>());
}

#[test]
fn s23_dropped_sleeps_leave_nothing_behind() {
    let timers = simulated();
    let _entered = timers.enter();
    let (counter, waker) = Counter::new();
    let mut sleeps: Vec<_> = (1..100).map(|n| sleep(ms(n))).collect();
    for nap in &mut sleeps {
        assert!(poll(nap, &waker).is_pending());
    }
    assert_eq!(timers.next_deadline(), Some(timers.now() + ms(1)));
    drop(sleeps);
    assert!(timers.is_idle());
    drop(waker);
    assert_eq!(Arc::strong_count(&counter), 1, "a waker was kept");
}

#[test]
fn w01_a_sleep_for_ever_never_fires_and_never_panics() {
    let timers = simulated();
    let _entered = timers.enter();
    let (counter, waker) = Counter::new();
    let mut sleeps: Vec<_> = FOR_EVER.into_iter().map(sleep).collect();
    for nap in &mut sleeps {
        assert!(poll(nap, &waker).is_pending());
    }
    assert!(timers.is_idle(), "nothing that ever fires");
    assert_eq!(pass(&timers, Duration::MAX), 0);
    for nap in &mut sleeps {
        assert!(poll(nap, &waker).is_pending());
        assert!(!nap.is_elapsed());
    }
    let mut late = sleep(Duration::MAX);
    assert!(poll(&mut late, &waker).is_pending());
    assert_eq!(counter.count(), 0);
}

#[test]
fn w01_a_sleep_until_the_last_instant_but_one_fires() {
    let timers = simulated();
    let _entered = timers.enter();
    let last = Instant::from_nanos(u64::MAX - 1);
    let mut nap = sleep_until(last);
    assert!(poll(&mut nap, Waker::noop()).is_pending());
    assert_eq!(timers.next_deadline(), Some(last));
    assert_eq!(pass(&timers, Duration::MAX), 1);
    assert!(poll(&mut nap, Waker::noop()).is_ready());
}

#[test]
fn w03_a_sleep_of_zero_yields_one_cycle_without_a_slot() {
    let timers = simulated();
    let _entered = timers.enter();
    let (counter, waker) = Counter::new();
    let mut nap = sleep(Duration::ZERO);
    assert!(poll(&mut nap, &waker).is_pending());
    assert_eq!(counter.count(), 1, "it wakes its own task");
    assert!(timers.is_idle());
    assert!(poll(&mut nap, &waker).is_ready());
    assert_eq!(counter.count(), 1);
    assert!(poll(&mut nap, &waker).is_ready(), "ready for ever");
}

#[test]
fn w06_a_frozen_clock_wakes_nobody() {
    let timers = simulated();
    let _entered = timers.enter();
    let (counter, waker) = Counter::new();
    let mut nap = sleep(Duration::from_nanos(1));
    assert!(poll(&mut nap, &waker).is_pending());
    for _ in 0..1_000 {
        assert_eq!(fire(&timers), 0);
        assert!(poll(&mut nap, &waker).is_pending());
    }
    assert_eq!(counter.count(), 0);
    assert_eq!(timers.next_deadline(), Some(nap.deadline()));
}

#[test]
fn a_sleep_that_fired_frees_its_slot_before_it_is_polled() {
    let timers = simulated();
    let _entered = timers.enter();
    let mut nap = sleep(ms(1));
    assert!(poll(&mut nap, Waker::noop()).is_pending());
    assert_eq!(pass(&timers, ms(1)), 1);
    assert!(timers.is_idle());
    // Takes the slot that the first one had.
    let mut other = sleep(ms(1));
    assert!(poll(&mut other, Waker::noop()).is_pending());
    assert!(poll(&mut nap, Waker::noop()).is_ready());
    drop(nap);
    assert!(poll(&mut other, Waker::noop()).is_pending());
    assert_eq!(timers.next_deadline(), Some(other.deadline()));
}

#[test]
fn the_last_waker_that_was_shown_is_the_one_that_is_woken() {
    let timers = simulated();
    let _entered = timers.enter();
    let log = Log::default();
    let mut nap = sleep(ms(1));
    for number in 0..3 {
        assert!(poll(&mut nap, &log.waker(number)).is_pending());
    }
    pass(&timers, ms(1));
    assert_eq!(log.take(), [2]);
}

#[test]
fn a_reset_moves_the_deadline_in_both_directions() {
    let timers = simulated();
    let _entered = timers.enter();
    let start = timers.now();
    let mut nap = sleep(ms(10));
    assert!(poll(&mut nap, Waker::noop()).is_pending());
    for to in [ms(5), ms(20), ms(2)] {
        Pin::new(&mut nap).reset(start + to);
        assert_eq!(timers.next_deadline(), Some(start + to));
    }
    assert_eq!(pass(&timers, ms(2)), 1);
    assert!(poll(&mut nap, Waker::noop()).is_ready());
    Pin::new(&mut nap).reset(start + ms(30));
    assert!(
        poll(&mut nap, Waker::noop()).is_pending(),
        "over is not for ever"
    );
    assert_eq!(timers.next_deadline(), Some(start + ms(30)));
}

/// A sleep that wakers can reach.
type SharedSleep = Arc<Mutex<Sleep>>;

/// Arms a sleep that on its wake resets `other` to `deadline`.
fn resetter(other: &SharedSleep, after: Duration, deadline: Instant) -> Sleep {
    let other = Arc::clone(other);
    let waker = Calls::waker(move || Pin::new(&mut *other.lock().unwrap()).reset(deadline));
    let mut nap = sleep(after);
    assert!(poll(&mut nap, &waker).is_pending());
    nap
}

#[test]
fn w14_a_reset_while_firing_is_honoured() {
    for (armed_for, reset_to) in [
        (ms(10), ms(5)),
        (ms(10), ms(50)),
        (ms(1), ms(20)),
        (ms(1), ms(2)),
    ] {
        let timers = simulated();
        let _entered = timers.enter();
        let start = timers.now();
        let (counter, waker) = Counter::new();
        let target = Arc::new(Mutex::new(sleep(armed_for)));
        let _trigger = resetter(&target, ms(1), start + reset_to);
        assert!(poll(&mut *target.lock().unwrap(), &waker).is_pending());
        pass(&timers, ms(1));
        let woken_by_old = counter.count();
        assert!(
            poll(&mut *target.lock().unwrap(), &waker).is_pending(),
            "the old deadline is void"
        );
        assert_eq!(timers.next_deadline(), Some(start + reset_to));
        timers.jump_to(start + reset_to);
        assert_eq!(fire(&timers), 1);
        assert_eq!(counter.count(), woken_by_old + 1);
        assert!(poll(&mut *target.lock().unwrap(), &waker).is_ready());
    }
}

#[test]
fn a_forgotten_sleep_keeps_a_slot_only_until_it_fires() {
    let timers = simulated();
    let _entered = timers.enter();
    let (counter, waker) = Counter::new();
    let mut nap = sleep(ms(3));
    assert!(poll(&mut nap, &waker).is_pending());
    std::mem::forget(nap);
    drop(waker);
    assert_eq!(pass(&timers, ms(3)), 1);
    assert!(timers.is_idle());
    assert_eq!(Arc::strong_count(&counter), 1);
}

#[test]
fn timers_that_end_wake_and_keep_no_waker() {
    let timers = simulated();
    let entered = timers.enter();
    let (counter, waker) = Counter::new();
    let mut nap = sleep(ms(3));
    assert!(poll(&mut nap, &waker).is_pending());
    drop(waker);
    drop(entered);
    drop(timers);
    assert_eq!(Arc::strong_count(&counter), 1);
    assert_eq!(counter.count(), 1, "it may be shared with a task elsewhere");
}

#[test]
fn nested_loops_keep_their_sleeps_apart() {
    let (outer, inner) = (simulated(), simulated());
    let _outer = outer.enter();
    let mut first = sleep(ms(1));
    assert_eq!(poll(&mut first, Waker::noop()), Poll::Pending);
    {
        let _inner = inner.enter();
        let mut second = sleep(ms(1));
        assert!(poll(&mut second, Waker::noop()).is_pending());
        assert_eq!(pass(&inner, ms(1)), 1);
        assert!(poll(&mut second, Waker::noop()).is_ready());
        assert!(
            poll(&mut first, Waker::noop()).is_pending(),
            "its own clock stands still"
        );
    }
    assert_eq!(pass(&outer, ms(1)), 1);
    assert!(poll(&mut first, Waker::noop()).is_ready());
}

#[test]
fn a_loop_that_has_just_fired_lets_the_next_sleeps_gather() {
    let timers = real();
    let _entered = timers.enter();
    let hour = Duration::from_secs(3600);
    let (mut first, mut second) = (sleep(ms(1)), pin!(sleep(hour)));
    let mut third = sleep(hour);
    assert!(poll(&mut first, Waker::noop()).is_pending());
    assert!(poll(&mut second, Waker::noop()).is_pending());
    assert!(poll(&mut third, Waker::noop()).is_pending());
    assert_eq!(timers.next_wake(), Some(first.deadline()), "nothing fired");
    while fire(&timers) == 0 {
        std::hint::spin_loop();
    }
    let batch = Duration::from_micros(36);
    let fired = first.deadline()..=Instant::now();
    assert_eq!(fire(&timers), 0, "a pass that fires nothing does not count");
    assert_eq!(timers.next_wake(), Some(second.deadline()), "long after");
    let near = first.deadline();
    second.as_mut().reset(near);
    assert_eq!(timers.next_deadline(), Some(near));
    let wake = timers.next_wake().expect("a sleep is armed");
    assert!(fired.contains(&(wake - batch)));
    assert_eq!(fire(&timers), 1, "what is due fires whenever it is asked");
    second.as_mut().reset(near);
    assert!(
        second
            .as_mut()
            .poll(&mut Context::from_waker(Waker::noop()))
            .is_ready()
    );
    assert_eq!(
        timers.next_wake(),
        Some(third.deadline()),
        "alone: nobody to gather"
    );
}

#[test]
fn on_a_simulated_clock_every_sleep_has_a_wake_of_its_own() {
    let timers = simulated();
    let _entered = timers.enter();
    let nanosecond = Duration::from_nanos(1);
    let mut naps = [0, 1, 2].map(|later| sleep(ms(1) + nanosecond * later));
    for nap in &mut naps {
        assert!(poll(nap, Waker::noop()).is_pending());
    }
    assert_eq!(pass(&timers, ms(1)), 1);
    for _ in 1..3 {
        assert_eq!(timers.next_wake(), Some(timers.now() + nanosecond));
        assert_eq!(pass(&timers, nanosecond), 1);
    }
}

#[test]
fn a_sleep_is_elapsed_when_its_deadline_has_come_and_after_it_was_ready() {
    let timers = simulated();
    let mut nap = {
        let _entered = timers.enter();
        sleep(ms(1))
    };
    assert!(!nap.is_elapsed());
    pass(&timers, ms(1));
    assert!(nap.is_elapsed(), "although nobody has polled it");
    assert!(poll(&mut nap, Waker::noop()).is_ready());
    drop(timers);
    assert!(nap.is_elapsed(), "although its clock has no loop any more");
}

#[test]
fn a_sleep_that_is_armed_where_no_loop_runs_ends_its_duration_from_now() {
    let hour = Duration::from_secs(3600);
    let before = Instant::now();
    let nap = Sleep::armed(hour, &mut Context::from_waker(Waker::noop()));
    let made = nap.deadline() - hour;
    assert!(before <= made && made <= Instant::now());
}
