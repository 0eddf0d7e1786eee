//! Wakes, joins and aborts from other threads, at every moment of a task and of its runtime.

use std::{
    future::poll_fn,
    sync::{
        Arc, Barrier,
        atomic::{AtomicBool, AtomicUsize, Ordering},
        mpsc::channel,
    },
    task::{Poll, Waker},
    thread,
};

use arborio::{EventLoop, Handle, Pool, Task, options::Leftover, spawn, task, yield_now};

use super::{Flavour, flavours};
use crate::support::without_hanging;

flavours! {
    x01_a_wake_in_or_after_a_poll_is_one_more_poll: wakes_around_a_poll;
    x02_wakers_of_a_task_that_has_ended_do_nothing: wakers_that_outlive;
    x03_an_output_is_delivered_or_dropped_once: joins_and_aborts;
    x05_wakes_race_the_end_of_all: wakes_while_all_ends;
    x17_what_comes_while_all_go_to_sleep_is_done: work_for_sleepers;
    x30_two_tasks_that_await_each_other_are_ended_with_all: two_that_wait_for_each_other;
}

fn wakes_around_a_poll(flavour: Flavour) {
    without_hanging(move || {
        flavour.run(async {
            let (send, wakers) = channel::<(Waker, Arc<AtomicBool>)>();
            let other = thread::spawn(move || {
                for (waker, flag) in wakers {
                    flag.store(true, Ordering::Release);
                    waker.wake();
                }
            });
            for _ in 0..1000 {
                let (send, mut polls) = (send.clone(), 0);
                let flag = Arc::new(AtomicBool::new(false));
                let polls = spawn(poll_fn(move |cx| {
                    polls += 1;
                    if polls == 1 {
                        // From here on the wake may come: in this poll, after it, or when all sleep.
                        send.send((cx.waker().clone(), Arc::clone(&flag))).unwrap();
                        return Poll::Pending;
                    }
                    assert!(flag.load(Ordering::Acquire), "nobody woke it");
                    Poll::Ready(polls)
                }));
                assert_eq!(polls.await.unwrap(), 2);
            }
            drop(send);
            other.join().unwrap();
        });
    });
}

fn wakers_that_outlive(flavour: Flavour) {
    let left: Vec<Waker> = flavour.run(async {
        let mut left = Vec::new();
        for _ in 0..50 {
            let waker = spawn(poll_fn(|cx| Poll::Ready(cx.waker().clone())));
            let waker = waker.await.unwrap();
            let (one, other) = (waker.clone(), waker.clone());
            let elsewhere = thread::spawn(move || {
                one.wake_by_ref();
                drop(one.clone());
                one.wake();
            });
            other.wake_by_ref();
            other.wake();
            elsewhere.join().unwrap();
            left.push(waker);
        }
        left
    });
    for waker in left {
        waker.wake_by_ref();
        let other = waker.clone();
        thread::spawn(move || other.wake()).join().unwrap();
        drop(waker);
    }
}

/// Counts how often it is dropped.
struct Counted(Arc<AtomicUsize>);

impl Drop for Counted {
    fn drop(&mut self) {
        self.0.fetch_add(1, Ordering::Relaxed);
    }
}

fn joins_and_aborts(flavour: Flavour) {
    const ROUNDS: usize = 600;
    let drops = Arc::new(AtomicUsize::new(0));
    let count = Arc::clone(&drops);
    without_hanging(move || {
        flavour.run(async {
            let (send, tasks) = channel::<(usize, Task<Counted>)>();
            // Whether a task has ended when it is aborted or joined depends on who is faster.
            let other = arborio::spawn_blocking(move || {
                for (round, mut task) in tasks {
                    match round % 3 {
                        0 => task.abort(),
                        1 => drop(task),
                        _ => drop(task.wait().unwrap()),
                    }
                }
            });
            for round in 0..ROUNDS {
                let output = Counted(Arc::clone(&count));
                let task = spawn(async move {
                    for _ in 0..round % 4 {
                        yield_now().await;
                    }
                    output
                });
                send.send((round, task)).unwrap();
                yield_now().await;
            }
            drop(send);
            other.await.unwrap();
        });
    });
    assert_eq!(drops.load(Ordering::Relaxed), ROUNDS);
}

/// Runs `main` and ends what is left at once.
fn run_and_cancel<F: Future + Send>(flavour: Flavour, main: F) -> F::Output {
    match flavour {
        Flavour::Loop => EventLoop::builder().leftover(Leftover::Cancel).run(main),
        Flavour::Pool(workers) => {
            let pool = Pool::builder().workers(workers);
            pool.leftover(Leftover::Cancel).run(main)
        }
    }
}

fn wakes_while_all_ends(flavour: Flavour) {
    const TASKS: usize = 10;
    for _ in 0..30 {
        let drops = Arc::new(AtomicUsize::new(0));
        let (send, wakers) = channel::<Waker>();
        let (begin, has_ended) = (Arc::new(Barrier::new(2)), Arc::new(AtomicBool::new(false)));
        let (begins, stops) = (Arc::clone(&begin), Arc::clone(&has_ended));
        let other = thread::spawn(move || {
            let wakers: Vec<_> = wakers.iter().take(TASKS).collect();
            begins.wait();
            while !stops.load(Ordering::Acquire) {
                for waker in &wakers {
                    waker.wake_by_ref();
                    drop(waker.clone());
                }
            }
            wakers.into_iter().for_each(Waker::wake);
        });
        run_and_cancel(flavour, async {
            for _ in 0..TASKS {
                let (held, send) = (Counted(Arc::clone(&drops)), send.clone());
                drop(spawn(async move {
                    let mut sent = false;
                    poll_fn(|cx| {
                        if !std::mem::replace(&mut sent, true) {
                            send.send(cx.waker().clone()).unwrap();
                        }
                        Poll::<()>::Pending
                    })
                    .await;
                    drop(held);
                }));
            }
            // The thread has all wakers, and goes on while all this ends.
            let meets = Arc::clone(&begin);
            let met = arborio::spawn_blocking(move || meets.wait());
            met.await.unwrap();
        });
        has_ended.store(true, Ordering::Release);
        other.join().unwrap();
        assert_eq!(drops.load(Ordering::Relaxed), TASKS);
    }
}

/// Tasks come from two threads one by one, each when all have gone to sleep or are about to: a little later each time.
fn work_for_sleepers(flavour: Flavour) {
    without_hanging(move || {
        flavour.run(async {
            let handle = Handle::current().unwrap();
            let senders = [1, 3].map(|pace| {
                let handle = handle.clone();
                arborio::spawn_blocking(move || {
                    for n in 0..2000_u32 {
                        for _ in 0..n * pace % 101 * 16 {
                            std::hint::spin_loop();
                        }
                        let mut task = handle.spawn(async move { n });
                        assert_eq!(task.wait().unwrap(), n);
                    }
                })
            });
            for sent in senders {
                sent.await.unwrap();
            }
        });
    });
}

fn two_that_wait_for_each_other(flavour: Flavour) {
    let drops = Arc::new(AtomicUsize::new(0));
    let (one, other) = (Counted(Arc::clone(&drops)), Counted(Arc::clone(&drops)));
    run_and_cancel(flavour, async {
        let (send, receive) = arborio::sync::oneshot::channel::<Task<()>>();
        let first = task().spawn(async move {
            let second = receive.await.unwrap();
            let _ = second.await;
            drop(one);
        });
        let second = task().spawn(async move {
            let _ = first.await;
            drop(other);
        });
        assert!(send.send(second).is_ok());
        for _ in 0..10 {
            yield_now().await;
        }
    });
    assert_eq!(drops.load(Ordering::Relaxed), 2);
}
