//! What may be borrowed, by whom, and what is `Send`: these compile.

use std::{
    cell::{Cell, RefCell},
    sync::{
        Mutex,
        atomic::{AtomicU32, Ordering},
    },
};

use arborio_scope::{
    Concurrent, Local,
    concurrent::{Branch, Inside, Spawner},
    concurrent_local,
};

use crate::support::{everywhere, nap, run};

fn is_send<T: Send>(value: T) -> T {
    value
}

fn is_sync<T: Sync>(_: &T) {}

/// Its future is `Send`, and borrows.
async fn sum_of(words: &[&str], total: &AtomicU32) -> usize {
    let longest = Mutex::new("");
    let c = Concurrent::new();
    let mut lengths = Vec::new();
    for word in words {
        let (longest, total) = (&longest, &total);
        lengths.push(c.spawn(async move {
            nap(1).await;
            let mut longest = longest.lock().unwrap();
            if word.len() > longest.len() {
                *longest = word;
            }
            total.fetch_add(1, Ordering::Relaxed);
            word.len()
        }));
    }
    let body = async {
        let mut sum = 0;
        for length in lengths {
            sum += length.await.unwrap();
        }
        let later = c.spawn(async { longest.lock().unwrap().len() });
        sum + later.await.unwrap()
    };
    is_send(c.run(body)).await
}

#[test]
fn branches_that_share_locals_by_name_may_go_to_another_thread() {
    let total = AtomicU32::new(0);
    let sum = is_send(sum_of(&["a", "bcd", "ef"], &total));
    let sum = std::thread::scope(|threads| threads.spawn(|| run(sum)).join().unwrap());
    assert_eq!((sum, total.into_inner()), (9, 3));
}

#[test]
fn a_whole_with_local_branches_shares_cells() {
    everywhere(|| async {
        let (count, log) = (Cell::new(0), RefCell::new(Vec::new()));
        let c = Concurrent::local();
        for number in 0..3 {
            let (count, log) = (&count, &log);
            c.spawn(async move {
                nap(3 - number).await;
                count.set(count.get() + 1);
                log.borrow_mut().push(number);
            });
        }
        c.run(nap(1)).await;
        drop(c);
        assert_eq!((count.get(), log.into_inner()), (3, vec![2, 1, 0]));
    });
}

#[test]
fn a_branch_borrows_exclusively_and_the_local_is_free_again_after_the_run() {
    everywhere(|| async {
        let (mut left, mut right) = (vec![1], String::new());
        {
            let c = Concurrent::new();
            c.spawn(async { left.push(2) });
            c.spawn(async { right.push('r') });
            c.run(async {}).await;
        }
        left.push(3);
        right.push('!');
        assert_eq!((left, right.as_str()), (vec![1, 2, 3], "r!"));
    });
}

#[test]
fn a_branch_gives_a_borrow_to_its_handle_that_is_used_after_the_run() {
    everywhere(|| async {
        let text = String::from("some bread");
        let c = Concurrent::new();
        let word: Branch<&str> = c.spawn(async { text.split(' ').next_back().unwrap() });
        let first = c.run(async { text.split(' ').next().unwrap() }).await;
        drop(c);
        assert_eq!((first, word.await.unwrap()), ("some", "bread"));
    });
}

#[test]
fn branches_are_spawned_from_the_body_and_from_branches() {
    everywhere(|| async {
        let count = AtomicU32::new(0);
        let c = Concurrent::new();
        let (s, counter) = (c.spawner(), &count);
        c.spawn(async move {
            for _ in 0..3 {
                let inner = s.clone();
                s.spawn(async move {
                    nap(1).await;
                    inner.spawn(async { counter.fetch_add(1, Ordering::Relaxed) });
                });
            }
        });
        let mut late = None;
        c.run(async {
            late = Some(c.spawn(async { counter.fetch_add(10, Ordering::Relaxed) }));
        })
        .await;
        assert_eq!(late.unwrap().await.unwrap(), 0);
        assert_eq!(count.load(Ordering::Relaxed), 13);
    });
}

#[test]
fn branches_of_a_closure_borrow_what_spawns_them() {
    async fn count_down(c: &Inside<'_, '_>, count: &Cell<u32>) {
        while count.get() > 0 {
            count.set(count.get() - 1);
            nap(1).await;
        }
        c.cancel();
    }
    everywhere(|| async {
        let (count, text) = (Cell::new(3), String::from("outside"));
        let length = concurrent_local(async |c| {
            c.spawn(count_down(c, &count));
            let inner = c.spawn(async {
                let inner = c.spawn(async { text.len() });
                inner.await.unwrap()
            });
            c.spawn(std::future::pending::<()>());
            inner.await.unwrap()
        });
        assert_eq!((length.await, count.get()), (7, 0));
    });
}

#[test]
fn one_inside_of_another_borrows_from_its_body() {
    everywhere(|| async {
        let outer = Concurrent::new();
        let sum = outer.run(async {
            let numbers = [1, 2, 3];
            let inner = Concurrent::new();
            let branches = numbers.each_ref().map(|number| {
                inner.spawn(async move {
                    nap(1).await;
                    *number
                })
            });
            let mut sum = 0;
            inner.run(async {}).await;
            for branch in branches {
                sum += branch.await.unwrap();
            }
            outer.spawn(async move { sum }).await.unwrap()
        });
        assert_eq!(sum.await, 6);
    });
}

#[test]
fn a_branch_awaits_the_handle_of_another() {
    everywhere(|| async {
        let c = Concurrent::new();
        let mut last = c.spawn(async { 0 });
        for _ in 0..10 {
            let before = last;
            last = c.spawn(async move { before.await.unwrap() + 1 });
        }
        assert_eq!(c.run(last).await.unwrap(), 10);
    });
}

#[test]
fn the_spawner_is_used_by_another_thread_that_borrows_the_same() {
    let numbers = Mutex::new(Vec::new());
    let c = Concurrent::new();
    let s = c.spawner();
    is_sync(&c);
    std::thread::scope(|threads| {
        let numbers = &numbers;
        let (give, take) = std::sync::mpsc::channel();
        threads.spawn(move || {
            for number in 0..100 {
                s.spawn(async move { numbers.lock().unwrap().push(number) });
            }
            give.send(()).unwrap();
        });
        let mut was_told = false;
        futures_lite::future::block_on(c.run(std::future::poll_fn(|cx| {
            was_told = was_told || take.try_recv().is_ok();
            if was_told {
                return std::task::Poll::Ready(());
            }
            cx.waker().wake_by_ref();
            std::task::Poll::Pending
        })));
    });
    drop(c);
    assert_eq!(numbers.into_inner().unwrap(), Vec::from_iter(0..100));
}

#[test]
fn what_may_be_sent_and_shared() {
    let c = Concurrent::new();
    is_sync(&is_send(c.spawner()));
    is_sync(&is_send(c.spawn(async { Cell::new(1) })));
    drop(is_send(c));
    let local = Concurrent::local();
    let _: Spawner<'_, Local> = local.spawner();
}
