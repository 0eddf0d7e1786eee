//! Waiting with a whole thread: what the blocking twins are made of.

use std::{
    future::Future,
    pin::{Pin, pin},
    task::{Context, Poll, Wake, Waker},
};

use arborio_base::{
    budget,
    sync::{
        atomic::{AtomicBool, Ordering},
        thread,
    },
};

/// Wakes a thread that waits for one future.
struct Parked {
    thread: thread::Thread,
    /// A wake that the thread has not seen yet. A token of `unpark` alone could
    /// be used up by code that the future calls.
    woken: AtomicBool,
}

impl Wake for Parked {
    fn wake(self: std::sync::Arc<Self>) {
        self.wake_by_ref();
    }

    fn wake_by_ref(self: &std::sync::Arc<Self>) {
        // Release: pairs with the swap of the thread that waits. Whoever finds it
        // set leaves the unpark to the one who set it.
        if !self.woken.swap(true, Ordering::Release) {
            self.thread.unpark();
        }
    }
}

/// The check that every blocking twin makes first, whether it will wait or not.
///
/// # Panics
/// If a task of an Arborio loop is being polled on this thread.
#[track_caller]
pub(crate) fn assert_may_block() {
    assert!(
        !budget::in_a_poll(),
        "a blocking wait inside a task would hold up the loop; await the async form instead"
    );
}

/// Polls `future` on this thread until it is ready, and sleeps in between.
///
/// # Panics
/// If a task of an Arborio loop is being polled on this thread: the wait would
/// keep the loop from running what it waits for.
#[track_caller]
pub(crate) fn block_on<T: Future>(future: T) -> T::Output {
    assert_may_block();
    let mut future = pin!(future);
    // Most waits are over at once, and need no waker.
    let mut cx = Context::from_waker(Waker::noop());
    match future.as_mut().poll(&mut cx) {
        Poll::Ready(output) => output,
        Poll::Pending => park_until_ready(future),
    }
}

/// Polls anew, with a waker: who waits tells it to the line at each poll.
#[cold]
fn park_until_ready<T: Future>(mut future: Pin<&mut T>) -> T::Output {
    let parked = std::sync::Arc::new(Parked {
        thread: thread::current(),
        woken: AtomicBool::new(false),
    });
    let waker = Waker::from(std::sync::Arc::clone(&parked));
    let mut cx = Context::from_waker(&waker);
    loop {
        if let Poll::Ready(output) = future.as_mut().poll(&mut cx) {
            return output;
        }
        while !parked.woken.swap(false, Ordering::Acquire) {
            thread::park();
        }
    }
}
