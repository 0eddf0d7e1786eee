//! Wakers that can be watched, and a loop that is driven by hand.

use std::{
    future::Future,
    pin::Pin,
    sync::{
        Arc, Mutex,
        atomic::{AtomicUsize, Ordering},
    },
    task::{Context, Poll, Wake, Waker},
    time::Duration,
};

use arborio_base::WakeBatch;
use arborio_timers::{Clock, Timers};

/// Counts how often it is woken.
#[derive(Default)]
pub(crate) struct Counter(AtomicUsize);

impl Counter {
    /// A counter and the waker that counts.
    pub(crate) fn new() -> (Arc<Self>, Waker) {
        let counter = Arc::new(Self::default());
        (Arc::clone(&counter), Waker::from(counter))
    }

    /// How often it was woken.
    pub(crate) fn count(&self) -> usize {
        self.0.load(Ordering::SeqCst)
    }
}

impl Wake for Counter {
    fn wake(self: Arc<Self>) {
        self.0.fetch_add(1, Ordering::SeqCst);
    }
}

/// A waker that runs a closure.
pub(crate) struct Calls<F>(pub F);

impl<F: Fn() + Send + Sync + 'static> Calls<F> {
    /// The waker that runs `f`.
    pub(crate) fn waker(f: F) -> Waker {
        Waker::from(Arc::new(Self(f)))
    }
}

impl<F: Fn() + Send + Sync> Wake for Calls<F> {
    fn wake(self: Arc<Self>) {
        (self.0)();
    }
}

/// Who was woken, in order.
#[derive(Clone, Default)]
pub(crate) struct Log(Arc<Mutex<Vec<usize>>>);

impl Log {
    /// A waker that notes `number`.
    pub(crate) fn waker(&self, number: usize) -> Waker {
        let log = self.clone();
        Calls::waker(move || log.0.lock().unwrap().push(number))
    }

    /// What was noted since the last call.
    pub(crate) fn take(&self) -> Vec<usize> {
        std::mem::take(&mut self.0.lock().unwrap())
    }
}

/// Timers on a new simulated clock, whose notifier does nothing.
pub(crate) fn simulated() -> Timers {
    Timers::new(Clock::simulated(), Waker::noop().clone())
}

/// Timers on the real clock, whose notifier does nothing.
pub(crate) fn real() -> Timers {
    Timers::new(Clock::real(), Waker::noop().clone())
}

/// Polls once.
pub(crate) fn poll<F: Future + Unpin>(future: &mut F, waker: &Waker) -> Poll<F::Output> {
    Pin::new(future).poll(&mut Context::from_waker(waker))
}

/// Fires what is due and wakes it. Returns how many sleeps fired.
pub(crate) fn fire(timers: &Timers) -> usize {
    let mut batch = WakeBatch::new();
    let fired = timers.fire(&mut batch);
    assert_eq!(batch.len(), fired);
    batch.wake_all();
    fired
}

/// Moves the simulated clock of `timers` and fires.
pub(crate) fn pass(timers: &Timers, time: Duration) -> usize {
    timers.jump_to(timers.now() + time);
    fire(timers)
}

/// Milliseconds.
pub(crate) const fn ms(count: u64) -> Duration {
    Duration::from_millis(count)
}
