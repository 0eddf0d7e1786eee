//! Errors of system calls, injected by strace into a child. Where strace is
//! missing or may not attach, these tests say so and check nothing.

use std::{
    io::{Read, Write},
    process::{Command, Stdio},
    thread,
    time::{Duration, Instant},
};

use arborio_reactor::Async;

use crate::support::{
    alone_under, block_on, errno, fill, open_descriptors, reactor, run, socket_pair, turn,
};

/// Runs `body` in a child, with `faults` (as strace's `-e inject=` takes them)
/// injected into it.
fn with_faults(faults: &str, test: &str, body: impl FnOnce()) {
    let calls = faults.split(':').next().unwrap();
    let (trace, inject) = (format!("trace={calls}"), format!("inject={faults}"));
    let wrapper = [
        "strace",
        "-f",
        "-qq",
        "-o",
        "/dev/null",
        "-e",
        &trace,
        "-e",
        &inject,
    ];
    let probe = Command::new(wrapper[0])
        .args(["-f", "-qq", "-o", "/dev/null", "true"])
        .stderr(Stdio::null())
        .status();
    // The child of a traced process cannot be traced once more: it is asked
    // only in the parent.
    let is_child = std::env::var_os("ARBORIO_TEST_CHILD").is_some();
    if !is_child && !probe.is_ok_and(|status| status.success()) {
        println!("skipped {test}: strace is missing or may not attach");
        return;
    }
    alone_under(&wrapper, test, body);
}

#[test]
fn r01_a_wait_that_is_interrupted_again_and_again_still_gets_on() {
    with_faults(
        "epoll_wait,epoll_pwait:error=EINTR:when=1+2",
        "injected::r01_a_wait_that_is_interrupted_again_and_again_still_gets_on",
        || {
            let reactor = reactor();
            let here = reactor.enter();
            let (one, mut other) = socket_pair();
            let one = Async::new(one).unwrap();
            drop(here);
            let echo = thread::spawn(move || {
                for round in 0..20 {
                    other.write_all(&[round]).unwrap();
                    other.read_exact(&mut [0]).unwrap();
                }
            });
            run(&reactor, async {
                for _ in 0..20 {
                    one.read_with(|mut s| s.read(&mut [0])).await.unwrap();
                    one.write_with(|mut s| s.write(b"x")).await.unwrap();
                }
            });
            echo.join().unwrap();
            let here = reactor.enter(); // or its end would end the first wait
            drop(one);
            drop(here);
            let (start, wanted) = (Instant::now(), Duration::from_millis(3));
            let mut waits = 0;
            while let Some(left) = wanted.checked_sub(start.elapsed()) {
                reactor.wait(Some(left)).unwrap();
                turn(&reactor);
                waits += 1;
            }
            assert!(waits <= 3, "{waits} waits for one timer");
        },
    );
}

#[test]
fn r01_the_background_reactor_survives_interruptions() {
    with_faults(
        "epoll_wait,epoll_pwait:error=EINTR:when=1+2",
        "injected::r01_the_background_reactor_survives_interruptions",
        || {
            let (one, mut other) = socket_pair();
            let one = Async::new(one).unwrap();
            let writer = thread::spawn(move || other.write_all(b"x").unwrap());
            let read = block_on(one.read_with(|mut s| s.read(&mut [0])));
            assert_eq!(read.unwrap(), 1);
            writer.join().unwrap();
        },
    );
}

#[test]
fn a_wait_that_fails_is_reported_and_panics_nobody() {
    with_faults(
        "epoll_wait,epoll_pwait:error=EINVAL:when=1",
        "injected::a_wait_that_fails_is_reported_and_panics_nobody",
        || {
            let reactor = reactor();
            reactor.open().unwrap();
            let failed = reactor.wait(Some(Duration::from_millis(1)));
            assert_eq!(errno(failed), Some(libc::EINVAL));
            assert_eq!(turn(&reactor), 0);
            assert!(reactor.wait(Some(Duration::from_millis(1))).is_ok());
        },
    );
}

#[test]
fn the_background_reactor_is_replaced_when_its_wait_fails() {
    with_faults(
        // Of each thread the second.
        "epoll_wait,epoll_pwait:error=EINVAL:when=2",
        "injected::the_background_reactor_is_replaced_when_its_wait_fails",
        || {
            let (one, mut other) = socket_pair();
            let one = Async::new(one).unwrap();
            let echo = thread::spawn(move || {
                for _ in 0..10 {
                    other.write_all(b"x").unwrap();
                    other.read_exact(&mut [0]).unwrap();
                }
            });
            block_on(async {
                for _ in 0..10 {
                    one.read_with(|mut s| s.read(&mut [0])).await.unwrap();
                    one.write_with(|mut s| s.write(b"x")).await.unwrap();
                }
            });
            echo.join().unwrap();
        },
    );
}

#[test]
fn a_background_reactor_that_can_never_wait_is_an_error_and_not_a_storm_of_threads() {
    with_faults(
        "epoll_wait,epoll_pwait:error=EPERM",
        "injected::a_background_reactor_that_can_never_wait_is_an_error_and_not_a_storm_of_threads",
        || {
            let (one, _other) = socket_pair();
            // Registered before the thread has found out, or refused after.
            let failed = match Async::new(one) {
                Ok(one) => errno(block_on(one.read_with(|mut s| s.read(&mut [0])))),
                refused => errno(refused),
            };
            assert_eq!(failed, Some(libc::EPERM));
            assert_eq!(errno(Async::new(socket_pair().0)), Some(libc::EPERM));
        },
    );
}

#[test]
fn r19_a_notifier_that_is_interrupted_still_ends_the_wait() {
    with_faults(
        // The first of each thread.
        "write:error=EINTR:when=1",
        "injected::r19_a_notifier_that_is_interrupted_still_ends_the_wait",
        || {
            let reactor = reactor();
            let notifier = reactor.open().unwrap().clone();
            let caller = thread::spawn(move || notifier.wake());
            reactor.wait(None).unwrap();
            caller.join().unwrap().unwrap();
        },
    );
}

#[test]
fn r21_no_epoll() {
    with_faults(
        "epoll_create1:error=ENOSYS:when=1",
        "injected::r21_no_epoll",
        || expect_refusal(libc::ENOSYS),
    );
}

#[test]
fn r21_no_second_handle_of_the_epoll() {
    with_faults(
        "fcntl:error=EMFILE",
        "injected::r21_no_second_handle_of_the_epoll",
        || {
            let before = open_descriptors();
            assert_eq!(errno(reactor().open()), Some(libc::EMFILE));
            assert_eq!(open_descriptors(), before);
        },
    );
}

#[test]
fn r21_no_eventfd() {
    with_faults(
        "eventfd2:error=EPERM:when=1",
        "injected::r21_no_eventfd",
        || expect_refusal(libc::EPERM),
    );
}

/// The first reactor is refused with `number` and leaks nothing; the next one
/// works.
fn expect_refusal(number: i32) {
    let before = open_descriptors();
    assert_eq!(errno(reactor().open()), Some(number));
    assert_eq!(open_descriptors(), before);
    assert!(reactor().open().is_ok());
}

#[test]
fn r21_no_timer_descriptor() {
    with_faults(
        "timerfd_create:error=EPERM",
        "injected::r21_no_timer_descriptor",
        || {
            let reactor = reactor();
            let (start, wanted) = (Instant::now(), Duration::from_micros(1500));
            reactor.wait(Some(wanted)).unwrap();
            assert!(start.elapsed() >= wanted, "never early");
        },
    );
}

#[test]
fn r21_a_timer_that_cannot_be_set_falls_back_to_milliseconds() {
    with_faults(
        "timerfd_settime:error=EINVAL",
        "injected::r21_a_timer_that_cannot_be_set_falls_back_to_milliseconds",
        || {
            let reactor = reactor();
            let (start, wanted) = (Instant::now(), Duration::from_micros(1500));
            reactor.wait(Some(wanted)).unwrap();
            assert!(start.elapsed() >= wanted, "never early");
        },
    );
}

#[test]
fn r04_a_registration_without_memory_is_an_error() {
    with_faults(
        // The notifier is the first.
        "epoll_ctl:error=ENOSPC:when=2",
        "injected::r04_a_registration_without_memory_is_an_error",
        || {
            let reactor = reactor();
            let _here = reactor.enter();
            let (one, other) = socket_pair();
            assert_eq!(errno(Async::new(one)), Some(libc::ENOSPC));
            assert_eq!(reactor.interest_count(), 0);
            assert!(Async::new(other).is_ok());
        },
    );
}

#[test]
fn r05_a_deregistration_that_fails_frees_the_entry() {
    with_faults(
        // The notifier, the source, and then its end.
        "epoll_ctl:error=ENOMEM:when=3",
        "injected::r05_a_deregistration_that_fails_frees_the_entry",
        || {
            let reactor = reactor();
            let _here = reactor.enter();
            drop(Async::new(socket_pair().0).unwrap());
            assert_eq!(reactor.interest_count(), 0);
        },
    );
}

#[test]
fn a_switch_to_edges_that_fails_is_an_error_of_the_writer_and_is_tried_again() {
    with_faults(
        // The notifier, the source, and then its change.
        "epoll_ctl:error=ENOMEM:when=3",
        "injected::a_switch_to_edges_that_fails_is_an_error_of_the_writer_and_is_tried_again",
        || {
            let reactor = reactor();
            let here = reactor.enter();
            let (one, mut other) = socket_pair();
            let one = Async::new_stream(one).unwrap();
            drop(here);
            fill(&one);
            let write = || one.write_stream(1, |mut s| s.write(b"x"));
            assert_eq!(errno(run(&reactor, write())), Some(libc::ENOMEM));
            let drain = thread::spawn(move || {
                assert!(other.read(&mut vec![0; 1 << 20]).unwrap() > 0);
                other // stays open until the write has come through
            });
            assert_eq!(run(&reactor, write()).unwrap(), 1);
            drain.join().unwrap();
        },
    );
}

#[test]
fn a_switch_to_edges_that_always_fails_loses_no_byte_to_a_reader() {
    with_faults(
        "epoll_ctl:error=ENOMEM:when=3+",
        "injected::a_switch_to_edges_that_always_fails_loses_no_byte_to_a_reader",
        || {
            let reactor = reactor();
            let here = reactor.enter();
            let (one, mut other) = socket_pair();
            let one = Async::new_stream(one).unwrap();
            drop(here);
            other.write_all(&[1; 100]).unwrap();
            run(&reactor, async {
                for _ in 0..100 {
                    let read = one.read_stream(1, |mut s| s.read(&mut [0]));
                    assert_eq!(read.await.unwrap(), 1);
                }
            });
        },
    );
}
