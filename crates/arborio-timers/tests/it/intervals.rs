//! Intervals.

use std::{
    pin::Pin,
    task::{Context, Poll, Waker},
    time::Duration,
};

use arborio_base::budget;
use arborio_timers::{Instant, Interval, MissedTick, interval, interval_at};
use futures_core::Stream;

use crate::support::{Counter, ms, pass, simulated};

/// Polls for a tick with a waker that does nothing.
fn tick(ticks: &mut Interval) -> Poll<Instant> {
    ticks.poll_tick(&mut Context::from_waker(Waker::noop()))
}

#[test]
fn an_interval_ticks_at_once_and_then_every_period() {
    let timers = simulated();
    let _entered = timers.enter();
    let start = timers.now();
    let mut ticks = interval(ms(10));
    assert_eq!(tick(&mut ticks), Poll::Ready(start));
    for round in 1..5 {
        assert_eq!(tick(&mut ticks), Poll::Pending);
        assert_eq!(pass(&timers, ms(10)), 1);
        assert_eq!(tick(&mut ticks), Poll::Ready(start + ms(10) * round));
    }
}

/// The ticks, in milliseconds from the start, that are taken at 0, at 35
/// (several at once), and later in steps of 1 up to 60, with a period of 10.
fn ticks_around_a_pause(missed: MissedTick) -> Vec<u128> {
    let timers = simulated();
    let _entered = timers.enter();
    let start = timers.now();
    let mut ticks = interval(ms(10)).with_missed_tick(missed);
    let mut taken = Vec::new();
    let mut take_all = |ticks: &mut Interval| {
        while let Poll::Ready(at) = tick(ticks) {
            taken.push((at - start).as_millis());
        }
    };
    take_all(&mut ticks);
    pass(&timers, ms(35));
    take_all(&mut ticks);
    for _ in 35..60 {
        pass(&timers, ms(1));
        take_all(&mut ticks);
    }
    taken
}

#[test]
fn missed_ticks_are_made_up_for_delayed_or_skipped() {
    assert_eq!(
        ticks_around_a_pause(MissedTick::Burst),
        [0, 10, 20, 30, 40, 50, 60]
    );
    assert_eq!(ticks_around_a_pause(MissedTick::Delay), [0, 10, 45, 55]);
    assert_eq!(ticks_around_a_pause(MissedTick::Skip), [0, 10, 40, 50, 60]);
}

#[test]
fn w02_an_interval_of_the_longest_period_ticks_once() {
    let timers = simulated();
    let _entered = timers.enter();
    for missed in [MissedTick::Burst, MissedTick::Delay, MissedTick::Skip] {
        let mut ticks = interval(Duration::MAX).with_missed_tick(missed);
        assert!(tick(&mut ticks).is_ready());
        assert!(tick(&mut ticks).is_pending());
        assert!(timers.is_idle());
        ticks.reset();
        assert!(tick(&mut ticks).is_pending());
    }
    let mut never = interval_at(Instant::FAR_FUTURE, Duration::MAX);
    pass(&timers, Duration::MAX);
    assert!(tick(&mut never).is_pending());
}

#[test]
fn w03_an_interval_of_zero_yields_before_every_tick() {
    let timers = simulated();
    let _entered = timers.enter();
    let (counter, waker) = Counter::new();
    let mut ticks = interval(Duration::ZERO);
    let mut cx = Context::from_waker(&waker);
    assert!(ticks.poll_tick(&mut cx).is_ready(), "the first at once");
    for round in 1..100 {
        assert!(ticks.poll_tick(&mut cx).is_pending());
        assert_eq!(counter.count(), round);
        assert_eq!(ticks.poll_tick(&mut cx), Poll::Ready(timers.now()));
    }
}

#[test]
fn x14_a_burst_of_ticks_uses_up_the_budget() {
    let timers = simulated();
    let _entered = timers.enter();
    let (counter, waker) = Counter::new();
    let mut ticks = interval(ms(1));
    pass(&timers, Duration::from_secs(3600));
    budget::refill();
    let mut taken = 0;
    while ticks.poll_tick(&mut Context::from_waker(&waker)).is_ready() {
        taken += 1;
    }
    budget::lift();
    assert_eq!(taken, budget::PER_POLL);
    assert_eq!(counter.count(), 1, "woken to go on");
}

#[test]
fn a_tick_that_has_to_wait_costs_no_budget() {
    let timers = simulated();
    let _entered = timers.enter();
    let mut ticks = interval_at(timers.now() + ms(1), ms(1));
    budget::refill();
    for _ in 0..2 * budget::PER_POLL {
        assert!(tick(&mut ticks).is_pending());
    }
    assert!(budget::has_budget());
    budget::lift();
}

#[test]
fn a_reset_interval_ticks_one_period_later() {
    let timers = simulated();
    let _entered = timers.enter();
    let mut ticks = interval(ms(10));
    pass(&timers, ms(3));
    ticks.reset();
    assert!(tick(&mut ticks).is_pending());
    assert_eq!(timers.next_deadline(), Some(timers.now() + ms(10)));
}

#[test]
fn an_interval_is_an_endless_stream_of_scheduled_times() {
    let timers = simulated();
    let _entered = timers.enter();
    let mut ticks = interval(ms(10));
    assert_eq!(ticks.size_hint(), (usize::MAX, None));
    let mut cx = Context::from_waker(Waker::noop());
    let first = Pin::new(&mut ticks).poll_next(&mut cx);
    assert_eq!(first, Poll::Ready(Some(timers.now())));
    assert!(Pin::new(&mut ticks).poll_next(&mut cx).is_pending());
}

#[test]
fn a_tick_that_is_taken_a_little_late_does_not_shift_the_next() {
    for missed in [MissedTick::Burst, MissedTick::Delay, MissedTick::Skip] {
        let timers = simulated();
        let _entered = timers.enter();
        let start = timers.now();
        let mut ticks = interval(ms(10)).with_missed_tick(missed);
        for (wait, scheduled) in [(ms(0), ms(0)), (ms(13), ms(10)), (ms(17), ms(20))] {
            pass(&timers, wait);
            assert_eq!(tick(&mut ticks), Poll::Ready(start + scheduled));
            let next = start + scheduled + ms(10);
            if timers.now() < next {
                assert!(tick(&mut ticks).is_pending());
                assert_eq!(timers.next_deadline(), Some(next), "{missed:?}");
            } else {
                assert_eq!(tick(&mut ticks), Poll::Ready(next), "due now, not missed");
            }
        }
    }
}

#[test]
fn an_interval_says_what_it_was_made_with() {
    let ticks = interval(ms(10));
    assert_eq!(ticks.period(), ms(10));
    assert_eq!(ticks.missed_tick(), MissedTick::Burst);
    let ticks = ticks.with_missed_tick(MissedTick::Skip);
    assert_eq!(ticks.missed_tick(), MissedTick::Skip);
    assert_eq!(ticks.period(), ms(10));
}
