//! Mutexes, read-write locks and semaphores under load.

use std::{panic::AssertUnwindSafe, sync::Arc};

use arborio::sync::Mutex;
use futures_lite::FutureExt;

use crate::{
    executor::Executor,
    support::{all, give_up_after, scrambled, turn},
};

under_every_executor! {
    s31_many_tasks_count_under_one_mutex,
    s31_locks_that_are_given_up_leave_the_mutex_in_order,
    s31_a_holder_that_panics_releases_the_mutex,
}

async fn s31_many_tasks_count_under_one_mutex<E: Executor>() {
    let counter = Arc::new(Mutex::new(0));
    let jobs = (0..32).map(|_| {
        let counter = Arc::clone(&counter);
        E::spawn(async move {
            for _ in 0..100 {
                let mut count = counter.lock().await;
                let seen = *count;
                turn().await; // others want it now
                *count = seen + 1;
            }
        })
    });
    all(jobs.collect::<Vec<_>>()).await;
    assert_eq!(*counter.lock().await, 3200);
}

async fn s31_locks_that_are_given_up_leave_the_mutex_in_order<E: Executor>() {
    let counter = Arc::new(Mutex::new(0));
    let jobs = (0..64).map(|number| {
        let counter = Arc::clone(&counter);
        E::spawn(async move {
            let mut counted = 0;
            for round in 0..40 {
                let patience = scrambled(number * 40 + round) % 4;
                let lock = counter.lock();
                let Some(mut count) = give_up_after(patience as usize, lock).await else {
                    continue;
                };
                let seen = *count;
                turn().await;
                *count = seen + 1;
                counted += 1;
            }
            counted
        })
    });
    let counted: usize = all(jobs.collect::<Vec<_>>()).await.into_iter().sum();
    assert_eq!(*counter.lock().await, counted);
    assert!(counter.try_lock().is_some(), "no lock was lost");
}

async fn s31_a_holder_that_panics_releases_the_mutex<E: Executor>() {
    let mutex = Arc::new(Mutex::new(String::from("before")));
    let holder = E::spawn({
        let mutex = Arc::clone(&mutex);
        async move {
            let hold = async {
                let mut text = mutex.lock().await;
                text.push_str(", during");
                turn().await;
                panic!("the holder panics");
            };
            let ended: Result<(), _> = AssertUnwindSafe(hold).catch_unwind().await;
            ended.is_err()
        }
    });
    let waiters = (0..4).map(|_| {
        let mutex = Arc::clone(&mutex);
        E::spawn(async move { mutex.lock().await.push_str(", after") })
    });
    let waiters: Vec<_> = waiters.collect();
    assert!(holder.await, "it panicked");
    all(waiters).await;
    let text = mutex.lock().await;
    assert_eq!(text.matches(", after").count(), 4, "nothing is poisoned");
    assert!(text.contains("during"));
}
