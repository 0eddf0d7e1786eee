//! Who gets a lock that many want: in turn, or whoever comes.

use std::{
    pin::pin,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering::Relaxed},
    },
};

use arborio::sync::{Mutex, RwLock, oneshot};

use crate::{
    executor::Executor,
    support::{all, give_up_after, turn},
};

under_every_executor! {
    y15_a_lock_for_one_that_is_not_polled_is_held_up_if_fair_and_else_goes_to_others,
    y16_all_get_a_fair_lock_equally_often,
    y17_a_writer_keeps_new_readers_out_until_it_has_written,
}

async fn y15_a_lock_for_one_that_is_not_polled_is_held_up_if_fair_and_else_goes_to_others<
    E: Executor,
>() {
    let (fair, barging) = (Arc::new(Mutex::new(0)), Arc::new(Mutex::barging(0)));
    let (fair_guard, barging_guard) = (fair.lock().await, barging.lock().await);
    let (let_go, may_go) = oneshot::channel();
    let (tell, waits) = oneshot::channel();
    let (one, other) = (Arc::clone(&fair), Arc::clone(&barging));
    // In both lines first, and never polled again.
    let abandoned = E::spawn(async move {
        let (mut one, mut other) = (pin!(one.lock()), pin!(other.lock()));
        assert!(give_up_after(1, one.as_mut()).await.is_none());
        assert!(give_up_after(1, other.as_mut()).await.is_none());
        tell.send(()).unwrap();
        may_go.await.unwrap();
    });
    waits.await.unwrap();
    drop((fair_guard, barging_guard));
    let theirs = Arc::clone(&barging);
    E::spawn(async move { *theirs.lock().await += 1 }).await;
    assert!(fair.try_lock().is_none(), "it is for the one that waits");
    let theirs = Arc::clone(&fair);
    let held_up = E::spawn(async move { *theirs.lock().await += 1 });
    for _ in 0..100 {
        turn().await;
    }
    assert!(fair.try_lock().is_none(), "it has not gone by");
    let_go.send(()).unwrap(); // the way out: it is dropped
    abandoned.await;
    held_up.await;
    assert_eq!((*fair.lock().await, *barging.lock().await), (1, 1));
}

async fn y16_all_get_a_fair_lock_equally_often<E: Executor>() {
    const TASKS: usize = 64;
    const LOCKS: usize = 100 * TASKS;
    let (lock, in_line) = (Arc::new(Mutex::new(0)), Arc::new(AtomicUsize::new(0)));
    let guard = lock.lock().await;
    let jobs: Vec<_> = (0..TASKS)
        .map(|_| {
            let (lock, in_line) = (Arc::clone(&lock), Arc::clone(&in_line));
            E::spawn(async move {
                let mut own = 0;
                let mut next = Box::pin(lock.lock());
                assert!(give_up_after(1, next.as_mut()).await.is_none());
                in_line.fetch_add(1, Relaxed);
                loop {
                    let mut all = next.await;
                    if *all == LOCKS {
                        return own;
                    }
                    *all += 1;
                    own += 1;
                    // In line again before the next one has it.
                    next = Box::pin(lock.lock());
                    assert!(give_up_after(1, next.as_mut()).await.is_none());
                }
            })
        })
        .collect();
    while in_line.load(Relaxed) < TASKS {
        turn().await;
    }
    drop(guard);
    let counts = all(jobs).await;
    assert!(
        counts.iter().all(|count| *count == LOCKS / TASKS),
        "{counts:?}"
    );
}

async fn y17_a_writer_keeps_new_readers_out_until_it_has_written<E: Executor>() {
    for _ in 0..20 {
        let lock = Arc::new(RwLock::new(0));
        let held = lock.read().await;
        let theirs = Arc::clone(&lock);
        let writer = E::spawn(async move { *theirs.write().await += 1 });
        while lock.try_read().is_some() {
            turn().await; // it has not come yet
        }
        let readers: Vec<_> = (0..8)
            .map(|_| {
                let lock = Arc::clone(&lock);
                // A recursive read would be one of these: it waits, too.
                E::spawn(async move { *lock.read().await })
            })
            .collect();
        for _ in 0..10 {
            turn().await;
        }
        drop(held);
        assert_eq!(all(readers).await, [1; 8], "after the writer");
        writer.await;
    }
}
