//! What the tasks of a pool do. Each function does its work `units` times, and checks that it was done.

use std::future::Future;
use std::hint;
use std::pin::Pin;
use std::sync::Arc;
use std::thread;
use std::time::{Duration, Instant};

use super::parallel::Parallel;
use crate::runtime::SelfWake;

pub(super) async fn spawn_join<P: Parallel>(units: u64) {
    for _ in 0..units {
        let tasks: Vec<_> = (0..1000)
            .map(|number| P::spawn(async move { number }))
            .collect();
        let mut sum = 0;
        for task in tasks {
            sum += task.await;
        }
        assert_eq!(sum, 499_500, "every task ran once");
    }
}

pub(super) async fn spawn_one<P: Parallel>(units: u64) {
    let mut sum = 0;
    for number in 0..units {
        sum += P::spawn(async move { number }).await;
    }
    assert_eq!(sum, units * (units - 1) / 2, "every task ran once");
}

pub(super) async fn yield_one<P: Parallel>(units: u64) {
    P::spawn(async move {
        for _ in 0..units {
            SelfWake::default().await;
        }
    })
    .await;
}

pub(super) async fn yield_thousand<P: Parallel>(units: u64) {
    let rounds = units * 100;
    let yielding = move || async move {
        for _ in 0..rounds {
            SelfWake::default().await;
        }
    };
    let tasks: Vec<_> = (0..1000).map(|_| P::spawn(yielding())).collect();
    for task in tasks {
        task.await;
    }
}

/// Each of 1000 tasks waits for the token and sends it on, `units` times.
pub(super) async fn ring<P: Parallel>(units: u64) {
    let (first, mut from) = P::channel(1);
    let mut tasks = Vec::with_capacity(1000);
    for _ in 1..1000 {
        let (to, next) = P::channel(1);
        let mut before = std::mem::replace(&mut from, next);
        tasks.push(P::spawn(async move {
            for _ in 0..units {
                let token = P::receive(&mut before).await.expect("a token");
                P::send(&to, token + 1).await;
            }
        }));
    }
    for _ in 0..units {
        P::send(&first, 0).await;
        assert_eq!(P::receive(&mut from).await, Some(999), "it went round");
    }
    for task in tasks {
        task.await;
    }
}

pub(super) async fn ping_pong<P: Parallel>(units: u64) {
    let (ping, mut pinged) = P::channel(1);
    let (pong, mut ponged) = P::channel(1);
    let other = P::spawn(async move {
        while let Some(number) = P::receive(&mut pinged).await {
            P::send(&pong, number + 1).await;
        }
    });
    let one = P::spawn(async move {
        for number in 0..units {
            P::send(&ping, number).await;
            assert_eq!(P::receive(&mut ponged).await, Some(number + 1));
        }
    });
    one.await;
    other.await;
}

pub(super) async fn mpsc<P: Parallel>(units: u64) {
    let (sender, mut receiver) = P::channel(128);
    let senders: Vec<_> = (0..8)
        .map(|_| {
            let sender = sender.clone();
            P::spawn(async move {
                for number in 0..units * 1000 {
                    P::send(&sender, number).await;
                }
            })
        })
        .collect();
    drop(sender);
    let received = P::spawn(async move {
        let mut received = 0;
        while P::receive(&mut receiver).await.is_some() {
            received += 1;
        }
        received
    });
    assert_eq!(received.await, units * 8000, "no message is lost");
    for sender in senders {
        sender.await;
    }
}

pub(super) async fn mutex<P: Parallel>(units: u64) {
    let counter = Arc::new(P::counter());
    let tasks: Vec<_> = (0..100)
        .map(|_| {
            let counter = Arc::clone(&counter);
            P::spawn(async move {
                for _ in 0..units * 10 {
                    P::count(&counter).await;
                }
            })
        })
        .collect();
    for task in tasks {
        task.await;
    }
}

pub(super) async fn fork_join<P: Parallel>(units: u64) {
    for _ in 0..units {
        assert_eq!(fork::<P>(12).await, 4096, "every leaf ran once");
    }
}

fn fork<P: Parallel>(depth: u32) -> Pin<Box<dyn Future<Output = u64> + Send>> {
    Box::pin(async move {
        if depth == 0 {
            return 1;
        }
        let one = P::spawn(fork::<P>(depth - 1));
        let other = P::spawn(fork::<P>(depth - 1));
        one.await + other.await
    })
}

pub(super) async fn scope<P: Parallel>(units: u64) {
    for _ in 0..units {
        P::scope(1000).await;
    }
}

pub(super) async fn producers<P: Parallel>(units: u64) {
    let produce = move || async move {
        for _ in 0..units {
            let tasks: Vec<_> = (0..64_u64)
                .map(|number| P::spawn(async move { number }))
                .collect();
            let mut sum = 0;
            for task in tasks {
                sum += task.await;
            }
            assert_eq!(sum, 2016, "every task ran once");
        }
    };
    let tasks: Vec<_> = (0..8).map(|_| P::spawn(produce())).collect();
    for task in tasks {
        task.await;
    }
}

pub(super) async fn coarse<P: Parallel>(units: u64) {
    for _ in 0..units {
        let tasks: Vec<_> = (0..1000).map(|_| P::spawn(async { compute() })).collect();
        for task in tasks {
            task.await;
        }
    }
}

/// Keeps a processor busy for 20 us.
pub(super) fn compute() {
    let start = Instant::now();
    while start.elapsed() < Duration::from_micros(20) {
        hint::spin_loop();
    }
}

/// How long, at worst, a task waits whose parent blocks its worker right after spawning it.
pub(super) async fn blocked<P: Parallel>(times: u32) -> Duration {
    let mut worst = Duration::ZERO;
    for _ in 0..times {
        let waited = P::spawn(async {
            let spawned = Instant::now();
            let child = P::spawn(async move { spawned.elapsed() });
            thread::sleep(Duration::from_millis(50));
            child.await
        });
        worst = worst.max(waited.await);
    }
    worst
}
