//! Wakes from other threads, at any time.

use std::{
    future::{Future, pending, poll_fn},
    pin::pin,
    sync::{
        Barrier, Mutex,
        atomic::{AtomicU32, AtomicUsize, Ordering},
        mpsc,
    },
    task::{Poll, Waker},
    thread,
};

use arborio_scope::{Concurrent, concurrent::Spawner};
use futures_lite::future::block_on;

use super::{counted, poll};

/// Ready when the flag was raised `turns` times; whoever raises it uses the waker.
struct Signal {
    raised: AtomicU32,
    waker: Mutex<Option<Waker>>,
}

impl Signal {
    fn new() -> Self {
        Self {
            raised: AtomicU32::new(0),
            waker: Mutex::new(None),
        }
    }

    fn raise(&self) {
        self.raised.fetch_add(1, Ordering::Relaxed); // the wake publishes it
        let waker = self.waker.lock().unwrap().take();
        if let Some(waker) = waker {
            waker.wake();
        }
    }

    fn wait(&self, turns: u32) -> impl Future<Output = ()> + Send + '_ {
        poll_fn(move |cx| {
            let fresh = cx.waker().clone();
            *self.waker.lock().unwrap() = Some(fresh);
            match self.raised.load(Ordering::Relaxed) >= turns {
                true => Poll::Ready(()),
                false => Poll::Pending,
            }
        })
    }
}

#[test]
fn no_wake_of_another_thread_is_lost() {
    const SIGNALS: usize = 16;
    const TURNS: u32 = 300;
    let signals: Vec<_> = (0..SIGNALS).map(|_| Signal::new()).collect();
    let heard = AtomicUsize::new(0);
    let c = Concurrent::new();
    for signal in &signals {
        let heard = &heard;
        c.spawn(async move {
            for turn in 1..=TURNS {
                signal.wait(turn).await;
            }
            heard.fetch_add(1, Ordering::Relaxed);
        });
    }
    thread::scope(|threads| {
        let halves = signals.split_at(SIGNALS / 2);
        for half in [halves.0, halves.1] {
            threads.spawn(move || {
                for _ in 0..TURNS {
                    half.iter().for_each(Signal::raise);
                    thread::yield_now();
                }
            });
        }
        block_on(c.run(async {}));
    });
    assert_eq!(heard.load(Ordering::Relaxed), SIGNALS);
}

#[test]
fn c04_wakes_while_the_run_is_dropped_touch_nothing() {
    for round in 0..200 {
        let (give, take) = mpsc::channel::<Waker>();
        let start = Barrier::new(2);
        thread::scope(|threads| {
            let start = &start;
            threads.spawn(move || {
                let wakers: Vec<_> = take.iter().take(8).collect();
                start.wait();
                for _ in 0..20 {
                    wakers.iter().for_each(Waker::wake_by_ref);
                }
            });
            let local = AtomicUsize::new(0);
            let c = Concurrent::new();
            for _ in 0..8 {
                let (local, give) = (&local, give.clone());
                c.spawn(poll_fn(move |cx| {
                    if local.fetch_add(1, Ordering::Relaxed) < 8 {
                        give.send(cx.waker().clone()).unwrap();
                    }
                    Poll::<()>::Pending
                }));
            }
            let (task, wakes) = counted();
            {
                let mut whole = pin!(c.run(pending::<()>()));
                assert!(poll(whole.as_mut(), &task).is_pending());
                start.wait();
                for _ in 0..round % 4 {
                    assert!(poll(whole.as_mut(), &task).is_pending());
                }
            }
            drop(c);
            assert!(wakes.take() <= 1 + round % 4, "one for each sleep");
        });
    }
}

#[test]
fn a_wake_that_comes_while_the_run_lies_down_is_heard() {
    for _ in 0..2000 {
        let signal = Signal::new();
        let c = Concurrent::new();
        c.spawn(signal.wait(1));
        thread::scope(|threads| {
            threads.spawn(|| signal.raise());
            block_on(c.run(async {}));
        });
    }
}

#[test]
fn a_spawn_and_a_cancel_that_come_while_the_run_lies_down_are_heard() {
    const ROUNDS: usize = 20_000;
    // The other thread begins as soon as the first poll does, and the lengths of its
    // delays sweep over that.
    let (begun, done) = (AtomicUsize::new(0), AtomicUsize::new(0));
    thread::scope(|threads| {
        let (give, take) = mpsc::channel::<Spawner<'_>>();
        let (begun, done) = (&begun, &done);
        threads.spawn(move || {
            for (round, s) in take.iter().enumerate() {
                while begun.load(Ordering::Acquire) <= round {
                    std::hint::spin_loop();
                }
                (0..round % 97).for_each(|_| std::hint::spin_loop());
                if round % 2 == 0 {
                    s.cancel();
                } else {
                    let end = s.clone();
                    s.spawn(async move { end.cancel() });
                }
                done.fetch_add(1, Ordering::Relaxed);
            }
        });
        for _ in 0..ROUNDS {
            let c = Concurrent::new();
            c.spawn(pending::<()>());
            give.send(c.spawner()).unwrap();
            block_on(c.run(async { begun.fetch_add(1, Ordering::Release) }));
        }
        drop(give);
    });
    assert_eq!(done.into_inner(), ROUNDS);
}
