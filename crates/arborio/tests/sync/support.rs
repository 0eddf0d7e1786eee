//! What the programs share.

use std::{future::Future, pin::pin, sync::mpsc, task::Poll, thread, time::Duration};

use crate::executor::{Executor, Job};

/// Runs a program, and fails if that takes a minute.
pub(crate) fn run<E: Executor>(program: impl Future<Output = ()> + Send + 'static) {
    within_a_minute(|| E::block_on(program));
}

/// Runs `body` on a thread of its own, and fails if that takes a minute.
pub(crate) fn within_a_minute(body: impl FnOnce() + Send + 'static) {
    let (sender, receiver) = mpsc::channel();
    let thread = thread::spawn(move || {
        body();
        let _ = sender.send(());
    });
    match receiver.recv_timeout(Duration::from_secs(60)) {
        Ok(()) => thread.join().unwrap(),
        Err(mpsc::RecvTimeoutError::Disconnected) => {
            std::panic::resume_unwind(thread.join().unwrap_err())
        }
        Err(mpsc::RecvTimeoutError::Timeout) => panic!("the program hangs: 60 s have passed"),
    }
}

/// Lets others run.
pub(crate) fn turn() -> impl Future<Output = ()> {
    futures_lite::future::yield_now()
}

/// Polls `future` `polls` times, one turn after the other, then drops it.
pub(crate) async fn give_up_after<F: Future>(polls: usize, future: F) -> Option<F::Output> {
    let mut future = pin!(future);
    for _ in 0..polls {
        let polled = std::future::poll_fn(|cx| Poll::Ready(future.as_mut().poll(cx))).await;
        if let Poll::Ready(output) = polled {
            return Some(output);
        }
        turn().await;
    }
    None
}

/// Waits for all of them, in their order.
pub(crate) async fn all<T>(jobs: impl IntoIterator<Item = Job<T>>) -> Vec<T> {
    let mut outputs = Vec::new();
    for job in jobs {
        outputs.push(job.await);
    }
    outputs
}

/// A few numbers without order, the same in every run.
pub(crate) fn scrambled(seed: u64) -> u64 {
    // SplitMix64.
    let mut z = seed.wrapping_add(1).wrapping_mul(0x9E37_79B9_7F4A_7C15);
    z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
    z ^ (z >> 31)
}
