//! Sleeps that meet more than one thread.

use std::{
    cell::RefCell,
    panic::{AssertUnwindSafe, catch_unwind},
    pin::Pin,
    process::Command,
    sync::{Arc, Barrier, mpsc},
    task::Waker,
    thread,
    time::{Duration, Instant as StdInstant},
};

use arborio_base::WakeBatch;
use arborio_timers::{Clock, Sleep, Timers, sleep, sleep_until};
use futures_lite::future::block_on;

use crate::support::{Calls, Counter, Log, fire, ms, pass, poll, real, simulated};

/// So long that a test that had to wait for it would be noticed.
const FAR: Duration = Duration::from_secs(3600);

/// Far below `FAR`, far above what a busy machine does to a thread.
const SOON: Duration = Duration::from_secs(20);

/// Drops `sleep` on another thread.
fn drop_elsewhere(sleep: Sleep) {
    thread::spawn(move || drop(sleep)).join().unwrap();
}

#[test]
fn a_sleep_works_under_any_executor() {
    let start = StdInstant::now();
    block_on(sleep(ms(3)));
    assert!(start.elapsed() >= ms(3));
}

#[test]
fn w10_an_earlier_sleep_gets_through_while_the_background_thread_waits() {
    let mut far = sleep(FAR);
    assert!(poll(&mut far, Waker::noop()).is_pending());
    let start = StdInstant::now();
    for _ in 0..200 {
        thread::scope(|scope| {
            for _ in 0..2 {
                scope.spawn(|| block_on(sleep(ms(1))));
            }
        });
    }
    assert!(start.elapsed() < SOON, "took {:?}", start.elapsed());
}

#[test]
fn w10_a_reset_to_earlier_gets_through_too() {
    // Many rounds, because only a thread that is waiting already can miss it.
    for _ in 0..50 {
        let (sender, receiver) = mpsc::channel();
        let mut nap = sleep(FAR);
        let waker = Calls::waker(move || sender.send(()).unwrap());
        assert!(poll(&mut nap, &waker).is_pending());
        block_on(sleep(ms(1)));
        let deadline = nap.deadline() - FAR;
        Pin::new(&mut nap).reset(deadline);
        let woken = receiver.recv_timeout(SOON);
        woken.expect("woken at the new deadline");
        assert!(poll(&mut nap, Waker::noop()).is_ready());
    }
}

#[test]
fn w09_sleeps_dropped_while_the_background_thread_fires_leave_nothing() {
    let (counter, waker) = Counter::new();
    let start = Barrier::new(2);
    thread::scope(|scope| {
        for _ in 0..2 {
            scope.spawn(|| {
                start.wait();
                for round in 0..2_000 {
                    let mut nap = sleep(Duration::from_micros(round % 50));
                    let _ = poll(&mut nap, &waker);
                }
            });
        }
    });
    drop(waker);
    // The thread may still hold wakers that it took out to wake them; when it
    // has served a later sleep it has let go of them.
    block_on(sleep(ms(1)));
    assert_eq!(Arc::strong_count(&counter), 1);
}

#[test]
fn a_sleep_polled_on_one_thread_and_dropped_on_another_takes_leave() {
    let timers = real();
    let _entered = timers.enter();
    let (counter, waker) = Counter::new();
    let mut nap = sleep(FAR);
    assert!(poll(&mut nap, &waker).is_pending());
    drop(waker);
    drop_elsewhere(nap);
    assert!(timers.is_idle(), "the next look clears the slot");
    assert_eq!(Arc::strong_count(&counter), 1);
}

#[test]
fn a_simulated_clock_never_jumps_to_a_sleep_that_was_dropped_elsewhere() {
    let (counter, notify) = Counter::new();
    let timers = Timers::new(Clock::simulated(), notify);
    let _entered = timers.enter();
    let mut nap = sleep(ms(1));
    assert!(poll(&mut nap, Waker::noop()).is_pending());
    drop_elsewhere(nap);
    assert_eq!(counter.count(), 1, "the loop must look again");
    assert_eq!(timers.next_deadline(), None);
    assert_eq!(fire(&timers), 0);
}

#[test]
fn a_late_leave_does_not_touch_the_next_sleep_in_the_slot() {
    let timers = simulated();
    let _entered = timers.enter();
    let mut old = sleep(ms(1));
    assert!(poll(&mut old, Waker::noop()).is_pending());
    timers.jump_to(timers.now() + ms(1));
    assert_eq!(fire(&timers), 1);
    let mut new = sleep(ms(1));
    assert!(poll(&mut new, Waker::noop()).is_pending());
    drop_elsewhere(old);
    assert_eq!(timers.next_deadline(), Some(new.deadline()));
}

#[test]
fn a_sleep_that_moves_to_another_loop_is_armed_there_with_its_old_deadline() {
    let first = real();
    let (mut nap, deadline) = {
        let _entered = first.enter();
        let mut nap = sleep(FAR);
        assert!(poll(&mut nap, Waker::noop()).is_pending());
        let deadline = nap.deadline();
        (nap, deadline)
    };
    assert_eq!(first.next_deadline(), Some(deadline));
    thread::spawn(move || {
        let second = real();
        let _entered = second.enter();
        assert!(poll(&mut nap, Waker::noop()).is_pending());
        assert_eq!(second.next_deadline(), Some(deadline));
        drop(nap);
        assert!(second.is_idle());
    })
    .join()
    .unwrap();
    assert!(first.is_idle());
}

#[test]
fn a_sleep_whose_loop_has_ended_goes_on_elsewhere() {
    let timers = real();
    let mut nap = {
        let _entered = timers.enter();
        let mut nap = sleep(ms(2));
        assert!(poll(&mut nap, Waker::noop()).is_pending());
        nap
    };
    drop(timers);
    block_on(&mut nap);
    assert!(nap.is_elapsed());
}

#[test]
fn a_sleep_dropped_after_its_loop_finds_nothing_to_do() {
    let timers = real();
    let mut nap = {
        let _entered = timers.enter();
        let mut nap = sleep(FAR);
        assert!(poll(&mut nap, Waker::noop()).is_pending());
        nap
    };
    drop(timers);
    let successor = real();
    let _entered = successor.enter();
    let mut other = sleep(FAR);
    assert!(poll(&mut other, Waker::noop()).is_pending());
    Pin::new(&mut nap).reset(other.deadline());
    drop(nap);
    assert_eq!(successor.next_deadline(), Some(other.deadline()));
}

#[test]
fn a_simulated_sleep_can_be_awaited_on_another_thread() {
    let (sender, notified) = mpsc::channel();
    let timers = Timers::new(
        Clock::simulated(),
        Calls::waker(move || sender.send(()).unwrap()),
    );
    let nap = {
        let _entered = timers.enter();
        sleep(FAR)
    };
    let deadline = nap.deadline();
    let waiter = thread::spawn(move || block_on(nap));
    notified
        .recv_timeout(SOON)
        .expect("the loop hears of the new sleep");
    assert_eq!(timers.next_deadline(), Some(deadline));
    timers.jump_to(deadline);
    assert_eq!(fire(&timers), 1);
    waiter.join().unwrap();
    assert!(timers.is_idle());
}

#[test]
fn sleeps_of_other_threads_are_counted_with_those_of_the_loop() {
    let timers = simulated();
    let _entered = timers.enter();
    let mut here = sleep(ms(1));
    assert!(poll(&mut here, Waker::noop()).is_pending());
    let mut there = [2, 3].map(|time| sleep(ms(time)));
    let there = thread::spawn(move || {
        for nap in &mut there {
            assert!(poll(nap, Waker::noop()).is_pending());
        }
        there
    });
    let _kept = there.join().unwrap();
    assert_eq!(timers.armed(), 3);
    timers.jump_to(timers.now() + ms(3));
    let mut batch = WakeBatch::new();
    batch.push(Waker::noop().clone());
    assert_eq!(timers.fire(&mut batch), 3);
    assert_eq!(batch.len(), 4);
    assert_eq!(timers.armed(), 0);
}

#[test]
fn the_last_waker_of_a_sleep_of_another_thread_is_woken_in_its_place() {
    let timers = simulated();
    let mut naps = {
        let _entered = timers.enter();
        [(); 2].map(|()| sleep(ms(5)))
    };
    let log = Log::default();
    let wakers = [0, 1, 2].map(|number| log.waker(number));
    let waiter = thread::spawn(move || {
        for (nap, waker) in [(0, 0), (1, 1), (0, 2)] {
            assert!(poll(&mut naps[nap], &wakers[waker]).is_pending());
        }
        naps
    });
    let _kept = waiter.join().unwrap();
    assert_eq!(pass(&timers, ms(5)), 2);
    assert_eq!(log.take(), [2, 1]);
}

#[test]
fn a_loop_hears_that_a_sleep_of_another_thread_was_dropped() {
    let (counter, notify) = Counter::new();
    let timers = Timers::new(Clock::simulated(), notify);
    let mut nap = {
        let _entered = timers.enter();
        sleep(FAR)
    };
    thread::spawn(move || {
        assert!(poll(&mut nap, Waker::noop()).is_pending());
    })
    .join()
    .unwrap();
    assert_eq!(counter.count(), 2, "armed, and dropped");
    assert!(timers.is_idle());
}

#[cfg(target_os = "linux")]
#[test]
fn there_is_only_one_background_thread() {
    for _ in 0..3 {
        block_on(sleep(ms(1)));
    }
    let tasks = std::fs::read_dir("/proc/self/task").unwrap();
    let names =
        tasks.filter_map(|task| std::fs::read_to_string(task.ok()?.path().join("comm")).ok());
    assert_eq!(
        names
            .filter(|name| name.trim_end() == "arborio-timers")
            .count(),
        1
    );
}

#[test]
fn a_simulated_sleep_fires_on_whichever_loop_has_its_clock() {
    let clock = Clock::simulated();
    let first = Timers::new(clock.clone(), Waker::noop().clone());
    let mut nap = {
        let _entered = first.enter();
        sleep(ms(5))
    };
    drop(first);
    let second = Timers::new(clock, Waker::noop().clone());
    let _entered = second.enter();
    assert!(poll(&mut nap, Waker::noop()).is_pending());
    assert_eq!(second.next_deadline(), Some(nap.deadline()));
}

#[cfg(panic = "unwind")]
#[test]
fn the_end_of_a_loop_wakes_the_threads_that_wait_on_its_clock() {
    let (sender, notified) = mpsc::channel();
    let timers = Timers::new(
        Clock::simulated(),
        Calls::waker(move || _ = sender.send(())),
    );
    let nap = {
        let _entered = timers.enter();
        sleep(FAR)
    };
    let waiter = thread::spawn(move || block_on(nap));
    notified
        .recv_timeout(SOON)
        .expect("the waiter has armed its sleep");
    timers.end();
    let panic = waiter.join().expect_err("nobody will ever move that clock");
    let message = panic.downcast_ref::<&str>().expect("a plain message");
    assert!(message.contains("has no loop any more"), "{message}");
}

#[cfg(panic = "unwind")]
#[test]
fn polling_a_simulated_sleep_without_a_loop_panics_with_a_reason() {
    let timers = simulated();
    let mut nap = {
        let _entered = timers.enter();
        sleep(ms(1))
    };
    drop(timers);
    assert!(!nap.is_elapsed());
    let panic = catch_unwind(AssertUnwindSafe(|| poll(&mut nap, Waker::noop()))).unwrap_err();
    let message = panic.downcast_ref::<&str>().expect("a plain message");
    assert!(message.contains("has no loop any more"), "{message}");
}

thread_local! {
    /// A sleep that outlives the loop's thread-local.
    static LEFT_OVER: RefCell<Option<Sleep>> = const { RefCell::new(None) };
}

#[test]
fn a_sleep_that_is_dropped_at_the_end_of_its_thread_does_no_harm() {
    thread::spawn(|| {
        // Touched first, so it is destroyed last.
        LEFT_OVER.set(None);
        let timers = real();
        let _entered = timers.enter();
        let mut nap = sleep(FAR);
        assert!(poll(&mut nap, Waker::noop()).is_pending());
        LEFT_OVER.set(Some(nap));
    })
    .join()
    .unwrap();
}

#[test]
fn a_guard_that_was_forgotten_does_not_keep_an_ended_loop_current() {
    thread::spawn(|| {
        let timers = simulated();
        std::mem::forget(timers.enter());
        assert!(timers.now() == arborio_timers::Instant::now());
        drop(timers);
        block_on(sleep_until(arborio_timers::Instant::now() + ms(1)));
    })
    .join()
    .unwrap();
}

/// Set for the process in which no thread can be started.
const WITHOUT_THREADS: &str = "ARBORIO_TIMERS_TEST_WITHOUT_THREADS";

/// Polls a sleep that needs the background thread, and returns how it panics.
fn panic_of_a_sleep() -> String {
    let poll_it = || poll(&mut sleep(ms(1)), Waker::noop());
    let panic = catch_unwind(poll_it).expect_err("no thread can start");
    panic.downcast_ref::<String>().expect("a message").clone()
}

#[cfg(panic = "unwind")]
#[test]
fn a_background_thread_that_cannot_start_is_a_panic_with_a_reason() {
    if std::env::var_os(WITHOUT_THREADS).is_some() {
        for _ in 0..2 {
            let message = panic_of_a_sleep();
            assert!(
                message.contains("background thread cannot start"),
                "{message}"
            );
        }
        return;
    }
    // The same test in a process where every thread would need 64 TiB of
    // stack. With one test thread the harness itself starts none.
    let this = "threads::a_background_thread_that_cannot_start_is_a_panic_with_a_reason";
    let child = Command::new(std::env::current_exe().unwrap())
        .args(["--exact", this, "--test-threads=1", "--nocapture"])
        .env(WITHOUT_THREADS, "1")
        .env("RUST_MIN_STACK", (1u64 << 46).to_string())
        .output()
        .unwrap();
    let output = String::from_utf8_lossy(&child.stdout);
    assert!(child.status.success(), "{output}");
    assert!(output.contains("1 passed"), "it did not run: {output}");
}

/// Polls `naps` with `wakers` on another thread, where they wait.
fn armed_elsewhere<const N: usize>(mut naps: [Sleep; N], wakers: [Waker; N]) -> [Sleep; N] {
    let poller = thread::spawn(move || {
        for (nap, waker) in naps.iter_mut().zip(&wakers) {
            assert!(poll(nap, waker).is_pending());
        }
        naps
    });
    poller.join().unwrap()
}

#[test]
fn of_equal_deadlines_those_of_the_loop_come_before_those_of_other_threads() {
    let timers = simulated();
    let _entered = timers.enter();
    let log = Log::default();
    let theirs = [3, 5, 6].map(|time| sleep(ms(time)));
    let _theirs = armed_elsewhere(theirs, [3, 50, 60].map(|number| log.waker(number)));
    let mut own = sleep(ms(5));
    assert!(poll(&mut own, &log.waker(5)).is_pending());
    assert_eq!(pass(&timers, ms(6)), 4);
    assert_eq!(log.take(), [3, 5, 50, 60]);
}

#[test]
fn a_loop_is_not_bothered_when_a_sleep_that_has_fired_is_dropped() {
    let (counter, notify) = Counter::new();
    let timers = Timers::new(Clock::simulated(), notify);
    let nap = {
        let _entered = timers.enter();
        sleep(ms(1))
    };
    let [nap] = armed_elsewhere([nap], [Waker::noop().clone()]);
    assert_eq!(counter.count(), 1, "armed");
    assert_eq!(pass(&timers, ms(1)), 1);
    drop_elsewhere(nap);
    assert_eq!(counter.count(), 1);
}
