//! The future that a value is set around.

use std::{
    any::Any,
    fmt,
    future::Future,
    pin::Pin,
    rc::Rc,
    sync::Arc,
    task::{Context, Poll},
};

use super::{
    key::TaskLocal,
    values::{self, Values},
};

pin_project_lite::pin_project! {
    /// A future with a value set around it; made by [`TaskLocal::scope`].
    ///
    /// It may be sent to another thread if the future may, and if the value may be sent
    /// and shared: tasks that inherited it may be on this one.
    #[must_use = "futures do nothing unless awaited"]
    pub struct WithLocal<T, F>
    where
        T: 'static,
    {
        key: &'static TaskLocal<T>,
        value: Arc<T>,
        // Taken out, and dropped where the value is set, at its end.
        #[pin]
        future: Option<F>,
    }

    impl<T, F> PinnedDrop for WithLocal<T, F>
    where
        T: 'static,
    {
        fn drop(this: Pin<&mut Self>) {
            let mut this = this.project();
            if this.future.is_some() {
                let values = bind(this.key, this.value);
                values::within(Some(values), || this.future.set(None));
            }
        }
    }
}

impl<T, F> WithLocal<T, F> {
    pub(super) fn new(key: &'static TaskLocal<T>, value: T, future: F) -> Self {
        Self {
            key,
            value: Arc::new(value),
            future: Some(future),
        }
    }
}

/// What is set here, and the value.
pub(super) fn bind<T: 'static>(key: &'static TaskLocal<T>, value: &Arc<T>) -> Rc<Values> {
    values::bind(key.address(), Arc::clone(value) as Arc<dyn Any>)
}

impl<T: 'static, F: Future> Future for WithLocal<T, F> {
    type Output = F::Output;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<F::Output> {
        let this = self.project();
        let values = bind(this.key, this.value);
        values::within(Some(values), || poll_and_drop(this.future, cx))
    }
}

/// Polls `future`; once it is ready it is dropped here and now.
fn poll_and_drop<F: Future>(
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

impl<T: fmt::Debug, F> fmt::Debug for WithLocal<T, F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("WithLocal")
            .field("value", &self.value)
            .finish_non_exhaustive()
    }
}
