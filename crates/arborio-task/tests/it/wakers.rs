//! Wakers on their own thread, on others, and after their loop.

use std::{
    cell::RefCell,
    future::{pending, poll_fn},
    sync::{
        Arc, Barrier,
        atomic::{AtomicBool, AtomicU32, Ordering},
        mpsc,
    },
    task::{Poll, Waker},
    thread,
};

use arborio_task::SpawnOptions;

use crate::support::{Probes, own_waker, run, settle, spawn, tasks, turn};

/// Rounds of the tests that race real threads.
const ROUNDS: u32 = 3_000;

#[test]
fn x01_a_wake_from_another_thread_is_never_lost_and_is_one_poll() {
    let told = Arc::new(AtomicU32::new(0));
    let (send, receive) = mpsc::channel::<Waker>();
    let teller = {
        let told = Arc::clone(&told);
        thread::spawn(move || {
            for waker in receive {
                told.fetch_add(1, Ordering::Relaxed);
                waker.wake();
            }
        })
    };
    let polls = run(async move {
        let mut polls = 0;
        for round in 1..=ROUNDS {
            send.send(own_waker().await).unwrap();
            poll_fn(|_| {
                polls += 1;
                if told.load(Ordering::Relaxed) >= round {
                    Poll::Ready(())
                } else {
                    Poll::Pending
                }
            })
            .await;
        }
        polls
    });
    teller.join().unwrap();
    // A wake that finds its round already over is seen by the next one.
    assert!((ROUNDS..=3 * ROUNDS).contains(&polls), "{polls} polls");
}

#[test]
fn x02_every_operation_on_the_waker_of_a_finished_task_does_nothing() {
    let probes = Probes::default();
    let waker = run(async {
        let probe = probes.probe();
        let (send, receive) = mpsc::channel();
        let mut polls = 0;
        let task = spawn(poll_fn(move |cx| {
            let _probe = &probe;
            polls += 1;
            assert_eq!(polls, 1, "nobody polls a finished task");
            send.send(cx.waker().clone()).unwrap();
            Poll::Ready(())
        }));
        task.await.unwrap();
        let waker = receive.recv().unwrap();
        waker.wake_by_ref();
        let by_value = waker.clone();
        by_value.wake();
        drop(waker.clone());
        let abroad = waker.clone();
        thread::spawn(move || {
            abroad.wake_by_ref();
            drop(abroad.clone());
            let by_value = abroad.clone();
            by_value.wake();
            abroad.wake();
        })
        .join()
        .unwrap();
        turn().await;
        waker
    });
    assert_eq!(probes.alive(), 0, "a waker does not keep the future");
    waker.wake_by_ref();
    thread::spawn(move || waker.wake()).join().unwrap();
}

#[test]
fn x02_wakes_clones_and_drops_abroad_race_the_end_of_a_task() {
    let probes = Probes::default();
    for round in 0..ROUNDS {
        let barrier = Arc::new(Barrier::new(2));
        let racer = run(async {
            let (send, receive) = mpsc::channel::<Waker>();
            let there = Arc::clone(&barrier);
            let racer = thread::spawn(move || {
                let waker = receive.recv().unwrap();
                there.wait();
                let clone = waker.clone();
                if round % 2 == 0 {
                    waker.wake();
                    drop(clone);
                } else {
                    drop(waker);
                    clone.wake_by_ref();
                }
            });
            let probe = probes.probe();
            let task = spawn(async move {
                send.send(own_waker().await).unwrap();
                turn().await;
                probe
            });
            turn().await;
            barrier.wait();
            drop(task.await.unwrap());
            racer
        });
        racer.join().unwrap();
        if round % 64 == 0 {
            assert_eq!(probes.alive(), 0);
        }
    }
    assert_eq!(probes.alive(), 0);
}

#[test]
fn x05_wakes_race_the_end_of_the_loop() {
    let probes = Probes::default();
    for round in 0..ROUNDS {
        let barrier = Arc::new(Barrier::new(2));
        let (send, receive) = mpsc::channel::<Waker>();
        let there = Arc::clone(&barrier);
        let racer = thread::spawn(move || {
            let waker = receive.recv().unwrap();
            there.wait();
            if round % 3 != 0 {
                waker.wake_by_ref();
            }
            if round % 3 == 1 {
                waker.wake();
            }
        });
        let probe = probes.probe();
        let main = async move {
            send.send(own_waker().await).unwrap();
            pending::<()>().await;
            drop(probe);
        };
        tasks()
            .run_main(main, |running| {
                while running.run_next() {}
                barrier.wait();
            })
            .1
            .unwrap_err();
        racer.join().unwrap();
    }
    assert_eq!(probes.alive(), 0);
}

/// Dropped by the thread's end, after the other thread-locals were.
#[test]
fn wakers_outlive_their_loop_into_the_destructors_of_thread_locals() {
    thread_local! {
        static KEPT: RefCell<Vec<Waker>> = const { RefCell::new(Vec::new()) };
    }
    let (send, receive) = mpsc::channel();
    let waker = thread::spawn(move || {
        KEPT.with(|kept| {
            run(async {
                let own = own_waker().await;
                kept.borrow_mut().push(own);
                let of_child = spawn(own_waker()).await.unwrap();
                kept.borrow_mut().push(of_child);
            });
            send.send(kept.borrow()[0].clone()).unwrap();
        });
        KEPT.with(|kept| kept.borrow()[1].clone())
    })
    .join()
    .unwrap();
    receive.recv().unwrap().wake();
    waker.wake_by_ref();
    drop(waker);
}

/// A loop that is built in the destructor of a thread-local has neither a cell
/// cache nor anything else of the thread to fall back on.
#[test]
fn a_loop_runs_in_the_destructor_of_a_thread_local() {
    struct RunsAtTheEnd(mpsc::Sender<u32>);
    impl Drop for RunsAtTheEnd {
        fn drop(&mut self) {
            let sum = run(async { spawn(async { 20 }).await.unwrap() + 1 });
            self.0.send(sum).unwrap();
        }
    }
    thread_local! {
        static LATE: RefCell<Option<RunsAtTheEnd>> = const { RefCell::new(None) };
    }
    let (send, receive) = mpsc::channel();
    thread::spawn(move || {
        LATE.with(|late| *late.borrow_mut() = Some(RunsAtTheEnd(send)));
        run(async {});
    })
    .join()
    .unwrap();
    assert_eq!(receive.recv().unwrap(), 21);
}

#[test]
fn a_task_that_is_woken_twice_is_polled_once() {
    let mut polls = 0;
    run(poll_fn(|cx| {
        polls += 1;
        if polls == 1 {
            cx.waker().wake_by_ref();
            let by_value = cx.waker().clone();
            by_value.wake();
            return Poll::Pending;
        }
        Poll::Ready(())
    }));
    assert_eq!(polls, 2);
}

#[test]
fn wakers_of_one_task_wake_the_same() {
    run(async {
        let (one, two) = (own_waker().await, own_waker().await);
        assert!(one.will_wake(&two));
        let other = spawn(own_waker()).await.unwrap();
        assert!(!one.will_wake(&other));
    });
}

/// The thread that took the sleep token rings once; nobody else does.
#[test]
fn a_sleeping_loop_is_notified_once_for_many_wakes() {
    struct Count(AtomicU32);
    impl arborio_task::Notify for Count {
        fn notify(&self) {
            self.0.fetch_add(1, Ordering::SeqCst);
        }
    }
    let count = Arc::new(Count(AtomicU32::new(0)));
    let tasks = arborio_task::Tasks::new(Arc::<Count>::clone(&count));
    let (send, receive) = mpsc::channel();
    let main = async {
        send.send(own_waker().await).unwrap();
        pending::<()>().await;
    };
    let ((), outcome) = tasks.run_main(main, |running| {
        while running.run_next() {}
        let waker = receive.recv().unwrap();
        assert!(!running.has_mail());
        thread::scope(|scope| {
            scope.spawn(|| waker.wake_by_ref()).join().unwrap();
            assert_eq!(count.0.load(Ordering::SeqCst), 0, "it does not sleep yet");
        });
        assert!(running.has_mail());
        assert!(!running.try_sleep(), "mail came first");
        assert_eq!(running.take_mail(), 1);
        assert!(!running.has_mail());
        while running.run_next() {}
        assert!(running.try_sleep());
        thread::scope(|scope| {
            for _ in 0..4 {
                scope.spawn(|| waker.wake_by_ref());
            }
        });
        assert_eq!(count.0.load(Ordering::SeqCst), 1);
        assert_eq!(running.wake_up(), 1);
    });
    assert!(crate::support::is_stopped(&outcome));
}

/// Waking from the loop's own thread rings nothing and needs no mail.
#[test]
fn wakes_at_home_do_not_go_through_the_inbox() {
    let woken = AtomicBool::new(false);
    let main = async {
        let waker = own_waker().await;
        let task = spawn(async move { waker.wake() });
        poll_fn(|_| {
            if woken.swap(true, Ordering::Relaxed) {
                Poll::Ready(())
            } else {
                Poll::Pending
            }
        })
        .await;
        task.await.unwrap();
    };
    tasks()
        .run_main(main, |running| {
            while running.run_next() {
                assert_eq!(running.take_mail(), 0);
            }
        })
        .1
        .unwrap();
}

/// What one thread sends is settled oldest first.
#[test]
fn s10_tasks_that_one_thread_sends_start_in_order() {
    let tasks = tasks();
    let submitter = tasks.submitter();
    let (send, receive) = mpsc::channel();
    thread::spawn(move || {
        for number in 0..20 {
            let send = send.clone();
            let task = async move { send.send(number).unwrap() };
            drop(submitter.spawn(task, SpawnOptions::new()));
        }
    })
    .join()
    .unwrap();
    tasks.run_main(async {}, settle).1.unwrap();
    assert_eq!(
        receive.try_iter().collect::<Vec<_>>(),
        (0..20).collect::<Vec<_>>()
    );
}
