//! What was cancelled was not done: a task that is asked to end at any moment has sent, taken and kept nothing.

use std::sync::{
    Arc,
    atomic::{AtomicUsize, Ordering},
};

use arborio::{
    Child, Interrupt, Scope, scope, spawn,
    sync::{Mutex, Notify, Semaphore, mpsc},
    yield_now,
};

use super::{Flavour, flavours};
use crate::{scopes::Code, support::without_hanging};

flavours! {
    c09_a_message_was_sent_if_its_sender_was_not_cancelled_and_only_then: senders_that_are_cancelled;
    c09_a_receiver_that_was_cancelled_has_taken_nothing: receivers_that_are_cancelled;
    c09_who_was_cancelled_holds_no_lock_and_no_permit: holders_that_are_cancelled;
}

/// Lets the tasks take some turns, and asks all of them to end at once, on whichever workers they are by then. What those gave that
/// were faster.
async fn cancelled_after<T: Send + 'static>(turns: usize, tasks: Vec<Child<T, Code>>) -> Vec<T> {
    for _ in 0..turns {
        yield_now().await;
    }
    tasks.iter().for_each(|task| task.abort());
    let mut values = Vec::new();
    for task in tasks {
        match task.outcome().await {
            Ok(value) => values.extend(value.ok()),
            Err(Interrupt::Cancelled(_)) => {}
            Err(other) => panic!("{other}"),
        }
    }
    values
}

fn senders_that_are_cancelled(flavour: Flavour) {
    without_hanging(move || {
        flavour.run(async {
            let ended = scope(async |s: &Scope<Code>| {
                let (sender, mut receiver) = mpsc::channel(1);
                let (sent, mut received) = (Arc::new(AtomicUsize::new(0)), 0);
                for round in 0..300 {
                    let senders = (0..2).map(|_| {
                        let (sender, sent) = (sender.clone(), Arc::clone(&sent));
                        s.spawn(async move {
                            for _ in 0..4 {
                                sender.send(()).await.unwrap();
                                // In the poll in which it was sent.
                                sent.fetch_add(1, Ordering::Relaxed);
                            }
                            Ok(())
                        })
                    });
                    let senders = senders.collect();
                    for _ in 0..round % 5 {
                        yield_now().await;
                        received += usize::from(receiver.try_recv().is_ok());
                    }
                    // The slot may just have been granted to one that has not seen it.
                    cancelled_after(round % 3, senders).await;
                    while receiver.try_recv().is_ok() {
                        received += 1;
                    }
                }
                assert_eq!(received, sent.load(Ordering::Relaxed));
                assert_eq!(sender.capacity(), 1, "no slot was lost");
                sender.try_send(()).unwrap();
                Ok(())
            });
            ended.await.unwrap();
        });
    });
}

fn receivers_that_are_cancelled(flavour: Flavour) {
    const MESSAGES: usize = 400;
    without_hanging(move || {
        flavour.run(async {
            let ended = scope(async |s: &Scope<Code>| {
                let (sender, receiver) = mpsc::channel(2);
                let receiver = Arc::new(Mutex::new(receiver));
                let sending = spawn(async move {
                    for message in 0..MESSAGES {
                        sender.send(message).await.unwrap();
                        if message % 3 == 0 {
                            yield_now().await;
                        }
                    }
                });
                let expected = Arc::new(AtomicUsize::new(0));
                for round in 0.. {
                    let (receiver, expected) = (Arc::clone(&receiver), Arc::clone(&expected));
                    let receiving = s.spawn(async move {
                        let mut receiver = receiver.lock().await;
                        while let Some(message) = receiver.recv().await {
                            assert_eq!(message, expected.fetch_add(1, Ordering::Relaxed));
                        }
                        Ok(())
                    });
                    // Who sees the end of the channel is not cancelled any more.
                    if !cancelled_after(round % 7, vec![receiving]).await.is_empty() {
                        break;
                    }
                }
                assert_eq!(expected.load(Ordering::Relaxed), MESSAGES);
                sending.await.unwrap();
                Ok(())
            });
            ended.await.unwrap();
        });
    });
}

/// There is one: whoever has it hands it on.
struct Token(Arc<Notify>);

impl Drop for Token {
    fn drop(&mut self) {
        self.0.notify_one();
    }
}

/// Three hold one permit each, and wait for the token and for the lock; the fourth waits for all permits, and the
/// fifth behind it. Two of the three and the fourth are asked to end: what was granted to one of them that has not seen
/// it goes on to those that stay.
fn holders_that_are_cancelled(flavour: Flavour) {
    without_hanging(move || {
        flavour.run(async {
            let ended = scope(async |s: &Scope<Code>| {
                let (lock, permits) = (Arc::new(Mutex::new(0)), Arc::new(Semaphore::new(3)));
                let (notify, ended) = (Arc::new(Notify::new()), Arc::new(AtomicUsize::new(0)));
                notify.notify_one();
                for round in 0..300 {
                    let [one, two, stays, all, stays_behind] = [1, 1, 1, 3, 1].map(|wanted| {
                        let (lock, permits) = (Arc::clone(&lock), Arc::clone(&permits));
                        let (notify, ended) = (Arc::clone(&notify), Arc::clone(&ended));
                        s.spawn(async move {
                            let _permits = permits.acquire_many(wanted).await.unwrap();
                            yield_now().await;
                            notify.notified().await;
                            let token = Token(notify);
                            yield_now().await;
                            drop(token);
                            let mut count = lock.lock().await;
                            for _ in 0..3 {
                                yield_now().await; // the others come to the lock
                            }
                            *count += 1;
                            ended.fetch_add(1, Ordering::Relaxed);
                            Ok(())
                        })
                    });
                    cancelled_after(round % 30, vec![one, two, all]).await;
                    stays.await?;
                    stays_behind.await?;
                }
                assert_eq!((permits.available_permits(), permits.waiting()), (3, 0));
                assert_eq!(*lock.try_lock().unwrap(), ended.load(Ordering::Relaxed));
                notify.notified().await; // the token is still there
                Ok(())
            });
            ended.await.unwrap();
        });
    });
}
