//! Other threads: they send tasks, wake tasks, await tasks, and hold handles
//! longer than the loop lives.

use std::{
    future::{pending, poll_fn},
    sync::{
        Arc, Barrier, Mutex,
        atomic::{AtomicBool, AtomicUsize, Ordering},
        mpsc,
    },
    task::{Poll, Waker},
    thread::{self, JoinHandle},
    time::Instant,
};

use arborio::{
    Handle, Interrupt, run, spawn,
    task::skip_ready_cycle,
    time::{Duration, sleep},
    yield_now,
};
use futures_lite::future::block_on;

use crate::support::{
    DropProbe, FOR_EVER, Gate, KernelThread, connected, ms, spin_until, without_hanging,
};

/// Sends twenty tasks to a loop, each when the loop sleeps, and returns how
/// long the fastest took to start; then opens `end`.
fn send_to_a_sleeper(end: Gate) -> JoinHandle<Duration> {
    let (handle, loop_thread) = (Handle::current().unwrap(), KernelThread::current());
    thread::spawn(move || {
        let latencies = (0..20).map(|_| {
            loop_thread.wait_until_asleep();
            let start = Instant::now();
            block_on(handle.spawn(async move { start.elapsed() })).unwrap()
        });
        let fastest = latencies.min().unwrap();
        drop(handle.spawn(async move { end.open() }));
        fastest
    })
}

#[test]
fn s10_a_task_from_a_thread_wakes_a_loop_without_timers_and_sockets() {
    without_hanging(|| {
        let sender = run(async {
            let end = Gate::default();
            let sender = send_to_a_sleeper(end.clone());
            end.passed().await;
            sender
        });
        assert!(sender.join().unwrap() < ms(50));
    });
}

#[test]
fn s10_a_task_from_a_thread_wakes_a_loop_that_waits_for_a_socket() {
    without_hanging(|| {
        let sender = run(async {
            let (_client, server) = connected().await.unwrap();
            let reader = spawn(async move { server.read(&mut [0]).await });
            let end = Gate::default();
            let sender = send_to_a_sleeper(end.clone());
            end.passed().await;
            reader.abort();
            sender
        });
        assert!(sender.join().unwrap() < ms(50));
    });
}

#[test]
fn s10_a_task_from_a_thread_wakes_a_loop_that_waits_for_a_timer() {
    without_hanging(|| {
        let sender = run(async {
            let sleeper = spawn(sleep(FOR_EVER));
            let end = Gate::default();
            let sender = send_to_a_sleeper(end.clone());
            end.passed().await;
            sleeper.abort();
            sender
        });
        assert!(sender.join().unwrap() < ms(50));
    });
}

#[test]
fn s10_what_one_thread_sends_starts_in_its_order() {
    without_hanging(|| {
        for parked in [true, false] {
            let started = Arc::new(Mutex::new(Vec::new()));
            let log = Arc::clone(&started);
            run(async move {
                let (handle, loop_thread) = (Handle::current().unwrap(), KernelThread::current());
                let end = Gate::default();
                let opens = end.clone();
                let thread = thread::spawn(move || {
                    if parked {
                        loop_thread.wait_until_asleep();
                    }
                    for number in 0..20 {
                        let log = Arc::clone(&log);
                        drop(handle.spawn(async move { log.lock().unwrap().push(number) }));
                    }
                    drop(handle.spawn(async move { opens.open() }));
                });
                while !parked && !thread.is_finished() {
                    skip_ready_cycle().await; // the loop drains meanwhile
                }
                end.passed().await;
                thread.join().unwrap();
            });
            assert_eq!(*started.lock().unwrap(), (0..20).collect::<Vec<_>>());
        }
    });
}

#[test]
fn s10_a_wake_that_falls_into_the_opening_of_the_reactor_is_not_lost() {
    without_hanging(|| {
        for round in 0..1000 {
            run(async {
                let (gate, starts) = (Gate::default(), Arc::new(AtomicBool::new(false)));
                let (opens, started) = (gate.clone(), Arc::clone(&starts));
                let thread = thread::spawn(move || {
                    while !started.load(Ordering::SeqCst) {
                        std::hint::spin_loop();
                    }
                    // Somewhere in the time that opening takes.
                    spin_until(Instant::now() + Duration::from_micros(round % 100));
                    opens.open();
                });
                let waiter = spawn(async move { gate.passed().await });
                yield_now().await;
                starts.store(true, Ordering::SeqCst);
                // The first timer opens the reactor.
                let sleeper = spawn(sleep(FOR_EVER));
                waiter.await.unwrap();
                sleeper.abort();
                thread.join().unwrap();
            });
        }
    });
}

#[test]
fn g02_run_waits_for_what_was_sent_before_the_end_of_main() {
    without_hanging(|| {
        let ran = Arc::new(AtomicUsize::new(0));
        let counter = Arc::clone(&ran);
        run(async move {
            let handle = Handle::current().unwrap();
            let sender = thread::spawn(move || {
                for _ in 0..3 {
                    let counter = Arc::clone(&counter);
                    drop(handle.spawn(async move {
                        yield_now().await;
                        counter.fetch_add(1, Ordering::SeqCst);
                    }));
                }
            });
            sender.join().unwrap(); // so all of it happened before
        });
        assert_eq!(ran.load(Ordering::SeqCst), 3);
    });
}

/// A counter that a task waits for and threads count up.
#[derive(Default)]
struct Countdown {
    seen: AtomicUsize,
    waker: Mutex<Option<Waker>>,
}

impl Countdown {
    fn count(&self) {
        self.seen.fetch_add(1, Ordering::SeqCst);
        let waker = self.waker.lock().unwrap().clone();
        waker.into_iter().for_each(|waker| waker.wake_by_ref());
    }

    async fn reaches(&self, goal: usize) {
        poll_fn(|cx| {
            *self.waker.lock().unwrap() = Some(cx.waker().clone());
            match self.seen.load(Ordering::SeqCst) {
                seen if seen >= goal => Poll::Ready(()),
                _ => Poll::Pending,
            }
        })
        .await;
    }
}

#[test]
fn x01_a_storm_of_wakes_from_four_threads_loses_none() {
    const WAKES: usize = 2_000;
    without_hanging(|| {
        for with_socket in [false, true] {
            run(async move {
                let sockets = match with_socket {
                    true => Some(connected().await.unwrap()),
                    false => None,
                };
                let counters: Vec<_> = (0..8).map(|_| Arc::new(Countdown::default())).collect();
                let barrier = Arc::new(Barrier::new(4));
                let threads: Vec<_> = (0..4)
                    .map(|_| {
                        let (counters, barrier) = (counters.clone(), Arc::clone(&barrier));
                        thread::spawn(move || {
                            barrier.wait();
                            for number in 0..WAKES {
                                counters[number % 8].count();
                            }
                        })
                    })
                    .collect();
                let tasks: Vec<_> = counters
                    .into_iter()
                    .map(|counter| spawn(async move { counter.reaches(4 * WAKES / 8).await }))
                    .collect();
                for task in tasks {
                    task.await.unwrap();
                }
                threads
                    .into_iter()
                    .for_each(|thread| thread.join().unwrap());
                drop(sockets);
            });
        }
    });
}

#[test]
fn s10_a_handle_that_outlives_its_loop_gives_tasks_that_have_stopped() {
    let (probe, ends) = DropProbe::new();
    let handle = run(async { Handle::current().unwrap() });
    assert!(handle.is_closed() && !handle.is_here());
    let late = thread::spawn(move || {
        let late = handle.spawn(async move { drop(probe) });
        (block_on(late), thread::current().id())
    });
    let (outcome, sender) = late.join().unwrap();
    assert!(matches!(outcome, Err(Interrupt::Stopped)), "{outcome:?}");
    assert_eq!(*ends.lock().unwrap(), [sender]);
}

#[test]
fn s10_every_task_sent_while_the_loop_ends_either_runs_or_has_stopped() {
    without_hanging(|| {
        let mut stopped = 0;
        for round in 0..100 {
            let (sender, receiver) = mpsc::channel();
            let ran = Arc::new(AtomicUsize::new(0));
            let counter = Arc::clone(&ran);
            let thread = thread::spawn(move || {
                let handle: Handle = receiver.recv().unwrap();
                let mut outcomes = Vec::new();
                while outcomes.len() < 10 || !handle.is_closed() {
                    let counter = Arc::clone(&counter);
                    let task = handle.spawn(async move {
                        counter.fetch_add(1, Ordering::SeqCst);
                    });
                    outcomes.push(task);
                }
                outcomes.into_iter().map(block_on).collect::<Vec<_>>()
            });
            run(async {
                sender.send(Handle::current().unwrap()).unwrap();
                for _ in 0..round {
                    yield_now().await;
                }
            });
            let outcomes = thread.join().unwrap();
            let good = outcomes.iter().filter(|outcome| outcome.is_ok()).count();
            assert_eq!(good, ran.load(Ordering::SeqCst));
            let rest = |outcome: &&Result<_, _>| matches!(outcome, Err(Interrupt::Stopped));
            let late = outcomes.iter().filter(rest).count();
            assert_eq!(good + late, outcomes.len());
            stopped += late;
        }
        assert!(stopped > 0, "some tasks came too late");
    });
}

#[test]
fn s12_a_task_is_awaited_by_a_plain_thread() {
    without_hanging(|| {
        let (sender, receiver) = mpsc::channel();
        let waiter = thread::spawn(move || {
            let task: arborio::Task<u32> = receiver.recv().unwrap();
            block_on(task).unwrap()
        });
        run(async {
            let task = spawn(async {
                sleep(ms(5)).await;
                6
            });
            sender.send(task).unwrap();
        });
        assert_eq!(waiter.join().unwrap(), 6);
    });
}

#[test]
fn s12_a_thread_that_awaits_a_task_of_a_loop_that_ends_is_told() {
    without_hanging(|| {
        let (sender, receiver) = mpsc::channel();
        let waiter = thread::spawn(move || {
            let (task, loop_waits): (arborio::Task<()>, Gate) = receiver.recv().unwrap();
            let mut task = std::pin::pin!(task);
            block_on(poll_fn(|cx| {
                let polled = task.as_mut().poll(cx);
                loop_waits.open(); // registered: now the loop may end
                polled
            }))
        });
        run(async {
            let gate = Gate::default();
            let task = arborio::task().awaited(false).spawn(pending::<()>());
            sender.send((task, gate.clone())).unwrap();
            gate.passed().await;
        });
        let outcome = waiter.join().unwrap();
        assert!(outcome.is_err(), "{outcome:?}");
    });
}

#[test]
fn s12_a_task_of_one_loop_is_awaited_on_another() {
    without_hanging(|| {
        let (sender, receiver) = mpsc::channel();
        let first = thread::spawn(move || {
            run(async move {
                let gate = Gate::default();
                let opens = gate.clone();
                let task = spawn(async move {
                    gate.passed().await;
                    thread::current().id()
                });
                sender.send((task, opens)).unwrap();
            });
            thread::current().id()
        });
        let here = thread::current().id();
        let (ran_on, resumed_on) = run(async move {
            let (task, opens): (arborio::Task<_>, Gate) = receiver.recv().unwrap();
            let awaiter = spawn(async move { (task.await.unwrap(), thread::current().id()) });
            yield_now().await; // it waits now
            opens.open();
            awaiter.await.unwrap()
        });
        assert_eq!(resumed_on, here);
        assert_eq!(ran_on, first.join().unwrap());
    });
}

#[test]
fn s10_a_handle_on_its_own_thread_spawns_as_spawn_does() {
    let log = crate::support::Log::new();
    run(async {
        let handle = Handle::current().unwrap();
        assert!(handle.is_here() && !handle.is_closed());
        let order = Arc::new(AtomicUsize::new(0));
        let number = |order: &Arc<AtomicUsize>| {
            let order = Arc::clone(order);
            async move { order.fetch_add(1, Ordering::SeqCst) }
        };
        let first = spawn(number(&order));
        let second = handle.spawn(number(&order));
        let third = arborio::task()
            .name("third")
            .spawn_on(&handle, number(&order));
        assert_eq!(third.name().unwrap(), "third");
        for task in [first, second, third] {
            log.add(task.await.unwrap());
        }
    });
    assert_eq!(log.take(), [0, 1, 2]);
}

#[test]
fn s01_a_task_may_run_a_loop_on_another_thread() {
    let sum = run(async {
        let other = thread::spawn(|| run(async { spawn(async { 2 }).await.unwrap() }));
        let own = spawn(async { 1 }).await.unwrap();
        own + other.join().unwrap()
    });
    assert_eq!(sum, 3);
    assert_eq!(
        block_on(async { run(async { 4 }) }),
        4,
        "a foreign executor"
    );
}

#[test]
fn x02_wakers_that_outlive_the_loop_and_its_thread_do_nothing() {
    let loop_thread = thread::spawn(|| {
        let mut kept = Vec::new();
        run(async {
            for _ in 0..3 {
                let waker = poll_fn(|cx| Poll::Ready(cx.waker().clone()));
                kept.push(spawn(waker).await.unwrap());
            }
            let (sender, receiver) = mpsc::channel();
            drop(arborio::task().awaited(false).spawn(poll_fn(move |cx| {
                sender.send(cx.waker().clone()).unwrap();
                Poll::<()>::Pending
            })));
            yield_now().await;
            kept.push(receiver.recv().unwrap());
        });
        kept.iter().for_each(Waker::wake_by_ref);
        assert_eq!(run(async { 1 }), 1, "the next loop is not disturbed");
        kept
    });
    let kept = loop_thread.join().unwrap();
    kept.iter().for_each(Waker::wake_by_ref);
    drop(kept.clone());
    kept.into_iter().for_each(Waker::wake);
}
