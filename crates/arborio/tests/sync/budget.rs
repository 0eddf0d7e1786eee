//! How much one poll of a task may do. On Arborio's loop a task that always
//! finds its channel ready lets others run after 256 messages; elsewhere nothing
//! counts, and it is one poll.

use std::{
    future::Future,
    pin::pin,
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicUsize, Ordering::SeqCst},
    },
};

use arborio::sync::{Mutex, Semaphore, broadcast, mpmc, mpsc, watch};
use futures_lite::StreamExt;

use crate::{executor::Executor, support::turn};

under_every_executor! {
    x14_ten_thousand_messages_are_one_poll_where_nothing_counts,
    x14_messages_that_are_received_at_once_are_charged_each,
    x14_a_channel_that_is_sent_to_and_received_from_lets_others_run,
    x14_a_work_queue_lets_others_run,
    x14_a_broadcast_lets_others_run,
    x14_a_watched_value_lets_others_run,
    locks_are_never_charged,
}

/// What one poll may do on Arborio's loop.
const PER_POLL: usize = 256;
/// Far more than that.
const MANY: usize = 10_000;

/// How a future came to its end.
struct Ended {
    polls: usize,
    /// How often a bystander was polled meanwhile.
    bystander: usize,
}

/// Runs `future` beside a bystander that never waits.
async fn watched<E: Executor>(future: impl Future<Output = ()> + Send + 'static) -> Ended {
    let (turns, stop) = (
        Arc::new(AtomicUsize::new(0)),
        Arc::new(AtomicBool::new(false)),
    );
    let bystander = E::spawn({
        let (turns, stop) = (Arc::clone(&turns), Arc::clone(&stop));
        async move {
            while !stop.load(SeqCst) {
                turns.fetch_add(1, SeqCst);
                turn().await;
            }
        }
    });
    while turns.load(SeqCst) == 0 {
        turn().await; // until it runs
    }
    let seen = Arc::clone(&turns);
    let watched = E::spawn(async move {
        let mut future = pin!(future);
        let (before, mut polls) = (seen.load(SeqCst), 0);
        std::future::poll_fn(|cx| {
            polls += 1;
            future.as_mut().poll(cx)
        })
        .await;
        Ended {
            polls,
            bystander: seen.load(SeqCst) - before,
        }
    });
    let ended = watched.await;
    stop.store(true, SeqCst);
    bystander.await;
    ended
}

/// The future was charged `charges` times, where anything is charged.
fn judge<E: Executor>(ended: &Ended, charges: usize) {
    if !E::HAS_BUDGET {
        assert_eq!(ended.polls, 1, "nobody counts here");
        return;
    }
    let least = charges / PER_POLL;
    assert!(least >= 10, "the test moves far more than one budget");
    let polls = least..=least + 1;
    assert!(
        polls.contains(&ended.polls),
        "{} polls, not {polls:?}",
        ended.polls
    );
    assert!(
        !E::IN_TURN || ended.bystander >= ended.polls - 1,
        "it got a turn between any two"
    );
}

async fn x14_ten_thousand_messages_are_one_poll_where_nothing_counts<E: Executor>() {
    let (sender, mut receiver) = mpsc::unbounded();
    (0..MANY).for_each(|message| sender.send(message).unwrap());
    drop(sender);
    let ended = watched::<E>(async move {
        let mut next = 0;
        while let Some(message) = receiver.recv().await {
            assert_eq!(message, next);
            next += 1;
        }
        assert_eq!(next, MANY);
    })
    .await;
    judge::<E>(&ended, MANY);
}

async fn x14_messages_that_are_received_at_once_are_charged_each<E: Executor>() {
    let (sender, mut receiver) = mpsc::channel(MANY);
    for message in 0..MANY {
        sender.try_send(message).unwrap();
    }
    drop(sender);
    let ended = watched::<E>(async move {
        let mut all = Vec::new();
        while receiver.recv_many(&mut all, 1000).await > 0 {}
        assert!(all.into_iter().eq(0..MANY));
    })
    .await;
    judge::<E>(&ended, MANY);
}

/// Each message is two operations: it is sent, and received.
async fn x14_a_channel_that_is_sent_to_and_received_from_lets_others_run<E: Executor>() {
    let ended = watched::<E>(async {
        let (sender, mut receiver) = mpsc::channel(1);
        for message in 0..MANY / 2 {
            sender.send(message).await.unwrap();
            assert_eq!(receiver.next().await, Some(message));
        }
    })
    .await;
    judge::<E>(&ended, MANY);
}

async fn x14_a_work_queue_lets_others_run<E: Executor>() {
    let ended = watched::<E>(async {
        let (sender, receiver) = mpmc::channel(1);
        for message in 0..MANY / 2 {
            sender.reserve().await.unwrap().send(message);
            assert_eq!(receiver.recv().await, Ok(message));
        }
    })
    .await;
    judge::<E>(&ended, MANY);
}

/// A broadcast never waits to send: only receiving is charged.
async fn x14_a_broadcast_lets_others_run<E: Executor>() {
    let ended = watched::<E>(async {
        let (sender, mut receiver) = broadcast::channel(1);
        for message in 0..MANY {
            sender.send(message).unwrap();
            assert_eq!(receiver.recv().await, Ok(message));
        }
    })
    .await;
    judge::<E>(&ended, MANY);
}

async fn x14_a_watched_value_lets_others_run<E: Executor>() {
    let ended = watched::<E>(async {
        let (sender, mut receiver) = watch::channel(0);
        for value in 1..=MANY {
            sender.send(value).unwrap();
            receiver.changed().await.unwrap();
            assert_eq!(*receiver.get(), value);
        }
    })
    .await;
    judge::<E>(&ended, MANY);
}

/// Whoever always finds its lock free is not held up: that is a call, not a wait.
async fn locks_are_never_charged<E: Executor>() {
    let ended = watched::<E>(async {
        let (mutex, semaphore) = (Mutex::new(0), Semaphore::new(1));
        for _ in 0..MANY {
            *mutex.lock().await += 1;
            drop(semaphore.acquire().await.unwrap());
        }
        assert_eq!(mutex.into_inner(), MANY);
    })
    .await;
    assert_eq!(ended.polls, 1);
}
