//! What tells tasks that something has happened.

use std::{
    panic::AssertUnwindSafe,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
};

use arborio::sync::{Barrier, Event, Mutex, Notify, OnceCell, Promise, PromiseError, oneshot};
use futures_lite::FutureExt;

use crate::{
    executor::Executor,
    support::{all, give_up_after, scrambled, turn},
};

under_every_executor! {
    s33_an_event_lets_all_waiters_through,
    s33_an_event_that_is_cleared_at_once_still_lets_the_waiters_through,
    y04_every_notification_wakes_one,
    a_condition_is_waited_for_with_a_notification,
    a_barrier_lets_five_through_at_a_time,
    #[cfg(panic = "unwind")]
    y18_a_cell_is_initialised_once_although_some_give_up_and_some_panic,
    a03_a_promise_tells_all_who_wait,
    a02_a_promise_is_completed_once,
    a_request_is_answered_by_a_channel_for_one_message,
    nobody_waits_for_an_answer_that_cannot_come,
}

async fn s33_an_event_lets_all_waiters_through<E: Executor>() {
    let event = Arc::new(Event::new());
    let through = Arc::new(AtomicUsize::new(0));
    let jobs: Vec<_> = (0..50)
        .map(|number| {
            let (event, through) = (Arc::clone(&event), Arc::clone(&through));
            E::spawn(async move {
                if number % 5 == 0 {
                    give_up_after(2, event.wait()).await;
                    return;
                }
                event.wait().await;
                assert!(event.is_set());
                through.fetch_add(1, Ordering::Relaxed);
            })
        })
        .collect();
    turn().await;
    event.set();
    all(jobs).await;
    assert_eq!(through.load(Ordering::Relaxed), 40);
}

async fn s33_an_event_that_is_cleared_at_once_still_lets_the_waiters_through<E: Executor>() {
    let (event, here) = (Arc::new(Event::new()), Arc::new(AtomicUsize::new(0)));
    let jobs: Vec<_> = (0..20)
        .map(|_| {
            let (event, here) = (Arc::clone(&event), Arc::clone(&here));
            E::spawn(async move {
                let wait = event.wait();
                let mut wait = std::pin::pin!(wait);
                assert!(
                    give_up_after(1, wait.as_mut()).await.is_none(),
                    "it is shut"
                );
                here.fetch_add(1, Ordering::Release);
                wait.await;
            })
        })
        .collect();
    while here.load(Ordering::Acquire) < 20 {
        turn().await;
    }
    event.set();
    event.clear();
    all(jobs).await;
    assert!(!event.is_set());
}

/// A token is handed round, by whoever has it.
async fn y04_every_notification_wakes_one<E: Executor>() {
    let (notify, served) = (Arc::new(Notify::new()), Arc::new(AtomicUsize::new(0)));
    let jobs = (0..50).map(|number| {
        let (notify, served) = (Arc::clone(&notify), Arc::clone(&served));
        E::spawn(async move {
            if number % 3 == 0 {
                // May be told and gone at once: the token must not go with it.
                let patience = (scrambled(number) % 4) as usize;
                if give_up_after(patience, notify.notified()).await.is_none() {
                    return;
                }
            } else {
                notify.notified().await;
                served.fetch_add(1, Ordering::Relaxed);
            }
            turn().await;
            notify.notify_one();
        })
    });
    let jobs: Vec<_> = jobs.collect();
    notify.notify_one();
    all(jobs).await;
    assert_eq!(served.load(Ordering::Relaxed), 33);
    notify.notified().await; // the token is still there
}

/// What is done elsewhere with a condition variable; the program is in
/// `docs/sync.md`.
#[derive(Default)]
struct Queue<T> {
    items: Mutex<Vec<T>>,
    changed: Notify,
}

impl<T> Queue<T> {
    async fn push(&self, item: T) {
        self.items.lock().await.push(item);
        self.changed.notify_waiters();
    }

    async fn pop(&self) -> T {
        loop {
            let changed = self.changed.notified(); // counts from here on
            if let Some(item) = self.items.lock().await.pop() {
                return item;
            }
            changed.await;
        }
    }
}

async fn a_condition_is_waited_for_with_a_notification<E: Executor>() {
    let queue = Arc::new(Queue::default());
    let consumers = (0..10).map(|_| {
        let queue = Arc::clone(&queue);
        E::spawn(async move {
            let mut sum = 0;
            for _ in 0..30 {
                sum += queue.pop().await;
            }
            sum
        })
    });
    let consumers: Vec<_> = consumers.collect();
    let producers = (0..3).map(|number| {
        let queue = Arc::clone(&queue);
        E::spawn(async move {
            for item in 0..100 {
                queue.push(number * 100 + item).await;
                turn().await;
            }
        })
    });
    all(producers.collect::<Vec<_>>()).await;
    let sum: usize = all(consumers).await.into_iter().sum();
    assert_eq!(sum, (0..300).sum());
}

async fn a_barrier_lets_five_through_at_a_time<E: Executor>() {
    const ROUNDS: usize = 20;
    let (barrier, arrivals) = (Arc::new(Barrier::new(5)), Arc::new(AtomicUsize::new(0)));
    let jobs = (0..5).map(|_| {
        let (barrier, arrivals) = (Arc::clone(&barrier), Arc::clone(&arrivals));
        E::spawn(async move {
            let mut led = 0;
            for round in 1..=ROUNDS {
                arrivals.fetch_add(1, Ordering::Relaxed);
                led += usize::from(barrier.wait().await.is_leader());
                let arrived = arrivals.load(Ordering::Relaxed);
                assert!(
                    (5 * round..=5 * (round + 1)).contains(&arrived),
                    "all have come"
                );
            }
            led
        })
    });
    let led: usize = all(jobs.collect::<Vec<_>>()).await.into_iter().sum();
    assert_eq!(led, ROUNDS, "each round has one leader");
}

async fn y18_a_cell_is_initialised_once_although_some_give_up_and_some_panic<E: Executor>() {
    let (cell, filled) = (Arc::new(OnceCell::new()), Arc::new(AtomicUsize::new(0)));
    let jobs = (0..30).map(|number| {
        let (cell, filled) = (Arc::clone(&cell), Arc::clone(&filled));
        E::spawn(async move {
            let init = async || {
                turn().await;
                assert!(number % 4 != 0, "this one panics");
                filled.fetch_add(1, Ordering::Relaxed);
                number
            };
            let get = AssertUnwindSafe(cell.get_or_init(init)).catch_unwind();
            let patience = if number % 4 == 1 { 1 } else { usize::MAX };
            match give_up_after(patience, get).await {
                Some(Ok(value)) => assert_eq!(Some(value), cell.get()),
                Some(Err(_)) => assert_eq!(number % 4, 0, "it panicked"),
                None => assert_eq!(number % 4, 1, "it gave up"),
            }
        })
    });
    all(jobs.collect::<Vec<_>>()).await;
    assert_eq!(filled.load(Ordering::Relaxed), 1);
    assert!(cell.wait().await % 4 > 1);
}

async fn a03_a_promise_tells_all_who_wait<E: Executor>() {
    let promise = Promise::new();
    let jobs = (0..30).map(|number| {
        let promise = promise.clone();
        E::spawn(async move {
            if number % 3 == 0 {
                give_up_after(2, promise.wait()).await;
                return;
            }
            assert_eq!(promise.await.unwrap(), "done");
        })
    });
    let jobs: Vec<_> = jobs.collect();
    turn().await;
    let heard = Arc::new(AtomicUsize::new(0));
    let hear = Arc::clone(&heard);
    promise.on_done(move |outcome| {
        assert!(outcome.is_ok());
        hear.fetch_add(1, Ordering::Relaxed);
    });
    promise.set("done").unwrap();
    assert_eq!(heard.load(Ordering::Relaxed), 1);
    all(jobs).await;
    assert_eq!(promise.take().await.unwrap(), "done");
    assert!(matches!(promise.await, Err(PromiseError::Taken)));
}

async fn a02_a_promise_is_completed_once<E: Executor>() {
    let promise = Promise::new();
    let jobs = (0..8).map(|number| {
        let promise = promise.clone();
        E::spawn(async move {
            turn().await;
            promise.set(number).is_ok()
        })
    });
    let completed = all(jobs.collect::<Vec<_>>()).await;
    assert_eq!(completed.iter().filter(|done| **done).count(), 1);
    let winner = completed.iter().position(|done| *done);
    assert_eq!(promise.await.ok(), winner);
}

async fn a_request_is_answered_by_a_channel_for_one_message<E: Executor>() {
    let jobs = (0..100).map(|number| {
        let (sender, receiver) = oneshot::channel();
        let answering = E::spawn(async move {
            turn().await;
            sender.send(number * 2)
        });
        E::spawn(async move {
            if number % 5 == 0 {
                // Whether it came in time or not, nobody hangs.
                give_up_after(1, receiver).await;
                let _ = answering.await;
                return;
            }
            assert_eq!(receiver.await, Ok(number * 2));
            answering.await.unwrap();
        })
    });
    all(jobs.collect::<Vec<_>>()).await;
}

async fn nobody_waits_for_an_answer_that_cannot_come<E: Executor>() {
    let (sender, receiver) = oneshot::channel::<u8>();
    let asking = E::spawn(receiver);
    turn().await;
    drop(sender);
    assert!(asking.await.is_err());

    let (mut sender, receiver) = oneshot::channel::<u8>();
    let answering = E::spawn(async move {
        sender.closed().await;
        sender.send(1)
    });
    turn().await;
    drop(receiver);
    assert_eq!(answering.await, Err(1));
}
