//! Clocks, instants, holds.

use std::{
    process::Command,
    task::Waker,
    thread,
    time::{self, Duration},
};

use arborio_timers::{Clock, Instant, Timers, clock, sleep};

use crate::support::{Counter, ms, poll, real, simulated};

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

#[test]
fn a_clock_that_is_moved_to_an_instant_is_there_and_its_loops_hear_of_it() {
    let clock = Clock::simulated();
    let (counter, notify) = Counter::new();
    let timers = Timers::new(clock.clone(), notify);
    let later = timers.now() + ms(5);
    clock.advance_to(later);
    assert_eq!(timers.now(), later);
    assert_eq!(counter.count(), 1);
}

#[test]
fn the_current_clock_is_that_of_the_running_loop() {
    assert!(!Clock::current().is_simulated(), "no loop runs");
    let timers = simulated();
    let _entered = timers.enter();
    timers.jump_to(timers.now() + ms(5));
    assert!(Clock::current().is_simulated());
    assert_eq!(Clock::current().now(), timers.now());
}

#[test]
fn a_loop_is_alone_when_no_other_goes_by_its_simulated_clock() {
    let clock = Clock::simulated();
    let (counter, notify) = Counter::new();
    let first = Timers::new(clock.clone(), notify);
    let elsewhere = simulated();
    assert!(first.is_alone() && elsewhere.is_alone());
    let second = Timers::new(clock, Waker::noop().clone());
    assert!(!first.is_alone() && !second.is_alone());
    assert!(elsewhere.is_alone(), "its clock is another");
    assert_eq!(counter.count(), 0);
    drop(second);
    assert!(first.is_alone());
    assert_eq!(counter.count(), 1, "it hears that the other has ended");
}

#[test]
fn a_loop_on_the_real_clock_is_always_alone() {
    let loops = [real(), real()];
    // Both have a sleep, so both can be found by other threads.
    let _naps = loops.each_ref().map(|timers| {
        let _entered = timers.enter();
        let mut nap = sleep(Duration::MAX);
        assert!(poll(&mut nap, Waker::noop()).is_pending());
        nap
    });
    assert!(loops.iter().all(Timers::is_alone));
}

#[test]
fn arithmetic_within_the_limits_is_exact() {
    let instant = Instant::from_nanos(100);
    let seven = Duration::from_nanos(7);
    let (later, earlier) = (Instant::from_nanos(107), Instant::from_nanos(93));
    assert_eq!(instant.checked_add(seven), Some(later));
    assert_eq!(instant.checked_sub(seven), Some(earlier));
    let mut moved = instant;
    moved += seven;
    assert_eq!(moved, later);
    moved -= seven + seven;
    assert_eq!(moved, earlier);
    moved -= Duration::MAX;
    assert_eq!(moved, Instant::from_nanos(0));
    moved += Duration::MAX;
    assert_eq!(moved, Instant::FAR_FUTURE);
}

#[test]
fn debug_output_says_which_clock_and_what_it_shows() {
    let timers = simulated();
    assert_eq!(format!("{:?}", Clock::real()), "Clock::real");
    let shown = "Clock::simulated(Instant(0.000000000s))";
    assert_eq!(format!("{:?}", timers.clock()), shown);
    assert!(format!("{timers:?}").contains(shown));
    assert!(format!("{:?}", timers.enter()).contains("Entered"));
    let (_timers, helper) = Timers::with_helper(timers.clock().clone(), Waker::noop().clone());
    assert!(format!("{helper:?}").contains(shown));
}

/// Set for the process that asks for the time only once its age is known.
const ON_ITS_OWN: &str = "ARBORIO_TIMERS_TEST_ON_ITS_OWN";

#[test]
fn the_clock_of_a_process_starts_when_it_is_first_asked_for_the_time() {
    if std::env::var_os(ON_ITS_OWN).is_some() {
        let before = time::Instant::now();
        let shown = clock();
        assert!(shown <= before.elapsed(), "{shown:?}");
        return;
    }
    // The same test in a process where nobody else asks.
    let this = "clocks::the_clock_of_a_process_starts_when_it_is_first_asked_for_the_time";
    let child = Command::new(std::env::current_exe().unwrap())
        .args(["--exact", this, "--test-threads=1", "--nocapture"])
        .env(ON_ITS_OWN, "1")
        .output()
        .unwrap();
    let output = String::from_utf8_lossy(&child.stdout);
    assert!(child.status.success(), "{output}");
    assert!(output.contains("1 passed"), "it did not run: {output}");
}
