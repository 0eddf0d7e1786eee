//! Jobs on pool threads: what becomes of each, and of the threads.

use std::{
    panic::{AssertUnwindSafe, catch_unwind, panic_any},
    pin::Pin,
    sync::{
        Arc, Barrier, Mutex,
        atomic::{AtomicUsize, Ordering},
        mpsc::{self, Receiver, Sender, channel},
    },
    task::{Context, Poll, Wake, Waker},
    thread,
    time::{Duration, Instant},
};

use arborio_executor::{
    Interrupt, StopError, WaitError,
    blocking::{
        Blocking, BlockingPool, make_room, run_in_executor, spawn_blocking, spawn_blocking_with,
    },
    doc::run,
};

use crate::workers::TOO_LONG;

/// Longer than any test runs.
const FOR_EVER: Duration = Duration::from_secs(1_000_000);

/// A pool of one thread, which stays.
fn pool_of(threads: usize) -> BlockingPool {
    BlockingPool::builder()
        .max_threads(threads)
        .idle_timeout(FOR_EVER)
        .build()
}

/// Returns when it is so, which takes a moment, and not for ever.
#[track_caller]
fn until(is_so: impl Fn() -> bool) {
    let start = Instant::now();
    while !is_so() {
        assert!(start.elapsed() < TOO_LONG, "it is never so");
        thread::yield_now();
    }
}

/// A job that runs until it is let go.
struct Busy {
    handle: Blocking<()>,
    go_on: Sender<()>,
}

impl Busy {
    /// Returns when the job runs.
    fn on(pool: &BlockingPool) -> Self {
        let (go_on, gate) = channel::<()>();
        let (started, running) = channel();
        let handle = pool.spawn(move || {
            started.send(()).unwrap();
            let _ = gate.recv();
        });
        running.recv_timeout(TOO_LONG).unwrap();
        Self { handle, go_on }
    }

    fn end(self) {
        drop(self.go_on);
        run(self.handle).unwrap();
    }
}

/// Returns when `pool` has this many threads, and all of them are idle.
fn settled(pool: &BlockingPool, threads: usize) {
    until(|| (pool.threads(), pool.idle_threads()) == (threads, threads));
}

fn poll_once<T>(handle: &mut Blocking<T>) -> Poll<Result<T, Interrupt>> {
    Pin::new(handle).poll(&mut Context::from_waker(Waker::noop()))
}

#[test]
fn s30_a_job_runs_on_another_thread_while_the_loop_goes_on() {
    run(async {
        let (sender, go_on) = channel();
        let job = spawn_blocking(move || {
            go_on.recv().unwrap(); // the loop has to be alive for this
            thread::current().id()
        });
        let ticker = arborio_executor::spawn(async move {
            for _ in 0..10 {
                arborio_executor::yield_now().await;
            }
            sender.send(()).unwrap();
        });
        assert_ne!(job.await.unwrap(), thread::current().id());
        ticker.await.unwrap();
    });
}

#[test]
fn s30_fifty_jobs_run_at_the_same_time() {
    // Each of them returns only when all of them run.
    let barrier = Arc::new(Barrier::new(50));
    run(async {
        let jobs: Vec<_> = (0..50)
            .map(|number| {
                let barrier = Arc::clone(&barrier);
                run_in_executor(move || {
                    barrier.wait();
                    number
                })
            })
            .collect();
        for (number, job) in jobs.into_iter().enumerate() {
            assert_eq!(job.await.unwrap(), number);
        }
    });
}

#[test]
fn s30_a_job_that_is_cancelled_before_it_begins_never_runs() {
    let pool = pool_of(1);
    let busy = Busy::on(&pool);
    let (sender, ran) = channel();
    let (cancelled, dropped) = (sender.clone(), sender.clone());
    let cancelled = pool.spawn(move || cancelled.send("cancelled").unwrap());
    let dropped = pool.spawn(move || dropped.send("dropped").unwrap());
    let kept = pool.spawn(move || sender.send("kept").unwrap());
    assert!(cancelled.cancel());
    assert!(!cancelled.cancel(), "once");
    assert!(cancelled.is_finished());
    drop(dropped);
    assert!(matches!(run(cancelled), Err(Interrupt::Cancelled(_))));
    busy.end();
    run(kept).unwrap();
    assert_eq!(ran.iter().collect::<Vec<_>>(), ["kept"]);
}

#[test]
fn s30_what_a_cancelled_job_has_captured_is_dropped_at_once() {
    let pool = pool_of(1);
    let busy = Busy::on(&pool);
    for cancels in [true, false] {
        let captured = Arc::new(());
        let witness = Arc::downgrade(&captured);
        let job = pool.spawn(move || drop(captured));
        if cancels {
            job.cancel();
            assert!(witness.upgrade().is_none());
        } else {
            drop(job);
            assert!(witness.upgrade().is_none());
        }
    }
    busy.end();
}

#[test]
fn s30_a_job_that_runs_is_told_that_nobody_wants_it_and_goes_on() {
    for cancels in [true, false] {
        let (started, running) = channel();
        let (told, seen) = channel();
        let job = spawn_blocking_with(move |token| {
            assert!(!token.is_cancelled());
            started.send(()).unwrap();
            while !token.clone().is_cancelled() {
                thread::yield_now();
            }
            told.send(()).unwrap();
        });
        running.recv_timeout(TOO_LONG).unwrap();
        if cancels {
            assert!(job.cancel());
            // The wait is over at once: nobody has let the job go yet.
            assert!(matches!(run(job), Err(Interrupt::Cancelled(_))));
        } else {
            drop(job);
        }
        seen.recv_timeout(TOO_LONG).unwrap();
    }
}

#[test]
fn s30_what_a_cancelled_job_returns_later_changes_nothing() {
    let pool = pool_of(1);
    let Busy { handle, go_on } = Busy::on(&pool);
    handle.cancel();
    drop(go_on);
    settled(&pool, 1);
    assert!(matches!(run(handle), Err(Interrupt::Cancelled(_))));
}

#[test]
fn s30_a_quick_job_does_not_wait_for_one_that_was_given_up() {
    let pool = pool_of(2);
    let Busy { handle, go_on } = Busy::on(&pool);
    handle.cancel();
    drop(handle);
    assert_eq!(run(pool.spawn(|| "quick")).unwrap(), "quick");
    drop(go_on);
}

#[test]
fn s30_a_job_that_was_detached_runs() {
    let pool = pool_of(1);
    let busy = Busy::on(&pool);
    let (sender, ran) = channel();
    pool.spawn_with(move |token| sender.send(token.is_cancelled()).unwrap())
        .detach();
    busy.end();
    assert!(!ran.recv_timeout(TOO_LONG).unwrap());
}

#[test]
fn s30_the_value_of_a_detached_job_is_dropped_whoever_has_its_token() {
    let pool = pool_of(1);
    for ended in [true, false] {
        let value = Arc::new(());
        let witness = Arc::downgrade(&value);
        let (sender, token) = channel();
        let busy = Busy::on(&pool);
        let job = pool.spawn_with(move |token| {
            sender.send(token).unwrap();
            value
        });
        if ended {
            busy.end();
            until(|| job.is_finished());
            job.detach();
        } else {
            job.detach();
            busy.end();
        }
        let token = token.recv_timeout(TOO_LONG).unwrap();
        run(pool.spawn(|| ())).unwrap(); // the thread is done with it
        assert!(witness.upgrade().is_none() && !token.is_cancelled());
    }
}

#[test]
fn s30_jobs_that_wait_for_a_thread_run_in_their_order() {
    let pool = pool_of(1);
    let busy = Busy::on(&pool);
    let log = Arc::new(Mutex::new(Vec::new()));
    let jobs: Vec<_> = (0..20)
        .map(|number| {
            let log = Arc::clone(&log);
            pool.spawn(move || log.lock().unwrap().push(number))
        })
        .collect();
    assert_eq!(pool.threads(), 1);
    busy.end();
    jobs.into_iter().for_each(|job| run(job).unwrap());
    assert_eq!(*log.lock().unwrap(), (0..20).collect::<Vec<_>>());
}

#[test]
fn s12_a_job_is_awaited_on_another_thread_and_by_another_waker_than_before() {
    let pool = pool_of(1);
    let Busy { mut handle, go_on } = Busy::on(&pool);
    assert!(poll_once(&mut handle).is_pending());
    let waiter = thread::spawn(move || run(handle));
    drop(go_on);
    waiter.join().unwrap().unwrap();
}

#[cfg(panic = "unwind")]
#[test]
fn s11_a_thread_waits_for_a_job_with_a_limit_and_then_again() {
    let pool = pool_of(1);
    let Busy { mut handle, go_on } = Busy::on(&pool);
    let early = handle.wait_timeout(Duration::from_millis(1));
    assert!(matches!(early, Err(WaitError::TimedOut)));
    assert!(!handle.is_finished(), "the job goes on");
    drop(go_on);
    handle.wait().unwrap();
    assert!(catch_unwind(AssertUnwindSafe(|| handle.wait())).is_err());
}

#[cfg(panic = "unwind")]
#[test]
fn s11_a_thread_that_waits_is_told_why_there_is_no_value() {
    let pool = pool_of(1);
    let panicked = pool.spawn(|| panic!("no value")).wait();
    assert!(matches!(
        panicked,
        Err(WaitError::Interrupted(Interrupt::Panicked(_)))
    ));
    let Busy { mut handle, go_on } = Busy::on(&pool);
    handle.cancel();
    let cancelled = handle.wait_timeout(FOR_EVER);
    assert!(matches!(
        cancelled,
        Err(WaitError::Interrupted(Interrupt::Cancelled(_)))
    ));
    drop(go_on);
}

#[test]
fn s11_a_wait_in_a_task_is_an_error_unless_the_job_has_ended() {
    let pool = pool_of(1);
    let Busy { mut handle, go_on } = Busy::on(&pool);
    run(async {
        assert!(matches!(handle.wait(), Err(WaitError::OnLoop)));
        drop(go_on);
        until(|| handle.is_finished());
        handle.wait().unwrap();
    });
}

#[cfg(panic = "unwind")]
#[test]
fn s30_an_outcome_is_taken_once() {
    let pool = pool_of(1);
    let mut job = pool.spawn(|| 5);
    until(|| job.is_finished());
    assert_eq!(job.try_take().unwrap().unwrap(), 5);
    assert!(job.try_take().is_none());
    assert!(job.is_finished() && !job.cancel());
    assert!(catch_unwind(AssertUnwindSafe(|| run(job))).is_err());
}

#[cfg(panic = "unwind")]
#[test]
fn x25_a_panic_is_given_to_the_awaiter_and_the_thread_lives() {
    let pool = pool_of(1);
    for _ in 0..100 {
        let outcome = run(pool.spawn(|| panic!("out of cheese")));
        let Err(Interrupt::Panicked(payload)) = outcome else {
            panic!("{outcome:?}")
        };
        assert_eq!(payload.message(), "out of cheese");
    }
    settled(&pool, 1);
    assert_eq!(run(pool.spawn(|| 1)).unwrap(), 1);
}

/// Panics when it is dropped.
struct Bomb;

impl Drop for Bomb {
    fn drop(&mut self) {
        panic!("a bomb");
    }
}

#[cfg(panic = "unwind")]
#[test]
fn x25_destructors_that_panic_cost_no_thread() {
    let pool = pool_of(1);
    // The payload of a panic, a value that nobody takes, and a value of a detached job.
    drop(run(pool.spawn(|| panic_any(Bomb))));
    let Busy { handle, go_on } = Busy::on(&pool);
    let (sender, running) = channel();
    let unwanted = pool.spawn(move || {
        sender.send(()).unwrap();
        Bomb
    });
    pool.spawn(|| Bomb).detach();
    drop(go_on);
    run(handle).unwrap();
    running.recv_timeout(TOO_LONG).unwrap();
    drop(unwanted);
    // A closure that never runs.
    let busy = Busy::on(&pool);
    let bomb = Bomb;
    drop(pool.spawn(move || drop(bomb)));
    busy.end();
    assert_eq!(run(pool.spawn(|| 1)).unwrap(), 1);
    settled(&pool, 1);
}

/// A waker that panics.
struct BadWaker;

impl Wake for BadWaker {
    fn wake(self: Arc<Self>) {
        panic!("a waker");
    }
}

#[cfg(panic = "unwind")]
#[test]
fn x25_a_waker_that_panics_costs_neither_the_value_nor_the_thread() {
    let pool = pool_of(1);
    let Busy { mut handle, go_on } = Busy::on(&pool);
    let waker = Waker::from(Arc::new(BadWaker));
    let polled = Pin::new(&mut handle).poll(&mut Context::from_waker(&waker));
    assert!(polled.is_pending());
    drop(go_on);
    until(|| handle.is_finished());
    run(handle).unwrap();
    assert_eq!(run(pool.spawn(|| 1)).unwrap(), 1);
}

#[test]
fn s30_threads_without_work_end_and_come_back() {
    let pool = BlockingPool::builder().idle_timeout(Duration::ZERO).build();
    for _ in 0..50 {
        let jobs: Vec<_> = (0..4).map(|number| pool.spawn(move || number)).collect();
        for (number, job) in jobs.into_iter().enumerate() {
            assert_eq!(run(job).unwrap(), number);
        }
    }
    until(|| pool.threads() == 0);
}

#[test]
fn s30_a_thread_that_is_idle_takes_the_next_job() {
    let pool = pool_of(8);
    let first = run(pool.spawn(|| thread::current().id())).unwrap();
    for _ in 0..20 {
        settled(&pool, 1);
        let next = run(pool.spawn(|| thread::current().id())).unwrap();
        assert_eq!(next, first);
    }
}

/// As many jobs inside each other, each awaited by the one around it.
fn nested(pool: &Arc<BlockingPool>, depth: usize) -> usize {
    if depth == 0 {
        return 0;
    }
    let inner = Arc::clone(pool);
    run(pool.spawn(move || nested(&inner, depth - 1))).unwrap() + 1
}

#[test]
fn x27_jobs_that_await_jobs_do_not_use_up_a_pool_of_one_thread() {
    let pool = Arc::new(pool_of(1));
    assert_eq!(nested(&pool, 20), 20);
    // The pool has its size again.
    settled(&pool, 1);
}

#[test]
fn x27_a_job_that_blocks_on_a_job_makes_room() {
    let pool = Arc::new(pool_of(1));
    let inner = Arc::clone(&pool);
    let mut outer = pool.spawn(move || {
        let (sender, go_on) = channel::<()>();
        let mut job = inner.spawn(move || go_on.recv().is_err());
        let early = job.wait_timeout(Duration::from_millis(1));
        assert!(matches!(early, Err(WaitError::TimedOut)));
        drop(sender);
        job.wait().unwrap()
    });
    assert!(outer.wait().unwrap());
    settled(&pool, 1);
}

#[test]
fn x27_a_job_that_awaits_a_job_of_another_pool_makes_room_in_its_own() {
    let pools = [Arc::new(pool_of(1)), Arc::new(pool_of(1))];
    let [here, there] = pools.clone();
    let outer = pools[0].spawn(move || {
        let middle = there.spawn(move || run(here.spawn(|| 3)).unwrap());
        run(middle).unwrap()
    });
    assert_eq!(run(outer).unwrap(), 3);
}

#[test]
fn x27_a_job_that_waits_in_its_own_way_makes_room_if_it_says_so() {
    let pool = Arc::new(pool_of(1));
    let inner = Arc::clone(&pool);
    let outer = pool.spawn(move || {
        let (sender, answer) = channel();
        inner.spawn(move || sender.send(4).unwrap()).detach();
        make_room(|| answer.recv().unwrap())
    });
    assert_eq!(run(outer).unwrap(), 4);
    assert_eq!(make_room(|| 5), 5, "elsewhere it is only a call");
}

#[test]
fn x27_a_job_that_has_waited_and_goes_on_is_one_of_those_that_count() {
    let pool = Arc::new(pool_of(1));
    let inner = Arc::clone(&pool);
    let (sender, go_on) = channel::<()>();
    let (waited, has_waited) = channel();
    let outer = pool.spawn(move || {
        run(inner.spawn(|| ())).unwrap();
        waited.send(()).unwrap();
        let _ = go_on.recv();
    });
    has_waited.recv_timeout(TOO_LONG).unwrap();
    // The thread that worked for it meanwhile is one too many, and leaves.
    until(|| pool.threads() <= 1);
    let mut late = pool.spawn(|| ());
    assert!(poll_once(&mut late).is_pending());
    assert_eq!(pool.threads(), 1);
    drop(sender);
    run(late).unwrap();
    run(outer).unwrap();
}

#[test]
fn x24_without_a_thread_every_job_ends_with_the_reason() {
    // No system gives a stack of 64 TiB.
    let pool = BlockingPool::builder().stack_size(1 << 46).build();
    for _ in 0..40 {
        let outcome = run(pool.spawn(|| ()));
        let Err(Interrupt::NoThread(error)) = outcome else {
            panic!("{outcome:?}")
        };
        assert!(error.raw_os_error().is_some(), "{error}");
    }
    assert_eq!(pool.threads(), 0);
    pool.stop_and_join(FOR_EVER).unwrap();
}

#[test]
fn x26_a_pool_that_closes_settles_every_job() {
    let pool = pool_of(1);
    let Busy { handle, go_on } = Busy::on(&pool);
    let queued: Vec<_> = (0..10).map(|_| pool.spawn(|| ())).collect();
    let ended = pool.stop_and_join(Duration::ZERO);
    assert!(matches!(ended, Err(StopError::Jobs(1))), "{ended:?}");
    assert!(matches!(run(handle), Err(Interrupt::Stopped)));
    for job in queued {
        assert!(matches!(run(job), Err(Interrupt::Closed)));
    }
    assert!(matches!(run(pool.spawn(|| ())), Err(Interrupt::Closed)));
    drop(go_on);
    until(|| pool.threads() == 0);
    pool.stop_and_join(FOR_EVER).unwrap();
}

#[test]
fn x26_a_pool_that_is_detached_runs_its_jobs_to_their_end() {
    let pool = BlockingPool::builder()
        .max_threads(1)
        .grace(Duration::ZERO)
        .build();
    let Busy { handle, go_on } = Busy::on(&pool);
    let queued: Vec<_> = (0..10).map(|n| pool.spawn(move || n)).collect();
    pool.detach();
    drop(go_on);
    run(handle).unwrap();
    for (number, job) in queued.into_iter().enumerate() {
        assert_eq!(run(job).unwrap(), number);
    }
}

#[test]
fn x26_jobs_that_look_at_their_token_end_within_the_grace() {
    let pool = pool_of(4);
    let (started, running) = channel();
    let jobs: Vec<_> = (0..4)
        .map(|number| {
            let started = started.clone();
            pool.spawn_with(move |token| {
                started.send(()).unwrap();
                while !token.is_cancelled() {
                    thread::yield_now();
                }
                number
            })
        })
        .collect();
    (0..4).for_each(|_| running.recv_timeout(TOO_LONG).unwrap());
    pool.stop_and_join(FOR_EVER).unwrap();
    assert_eq!(pool.threads(), 0);
    for (number, job) in jobs.into_iter().enumerate() {
        assert_eq!(run(job).unwrap(), number);
    }
}

#[test]
fn x26_spawns_that_meet_the_end_of_the_pool_all_get_an_outcome() {
    for round in 0..200 {
        let pool = pool_of(1 + round % 3);
        let (values, closed) = (AtomicUsize::new(0), AtomicUsize::new(0));
        thread::scope(|s| {
            for _ in 0..3 {
                s.spawn(|| {
                    for _ in 0..20 {
                        match run(pool.spawn(|| ())) {
                            Ok(()) => values.fetch_add(1, Ordering::Relaxed),
                            Err(Interrupt::Closed) => closed.fetch_add(1, Ordering::Relaxed),
                            Err(other) => panic!("{other}"),
                        };
                    }
                });
            }
            s.spawn(|| {
                while values.load(Ordering::Relaxed) < round % 50 {
                    thread::yield_now();
                }
                pool.stop_and_join(FOR_EVER).unwrap();
            });
        });
        assert_eq!(values.into_inner() + closed.into_inner(), 60);
        assert_eq!(pool.threads(), 0);
    }
}

#[test]
fn x20_a_job_stops_its_own_pool_and_returns() {
    let pool = Arc::new(pool_of(2));
    let own = Arc::clone(&pool);
    let job = pool.spawn(move || own.stop_and_join(FOR_EVER));
    assert!(run(job).unwrap().is_ok());
}

#[test]
fn x20_the_last_owner_of_a_pool_is_one_of_its_jobs() {
    let pool = Arc::new(BlockingPool::builder().grace(FOR_EVER).build());
    let (go_on, gate): (Sender<()>, Receiver<()>) = mpsc::channel();
    let own = Arc::clone(&pool);
    let job = pool.spawn(move || {
        let _ = gate.recv();
        drop(own);
        "came back"
    });
    drop(pool);
    drop(go_on);
    assert_eq!(run(job).unwrap(), "came back");
}
