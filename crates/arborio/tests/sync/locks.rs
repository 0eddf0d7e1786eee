//! Mutexes, read-write locks and semaphores under load.

use std::{
    panic::AssertUnwindSafe,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering::Relaxed},
    },
};

use arborio::sync::{Mutex, RwLock, Semaphore};
use futures_lite::FutureExt;

use crate::{
    executor::Executor,
    support::{all, give_up_after, scrambled, turn},
};

under_every_executor! {
    s31_many_tasks_count_under_one_mutex,
    s31_locks_that_are_given_up_leave_the_mutex_in_order,
    #[cfg(panic = "unwind")]
    s31_a_holder_that_panics_releases_the_mutex,
    y17_a_writer_gets_through_a_stream_of_readers,
    many_readers_and_writers_see_whole_values,
    s32_a_thousand_tasks_are_at_most_seven_at_a_time,
    s32_wants_of_many_sizes_all_get_their_permits,
    s32_closing_a_semaphore_ends_every_wait,
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

/// Who is inside, and who was at most.
#[derive(Default)]
struct Inside {
    now: AtomicUsize,
    most: AtomicUsize,
}

impl Inside {
    fn enter(&self, count: usize) {
        let now = self.now.fetch_add(count, Relaxed) + count;
        self.most.fetch_max(now, Relaxed);
    }

    fn leave(&self, count: usize) {
        self.now.fetch_sub(count, Relaxed);
    }
}

async fn s32_a_thousand_tasks_are_at_most_seven_at_a_time<E: Executor>() {
    let semaphore = Arc::new(Semaphore::new(7));
    let inside = Arc::new(Inside::default());
    let jobs = (0..1000).map(|number| {
        let (semaphore, inside) = (Arc::clone(&semaphore), Arc::clone(&inside));
        E::spawn(async move {
            // Every third one loses its patience, before or after it was granted.
            let patience = if number % 3 == 0 {
                scrambled(number) % 6
            } else {
                u64::MAX
            };
            let acquire = semaphore.acquire();
            let Some(permit) = give_up_after(patience as usize, acquire).await else {
                return 0;
            };
            let _permit = permit.unwrap();
            inside.enter(1);
            turn().await;
            // The first ones stay until there are seven, so that it is the limit.
            while inside.most.load(Relaxed) < 7 {
                turn().await;
            }
            inside.leave(1);
            1
        })
    });
    let served: usize = all(jobs.collect::<Vec<_>>()).await.into_iter().sum();
    assert!(served >= 666, "who is patient is served");
    assert_eq!(inside.most.load(Relaxed), 7, "at once");
    assert_eq!((semaphore.available_permits(), semaphore.waiting()), (7, 0));
}

async fn s32_wants_of_many_sizes_all_get_their_permits<E: Executor>() {
    let semaphore = Arc::new(Semaphore::new(10));
    let inside = Arc::new(Inside::default());
    let jobs = (0..100).map(|number| {
        let (semaphore, inside) = (Arc::clone(&semaphore), Arc::clone(&inside));
        E::spawn(async move {
            let want = 1 + (scrambled(number) % 10) as usize;
            let permits = semaphore.acquire_many(want).await.unwrap();
            inside.enter(want);
            turn().await;
            inside.leave(want);
            drop(permits);
        })
    });
    all(jobs.collect::<Vec<_>>()).await;
    assert!(inside.most.load(Relaxed) <= 10);
    assert_eq!(semaphore.available_permits(), 10);
}

async fn s32_closing_a_semaphore_ends_every_wait<E: Executor>() {
    let semaphore = Arc::new(Semaphore::new(1));
    let held = semaphore.acquire().await.unwrap();
    let jobs = (0..20).map(|_| {
        let semaphore = Arc::clone(&semaphore);
        E::spawn(async move { semaphore.acquire().await.is_err() })
    });
    let jobs: Vec<_> = jobs.collect();
    turn().await;
    semaphore.close();
    assert!(all(jobs).await.into_iter().all(|closed| closed));
    drop(held); // a permit in use stays good
}

/// Two halves that are equal whenever nobody writes.
type Halves = Arc<RwLock<(u32, u32)>>;

async fn write(halves: &Halves) {
    let mut both = halves.write().await;
    both.0 += 1;
    turn().await; // half done, and the lock is held
    both.1 += 1;
}

async fn many_readers_and_writers_see_whole_values<E: Executor>() {
    let halves = Halves::default();
    let jobs = (0..40).map(|number| {
        let halves = Arc::clone(&halves);
        E::spawn(async move {
            let mut written = 0;
            for round in 0..25 {
                match scrambled(number * 25 + round) % 4 {
                    0 => {
                        write(&halves).await;
                        written += 1;
                    }
                    1 => {
                        // Gives up, and has written nothing then.
                        let Some(mut both) = give_up_after(2, halves.write()).await else {
                            continue;
                        };
                        *both = (both.0 + 1, both.1 + 1);
                        written += 1;
                    }
                    _ => {
                        let both = halves.read().await;
                        turn().await;
                        assert_eq!(both.0, both.1);
                    }
                }
            }
            written
        })
    });
    let written: u32 = all(jobs.collect::<Vec<_>>()).await.into_iter().sum();
    assert_eq!(*halves.read().await, (written, written));
}

async fn y17_a_writer_gets_through_a_stream_of_readers<E: Executor>() {
    let halves = Halves::default();
    let readers = (0..8).map(|_| {
        let halves = Arc::clone(&halves);
        E::spawn(async move {
            // Each reads until it has seen what was written: they overlap without end.
            loop {
                let both = halves.read().await;
                turn().await;
                if *both == (1, 1) {
                    break;
                }
            }
        })
    });
    let readers: Vec<_> = readers.collect();
    turn().await;
    write(&halves).await;
    all(readers).await;
}
