//! Another thread looks at the epoll of a reactor whose loop is held up.

use std::{
    io::Write,
    os::unix::net::UnixStream,
    pin::pin,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    task::{Context, Waker},
    thread,
    time::{Duration, Instant},
};

use arborio_base::WakeBatch;
use arborio_reactor::{Async, LoopReactor};

/// A wait that nothing ends takes this long.
const LONG: Duration = Duration::from_secs(20);

/// Whether the next wait of `reactor` ends early.
fn ends_early(reactor: &LoopReactor) -> bool {
    let start = Instant::now();
    reactor.wait(Some(LONG)).unwrap();
    start.elapsed() < LONG / 2
}

#[test]
fn x19_a_call_that_who_helps_has_seen_still_ends_the_wait() {
    let reactor = LoopReactor::new(|_| ());
    let helper = reactor.helper();
    reactor.open().unwrap().wake().unwrap();
    for _ in 0..3 {
        let helper = helper.clone();
        let look = move || helper.look(&mut WakeBatch::new());
        assert_eq!(thread::spawn(look).join().unwrap(), 0);
    }
    assert!(ends_early(&reactor));
    // That wait, and not all that follow. A wait may end early now and then.
    let (start, pause) = (Instant::now(), Duration::from_millis(20));
    let mut waits = 0;
    while let Some(left) = pause.checked_sub(start.elapsed()) {
        reactor.wait(Some(left)).unwrap();
        waits += 1;
    }
    assert!(waits < 10, "{waits} waits in 20 ms");
}

/// Who helps looks all the time, so it mostly gets the event of the timer that is to end the wait.
#[test]
fn x19_an_end_of_a_wait_that_who_helps_has_seen_still_ends_it() {
    let reactor = LoopReactor::new(|_| ());
    let helper = reactor.helper();
    let notifier = Arc::clone(reactor.open().unwrap());
    let (start, over) = (Instant::now(), AtomicBool::new(false));
    thread::scope(|threads| {
        threads.spawn(|| {
            while !over.load(Ordering::Relaxed) {
                helper.look(&mut WakeBatch::new());
                if start.elapsed() > LONG {
                    notifier.wake().unwrap(); // the test has failed, but need not hang
                }
            }
        });
        for _ in 0..20 {
            let soon = Instant::now() + Duration::from_millis(2);
            while let Some(left) = soon.checked_duration_since(Instant::now()) {
                reactor.wait(Some(left)).unwrap();
            }
        }
        over.store(true, Ordering::Relaxed);
    });
    assert!(start.elapsed() < LONG, "a wait has not ended by itself");
}

#[test]
fn x19_who_helps_marks_sources_as_ready_and_the_loop_need_not() {
    let reactor = LoopReactor::new(|_| ());
    let helper = reactor.helper();
    let _here = reactor.enter();
    let (one, mut other) = UnixStream::pair().unwrap();
    let socket = Async::new(one).unwrap();
    let mut cx = Context::from_waker(Waker::noop());
    let mut readable = pin!(socket.readable());
    assert!(readable.as_mut().poll(&mut cx).is_pending());
    other.write_all(b"!").unwrap();
    let woken = thread::spawn(move || helper.look(&mut WakeBatch::new()));
    assert_eq!(woken.join().unwrap(), 1);
    assert!(readable.as_mut().poll(&mut cx).is_ready());
}

#[test]
fn x19_a_reactor_that_attends_another_hears_of_its_sources_and_no_more_once_it_has_left() {
    let (held_up, idle) = (LoopReactor::new(|_| ()), LoopReactor::new(|_| ()));
    let helper = held_up.helper();
    assert!(!idle.attend(&helper), "it is not open");
    let _here = held_up.enter();
    let (one, mut other) = UnixStream::pair().unwrap();
    let socket = Async::new(one).unwrap();
    let mut cx = Context::from_waker(Waker::noop());
    let mut readable = pin!(socket.readable());
    assert!(readable.as_mut().poll(&mut cx).is_pending());
    assert!(idle.attend(&helper));
    other.write_all(b"!").unwrap();
    assert!(ends_early(&idle), "there is news");
    idle.leave(&helper);
    idle.wait(Some(Duration::ZERO)).unwrap();
    assert!(idle.attend(&helper), "it has left, so it may again");
    idle.leave(&helper);
    assert_eq!(helper.look(&mut WakeBatch::new()), 1);
}

#[test]
fn x19_two_reactors_do_not_attend_each_other() {
    let (one, other) = (LoopReactor::new(|_| ()), LoopReactor::new(|_| ()));
    one.open().unwrap();
    assert!(other.attend(&one.helper()));
    assert!(!one.attend(&other.helper()), "the system refuses");
    other.leave(&one.helper());
    assert!(one.attend(&other.helper()));
}

/// Otherwise who attends and helps would keep itself awake as long as the loop is held up.
#[test]
fn x19_who_has_seen_a_call_and_attends_sleeps_on() {
    let (held_up, idle) = (LoopReactor::new(|_| ()), LoopReactor::new(|_| ()));
    let helper = held_up.helper();
    held_up.wait(Some(Duration::from_nanos(1))).unwrap();
    held_up.open().unwrap().wake().unwrap();
    let mut batch = WakeBatch::new();
    for _ in 0..3 {
        assert!(idle.attend(&helper));
        helper.look(&mut batch);
        idle.leave(&helper);
    }
    assert!(idle.attend(&helper));
    let (start, pause) = (Instant::now(), Duration::from_millis(20));
    idle.wait(Some(pause)).unwrap();
    idle.leave(&helper);
    assert!(start.elapsed() >= pause, "there is no more news");
    assert!(ends_early(&held_up), "whom the call was for");
}

#[test]
fn x19_who_has_many_sources_is_not_attended() {
    let (held_up, idle) = (LoopReactor::new(|_| ()), LoopReactor::new(|_| ()));
    let helper = held_up.helper();
    let _here = held_up.enter();
    let pairs: Vec<_> = (0..33).map(|_| UnixStream::pair().unwrap()).collect();
    let sources = pairs.into_iter().flat_map(|(one, other)| [one, other]);
    let mut sources: Vec<_> = sources.map(|one| Async::new(one).unwrap()).collect();
    assert!(!idle.attend(&helper), "that would take long");
    sources.truncate(64);
    assert!(idle.attend(&helper));
    idle.leave(&helper);
}

#[test]
fn x19_nobody_attends_or_helps_a_reactor_that_has_ended() {
    let (gone, idle) = (LoopReactor::new(|_| ()), LoopReactor::new(|_| ()));
    let helper = gone.helper();
    gone.open().unwrap();
    assert!(idle.attend(&helper));
    drop(gone);
    idle.leave(&helper);
    assert!(!idle.attend(&helper));
    assert_eq!(helper.look(&mut WakeBatch::new()), 0);
}
