//! [`Inside`]: a future that sees a tokio runtime wherever it is polled, and where it is dropped.

use std::{
    pin::Pin,
    task::{Context as TaskContext, Poll},
};

use super::Context;

pin_project_lite::pin_project! {
    /// The future of [`Context::wrap`].
    #[derive(Debug)]
    #[must_use = "futures do nothing unless awaited"]
    pub struct Inside<F> {
        context: Context,
        // `None` in the destructor: tokio's types want their runtime in theirs, too.
        #[pin]
        future: Option<F>,
    }

    impl<F> PinnedDrop for Inside<F> {
        fn drop(this: Pin<&mut Self>) {
            let this = this.project();
            let mut future = this.future;
            let _entered = this.context.enter();
            future.set(None);
        }
    }
}

impl<F> Inside<F> {
    pub(super) fn new(context: Context, future: F) -> Self {
        Self {
            context,
            future: Some(future),
        }
    }
}

impl<F: Future> Future for Inside<F> {
    type Output = F::Output;

    fn poll(self: Pin<&mut Self>, cx: &mut TaskContext<'_>) -> Poll<F::Output> {
        let this = self.project();
        let future = this.future.as_pin_mut();
        let future = future.expect("taken out by the destructor only");
        let _entered = this.context.enter();
        future.poll(cx)
    }
}
