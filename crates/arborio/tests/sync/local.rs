//! The primitives for one thread under three executors that keep tasks on theirs:
//! Arborio's loop, a `LocalSet` of tokio, and a `LocalExecutor` of smol.

use std::{cell::Cell, future::Future, pin::Pin, rc::Rc};

use arborio::sync::local::{
    Barrier, Mutex, Notify, Promise, Semaphore, broadcast, mpmc, mpsc, watch,
};

use crate::support::{give_up_after, scrambled, turn, within_a_minute};

type Job = Pin<Box<dyn Future<Output = ()>>>;

/// What a program needs of an executor of one thread.
trait Executor {
    fn block_on(main: impl Future<Output = ()> + 'static);

    /// Starts `job`, for a caller who runs under [`Executor::block_on`].
    fn spawn(job: impl Future<Output = ()> + 'static) -> Job;
}

enum Arborio {}

impl Executor for Arborio {
    fn block_on(main: impl Future<Output = ()> + 'static) {
        arborio::run(main);
    }

    fn spawn(job: impl Future<Output = ()> + 'static) -> Job {
        let task = arborio::spawn_local(job);
        Box::pin(async { task.await.expect("nobody ends it") })
    }
}

enum Tokio {}

impl Executor for Tokio {
    fn block_on(main: impl Future<Output = ()> + 'static) {
        let runtime = tokio::runtime::Builder::new_current_thread().build();
        tokio::task::LocalSet::new().block_on(&runtime.unwrap(), main);
    }

    fn spawn(job: impl Future<Output = ()> + 'static) -> Job {
        let task = tokio::task::spawn_local(job);
        Box::pin(async { task.await.expect("nobody ends it") })
    }
}

enum Smol {}

thread_local! {
    static SMOL: Rc<smol::LocalExecutor<'static>> = Rc::default();
}

impl Executor for Smol {
    fn block_on(main: impl Future<Output = ()> + 'static) {
        let executor = SMOL.with(Rc::clone);
        smol::block_on(executor.run(main));
    }

    fn spawn(job: impl Future<Output = ()> + 'static) -> Job {
        Box::pin(SMOL.with(|executor| executor.spawn(job)))
    }
}

macro_rules! on_one_thread {
    ($($program:ident),+ $(,)?) => {
        on_one_thread!(@in arborio_loop Arborio $($program)+);
        on_one_thread!(@in tokio_local_set Tokio $($program)+);
        on_one_thread!(@in smol_local Smol $($program)+);
    };
    (@in $module:ident $executor:ident $($program:ident)+) => {
        mod $module {
            use super::{Executor, $executor, within_a_minute};
            $(
                #[test]
                fn $program() {
                    within_a_minute(|| $executor::block_on(super::$program::<$executor>()));
                }
            )+
        }
    };
}

on_one_thread! {
    s31_s32_locks_that_are_given_up_leave_all_in_order,
    y04_a_token_is_handed_round,
    y05_messages_are_received_once_whoever_gives_up,
    promises_barriers_and_news,
}

/// Starts `count` jobs, and waits for all of them.
async fn all<E: Executor, F: Future<Output = ()> + 'static>(
    count: usize,
    job: impl Fn(usize) -> F,
) {
    let jobs: Vec<_> = (0..count).map(|number| E::spawn(job(number))).collect();
    for job in jobs {
        job.await;
    }
}

fn patience(number: usize, round: usize) -> usize {
    (scrambled((number * 1000 + round) as u64) % 4) as usize
}

async fn s31_s32_locks_that_are_given_up_leave_all_in_order<E: Executor>() {
    let shared = Rc::new((Mutex::new(0), Semaphore::new(3), Cell::new(0)));
    all::<E, _>(20, |number| {
        let shared = Rc::clone(&shared);
        async move {
            let (mutex, semaphore, counted) = &*shared;
            for round in 0..30 {
                let acquire = semaphore.acquire_many(1 + round % 3);
                let permit = give_up_after(patience(number, round), acquire).await;
                let lock = mutex.lock();
                if let Some(mut count) = give_up_after(patience(round, number), lock).await {
                    let seen = *count;
                    turn().await;
                    *count = seen + 1;
                    counted.set(counted.get() + 1);
                }
                drop(permit);
            }
        }
    })
    .await;
    let (mutex, semaphore, counted) = &*shared;
    assert_eq!(*mutex.try_lock().unwrap(), counted.get());
    assert_eq!((semaphore.available_permits(), semaphore.waiting()), (3, 0));
}

async fn y04_a_token_is_handed_round<E: Executor>() {
    let notify = Rc::new(Notify::new());
    notify.notify_one();
    all::<E, _>(30, |number| {
        let notify = Rc::clone(&notify);
        async move {
            let patience = if number % 3 == 0 {
                patience(number, 0)
            } else {
                usize::MAX
            };
            if give_up_after(patience, notify.notified()).await.is_some() {
                turn().await;
                notify.notify_one();
            }
        }
    })
    .await;
    notify.notified().await; // the token is still there
}

async fn y05_messages_are_received_once_whoever_gives_up<E: Executor>() {
    let (sender, mut results) = mpsc::unbounded();
    let (jobs, queue) = mpmc::channel(2);
    let workers = all::<E, _>(8, move |number| {
        let (queue, sender) = (queue.clone(), sender.clone());
        async move {
            // The last one stays to the end.
            for round in 0.. {
                let patience = if number == 7 {
                    usize::MAX
                } else {
                    patience(number, round)
                };
                match give_up_after(patience, queue.recv()).await {
                    Some(Ok(job)) => sender.send(job).unwrap(),
                    Some(Err(_)) => return,
                    None if round > 50 => return,
                    None => {}
                }
            }
        }
    });
    let producing = E::spawn(async move {
        for job in 0..200 {
            while give_up_after(patience(job, 7) + 1, jobs.send(job))
                .await
                .is_none()
            {}
        }
    });
    workers.await;
    producing.await;
    let mut received = Vec::new();
    while results.recv_many(&mut received, 64).await > 0 {}
    received.sort_unstable();
    assert!(received.into_iter().eq(0..200));
}

async fn promises_barriers_and_news<E: Executor>() {
    let (barrier, promise) = (Rc::new(Barrier::new(6)), Promise::new());
    let (news, _) = broadcast::channel(100);
    let (state, _) = watch::channel(0);
    let listening = {
        let (barrier, promise) = (Rc::clone(&barrier), promise.clone());
        let (news, state) = (news.clone(), state.clone());
        all::<E, _>(5, move |_| {
            let (barrier, promise) = (Rc::clone(&barrier), promise.clone());
            let (mut news, mut state) = (news.subscribe(), state.subscribe());
            async move {
                barrier.wait().await;
                for expected in 0..50 {
                    assert_eq!(news.recv().await, Ok(expected));
                }
                state.wait_for(|value| *value == 50).await.unwrap();
                assert_eq!(promise.await.unwrap(), "done");
            }
        })
    };
    let telling = E::spawn(async move {
        barrier.wait().await;
        for number in 0..50 {
            assert_eq!(news.send(number), Ok(5));
            state.send(number + 1).unwrap();
            turn().await;
        }
        promise.set("done").unwrap();
    });
    listening.await;
    telling.await;
}
