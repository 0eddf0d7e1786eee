//! Scopes of synchronous code on pools: their tasks run in parallel, and borrow.

use std::{
    future::pending,
    panic::{AssertUnwindSafe, catch_unwind},
    sync::{
        Mutex,
        atomic::{AtomicBool, AtomicUsize, Ordering},
    },
    thread,
    time::{Duration, Instant},
};

use arborio::{
    Interrupt, Pool, WaitError,
    cancel::finally,
    scope::BorrowScope,
    sync::{Event, Semaphore},
    time::{sleep, timeout},
    yield_now,
};

use crate::{background::start, meeting::Meeting};

/// Both block their worker until the other one runs.
#[test]
fn s04_x12_tasks_of_a_scope_run_in_parallel() {
    for _ in 0..20 {
        let pool = start(2);
        let barrier = Meeting::new(2);
        let meet = || async {
            barrier.wait();
            thread::current().id()
        };
        let ended = pool.scope(|s| {
            let (mut one, mut other) = (s.spawn(meet()), s.spawn(meet()));
            (one.wait().unwrap(), other.wait().unwrap())
        });
        let (one, other) = ended.unwrap();
        assert_ne!(one, other);
    }
}

/// The task that spawns does not return before the other one has run.
#[test]
fn s04_x12_what_a_task_of_a_scope_spawns_runs_in_parallel_to_it() {
    for _ in 0..20 {
        let pool = start(2);
        let barrier = Meeting::new(2);
        let ended = pool.scope(|s| {
            s.spawn(async {
                s.spawn(async { barrier.wait() });
                barrier.wait();
            });
        });
        ended.unwrap();
    }
}

#[test]
fn s04_a_scope_in_a_task_of_a_scope_is_an_error() {
    let pool = start(2);
    let barrier = Meeting::new(2);
    let refused = || async {
        barrier.wait(); // one on each worker
        matches!(pool.scope(|_| ()), Err(WaitError::OnLoop))
    };
    let ended = pool.scope(|s| {
        let (mut one, mut other) = (s.spawn(refused()), s.spawn(refused()));
        one.wait().unwrap() && other.wait().unwrap()
    });
    assert!(ended.unwrap());
}

#[test]
fn s04_the_runtime_serves_tasks_of_a_scope_as_others() {
    let pool = start(2);
    let (room, most, now) = (Semaphore::new(3), AtomicUsize::new(0), AtomicUsize::new(0));
    let ended = pool.scope(|s| {
        let tasks: Vec<_> = (0..30)
            .map(|_| {
                s.spawn(async {
                    let _permit = room.acquire().await.unwrap();
                    most.fetch_max(now.fetch_add(1, Ordering::SeqCst) + 1, Ordering::SeqCst);
                    sleep(Duration::from_micros(300)).await;
                    now.fetch_sub(1, Ordering::SeqCst);
                    let late = timeout(Duration::from_micros(100), pending::<()>()).await;
                    late.is_err()
                })
            })
            .collect();
        let joins = s.spawn(async {
            let mut all = true;
            for task in tasks {
                all &= task.await.unwrap();
            }
            all
        });
        { joins }.wait().unwrap()
    });
    assert!(ended.unwrap());
    assert!((1..=3).contains(&most.into_inner()));
}

#[cfg(panic = "unwind")]
#[test]
fn s04_when_the_body_panics_tasks_clean_up_with_what_they_borrow() {
    for _ in 0..20 {
        let pool = start(2);
        let (begun, cleaned) = (Meeting::new(3), Mutex::new(0));
        let scope = || {
            pool.scope(|s| {
                for _ in 0..2 {
                    s.spawn(async {
                        begun.wait(); // one on each worker
                        let close = async || {
                            sleep(Duration::from_millis(1)).await;
                            *cleaned.lock().unwrap() += 1;
                        };
                        finally(pending::<()>(), close).await;
                    });
                }
                begun.wait();
                if *cleaned.lock().unwrap() == 0 {
                    panic!("no bread");
                }
            })
        };
        catch_unwind(AssertUnwindSafe(|| scope().is_ok())).unwrap_err();
        assert_eq!(cleaned.into_inner().unwrap(), 2);
    }
}

/// Half of the tasks are between two workers, or about to be, when the pool stops.
#[test]
fn s05_a_pool_that_stops_in_the_middle_gives_back_all_that_was_lent() {
    for workers in [1, 2, 4] {
        for round in 0..20 {
            let pool = start(workers);
            let purse = Purse::default();
            let ended = pool.scope(|s| {
                for number in 0..200 {
                    let coin = purse.lend();
                    s.spawn(async move {
                        let _coin = coin;
                        if number == 10 * round {
                            arborio::Handle::current().unwrap().stop();
                        }
                        loop {
                            yield_now().await;
                        }
                    });
                }
                s.spawn(pending::<()>()).wait()
            });
            purse.is_full();
            assert!(matches!(
                ended.unwrap(),
                Err(WaitError::Interrupted(Interrupt::Stopped))
            ));
        }
    }
}

/// What was lent to tasks, and has come back.
#[derive(Default)]
struct Purse {
    lent: AtomicUsize,
    returned: AtomicUsize,
    /// The scope has returned.
    over: AtomicBool,
    /// Somebody came back later than that.
    late: AtomicBool,
}

struct Coin<'a>(&'a Purse);

impl Purse {
    fn lend(&self) -> Coin<'_> {
        self.lent.fetch_add(1, Ordering::Relaxed);
        Coin(self)
    }

    #[track_caller]
    fn is_full(&self) {
        self.over.store(true, Ordering::SeqCst);
        let (lent, returned) = (&self.lent, &self.returned);
        assert_eq!(lent.load(Ordering::SeqCst), returned.load(Ordering::SeqCst));
        assert!(!self.late.load(Ordering::SeqCst));
    }
}

impl Drop for Coin<'_> {
    fn drop(&mut self) {
        if self.0.over.load(Ordering::SeqCst) {
            self.0.late.store(true, Ordering::SeqCst);
        }
        self.0.returned.fetch_add(1, Ordering::SeqCst);
    }
}

/// One of many ends of a task, by `number`.
fn mixed<'scope>(
    s: &'scope BorrowScope<'scope, '_>,
    purse: &'scope Purse,
    number: usize,
) -> Option<arborio::scope::Borrower<'scope, Coin<'scope>>> {
    let (future, output) = (purse.lend(), purse.lend());
    let task = s.spawn(async move {
        let _future = future;
        if number.is_multiple_of(7) {
            pending::<()>().await;
        }
        for _ in 0..number % 5 {
            yield_now().await;
        }
        if number.is_multiple_of(11) {
            sleep(Duration::from_micros(50)).await;
        }
        if number.is_multiple_of(3) {
            let coin = purse.lend();
            let child = s.spawn(async move {
                yield_now().await;
                coin
            });
            if number.is_multiple_of(2) {
                drop(child.await);
            }
        }
        output
    });
    match number % 14 {
        0 => task.abort(),
        7 => drop(task.cancel()),
        13 => return Some(task),
        _ => {}
    }
    None
}

fn stress(workers: usize) {
    let pool = start(workers);
    let end = Instant::now() + Duration::from_millis(1500);
    let mut rounds = 0;
    while Instant::now() < end || rounds < 5 {
        rounds += 1;
        let purse = Purse::default();
        let ended = pool.scope(|s| {
            let kept: Vec<_> = (1..=300)
                .filter_map(|number| mixed(s, &purse, number))
                .collect();
            let mut awaits = s.spawn(async move {
                let mut coins = 0;
                for task in kept {
                    coins += usize::from(task.await.is_ok());
                }
                coins
            });
            awaits.wait().unwrap()
        });
        purse.is_full();
        assert_eq!(
            ended.unwrap(),
            300_usize.div_ceil(14) - usize::from(300 % 14 < 13)
        );
    }
}

#[test]
fn s04_all_that_was_lent_comes_back_from_two_workers_however_tasks_end() {
    stress(2);
}

#[test]
fn s04_all_that_was_lent_comes_back_from_four_workers_however_tasks_end() {
    stress(4);
}

#[test]
fn s10_a_hundred_thousand_tasks_of_a_scope_on_a_pool() {
    let pool = start(2);
    let numbers: Vec<usize> = (0..100_000).collect();
    let sum = AtomicUsize::new(0);
    let ended = pool.scope(|s| {
        for number in &numbers {
            let sum = &sum;
            s.spawn(async move {
                yield_now().await;
                sum.fetch_add(*number, Ordering::Relaxed);
            });
        }
    });
    ended.unwrap();
    assert_eq!(sum.into_inner(), 99_999 * 100_000 / 2);
}

#[test]
fn s04_a_scope_uses_a_pool_that_another_thread_runs() {
    let (done, word) = (Event::new(), String::from("bread"));
    let (sender, receiver) = std::sync::mpsc::channel();
    thread::scope(|threads| {
        threads.spawn(|| {
            Pool::builder().workers(2).run(async {
                sender.send(arborio::Handle::current().unwrap()).unwrap();
                done.wait().await;
            });
        });
        let handle = receiver.recv().unwrap();
        let length = handle.scope(|s| s.spawn(async { word.len() }).wait());
        done.set();
        assert_eq!(length.unwrap().unwrap(), 5);
    });
}
