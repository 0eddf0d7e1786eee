//! Who gets what, and what stays.

use std::{
    sync::{Mutex, mpsc::channel},
    task::Waker,
    thread,
};

use super::*;

/// Has worker 0, which `meet` looks at, judge that moving its tasks pays: it has so many.
fn coarse<R>(count: usize, meet: impl FnOnce(&Seat, &Seat, &Running<'_>) -> R) -> R {
    with_ready(count, |seat, other, running| {
        judge(seat, running);
        meet(seat, other, running)
    })
}

fn judge(seat: &Seat, running: &Running<'_>) {
    while seat.grain.judge(running) == Verdict::Unknown {
        assert_eq!(running.run_until(1, |_| true), 1, "nobody has judged");
    }
}

#[test]
fn who_winds_down_tells_who_asks_that_there_is_nothing() {
    coarse(20, |seat, other, running| {
        let ready = running.count_ready(100);
        let word = &seat.worker().asked_by;
        word.store(other.number + 1, Ordering::Relaxed);
        seat.offer(running, true);
        assert_eq!(word.load(Ordering::Relaxed), 0);
        assert_eq!(running.count_ready(100), ready, "it gives some");
    });
}

#[test]
fn who_winds_down_wakes_nobody() {
    coarse(100, |seat, other, running| {
        other.lie_down();
        let control = &seat.team.control.0;
        seat.offer(running, true);
        assert_eq!(control.load(Ordering::Relaxed), other.bit());
        judge(seat, running);
        seat.offer(running, false);
        assert_eq!(control.load(Ordering::Relaxed), SEARCH);
    });
}

#[test]
fn t1_nobody_is_woken_to_search_while_somebody_searches() {
    coarse(100, |seat, other, running| {
        other.lie_down();
        let control = &seat.team.control.0;
        control.fetch_or(SEARCH, Ordering::Relaxed);
        assert!(!seat.is_wanted(running));
        seat.offer(running, false);
        assert_eq!(control.load(Ordering::Relaxed), SEARCH | other.bit());
        control.fetch_and(!SEARCH, Ordering::Relaxed);
        judge(seat, running);
        assert!(seat.is_wanted(running));
    });
}

/// Has worker 0 poll for long when others have lain down. Then so many tasks are ready, and `meet` looks at it.
fn after_a_long_poll(
    workers: usize,
    mut spawn: impl FnMut(),
    meet: impl FnOnce(&Seat, &Running<'_>),
) {
    let team = Arc::new(Team::new(workers));
    let (tasks, seat) = place(&team, 0);
    let others: Vec<_> = (1..workers).map(|number| place(&team, number)).collect();
    let main = async {
        for _ in 0..8 {
            spawn();
        }
        spin_for(LONG);
        std::future::pending::<()>().await;
    };
    let (_, ended) = tasks.run_main(main, |running| {
        seat.begin(running);
        running.run_until(1, |_| true);
        seat.begin(running);
        for (_, other) in &others {
            other.lie_down();
        }
        meet(&seat, running);
    });
    assert!(ended.is_err(), "it was dropped while it waited");
}

#[test]
fn x12_each_sleeper_gets_half_of_what_is_left() {
    let spawn = || drop(try_spawn_sent(async {}, SpawnOptions::new()));
    after_a_long_poll(3, spawn, |seat, running| {
        for left in [4, 2] {
            seat.share_before_long_polls(running);
            assert_eq!(running.count_ready(8), left);
        }
    });
}

#[test]
fn x12_a_sleeper_to_whom_nothing_could_go_was_sent_nothing() {
    let spawn = || drop(try_spawn(async {}, SpawnOptions::new())); // not said to be `Send`
    after_a_long_poll(2, spawn, |seat, running| {
        seat.share_before_long_polls(running);
        assert_eq!(running.count_ready(9), 8);
        assert!(seat.told.get().is_none());
    });
}

/// Worker 1 wakes so many tasks of worker 0, which sleeps, and whose last polls took `poll` together. Then it lies down, or
/// goes on to poll. How many of them follow it.
fn followers(count: usize, poll: Duration, lies_down: bool) -> usize {
    let team = Arc::new(Team::new(2));
    let wakers = Arc::new(Mutex::new(Vec::<Waker>::new()));
    let woken = Arc::clone(&wakers);
    let (start, starts) = channel();
    let (done, is_done) = channel();
    let (end, ends) = channel::<()>();
    thread::scope(|threads| {
        let (tasks, seat) = place(&team, 0);
        let team = &team;
        threads.spawn(move || {
            let (tasks, seat) = place(team, 1);
            starts.recv().unwrap();
            let main = async {
                woken.lock().unwrap().drain(..).for_each(Waker::wake);
                loop {
                    yield_once().await;
                }
            };
            let (_, ended): (_, Result<(), _>) = tasks.run_main(main, |running| {
                running.run_until(1, |_| true);
                if lies_down {
                    seat.lie_down();
                }
                done.send(()).unwrap();
                if lies_down {
                    let _ = ends.recv();
                }
                while ends.try_recv() == Err(std::sync::mpsc::TryRecvError::Empty) {
                    running.run_until(1, |_| true);
                }
            });
            assert!(ended.is_err(), "it never ends");
        });
        let main = async {
            for _ in 0..count {
                let wakers = Arc::clone(&wakers);
                let waits = std::future::poll_fn(move |cx| {
                    wakers.lock().unwrap().push(cx.waker().clone());
                    std::task::Poll::<()>::Pending
                });
                drop(try_spawn_sent(waits, SpawnOptions::new()));
            }
            spin_for(poll);
            std::future::pending::<()>().await;
        };
        let (followed, _) = tasks.run_main(main, |running| {
            seat.begin(running);
            while running.run_until(1, |_| true) > 0 {}
            seat.grain.end(running);
            assert!(running.try_sleep());
            start.send(()).unwrap();
            is_done.recv().unwrap();
            running.wake_up();
            assert_eq!(running.count_ready(100), count);
            seat.send_after(running);
            count - running.count_ready(100)
        });
        drop(end);
        followed
    })
}

/// Who polls on a busy machine may seem to poll for long, so it is enough if it holds once.
#[test]
fn a_few_tasks_follow_who_has_woken_them_when_polls_are_short() {
    let (none, short) = (0, Duration::ZERO);
    for few in [1, 32] {
        let follow = || followers(few, short, true) == few;
        assert!((0..100).any(|_| follow()), "{few} stay");
    }
    assert_eq!(followers(33, short, true), none, "they are many");
    assert_eq!(followers(1, LONG, true), none, "their polls are long");
}

#[test]
fn tasks_follow_who_goes_on_to_another_poll() {
    let follow = || followers(1, Duration::ZERO, false) == 1;
    assert!((0..2000).any(|_| follow()), "they stay");
}
