//! Join handles: where they are awaited, dropped and asked to end a task.

use std::{
    future::{pending, poll_fn},
    sync::{
        Arc, Barrier,
        atomic::{AtomicUsize, Ordering},
        mpsc,
    },
    task::Poll,
    thread,
};

use arborio_task::{Interrupt, ReasonKind, Requester, SpawnOptions, Tasks};

use crate::support::{
    OnDrop, Probes, block_on, is_cancelled, is_stopped, own_waker, run, settle, spawn, tasks, turn,
};

const ROUNDS: usize = 2_000;

/// Three threads: the loop ends the task, one thread joins it, one aborts it.
#[test]
fn x03_join_completion_and_abort_race_on_three_threads() {
    let probes = Probes::default();
    let (joined, cancelled) = (AtomicUsize::new(0), AtomicUsize::new(0));
    let tasks = tasks();
    let submitter = tasks.submitter();
    let (send, receive) = mpsc::channel();
    thread::scope(|scope| {
        let (probes, joined, cancelled) = (&probes, &joined, &cancelled);
        scope.spawn(move || {
            for _ in 0..ROUNDS {
                let probe = probes.probe();
                let future = async move {
                    turn().await;
                    probe
                };
                let task = Arc::new(submitter.spawn(future, SpawnOptions::new()));
                let start = Barrier::new(2);
                thread::scope(|scope| {
                    let other = Arc::clone(&task);
                    let start = &start;
                    scope.spawn(move || {
                        start.wait();
                        other.abort();
                    });
                    start.wait();
                    let mut other = task;
                    let mut task = loop {
                        match Arc::try_unwrap(other) {
                            Ok(task) => break task,
                            Err(shared) => other = shared,
                        }
                        thread::yield_now();
                    };
                    match block_on(&mut task) {
                        Ok(_) => joined.fetch_add(1, Ordering::Relaxed),
                        Err(Interrupt::Cancelled(_)) => cancelled.fetch_add(1, Ordering::Relaxed),
                        Err(other) => panic!("{other}"),
                    };
                });
            }
            send.send(()).unwrap();
        });
        tasks
            .run_main(async {}, |running| {
                while receive.try_recv().is_err() {
                    running.take_mail();
                    if !running.run_next() {
                        thread::yield_now();
                    }
                }
            })
            .1
            .unwrap();
    });
    assert_eq!(probes.alive(), 0);
    assert_eq!(probes.dropped(), ROUNDS);
    assert_eq!(joined.into_inner() + cancelled.into_inner(), ROUNDS);
}

/// The task's future is not `Send`, and dies where it lived.
#[test]
fn x11_a_task_that_is_aborted_from_another_thread_is_dropped_at_home() {
    let probes = Probes::default();
    let home = thread::current().id();
    run(async {
        let (probe, not_send) = (probes.probe(), std::rc::Rc::new(()));
        let task = spawn(async move {
            pending::<()>().await;
            drop((probe, not_send));
        });
        turn().await;
        let aborter = thread::Builder::new().name("warden".into());
        let aborter = aborter.spawn(move || {
            task.abort();
            task.abort();
            task
        });
        let outcome = aborter.unwrap().join().unwrap().await;
        let Err(Interrupt::Cancelled(reason)) = outcome else {
            panic!("it was cancelled");
        };
        assert_eq!(reason.kind(), ReasonKind::Abort);
        assert!(
            matches!(reason.requester(), Requester::Thread { name: Some(name) } if name == "warden")
        );
        assert!(reason.location().file().ends_with("handles.rs"));
    });
    assert_eq!(probes.graves(), [home]);
}

#[test]
fn x11_an_output_that_is_detached_abroad_is_dropped_at_home() {
    let probes = Probes::default();
    let home = thread::current().id();
    run(async {
        let (output, waker) = (probes.probe(), own_waker().await);
        let told = OnDrop::new(move || waker.wake());
        let task = spawn(async move { (output, told) });
        turn().await;
        assert!(task.is_finished());
        thread::spawn(move || drop(task)).join().unwrap();
        let gone = poll_fn(|_| match probes.alive() {
            0 => Poll::Ready(()),
            _ => Poll::Pending,
        });
        gone.await;
    });
    assert_eq!(probes.graves(), [home]);
}

#[test]
fn a_handle_is_awaited_under_a_foreign_executor_on_another_thread() {
    let sum: u64 = run(async {
        let mut waiting = Vec::new();
        let (send, receive) = mpsc::channel();
        for number in 0..10_u64 {
            let task = spawn(async move {
                turn().await;
                number
            });
            let (send, waker) = (send.clone(), own_waker().await);
            waiting.push(thread::spawn(move || {
                send.send(block_on(task).unwrap()).unwrap();
                waker.wake();
            }));
        }
        drop(send);
        let mut numbers = Vec::new();
        poll_fn(|_| {
            numbers.extend(receive.try_iter());
            if numbers.len() == 10 {
                Poll::Ready(())
            } else {
                Poll::Pending
            }
        })
        .await;
        for thread in waiting {
            thread.join().unwrap();
        }
        numbers.into_iter().sum()
    });
    assert_eq!(sum, 45);
}

/// A thread waits for a task of a loop that ends.
#[test]
fn a_handle_abroad_learns_that_its_loop_has_stopped() {
    for _ in 0..200 {
        let (send, receive) = mpsc::channel();
        let waiter = thread::spawn(move || {
            let task = receive.recv().unwrap();
            block_on::<arborio_task::Task<()>>(task)
        });
        let main = async { send.send(spawn(pending::<()>())).unwrap() };
        tasks()
            .run_main(main, |running| while running.run_next() {})
            .1
            .unwrap();
        assert!(is_stopped(&waiter.join().unwrap()));
    }
}

#[test]
fn a_handle_outlives_its_loop_with_the_output() {
    let probes = Probes::default();
    let probe = probes.probe();
    let (mut taken, dropped) = run(async {
        let taken = spawn(async { String::from("kept") });
        let dropped = spawn(async move { probe });
        turn().await;
        (taken, dropped)
    });
    assert!(taken.is_finished() && dropped.is_finished());
    assert_eq!(probes.alive(), 1);
    assert_eq!(taken.try_take().unwrap().unwrap(), "kept");
    thread::spawn(move || drop(dropped)).join().unwrap();
    assert_eq!(probes.alive(), 0);
    assert!(taken.try_take().is_none());
    taken.abort();
}

#[test]
fn d11_a_handle_by_reference_gives_clones_to_any_number_of_awaiters() {
    run(async {
        let task = std::rc::Rc::new(spawn(async {
            turn().await;
            String::from("shared")
        }));
        let awaiters: Vec<_> = (0..5)
            .map(|_| {
                let task = std::rc::Rc::clone(&task);
                spawn(async move { (&*task).await.unwrap() })
            })
            .collect();
        for awaiter in awaiters {
            assert_eq!(awaiter.await.unwrap(), "shared");
        }
        assert_eq!((&*task).await.unwrap(), "shared");
    });
}

#[test]
fn d04_awaiters_of_one_task_are_woken_in_the_order_in_which_they_came() {
    run(async {
        let task = std::rc::Rc::new(spawn(async {
            turn().await;
            turn().await;
        }));
        let log = std::rc::Rc::new(std::cell::RefCell::new(Vec::new()));
        let awaiters: Vec<_> = (0..5)
            .map(|number| {
                let (task, log) = (std::rc::Rc::clone(&task), std::rc::Rc::clone(&log));
                spawn(async move {
                    (&*task).await.unwrap();
                    log.borrow_mut().push(number);
                })
            })
            .collect();
        for awaiter in awaiters {
            awaiter.await.unwrap();
        }
        assert_eq!(*log.borrow(), [0, 1, 2, 3, 4]);
    });
}

#[test]
fn d12_awaiting_a_finished_task_does_not_suspend() {
    run(async {
        let first = spawn(async { 1 });
        turn().await;
        let ran = std::rc::Rc::new(std::cell::Cell::new(false));
        let other = std::rc::Rc::clone(&ran);
        let second = spawn(async move { other.set(true) });
        assert_eq!(first.await.unwrap(), 1);
        assert!(!ran.get(), "a ready peer ran in between");
        second.await.unwrap();
    });
}

#[test]
fn a_task_that_is_aborted_before_it_starts_never_runs() {
    run(async {
        let task = spawn(async { panic!("it runs") });
        task.abort();
        assert!(task.is_finished());
        let outcome: Result<(), _> = task.await;
        assert!(is_cancelled(&outcome));
    });
}

#[test]
fn a_task_that_aborts_itself_goes_on_to_its_next_suspension() {
    run(async {
        let (send, receive) = mpsc::channel::<arborio_task::Task<()>>();
        let log = std::rc::Rc::new(std::cell::Cell::new(0));
        let inner = std::rc::Rc::clone(&log);
        let task = spawn(async move {
            receive.recv().unwrap().abort();
            inner.set(1);
            turn().await;
            inner.set(2);
        });
        send.send(task).unwrap();
        turn().await;
        turn().await;
        assert_eq!(log.get(), 1);
    });
}

/// An output that the last poll returns wins over the request.
#[test]
fn d08_an_output_wins_over_an_abort_in_the_same_poll() {
    run(async {
        let slot = std::rc::Rc::new(std::cell::RefCell::new(None::<arborio_task::Task<u8>>));
        let own = std::rc::Rc::clone(&slot);
        let task = spawn(async move {
            own.borrow().as_ref().unwrap().abort();
            7
        });
        *slot.borrow_mut() = Some(task);
        turn().await;
        let task = slot.borrow_mut().take().unwrap();
        assert_eq!(task.await.unwrap(), 7);
    });
}

#[test]
fn a_task_that_is_sent_to_a_loop_that_has_ended_is_stopped() {
    let probes = Probes::default();
    let tasks = tasks();
    let submitter = tasks.submitter();
    tasks.run_main(async {}, settle).1.unwrap();
    let probe = probes.probe();
    let task = submitter.spawn(async move { drop(probe) }, SpawnOptions::new());
    assert_eq!(probes.alive(), 0, "dropped by the submitter");
    assert!(task.is_finished());
    assert!(is_stopped(
        &thread::spawn(move || block_on(task)).join().unwrap()
    ));
}

/// A task that is sent while the loop closes runs or is stopped; its future is
/// gone either way.
#[test]
fn x05_tasks_are_sent_while_the_loop_ends() {
    let probes = Probes::default();
    for _ in 0..ROUNDS {
        let tasks = tasks();
        let submitter = tasks.submitter();
        let barrier = Arc::new(Barrier::new(2));
        let there = Arc::clone(&barrier);
        let probe = probes.probe();
        let sender = thread::spawn(move || {
            there.wait();
            submitter.spawn(async move { drop(probe) }, SpawnOptions::new())
        });
        tasks
            .run_main(async {}, |running| {
                barrier.wait();
                running.take_mail();
                while running.run_next() {}
            })
            .1
            .unwrap();
        let outcome = block_on(sender.join().unwrap());
        assert!(outcome.is_ok() || is_stopped(&outcome));
    }
    assert_eq!(probes.alive(), 0);
}

#[test]
fn tasks_that_are_dropped_without_running_close_their_submitters() {
    let tasks = Tasks::new(Arc::new(arborio_task::NoNotify));
    let probes = Probes::default();
    let (submitter, probe) = (tasks.submitter(), probes.probe());
    let sent = submitter.spawn(async move { drop(probe) }, SpawnOptions::new());
    assert_eq!(probes.alive(), 1);
    drop(tasks);
    assert_eq!(probes.alive(), 0);
    assert!(is_stopped(&block_on(sent)));
    assert!(submitter.is_closed());
}
