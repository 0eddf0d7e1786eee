//! Clocks, instants, holds.

use std::{
    task::Waker,
    thread,
    time::{self, Duration},
};

use arborio_timers::{Clock, Instant, Timers, clock};

use crate::support::{Counter, ms, simulated};

#[test]
fn h09_inside_a_loop_the_present_is_that_of_its_clock() {
    let timers = simulated();
    let entered = timers.enter();
    let start = Instant::now();
    timers.jump_to(start + ms(1_500));
    assert_eq!(Instant::now(), start + ms(1_500));
    assert_eq!(start.elapsed(), ms(1_500));
    assert_eq!(clock(), ms(1_500));
    drop(entered);
    assert_ne!(Instant::now(), start + ms(1_500));
}

#[test]
fn a_simulated_clock_does_not_go_back() {
    let clock = Clock::simulated();
    clock.advance(ms(5));
    let now = clock.now();
    clock.advance_to(now - ms(1));
    assert_eq!(clock.now(), now);
}

#[test]
#[should_panic(expected = "the real clock cannot be moved")]
fn the_real_clock_cannot_be_moved() {
    Clock::real().advance(ms(1));
}

#[test]
fn class_27_arithmetic_at_the_limits_saturates_or_says_so() {
    let now = Instant::now();
    assert_eq!(now + Duration::MAX, Instant::FAR_FUTURE);
    assert_eq!(now - Duration::MAX, Instant::from_nanos(0));
    assert_eq!(Instant::FAR_FUTURE + ms(1), Instant::FAR_FUTURE);
    assert_eq!(now.checked_add(Duration::from_secs(u64::MAX)), None);
    assert_eq!(
        Instant::from_nanos(5).checked_sub(Duration::from_nanos(6)),
        None
    );
    assert_eq!(now - Instant::FAR_FUTURE, Duration::ZERO);
    let years = Duration::from_secs(30 * 365 * 24 * 3600);
    let std_now = time::Instant::now();
    assert_eq!(
        Instant::from(std_now + years) - Instant::from(std_now),
        years
    );
    // Converts without a panic, whatever comes out.
    let _ = time::Instant::from(Instant::FAR_FUTURE);
    let _ = time::Instant::from(Instant::from_nanos(0));
}

#[test]
fn a_loop_hears_of_a_moved_clock_and_of_the_last_hold() {
    let shared = Clock::simulated();
    let (counter, notify) = Counter::new();
    let timers = Timers::new(shared.clone(), notify);
    let other = Timers::new(Clock::simulated(), Waker::noop().clone());
    let holds = [shared.hold(), timers.clock().hold()];
    assert!(shared.is_held() && !other.clock().is_held());
    let [first, second] = holds;
    drop(first);
    assert!(shared.is_held());
    assert_eq!(counter.count(), 0);
    thread::spawn(move || drop(second)).join().unwrap();
    assert!(!shared.is_held());
    assert_eq!(counter.count(), 1);
    shared.advance(ms(1));
    assert_eq!(counter.count(), 2);
    timers.jump_to(timers.now() + ms(1));
    assert_eq!(counter.count(), 2, "a loop does not notify itself");
    drop(timers);
    shared.advance(ms(1));
    assert_eq!(counter.count(), 2, "a loop that has ended is left alone");
}

#[test]
fn outside_a_loop_the_clock_counts_from_the_start_of_the_process() {
    let before = clock();
    assert!(clock() >= before);
    assert!(before < Duration::from_secs(24 * 3600));
}
