//! Senders and receivers on threads of their own.

use std::sync::{
    Arc, Barrier,
    atomic::{AtomicUsize, Ordering},
};

use arborio_sync::mpmc;
use futures_lite::future::block_on;

use crate::support::{Census, poll_idle, without_hanging};

#[test]
fn each_message_of_many_threads_is_received_once() {
    const EACH: usize = 5_000;
    without_hanging(|| {
        for capacity in [1, 4, usize::MAX] {
            let (sender, receiver) = mpmc::channel(capacity);
            let seen: Arc<Vec<_>> = Arc::new((0..3 * EACH).map(|_| AtomicUsize::new(0)).collect());
            let mut threads = Vec::new();
            for thread in 0..3 {
                let (sender, receiver) = (sender.clone(), receiver.clone());
                let seen = Arc::clone(&seen);
                threads.push(std::thread::spawn(move || {
                    for number in thread * EACH..(thread + 1) * EACH {
                        sender.blocking_send(number).unwrap();
                    }
                }));
                threads.push(std::thread::spawn(move || {
                    let mut last = [None; 3];
                    loop {
                        // Given up at once, promised a message or not, but for the
                        // message that is there already.
                        let early = poll_idle(&mut Box::pin(receiver.recv()));
                        let received = match early.is_ready() {
                            true => early,
                            false => std::task::Poll::Ready(block_on(receiver.recv())),
                        };
                        let std::task::Poll::Ready(Ok(number)) = received else {
                            break;
                        };
                        seen[number].fetch_add(1, Ordering::Relaxed);
                        let before = last[number / EACH].replace(number);
                        assert!(before < Some(number), "in the order of its sender");
                    }
                }));
            }
            drop((sender, receiver));
            threads
                .into_iter()
                .for_each(|thread| thread.join().unwrap());
            assert!(seen.iter().all(|seen| seen.load(Ordering::Relaxed) == 1));
        }
    });
}

#[test]
fn y13_receivers_that_go_while_a_message_comes_drop_it_once() {
    without_hanging(|| {
        for run in 0..500 {
            let census = Census::default();
            let (sender, receiver) = mpmc::channel(1);
            let other = receiver.clone();
            let start = Arc::new(Barrier::new(3));
            let threads = [receiver, other].map(|receiver| {
                let start = Arc::clone(&start);
                std::thread::spawn(move || {
                    let mut receiving = Box::pin(receiver.recv());
                    start.wait();
                    let early = poll_idle(&mut receiving).is_ready();
                    if run % 2 == 0 {
                        std::thread::yield_now();
                    }
                    drop(receiving);
                    early
                })
            });
            start.wait();
            let mut sent = 0;
            while sender.blocking_send(census.value(sent)).is_ok() {
                sent += 1;
            }
            threads.into_iter().for_each(|thread| {
                thread.join().unwrap();
            });
            assert_eq!(census.alive(), 0);
        }
    });
}
