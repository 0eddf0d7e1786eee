//! Channels under load: back-pressure, work queues, streams, news for all.

use std::{
    collections::BTreeSet,
    pin::pin,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering::Relaxed},
    },
};

use arborio::sync::{Semaphore, broadcast, mpmc, mpsc, oneshot, watch};
use futures_lite::StreamExt;

use crate::{
    executor::Executor,
    support::{all, give_up_after, scrambled, turn},
};

under_every_executor! {
    y05_many_senders_and_a_slow_receiver_lose_nothing,
    y05_sends_that_are_given_up_have_sent_nothing,
    y05_receives_that_are_given_up_lose_nothing,
    y07_a_bounded_channel_never_holds_more_than_its_capacity,
    reserved_slots_are_sent_in_or_given_back,
    an_unbounded_channel_is_a_stream,
    a_service_answers_through_channels_for_one_message,
    y06_what_was_accepted_before_the_close_is_received,
    a_work_queue_gives_each_job_to_one_worker,
    y05_workers_that_go_leave_their_job_to_others,
    everybody_gets_every_message_of_a_broadcast,
    a_slow_receiver_of_a_broadcast_is_told_what_it_missed,
    who_watches_a_value_sees_the_last_one,
}

async fn y05_many_senders_and_a_slow_receiver_lose_nothing<E: Executor>() {
    let (sender, mut receiver) = mpsc::channel(4);
    let jobs: Vec<_> = (0..20)
        .map(|number| {
            let sender = sender.clone();
            E::spawn(async move {
                for message in 0..50 {
                    sender.send((number, message)).await.unwrap();
                }
            })
        })
        .collect();
    drop(sender);
    let (mut next, mut count) = ([0; 20], 0);
    while let Some((number, message)) = receiver.recv().await {
        assert_eq!(next[number], message, "in the order of its sender");
        next[number] += 1;
        count += 1;
        if count % 7 == 0 {
            turn().await;
        }
    }
    assert_eq!(next, [50; 20]);
    all(jobs).await;
}

async fn y05_sends_that_are_given_up_have_sent_nothing<E: Executor>() {
    let (sender, mut receiver) = mpsc::channel(2);
    let jobs: Vec<_> = (0..30)
        .map(|number| {
            let sender = sender.clone();
            E::spawn(async move {
                let mut sent = Vec::new();
                for round in 0..20 {
                    let message = number * 20 + round;
                    let patience = (scrambled(message) % 4) as usize;
                    if let Some(done) = give_up_after(patience, sender.send(message)).await {
                        done.unwrap();
                        sent.push(message);
                    }
                }
                sent
            })
        })
        .collect();
    let receiving = E::spawn(async move {
        let mut received = BTreeSet::new();
        while let Some(message) = receiver.recv().await {
            assert!(received.insert(message), "{message} came twice");
        }
        received
    });
    let sent: BTreeSet<_> = all(jobs).await.into_iter().flatten().collect();
    while sender.capacity() < 2 {
        turn().await; // all slots come back
    }
    drop(sender);
    assert_eq!(receiving.await, sent);
}

async fn y05_receives_that_are_given_up_lose_nothing<E: Executor>() {
    let (sender, mut receiver) = mpsc::channel(3);
    let sending = E::spawn(async move {
        for message in 0..500 {
            sender.send(message).await.unwrap();
            if scrambled(message).is_multiple_of(3) {
                turn().await;
            }
        }
    });
    let (mut expected, mut round) = (0, 0);
    while expected < 500 {
        round += 1;
        let patience = (scrambled(round) % 3) as usize;
        match give_up_after(patience, receiver.recv()).await {
            Some(message) => {
                assert_eq!(message, Some(expected));
                expected += 1;
            }
            None => turn().await,
        }
    }
    sending.await;
    assert_eq!(receiver.recv().await, None);
}

async fn y07_a_bounded_channel_never_holds_more_than_its_capacity<E: Executor>() {
    let (sender, mut receiver) = mpsc::channel(5);
    let (under_way, most) = (Arc::new(AtomicUsize::new(0)), Arc::new(AtomicUsize::new(0)));
    let jobs: Vec<_> = (0..10)
        .map(|_| {
            let sender = sender.clone();
            let (under_way, most) = (Arc::clone(&under_way), Arc::clone(&most));
            E::spawn(async move {
                for _ in 0..20 {
                    let permit = sender.reserve().await.unwrap();
                    // Counted while it has a slot, so before it is received.
                    let now = under_way.fetch_add(1, Relaxed) + 1;
                    most.fetch_max(now, Relaxed);
                    permit.send(());
                    assert!(sender.len() <= 5 && sender.capacity() <= 5);
                }
            })
        })
        .collect();
    drop(sender);
    let mut received = 0;
    loop {
        // One slot is free for a moment before it is counted so.
        let there = receiver.len();
        assert!(there <= 5, "{there} messages in a channel for 5");
        if receiver.recv().await.is_none() {
            break;
        }
        under_way.fetch_sub(1, Relaxed);
        received += 1;
        turn().await;
    }
    all(jobs).await;
    assert_eq!(received, 200);
    assert!(most.load(Relaxed) <= 6, "{} at once", most.load(Relaxed));
}

async fn reserved_slots_are_sent_in_or_given_back<E: Executor>() {
    let (sender, mut receiver) = mpsc::channel(2);
    let jobs: Vec<_> = (0..20)
        .map(|number| {
            let mut sender = sender.clone();
            E::spawn(async move {
                for message in 0..10 {
                    let permit = sender.reserve_owned().await.unwrap();
                    turn().await;
                    sender = if (number + message) % 2 == 0 {
                        permit.send(message)
                    } else {
                        permit.release()
                    };
                }
            })
        })
        .collect();
    drop(sender);
    let mut received = 0;
    while receiver.recv().await.is_some() {
        received += 1;
    }
    all(jobs).await;
    assert_eq!(received, 100);
    assert_eq!(receiver.capacity(), 2, "every slot is back");
}

async fn an_unbounded_channel_is_a_stream<E: Executor>() {
    let (sender, receiver) = mpsc::unbounded();
    let jobs: Vec<_> = (0..10_u64)
        .map(|number| {
            let sender = sender.clone();
            E::spawn(async move {
                for message in 0..100 {
                    sender.send(number * 100 + message).unwrap();
                }
            })
        })
        .collect();
    drop(sender);
    let sum: u64 = receiver.fold(0, |sum, message| sum + message).await;
    assert_eq!(sum, (0..1000).sum());
    all(jobs).await;
}

async fn a_service_answers_through_channels_for_one_message<E: Executor>() {
    type Request = (u64, oneshot::Sender<u64>);
    let (sender, mut requests) = mpsc::channel::<Request>(3);
    let service = E::spawn(async move {
        let mut answered = 0;
        while let Some((question, answer)) = requests.recv().await {
            // Whoever asked may have gone.
            answered += u64::from(answer.send(question * question).is_ok());
        }
        answered
    });
    let jobs: Vec<_> = (0..100)
        .map(|question| {
            let sender = sender.clone();
            E::spawn(async move {
                let (answer, answered) = oneshot::channel();
                sender.send((question, answer)).await.unwrap();
                drop(sender);
                if question % 10 == 0 {
                    return;
                }
                assert_eq!(answered.await, Ok(question * question));
            })
        })
        .collect();
    drop(sender);
    all(jobs).await;
    assert!(service.await >= 90);
}

async fn y06_what_was_accepted_before_the_close_is_received<E: Executor>() {
    let (sender, mut receiver) = mpsc::channel(8);
    let jobs: Vec<_> = (0..10)
        .map(|_| {
            let sender = sender.clone();
            E::spawn(async move {
                let mut accepted = 0;
                while sender.send(()).await.is_ok() {
                    accepted += 1;
                }
                assert!(sender.is_closed());
                sender.closed().await; // does not wait
                accepted
            })
        })
        .collect();
    let mut received = 0;
    while received < 100 {
        received += usize::from(receiver.recv().await.is_some());
    }
    receiver.close();
    while receiver.recv().await.is_some() {
        received += 1;
    }
    let accepted: usize = all(jobs).await.into_iter().sum();
    assert_eq!(received, accepted);
}

async fn a_work_queue_gives_each_job_to_one_worker<E: Executor>() {
    let (sender, receiver) = mpmc::channel(4);
    let workers: Vec<_> = (0..8)
        .map(|_| {
            let receiver = receiver.clone();
            E::spawn(async move {
                let mut done = Vec::new();
                while let Ok(job) = receiver.recv().await {
                    turn().await;
                    done.push(job);
                }
                done
            })
        })
        .collect();
    drop(receiver);
    for job in 0..400 {
        sender.send(job).await.unwrap();
    }
    drop(sender);
    let mut done: Vec<_> = all(workers).await.into_iter().flatten().collect();
    done.sort_unstable();
    assert!(done.into_iter().eq(0..400));
}

async fn y05_workers_that_go_leave_their_job_to_others<E: Executor>() {
    let (sender, receiver) = mpmc::channel(2);
    let workers: Vec<_> = (0..16)
        .map(|number| {
            let receiver = receiver.clone();
            E::spawn(async move {
                let mut done = Vec::new();
                if number % 2 == 0 {
                    let mut jobs = pin!(receiver.into_stream());
                    while let Some(job) = jobs.next().await {
                        done.push(job);
                        turn().await;
                    }
                    return done;
                }
                for round in 0..20 {
                    let patience = (scrambled(number * 20 + round) % 4) as usize;
                    let received = give_up_after(patience, receiver.recv()).await;
                    done.extend(received.and_then(Result::ok));
                }
                done
            })
        })
        .collect();
    drop(receiver);
    for job in 0..300 {
        sender.send(job).await.unwrap();
    }
    drop(sender);
    let mut done: Vec<_> = all(workers).await.into_iter().flatten().collect();
    done.sort_unstable();
    assert!(done.into_iter().eq(0..300));
}

async fn everybody_gets_every_message_of_a_broadcast<E: Executor>() {
    let (sender, receiver) = broadcast::channel(1000);
    let jobs: Vec<_> = (0..10)
        .map(|_| {
            let mut receiver = receiver.clone();
            E::spawn(async move {
                for expected in 0..500 {
                    assert_eq!(receiver.recv().await, Ok(expected));
                }
                assert_eq!(receiver.recv().await, Err(broadcast::RecvError::Closed));
            })
        })
        .collect();
    drop(receiver);
    for message in 0..500 {
        assert_eq!(sender.send(message), Ok(10));
        if message % 100 == 0 {
            turn().await;
        }
    }
    drop(sender);
    all(jobs).await;
}

async fn a_slow_receiver_of_a_broadcast_is_told_what_it_missed<E: Executor>() {
    let (sender, mut slow) = broadcast::channel(4);
    let mut fast = sender.subscribe();
    let (step, stepped) = (Arc::new(Semaphore::empty()), Arc::new(Semaphore::empty()));
    let fast_job = E::spawn({
        let (step, stepped) = (Arc::clone(&step), Arc::clone(&stepped));
        async move {
            for expected in 0..10 {
                step.acquire().await.unwrap().forget();
                assert_eq!(fast.recv().await, Ok(expected));
                stepped.add_permits(1).unwrap();
            }
        }
    });
    for message in 0..10 {
        sender.send(message).unwrap();
        step.add_permits(1).unwrap();
        stepped.acquire().await.unwrap().forget();
    }
    fast_job.await;
    assert_eq!(slow.recv().await, Err(broadcast::RecvError::Lagged(6)));
    for expected in 6..10 {
        assert_eq!(slow.recv().await, Ok(expected));
    }
    drop(sender);
    assert_eq!(slow.recv().await, Err(broadcast::RecvError::Closed));
}

async fn who_watches_a_value_sees_the_last_one<E: Executor>() {
    let (sender, receiver) = watch::channel(0);
    let jobs: Vec<_> = (0..20)
        .map(|number| {
            let mut receiver = receiver.clone();
            E::spawn(async move {
                if number % 4 == 0 {
                    receiver.wait_for(|value| *value >= 50).await.unwrap();
                }
                let mut last = *receiver.get_and_update();
                while receiver.changed().await.is_ok() {
                    let value = *receiver.get_and_update();
                    assert!(value > last, "{value} after {last}");
                    last = value;
                }
                last.max(*receiver.get())
            })
        })
        .collect();
    drop(receiver);
    for value in 1..=100 {
        sender.send(value).unwrap();
        if value % 10 == 0 {
            turn().await;
        }
    }
    drop(sender);
    assert_eq!(all(jobs).await, [100; 20]);
}
