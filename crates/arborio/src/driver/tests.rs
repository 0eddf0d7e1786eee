//! The driver alone: a pass, without tasks.

use std::{
    cell::Cell,
    io::Write,
    os::unix::net::UnixStream,
    pin::pin,
    task::{Context, Waker},
    time::Instant as StdInstant,
};

use arborio_reactor::Async;
use arborio_timers::{Clock, Sleep, sleep};

use super::*;

/// Longer than any test runs.
const LIMIT: Duration = secs(20);

const fn secs(count: u64) -> Duration {
    Duration::from_secs(count)
}

struct Nobody;

impl Watches for Nobody {
    fn main_ended(&self) {}

    fn start_grace(&self) -> Option<Task<()>> {
        None
    }
}

/// A driver on `clock`, and how many reports there were.
fn with_driver(clock: &Clock, body: impl FnOnce(&mut Driver<'_>, &Cell<usize>)) {
    let notifier = Arc::new(LoopNotifier::new());
    let timers = Timers::new(clock.clone(), Arc::clone(&notifier).into());
    let opened = Arc::clone(&notifier);
    let reactor = LoopReactor::new(move |reactor| opened.move_to(ReactorBell::new(reactor)));
    let told = Cell::new(0);
    let tell = |_: Report<'_>| told.set(told.get() + 1);
    let mut driver = Driver::new(&timers, &reactor, notifier, &Nobody, &tell);
    let _timers = timers.enter();
    let _reactor = reactor.enter();
    body(&mut driver, &told);
}

fn is_pending(future: impl Future) -> bool {
    let mut cx = Context::from_waker(Waker::noop());
    pin!(future).poll(&mut cx).is_pending()
}

fn armed(duration: Duration) -> Sleep {
    let mut nap = sleep(duration);
    assert!(is_pending(&mut nap));
    nap
}

#[test]
fn who_is_woken_by_io_runs_before_a_clock_jumps_that_io_does_not_hold() {
    for seed in [None, Some(7)] {
        let clock = Clock::simulated();
        let start = clock.now();
        with_driver(&clock, |driver, _| {
            driver.permute_io(seed);
            driver.hold_clock_for_io(false);
            let _nap = armed(secs(9));
            let (one, mut other) = UnixStream::pair().unwrap();
            let socket = Async::new(one).unwrap();
            let mut readable = pin!(socket.readable());
            assert!(is_pending(readable.as_mut()));
            other.write_all(b"!").unwrap();
            assert_eq!(driver.pass(Wait::Allowed), Passed::Looked);
            assert_eq!(clock.now(), start, "somebody is ready");
            assert_eq!(driver.pass(Wait::Allowed), Passed::Looked);
            assert_eq!(clock.now(), start + secs(9));
        });
    }
}

#[test]
fn a_held_clock_is_told_of_only_if_nobody_was_woken_and_nobody_called() {
    let clock = Clock::simulated();
    with_driver(&clock, |driver, told| {
        driver.tell_of_held_clock(Some(Duration::ZERO));
        let next = clock.now() + secs(1);
        driver.notifier.call();
        let _ = driver.sleep_held(next);
        assert_eq!(told.get(), 0);
        let _nap = armed(secs(1));
        driver.timers.jump_to(next);
        let _ = driver.sleep_held(next);
        assert_eq!(told.get(), 0);
        let _ = driver.sleep_held(next);
        assert_eq!(told.get(), 1);
    });
}

/// Elsewhere nobody is attended.
#[cfg(any(target_os = "linux", target_os = "android"))]
#[test]
fn news_for_a_worker_that_is_attended_end_a_sleep_and_later_another_one() {
    let held_up = LoopReactor::new(|_| ());
    let (_timers, timers) = Timers::with_helper(Clock::real(), Waker::noop().clone());
    let reactor = held_up.helper();
    held_up.open().unwrap().wake().unwrap(); // it does not look at that
    let lent = OnceLock::from(Lent { timers, reactor });
    with_driver(&Clock::real(), |driver, _| {
        driver.stands_in_for(Arc::new([OnceLock::new(), lent]));
        for _ in 0..2 {
            let start = StdInstant::now();
            driver.attend(1);
            let _ = driver.pass_within(LIMIT);
            assert!(start.elapsed() < LIMIT);
        }
    });
}

#[test]
fn a_slice_begins_behind_each_pass() {
    with_driver(&Clock::real(), |driver, _| {
        let length = secs(3600); // no test is held up for so long
        driver.measure_slices(length);
        for within in [false, true] {
            driver.slice = StdInstant::now().checked_sub(length);
            assert!(driver.slice_is_over());
            let _ = match within {
                false => driver.pass(Wait::Never),
                true => driver.pass_within(Duration::from_millis(1)),
            };
            assert!(!driver.slice_is_over());
        }
    });
}

/// A call that the thread has already been woken for: a task may have parked it in its poll.
fn call_once(driver: &Driver<'_>) {
    driver.notifier.call();
    thread::park();
}

#[test]
fn before_anybody_needs_the_reactor_a_pass_ends_with_a_call_or_when_its_time_is_up() {
    with_driver(&Clock::real(), |driver, _| {
        let (start, short) = (StdInstant::now(), Duration::from_millis(5));
        let _ = driver.pass_within(short);
        assert!(start.elapsed() >= short);
        call_once(driver);
        let _ = driver.pass_within(LIMIT);
        assert!(start.elapsed() < LIMIT);
        assert!(!driver.reactor.is_open());
    });
}

#[test]
fn without_a_reactor_the_thread_sleeps_until_its_time_is_up_or_somebody_calls() {
    with_driver(&Clock::real(), |driver, told| {
        let error = io::Error::from(io::ErrorKind::OutOfMemory);
        let (start, short) = (StdInstant::now(), Duration::from_millis(5));
        driver.sleep_without_reactor(&error, Some(short));
        assert!(start.elapsed() >= short);

        call_once(driver);
        driver.sleep_without_reactor(&error, Some(LIMIT));
        assert!(start.elapsed() < LIMIT);

        driver.notifier.call();
        driver.sleep_without_reactor(&error, Some(Duration::ZERO));
        assert!(driver.notifier.take_call(), "nobody has slept");
        assert_eq!(told.get(), 0, "who needs the reactor gets the error");
    });
}

#[test]
fn the_observer_is_told_once_of_an_open_reactor_whose_wait_is_refused_and_it_is_asked_again() {
    with_driver(&Clock::real(), |driver, told| {
        let error = io::Error::from(io::ErrorKind::OutOfMemory);
        driver.reactor.open().unwrap();
        let start = StdInstant::now();
        for timeout in [None, Some(LIMIT)] {
            driver.sleep_without_reactor(&error, timeout);
            assert_eq!(told.get(), 1);
        }
        assert!(start.elapsed() < LIMIT, "it asks again long before");
        driver.sleep(Some(Duration::ZERO)); // the system is well again
        driver.sleep_without_reactor(&error, None);
        assert_eq!(told.get(), 2);
    });
}
