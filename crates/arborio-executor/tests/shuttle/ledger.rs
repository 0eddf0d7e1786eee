//! What becomes of each future: polled by one thread at a time, to its end at most once, and dropped once.

use std::{
    pin::Pin,
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, AtomicUsize, Ordering},
    },
    task::{Context, Poll, Waker},
};

use arborio_executor::Interrupt;

/// The accounts of one schedule. Nothing in here is a step of it: the primitives are the standard library's.
#[derive(Clone, Default)]
pub(crate) struct Ledger(Arc<Accounts>);

#[derive(Default)]
struct Accounts {
    made: AtomicUsize,
    ended: AtomicUsize,
    dropped: AtomicUsize,
    /// What should not have happened. A panic in a poll might be somebody's outcome.
    faults: Mutex<Vec<String>>,
}

impl Ledger {
    /// `future`, which is watched from now on.
    pub(crate) fn watch<F: Future + Send>(&self, future: F) -> Watched<F> {
        self.0.made.fetch_add(1, Ordering::Relaxed);
        Watched {
            future: Some(Box::pin(future)),
            is_inside: AtomicBool::new(false),
            ledger: self.clone(),
        }
    }

    fn fault(&self, what: &str) {
        self.0.faults.lock().unwrap().push(what.into());
    }

    /// The outcome of a task that nobody ends.
    pub(crate) fn output<T>(&self, outcome: Result<T, Interrupt>) -> Option<T> {
        outcome.map_err(|end| self.fault(&end.to_string())).ok()
    }

    /// The outcome of a task that somebody may have ended.
    pub(crate) fn output_if_any<T>(&self, outcome: Result<T, Interrupt>) -> Option<T> {
        match outcome {
            Ok(output) => Some(output),
            Err(Interrupt::Cancelled(_) | Interrupt::Stopped) => None,
            Err(end) => self.output(Err(end)),
        }
    }

    /// All is over. Returns how many futures there were, and how many were polled to their end.
    pub(crate) fn close(&self) -> (usize, usize) {
        let faults = self.0.faults.lock().unwrap();
        assert!(faults.is_empty(), "{faults:?}");
        let made = self.0.made.load(Ordering::Relaxed);
        let dropped = self.0.dropped.load(Ordering::Relaxed);
        assert_eq!(dropped, made, "futures that were dropped");
        (made, self.0.ended.load(Ordering::Relaxed))
    }

    /// The same where every future ends.
    pub(crate) fn close_with_all_ended(&self) {
        let (made, ended) = self.close();
        assert_eq!(ended, made, "futures that have ended");
    }
}

/// See the head of this file.
pub(crate) struct Watched<F> {
    /// `None` once it has ended.
    future: Option<Pin<Box<F>>>,
    is_inside: AtomicBool,
    ledger: Ledger,
}

impl<F: Future> Future for Watched<F> {
    type Output = F::Output;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<F::Output> {
        let this = &mut *self;
        if this.is_inside.swap(true, Ordering::Relaxed) {
            this.ledger.fault("two threads poll it");
            return Poll::Pending;
        }
        let Some(future) = &mut this.future else {
            this.ledger.fault("it is polled after its end");
            return Poll::Pending;
        };
        let polled = future.as_mut().poll(cx);
        if polled.is_ready() {
            this.future = None;
            this.ledger.0.ended.fetch_add(1, Ordering::Relaxed);
        }
        this.is_inside.store(false, Ordering::Relaxed);
        polled
    }
}

impl<F> Drop for Watched<F> {
    fn drop(&mut self) {
        if *self.is_inside.get_mut() {
            self.ledger.fault("it is dropped while it is polled");
        }
        self.ledger.0.dropped.fetch_add(1, Ordering::Relaxed);
    }
}

/// What one task tells others, wherever they are: a number that grows.
#[derive(Clone, Default)]
pub(crate) struct Note(Arc<shuttle::sync::Mutex<(usize, Vec<Waker>)>>);

impl Note {
    pub(crate) fn add(&self, more: usize) {
        let mut note = self.0.lock().unwrap();
        note.0 += more;
        let wakers = std::mem::take(&mut note.1);
        drop(note);
        wakers.into_iter().for_each(Waker::wake);
    }

    /// Waits until the number is at least `least`.
    pub(crate) async fn reaches(&self, least: usize) {
        std::future::poll_fn(|cx| {
            let mut note = self.0.lock().unwrap();
            if note.0 >= least {
                return Poll::Ready(());
            }
            if !note.1.iter().any(|waker| waker.will_wake(cx.waker())) {
                note.1.push(cx.waker().clone());
            }
            Poll::Pending
        })
        .await;
    }
}
