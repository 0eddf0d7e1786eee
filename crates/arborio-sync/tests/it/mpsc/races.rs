//! Both ends on threads of their own.

use std::sync::{Arc, Barrier};

use arborio_sync::mpsc::{self, SendError, TryRecvError, TrySendError};
use futures_lite::future::block_on;

use crate::support::{Census, poll_idle, without_hanging};

/// How often a race is run.
const RUNS: usize = 500;

#[test]
fn messages_of_many_threads_arrive_once_and_in_the_order_of_each() {
    const EACH: usize = 5_000;
    without_hanging(|| {
        for capacity in [1, 3, 128] {
            let (sender, mut receiver) = mpsc::channel(capacity);
            let threads: Vec<_> = (0..4)
                .map(|thread| {
                    let sender = sender.clone();
                    std::thread::spawn(move || {
                        for number in 0..EACH {
                            let message = (thread, number);
                            match number % 4 {
                                0 => sender.blocking_send(message).unwrap(),
                                1 => block_on(sender.send(message)).unwrap(),
                                2 => block_on(sender.reserve()).unwrap().send(message),
                                _ => {
                                    // Given up at once, granted or not.
                                    drop(poll_idle(&mut Box::pin(sender.reserve())));
                                    sender.blocking_send(message).unwrap();
                                }
                            }
                        }
                    })
                })
                .collect();
            drop(sender);
            let mut next = [0; 4];
            while let Some((thread, number)) = receiver.blocking_recv() {
                assert_eq!(number, next[thread]);
                next[thread] += 1;
            }
            assert_eq!(next, [EACH; 4]);
            threads
                .into_iter()
                .for_each(|thread| thread.join().unwrap());
        }
    });
}

#[test]
fn messages_of_many_threads_arrive_without_a_bound() {
    const EACH: usize = 50_000;
    without_hanging(|| {
        let (sender, mut receiver) = mpsc::unbounded();
        for thread in 0..4 {
            let sender = sender.clone();
            std::thread::spawn(move || {
                (0..EACH).for_each(|number| sender.send((thread, number)).unwrap());
            });
        }
        drop(sender);
        let (mut next, mut many) = ([0; 4], Vec::new());
        while let Some(message) = receiver.blocking_recv() {
            many.push(message);
            block_on(receiver.recv_many(&mut many, next[0] % 7));
            assert!(receiver.len() <= 4 * EACH);
            for (thread, number) in many.drain(..) {
                assert_eq!(number, next[thread]);
                next[thread] += 1;
            }
        }
        assert_eq!(next, [EACH; 4]);
    });
}

#[test]
fn y07_the_length_never_exceeds_the_capacity_while_threads_send_and_receive() {
    without_hanging(|| {
        let (sender, mut receiver) = mpsc::channel(3);
        let watcher = sender.downgrade();
        let watching = std::thread::spawn(move || {
            while let Some(sender) = watcher.upgrade() {
                assert!(sender.len() <= 3 && sender.capacity() <= 3);
                std::thread::yield_now();
            }
        });
        let sending = std::thread::spawn(move || {
            for number in 0..20_000 {
                sender.blocking_send(number).unwrap();
            }
        });
        // A watcher that is a sender keeps the channel open for moments only.
        while receiver.blocking_recv().is_some() {}
        watching.join().unwrap();
        sending.join().unwrap();
    });
}

/// Runs `sending` and `receiving` at once, many times, and looks whether every
/// message is dropped once.
fn race<S: Send + 'static, R: Send + 'static>(
    channel: fn(&Census) -> (S, R),
    sending: fn(S, Census),
    receiving: fn(R),
) {
    without_hanging(move || {
        for _ in 0..RUNS {
            let census = Census::default();
            let (sender, receiver) = channel(&census);
            let start = Arc::new(Barrier::new(2));
            let (there, of_it) = (Arc::clone(&start), census.clone());
            let thread = std::thread::spawn(move || {
                there.wait();
                sending(sender, of_it);
            });
            start.wait();
            receiving(receiver);
            thread.join().unwrap();
            assert_eq!(census.alive(), 0);
        }
    });
}

#[test]
fn y13_a_full_channel_whose_ends_go_at_once_drops_each_message_once() {
    race(
        |census| {
            let (sender, receiver) = mpsc::channel(4);
            (0..4).for_each(|number| sender.try_send(census.value(number)).unwrap());
            (sender, receiver)
        },
        |sender, census| {
            match sender.try_send(census.value(9)) {
                Ok(()) | Err(TrySendError::Full(_) | TrySendError::Closed(_)) => {}
            }
            drop(sender);
        },
        drop,
    );
}

#[test]
fn y13_a_sender_that_waits_while_the_receiver_goes_gets_its_message_back() {
    race(
        |census| {
            let (sender, receiver) = mpsc::channel(1);
            sender.try_send(census.value(0)).unwrap();
            (sender, receiver)
        },
        |sender, census| {
            let mut number = 1;
            while sender.blocking_send(census.value(number)).is_ok() {
                number += 1;
            }
            let SendError(message) = sender.blocking_send(census.value(7)).unwrap_err();
            assert_eq!(message.number, 7);
        },
        |mut receiver| {
            assert!(receiver.blocking_recv().is_some());
            drop(receiver);
        },
    );
}

#[test]
fn y13_a_permit_that_is_used_while_the_receiver_goes_drops_its_message() {
    race(
        |_| mpsc::channel(1),
        |sender, census| {
            if let Ok(permit) = block_on(sender.reserve()) {
                permit.send(census.value(1));
            }
        },
        |mut receiver| {
            receiver.close();
            drop(receiver.try_recv());
        },
    );
}

#[test]
fn y13_an_unbounded_channel_whose_ends_go_at_once_drops_each_message_once() {
    race(
        |census| {
            let (sender, mut receiver) = mpsc::unbounded();
            (0..4).for_each(|number| sender.send(census.value(number)).unwrap());
            drop(receiver.try_recv());
            (sender, receiver)
        },
        |sender, census| {
            for number in 0..3 {
                if let Err(SendError(message)) = sender.send(census.value(number)) {
                    assert_eq!(message.number, number);
                }
            }
        },
        |mut receiver| {
            assert_ne!(receiver.try_recv().err(), Some(TryRecvError::Empty));
        },
    );
}

#[test]
fn a_close_against_a_send_either_takes_the_message_or_gives_it_back() {
    without_hanging(|| {
        for _ in 0..RUNS {
            let (sender, mut receiver) = mpsc::channel(1);
            let start = Arc::new(Barrier::new(2));
            let there = Arc::clone(&start);
            let thread = std::thread::spawn(move || {
                there.wait();
                sender.blocking_send(1).is_ok()
            });
            start.wait();
            receiver.close();
            let received = receiver.blocking_recv().is_some();
            assert_eq!(thread.join().unwrap(), received);
        }
    });
}
