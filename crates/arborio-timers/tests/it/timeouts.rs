//! Timeouts.

use std::{
    future::{Future, pending, poll_fn, ready},
    pin::pin,
    task::{Context, Poll, Waker},
    time::Duration,
};

use arborio_timers::{Instant, TimedOut, timeout, timeout_at};

use crate::support::{Counter, fire, ms, pass, simulated};

/// Polls once with a waker that does nothing.
fn poll_once<F: Future>(future: std::pin::Pin<&mut F>) -> Poll<F::Output> {
    future.poll(&mut Context::from_waker(Waker::noop()))
}

#[test]
fn w03_a_ready_value_wins_over_a_timeout_of_zero() {
    let timers = simulated();
    let _entered = timers.enter();
    let quick = pin!(timeout(Duration::ZERO, ready(4)));
    assert_eq!(poll_once(quick), Poll::Ready(Ok(4)));
    let quick = pin!(timeout_at(Instant::from_nanos(0), ready(5)));
    assert_eq!(poll_once(quick), Poll::Ready(Ok(5)));
}

#[test]
fn w03_a_timeout_of_zero_strikes_at_the_first_poll() {
    let timers = simulated();
    let _entered = timers.enter();
    let late = pin!(timeout(Duration::ZERO, pending::<()>()));
    assert_eq!(poll_once(late), Poll::Ready(Err(TimedOut)));
    let late = pin!(timeout_at(timers.now(), pending::<()>()));
    assert_eq!(poll_once(late), Poll::Ready(Err(TimedOut)));
    assert!(timers.is_idle());
}

#[test]
fn a_timeout_counts_from_its_first_poll() {
    let timers = simulated();
    let _entered = timers.enter();
    let mut slow = pin!(timeout(ms(10), pending::<()>()));
    pass(&timers, ms(100));
    assert!(poll_once(slow.as_mut()).is_pending());
    assert_eq!(timers.next_deadline(), Some(timers.now() + ms(10)));
    assert_eq!(pass(&timers, ms(10)), 1);
    assert_eq!(poll_once(slow.as_mut()), Poll::Ready(Err(TimedOut)));
}

#[test]
fn a_value_that_comes_together_with_the_deadline_wins() {
    let timers = simulated();
    let _entered = timers.enter();
    let mut polls = 0;
    let inner = poll_fn(|_| {
        polls += 1;
        if polls == 2 {
            Poll::Ready(9)
        } else {
            Poll::Pending
        }
    });
    let mut race = pin!(timeout(ms(1), inner));
    assert!(poll_once(race.as_mut()).is_pending());
    pass(&timers, ms(1));
    assert_eq!(poll_once(race.as_mut()), Poll::Ready(Ok(9)));
}

#[test]
fn w01_a_timeout_of_the_longest_duration_never_strikes() {
    let timers = simulated();
    let _entered = timers.enter();
    let mut slow = pin!(timeout(Duration::MAX, pending::<()>()));
    assert!(poll_once(slow.as_mut()).is_pending());
    assert_eq!(pass(&timers, Duration::MAX), 0);
    assert!(poll_once(slow.as_mut()).is_pending());
}

#[test]
fn dropping_a_timeout_disarms_its_timer() {
    let timers = simulated();
    let _entered = timers.enter();
    let (counter, waker) = Counter::new();
    {
        let slow = pin!(timeout(ms(1), pending::<()>()));
        assert!(slow.poll(&mut Context::from_waker(&waker)).is_pending());
        assert!(!timers.is_idle());
    }
    assert!(timers.is_idle());
    pass(&timers, ms(1));
    assert_eq!(fire(&timers), 0);
    assert_eq!(counter.count(), 0);
}

#[test]
fn a_timeout_is_send_when_its_future_is() {
    fn assert_send<T: Send>(_: &T) {}
    let future = timeout(ms(1), ready(1));
    assert_send(&future);
}

#[test]
fn a_timeout_that_strikes_says_so_and_is_an_io_error_of_that_kind() {
    assert_eq!(TimedOut.to_string(), "the time is up");
    let error = std::io::Error::from(TimedOut);
    assert_eq!(error.kind(), std::io::ErrorKind::TimedOut);
    assert_eq!(error.to_string(), "the time is up");
}
