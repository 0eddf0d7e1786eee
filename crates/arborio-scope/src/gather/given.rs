//! An output as it lies in a group of which nobody else has a handle.

use std::{
    pin::Pin,
    sync::{Mutex, PoisonError},
    task::{Context, Poll, ready},
};

/// An output, and whether it is an error. Members of a group are seen by all who have a
/// handle, so what they give is `Sync`. Who gathers is the only one to take the output: the
/// lock makes this `Sync` if the output is `Send`.
pub(super) struct Given<T> {
    /// `None` when it was taken.
    output: Mutex<Option<T>>,
    is_error: bool,
}

impl<T> Given<T> {
    pub(super) fn is_error(&self) -> bool {
        self.is_error
    }

    pub(super) fn take(&self) -> Option<T> {
        let mut output = self.output.lock().unwrap_or_else(PoisonError::into_inner);
        output.take()
    }
}

pin_project_lite::pin_project! {
    /// Gives what its future gives, so that a group takes it.
    pub(super) struct Giving<F: Future> {
        #[pin]
        future: F,
        is_error: fn(&F::Output) -> bool,
    }
}

impl<F: Future> Giving<F> {
    pub(super) fn new(future: F, is_error: fn(&F::Output) -> bool) -> Self {
        Self { future, is_error }
    }
}

impl<F: Future> Future for Giving<F> {
    type Output = Given<F::Output>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let this = self.project();
        let output = ready!(this.future.poll(cx));
        Poll::Ready(Given {
            is_error: (this.is_error)(&output),
            output: Mutex::new(Some(output)),
        })
    }
}
