//! Faults that need no tool: descriptors that vanish, limits, signals, forks.
#![allow(
    unsafe_code,
    reason = "the faults are such that safe code cannot commit them"
)]

use std::{
    io::{ErrorKind, Read, Write},
    os::fd::{AsRawFd, BorrowedFd, FromRawFd, IntoRawFd, OwnedFd, RawFd},
    pin::pin,
    process::{Command, Stdio},
    task::{Context, Poll, Waker},
    thread,
    time::{Duration, Instant},
};

use arborio_reactor::Async;

use crate::support::{
    Count, FOREVER, alone, block_on, descriptor_names, errno, limit_descriptors, next_descriptor,
    open_descriptors, reactor, run, socket_pair, turn, turn_now,
};

/// A descriptor that its user does not own, so that closing it twice is not
/// taken for a defect of the test by the standard library.
fn lend(fd: RawFd) -> BorrowedFd<'static> {
    // SAFETY: a breach of the borrow on purpose, in a process of its own where
    // nobody else owns the number. The reactor must bear it.
    unsafe { BorrowedFd::borrow_raw(fd) }
}

/// Closes `fd` behind the back of everybody.
fn close(fd: RawFd) {
    // SAFETY: the caller gave its ownership up with `into_raw_fd`.
    drop(unsafe { OwnedFd::from_raw_fd(fd) });
}

#[test]
fn r02_a_storm_of_signals_loses_no_byte_and_delays_no_timer() {
    alone(
        "faults::r02_a_storm_of_signals_loses_no_byte_and_delays_no_timer",
        || {
            const SIZE: usize = 1 << 20;
            start_signal_storm();
            let reactor = reactor();
            let here = reactor.enter();
            let (one, mut other) = socket_pair();
            let one = Async::new(one).unwrap();
            drop(here);
            let sender = thread::spawn(move || {
                let data: Vec<u8> = (0..SIZE).map(|i| (i % 251) as u8).collect();
                other.write_all(&data).unwrap();
            });
            let received = run(&reactor, async {
                let (mut all, mut buf) = (Vec::new(), vec![0; 4096]);
                while let count @ 1.. = one
                    .read_stream(4096, |mut s| s.read(&mut buf))
                    .await
                    .unwrap()
                {
                    all.extend_from_slice(&buf[..count]);
                }
                all
            });
            sender.join().unwrap();
            assert_eq!(received.len(), SIZE);
            assert!(
                received
                    .iter()
                    .enumerate()
                    .all(|(i, b)| *b == (i % 251) as u8)
            );

            let wanted = Duration::from_millis(2);
            let mut late: Vec<_> = (0..21)
                .map(|_| {
                    let start = Instant::now();
                    while let Some(left) = wanted.checked_sub(start.elapsed()) {
                        reactor.wait(Some(left)).unwrap();
                        turn(&reactor);
                    }
                    start.elapsed() - wanted
                })
                .collect();
            late.sort();
            assert!(late[10] <= Duration::from_millis(5), "{late:?}");
        },
    );
}

/// Ten thousand signals a second, whose handler does nothing and which
/// interrupt system calls.
fn start_signal_storm() {
    extern "C" fn ignore(_: libc::c_int) {}
    // SAFETY: all zeros is a valid `sigaction`: no flags, an empty mask.
    let mut action: libc::sigaction = unsafe { std::mem::zeroed() };
    action.sa_sigaction = ignore as *const () as usize;
    // SAFETY: the handler does nothing, so it is async-signal-safe.
    let set = unsafe { libc::sigaction(libc::SIGALRM, &raw const action, std::ptr::null_mut()) };
    assert_eq!(set, 0);
    let period = libc::timeval {
        tv_sec: 0,
        tv_usec: 100,
    };
    let timer = libc::itimerval {
        it_interval: period,
        it_value: period,
    };
    // SAFETY: `timer` lives across the call, and no old value is asked for.
    let set = unsafe { libc::setitimer(libc::ITIMER_REAL, &raw const timer, std::ptr::null_mut()) };
    assert_eq!(set, 0);
}

#[test]
fn r04_a_refused_registration_leaves_nothing_behind() {
    alone(
        "faults::r04_a_refused_registration_leaves_nothing_behind",
        || {
            let reactor = reactor();
            let _here = reactor.enter();
            let path = std::env::current_exe().unwrap();
            let refused = || Async::new(std::fs::File::open(&path).unwrap());
            assert_eq!(errno(refused()), Some(libc::EPERM));
            let before = open_descriptors();
            for _ in 0..10_000 {
                assert!(refused().is_err());
            }
            assert_eq!(open_descriptors(), before);
            assert_eq!(reactor.interest_count(), 0);
        },
    );
}

#[test]
fn r05_a_refused_deregistration_frees_the_entry_all_the_same() {
    alone(
        "faults::r05_a_refused_deregistration_frees_the_entry_all_the_same",
        || {
            let reactor = reactor();
            let _here = reactor.enter();
            for _ in 0..10_000 {
                let (reader, _writer) = std::io::pipe().unwrap();
                let number = OwnedFd::from(reader).into_raw_fd();
                let source = Async::new(lend(number)).unwrap();
                close(number);
                drop(source);
                assert_eq!(reactor.interest_count(), 0);
            }
        },
    );
}

#[test]
fn r06_a_number_that_was_reused_behind_the_back_works_for_the_new_owner_alone() {
    alone(
        "faults::r06_a_number_that_was_reused_behind_the_back_works_for_the_new_owner_alone",
        || {
            let reactor = reactor();
            let _here = reactor.enter();
            let number = OwnedFd::from(socket_pair().0).into_raw_fd();
            let old = Async::new(lend(number)).unwrap();
            let task = Count::new();
            let waker = task.waker();
            let mut cx = Context::from_waker(&waker);
            assert!(old.poll_readable(&mut cx).is_ready(), "its peer is gone");
            close(number);

            let (new, mut peer) = socket_pair();
            assert_eq!(new.as_raw_fd(), number);
            let new = Async::new(new).unwrap();
            assert!(matches!(old.poll_readable(&mut cx), Poll::Ready(Err(_))));
            drop(old);
            assert_eq!(reactor.interest_count(), 1);

            let read = |cx: &mut Context<'_>| new.poll_read_with(cx, |mut s| s.read(&mut [0]));
            assert!(read(&mut cx).is_pending());
            turn_now(&reactor);
            peer.write_all(b"x").unwrap();
            reactor.wait(Some(FOREVER)).unwrap();
            assert_eq!(turn(&reactor), 1, "the old one's end did not deregister it");
            assert!(matches!(read(&mut cx), Poll::Ready(Ok(1))));
        },
    );
}

#[test]
fn r06_whoever_waits_for_a_vanished_descriptor_is_woken_when_its_number_is_reused() {
    alone(
        "faults::r06_whoever_waits_for_a_vanished_descriptor_is_woken_when_its_number_is_reused",
        || {
            let reactor = reactor();
            let _here = reactor.enter();
            let (reader, _writer) = std::io::pipe().unwrap();
            let number = OwnedFd::from(reader).into_raw_fd();
            let old = Async::new(lend(number)).unwrap();
            let task = Count::new();
            let waker = task.waker();
            assert!(
                old.poll_readable(&mut Context::from_waker(&waker))
                    .is_pending()
            );
            close(number);
            let (new, _peer) = socket_pair();
            assert_eq!(new.as_raw_fd(), number);
            let _new = Async::new(new).unwrap();
            assert_eq!(task.get(), 1);
        },
    );
}

#[test]
fn r19_a_saturated_notifier_still_ends_the_wait() {
    alone(
        "faults::r19_a_saturated_notifier_still_ends_the_wait",
        || {
            let reactor = reactor();
            let notifier = reactor.open().unwrap().clone();
            let eventfd = std::fs::read_dir("/proc/self/fd")
                .unwrap()
                .map(|entry| entry.unwrap().path())
                .find(|path| {
                    std::fs::read_link(path).is_ok_and(|l| l.to_string_lossy().contains("eventfd"))
                })
                .unwrap();
            let number: RawFd = eventfd
                .file_name()
                .unwrap()
                .to_str()
                .unwrap()
                .parse()
                .unwrap();
            rustix::io::write(lend(number), &(u64::MAX - 1).to_ne_bytes()).unwrap();
            reactor.wait(Some(FOREVER)).unwrap();
            turn(&reactor);
            let start = Instant::now();
            let waker = thread::spawn(move || notifier.wake().unwrap());
            reactor.wait(Some(FOREVER)).unwrap();
            waker.join().unwrap();
            assert!(start.elapsed() < FOREVER / 2);
        },
    );
}

#[test]
fn r21_a_reactor_without_descriptors_is_an_error_and_leaks_none() {
    alone(
        "faults::r21_a_reactor_without_descriptors_is_an_error_and_leaks_none",
        || {
            let (reader, _writer) = std::io::pipe().unwrap();
            let before = open_descriptors();
            let first = next_descriptor();
            // An epoll, its second handle and the notifier.
            for allowed in 0..3 {
                let old = limit_descriptors(first + allowed);
                let reactor = reactor();
                let here = reactor.enter();
                assert_eq!(errno(reactor.open()), Some(libc::EMFILE), "{allowed}");
                assert_eq!(errno(Async::new(&reader)), Some(libc::EMFILE), "{allowed}");
                assert!(!reactor.is_open());
                limit_descriptors(old);
                assert_eq!(open_descriptors(), before, "{allowed}");
                assert!(Async::new(&reader).is_ok(), "the next try succeeds");
                drop(here);
            }
        },
    );
}

#[test]
fn r21_without_a_timer_descriptor_a_wait_is_coarse_but_not_early() {
    alone(
        "faults::r21_without_a_timer_descriptor_a_wait_is_coarse_but_not_early",
        || {
            let reactor = reactor();
            let old = limit_descriptors(next_descriptor() + 3);
            reactor.open().unwrap();
            for micros in [1, 999, 1001] {
                let wanted = Duration::from_micros(micros);
                let start = Instant::now();
                reactor.wait(Some(wanted)).unwrap();
                assert!(start.elapsed() >= wanted);
            }
            limit_descriptors(old);
            assert!(!descriptor_names().iter().any(|n| n.contains("timerfd")));
        },
    );
}

#[test]
fn r21_the_background_reactor_reports_what_the_system_refuses() {
    alone(
        "faults::r21_the_background_reactor_reports_what_the_system_refuses",
        || {
            let (mut one, other) = socket_pair();
            let before = open_descriptors();
            let old = limit_descriptors(next_descriptor());
            assert_eq!(errno(Async::new(&other)), Some(libc::EMFILE));
            limit_descriptors(old);
            assert_eq!(open_descriptors(), before);
            let other = Async::new(&other).unwrap();
            one.write_all(b"x").unwrap();
            let read = block_on(other.read_with(|s| (&**s).read(&mut [0])));
            assert_eq!(read.unwrap(), 1);
        },
    );
}

#[test]
fn r22_the_child_of_a_fork_gets_errors_and_takes_nothing_from_its_parent() {
    alone(
        "faults::r22_the_child_of_a_fork_gets_errors_and_takes_nothing_from_its_parent",
        || {
            let parent = reactor();
            let _here = parent.enter();
            let (one, mut other) = socket_pair();
            let one = Async::new(one).unwrap();
            let task = Count::new();
            let waker = task.waker();
            let mut cx = Context::from_waker(&waker);
            let read = |cx: &mut Context<'_>| one.poll_read_with(cx, |mut s| s.read(&mut [0]));
            assert!(read(&mut cx).is_pending());
            turn_now(&parent);
            other.write_all(b"x").unwrap();

            // SAFETY: the child has this one thread; it uses memory that the
            // C library keeps usable across a fork, and leaves by `_exit`.
            let child = unsafe { libc::fork() };
            if child == 0 {
                let (reader, _writer) = std::io::pipe().unwrap();
                let ok = Async::new(reader).is_err()
                    && parent.wait(Some(Duration::from_millis(1))).is_err()
                    && turn(&parent) == 0;
                // What a child drops it must not deregister for its parent.
                let copy = std::mem::ManuallyDrop::new(&one);
                // SAFETY: the child never touches `one` again: it exits.
                drop(unsafe { std::ptr::read(*copy) });
                // SAFETY: ends this process without running destructors.
                unsafe { libc::_exit(i32::from(!ok)) };
            }
            let mut status = 0;
            // SAFETY: `status` outlives the call.
            let waited = unsafe { libc::waitpid(child, &raw mut status, 0) };
            assert_eq!((waited, status), (child, 0), "the child met no error");
            parent.wait(Some(FOREVER)).unwrap();
            assert_eq!(turn(&parent), 1);
            assert!(matches!(read(&mut cx), Poll::Ready(Ok(1))));
            assert!(read(&mut cx).is_pending());
            other.write_all(b"y").unwrap();
            parent.wait(Some(FOREVER)).unwrap();
            assert_eq!(turn(&parent), 1, "still registered");
        },
    );
}

#[test]
fn r22_waiting_in_the_child_for_a_source_of_the_parent_is_an_error() {
    alone(
        "faults::r22_waiting_in_the_child_for_a_source_of_the_parent_is_an_error",
        || {
            let (one, _other) = socket_pair();
            let one = Async::new(one).unwrap();
            // SAFETY: as above; the background thread is not in the child.
            let child = unsafe { libc::fork() };
            if child == 0 {
                let mut cx = Context::from_waker(Waker::noop());
                let read = one.poll_read_with(&mut cx, |mut s| s.read(&mut [0]));
                let ok = matches!(read, Poll::Ready(Err(e)) if e.kind() != ErrorKind::WouldBlock);
                // SAFETY: ends this process without running destructors.
                unsafe { libc::_exit(i32::from(!ok)) };
            }
            let mut status = 0;
            // SAFETY: `status` outlives the call.
            let waited = unsafe { libc::waitpid(child, &raw mut status, 0) };
            assert_eq!((waited, status), (child, 0), "it would wait for ever");
        },
    );
}

#[test]
fn r23_a_program_that_is_executed_inherits_nothing() {
    alone(
        "faults::r23_a_program_that_is_executed_inherits_nothing",
        || {
            let inherited = || {
                let listing = Command::new("ls")
                    .args(["-l", "/proc/self/fd"])
                    .stdin(Stdio::null())
                    .output()
                    .unwrap();
                String::from_utf8(listing.stdout).unwrap().lines().count()
            };
            let before = inherited();
            let reactor = reactor();
            let _here = reactor.enter();
            let (one, other) = socket_pair();
            let (_one, _other) = (Async::new(one).unwrap(), Async::new(other).unwrap());
            reactor.wait(Some(Duration::from_nanos(1))).unwrap();
            let in_background = thread::spawn(|| Async::new(std::io::pipe().unwrap().0).unwrap());
            let _source = in_background.join().unwrap();
            let names = descriptor_names();
            for kind in ["eventpoll", "eventfd", "timerfd"] {
                assert!(names.iter().any(|name| name.contains(kind)), "{kind}");
            }
            assert_eq!(inherited(), before);
        },
    );
}

#[test]
fn r26_as_many_descriptors_as_allowed_come_and_go_many_times() {
    alone(
        "faults::r26_as_many_descriptors_as_allowed_come_and_go_many_times",
        || {
            let reactor = reactor();
            let _here = reactor.enter();
            reactor.open().unwrap();
            let before = open_descriptors();
            limit_descriptors(1500);
            for _ in 0..20 {
                let mut sources = Vec::new();
                while let Ok((reader, writer)) = std::io::pipe() {
                    sources.push(Async::new(OwnedFd::from(reader)).unwrap());
                    sources.push(Async::new(OwnedFd::from(writer)).unwrap());
                }
                assert_eq!(reactor.interest_count(), sources.len());
                assert!(sources.len() > 1000);
                turn_now(&reactor);
                drop(sources);
                assert_eq!(reactor.interest_count(), 0);
                assert_eq!(open_descriptors(), before);
            }
        },
    );
}

#[test]
fn r22_the_child_of_a_fork_has_a_background_thread_of_its_own() {
    alone(
        "faults::r22_the_child_of_a_fork_has_a_background_thread_of_its_own",
        || {
            let _of_the_parent = Async::new(socket_pair().0).unwrap();
            // SAFETY: as above, and `alarm` ends a child that hangs.
            let child = unsafe { libc::fork() };
            if child == 0 {
                // SAFETY: asks for a signal that ends the process.
                unsafe { libc::alarm(20) };
                let (one, mut other) = socket_pair();
                let ok = Async::new(one).is_ok_and(|one| {
                    let mut read = pin!(one.read_with(|mut s| s.read(&mut [0])));
                    let mut cx = Context::from_waker(Waker::noop());
                    let waits = read.as_mut().poll(&mut cx).is_pending();
                    other.write_all(b"x").unwrap();
                    waits && block_on(read).is_ok_and(|count| count == 1)
                });
                // SAFETY: ends this process without running destructors.
                unsafe { libc::_exit(i32::from(!ok)) };
            }
            let mut status = 0;
            // SAFETY: `status` outlives the call.
            let waited = unsafe { libc::waitpid(child, &raw mut status, 0) };
            assert_eq!((waited, status), (child, 0), "nobody waits for its sources");
        },
    );
}
