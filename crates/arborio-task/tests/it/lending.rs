//! Scopes of synchronous code: what their tasks borrow, and who waits for whom.

use std::{
    future::{pending, poll_fn, ready},
    sync::{
        Mutex,
        atomic::{AtomicUsize, Ordering},
    },
    task::{Poll, Waker},
    thread,
    time::Duration,
};

use arborio_task::{BorrowScope, Interrupt, WaitError};

use crate::{
    support::{run, tasks},
    waiting::{Background, Gate},
};

#[test]
fn s04_tasks_of_a_scope_borrow_and_so_may_their_outputs() {
    let background = Background::start();
    let (words, lengths) = (["bread", "butter"], Mutex::new(Vec::new()));
    let longest = background.submitter.scope(|s| {
        for word in &words {
            s.spawn(async { lengths.lock().unwrap().push(word.len()) });
        }
        let mut longest = s.spawn(async { words.iter().max_by_key(|word| word.len()) });
        longest.wait().unwrap()
    });
    assert_eq!(longest.unwrap(), Some(&"butter"));
    assert_eq!(lengths.into_inner().unwrap(), [5, 6]);
}

#[test]
fn s04_a_task_of_a_scope_has_what_it_borrows_to_itself() {
    let background = Background::start();
    let mut table = [1, 2, 3, 4];
    let ended = background.submitter.scope(|s| {
        for place in &mut table {
            s.spawn(async move { *place *= 10 });
        }
    });
    ended.unwrap();
    assert_eq!(table, [10, 20, 30, 40]);
}

#[test]
fn s04_a_scope_waits_for_tasks_that_nobody_waits_for() {
    let background = Background::start();
    let (gate, ended) = (Gate::default(), AtomicUsize::new(0));
    let opens = gate.clone();
    let opener = background.submitter.scope(|s| {
        for _ in 0..10 {
            s.spawn(async {
                gate.passed().await;
                ended.fetch_add(1, Ordering::SeqCst);
            });
        }
        thread::spawn(move || opens.open())
    });
    assert_eq!(ended.load(Ordering::SeqCst), 10);
    opener.unwrap().join().unwrap();
}

#[test]
fn s04_a_scope_without_tasks_gives_what_its_body_gives() {
    let background = Background::start();
    let word = String::from("bread");
    assert_eq!(*background.submitter.scope(|_| &word).unwrap(), "bread");
    let scope = background.submitter.scope(|s| format!("{s:?}"));
    assert!(scope.unwrap().contains("pending: 0"));
}

/// Halves `numbers` until there is one left, each half with a task of its own.
fn sum<'scope>(
    s: &'scope BorrowScope<'scope, '_>,
    numbers: &'scope [u64],
) -> std::pin::Pin<Box<dyn Future<Output = u64> + Send + 'scope>> {
    Box::pin(async move {
        if let [number] = numbers {
            return *number;
        }
        let (left, right) = numbers.split_at(numbers.len() / 2);
        let left = s.spawn(sum(s, left));
        let right = s.spawn(sum(s, right));
        left.await.unwrap() + right.await.unwrap()
    })
}

#[test]
fn g07_tasks_of_a_scope_spawn_further_ones_and_await_them() {
    let background = Background::start();
    let numbers: Vec<u64> = (1..=1000).collect();
    let total = background
        .submitter
        .scope(|s| s.spawn(sum(s, &numbers)).wait().unwrap());
    assert_eq!(total.unwrap(), 500_500);
}

#[test]
fn g06_a_task_that_nobody_awaits_may_spawn_the_last_one() {
    let background = Background::start();
    let depth = AtomicUsize::new(0);
    fn dig<'scope>(s: &'scope BorrowScope<'scope, '_>, depth: &'scope AtomicUsize) {
        s.spawn(async move {
            if depth.fetch_add(1, Ordering::SeqCst) < 999 {
                dig(s, depth);
            }
        });
    }
    background.submitter.scope(|s| dig(s, &depth)).unwrap();
    assert_eq!(depth.into_inner(), 1000);
}

#[test]
fn s04_on_the_thread_of_a_loop_a_scope_is_an_error_and_its_body_is_not_called() {
    let background = Background::start();
    let submitter = &background.submitter;
    let called = AtomicUsize::new(0);
    let is_refused = || {
        let refused = submitter.scope(|_| called.fetch_add(1, Ordering::SeqCst));
        matches!(refused, Err(WaitError::OnLoop))
    };
    assert!(run(async { is_refused() }), "of another loop");
    let nested = submitter.scope(|s| s.spawn(async { is_refused() }).wait());
    assert!(nested.unwrap().unwrap(), "in a task of a scope");
    assert_eq!(called.into_inner(), 0);
}

#[test]
fn s11_a_task_of_a_scope_is_waited_for_by_the_body_and_awaited_by_others() {
    let background = Background::start();
    let gate = Gate::default();
    let ended = background.submitter.scope(|s| {
        let mut slow = s.spawn(async {
            gate.passed().await;
            7
        });
        let early = slow.wait_timeout(Duration::from_millis(2));
        assert!(matches!(early, Err(WaitError::TimedOut)));
        assert!(!slow.is_finished() && slow.try_take().is_none());
        let mut other = s.spawn(async {
            let refused = slow.wait().is_err();
            gate.open(); // not before: an outcome that is there is given anywhere
            refused && slow.await.unwrap() == 7
        });
        other.wait().unwrap()
    });
    assert!(ended.unwrap());
}

#[test]
fn s11_an_outcome_that_is_there_is_taken_once() {
    let background = Background::start();
    let ended = background.submitter.scope(|s| {
        let mut task = s.spawn(ready(3));
        while !task.is_finished() {
            thread::yield_now();
        }
        (task.try_take(), task.try_take())
    });
    assert!(matches!(ended.unwrap(), (Some(Ok(3)), None)));
}

#[test]
fn s05_after_a_stop_there_is_no_scope() {
    let tasks = tasks();
    let submitter = tasks.submitter();
    let is_refused = || {
        let refused = submitter.scope(|_| unreachable!("the body is not called"));
        matches!(
            refused,
            Err::<(), _>(WaitError::Interrupted(Interrupt::Stopped))
        )
    };
    submitter.note_stop();
    assert!(is_refused());
    drop(tasks);
    assert!(submitter.is_closed() && is_refused());
}

#[test]
fn s10_tasks_of_a_scope_start_in_their_order_on_the_loop() {
    let background = Background::start();
    let (started, home) = (Mutex::new(Vec::new()), background.thread());
    let ended = background.submitter.scope(|s| {
        for number in 0..100 {
            let started = &started;
            s.spawn(async move {
                assert_eq!(thread::current().id(), home);
                started.lock().unwrap().push(number);
            });
        }
    });
    ended.unwrap();
    let started = started.into_inner().unwrap();
    assert!(started.iter().copied().eq(0..100), "{started:?}");
}

#[test]
fn s10_a_hundred_thousand_tasks_borrow_at_once() {
    let background = Background::start();
    let (gate, sum) = (Gate::default(), AtomicUsize::new(0));
    let ended = background.submitter.scope(|s| {
        for number in 0..100_000 {
            let (gate, sum) = (&gate, &sum);
            s.spawn(async move {
                gate.passed().await;
                sum.fetch_add(number, Ordering::Relaxed);
            });
        }
        gate.open();
    });
    ended.unwrap();
    assert_eq!(sum.into_inner(), 99_999 * 100_000 / 2);
}

/// What is left of a task when the scope has returned is its memory.
#[test]
fn a_waker_that_outlives_the_scope_wakes_nobody() {
    let background = Background::start();
    let wakers = Mutex::new(Vec::<Waker>::new());
    for _ in 0..100 {
        let ended = background.submitter.scope(|s| {
            let local = s.spawn(async {
                poll_fn(|cx| {
                    let mut wakers = wakers.lock().unwrap();
                    wakers.push(cx.waker().clone());
                    match wakers.len() % 3 {
                        0 => Poll::Ready(()),
                        _ => {
                            cx.waker().wake_by_ref();
                            Poll::Pending
                        }
                    }
                })
                .await;
            });
            drop(local);
            let idle = s.spawn(async {
                poll_fn(|cx| {
                    wakers.lock().unwrap().push(cx.waker().clone());
                    Poll::Ready(())
                })
                .await;
                pending::<()>().await;
            });
            idle.abort();
        });
        ended.unwrap();
        let left = std::mem::take(&mut *wakers.lock().unwrap());
        left.iter().for_each(Waker::wake_by_ref);
        left.into_iter().for_each(Waker::wake);
    }
}
