//! The future of a task that was spawned where values were set.

use std::{
    future::Future,
    pin::Pin,
    rc::Rc,
    task::{Context, Poll},
};

use super::values::{self, Values};

pin_project_lite::pin_project! {
    /// Runs a future where the values of its spawner are set, as they were then.
    pub(crate) struct Inherit<F> {
        values: Option<Rc<Values>>,
        // Taken out, and dropped where the values are set, at its end.
        #[pin]
        future: Option<F>,
    }

    impl<F> PinnedDrop for Inherit<F> {
        fn drop(this: Pin<&mut Self>) {
            let mut this = this.project();
            if this.future.is_some() {
                values::within(this.values.take(), || this.future.set(None));
            }
        }
    }
}

impl<F> Inherit<F> {
    /// With the values that are set here.
    pub(crate) fn new(future: F) -> Self {
        Self {
            values: values::snapshot(),
            future: Some(future),
        }
    }
}

impl<F: Future> Future for Inherit<F> {
    type Output = F::Output;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<F::Output> {
        let this = self.project();
        values::within(this.values.clone(), || poll_and_drop(this.future, cx))
    }
}

/// Polls `future`; once it is ready it is dropped here and now.
pub(super) fn poll_and_drop<F: Future>(
    mut future: Pin<&mut Option<F>>,
    cx: &mut Context<'_>,
) -> Poll<F::Output> {
    let running = future.as_mut().as_pin_mut();
    let polled = running
        .expect("a future was polled after it was ready")
        .poll(cx);
    if polled.is_ready() {
        future.set(None);
    }
    polled
}
