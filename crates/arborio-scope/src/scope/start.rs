//! A task that says when it is ready: its spawner waits for that, and the task goes
//! on in the scope.

use std::{
    fmt,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll, Waker},
};

use arborio_base::{
    contain, drop_contained,
    sync::{Mutex, lock},
};
use arborio_task::Interrupt;

use super::child::Child;

/// What the task and its spawner share.
enum Slot<V> {
    /// Not ready; has the spawner polled.
    Waiting(Option<Waker>),
    Ready(V),
    /// The spawner has the value, or is gone.
    Over,
}

/// With this a task says that it is ready; see [`Scope::start`](super::Scope::start).
///
/// # Examples
/// ```
/// # use arborio_executor::doc::run;
/// use arborio_scope::{Ready, Scope, scope};
/// let port = run(scope(async |s: &Scope<()>| {
///     s.start(async |ready: Ready<u16>| Ok(ready.tell(80))).await
/// }));
/// assert_eq!(port, Ok(80));
/// ```
#[must_use = "the spawner waits until it is told"]
pub struct Ready<V>(Arc<Mutex<Slot<V>>>);

fn swap<V>(slot: &Mutex<Slot<V>>, new: Slot<V>) -> Slot<V> {
    std::mem::replace(&mut *lock(slot), new)
}

impl<V> Ready<V> {
    /// The task is ready, and `value` is what its spawner gets.
    pub fn tell(self, value: V) {
        match swap(&self.0, Slot::Ready(value)) {
            Slot::Waiting(waker) => contain(|| waker.map(Waker::wake)),
            before => {
                drop_contained(before);
                drop_contained(swap(&self.0, Slot::Over));
                None
            }
        };
    }
}

impl<V> fmt::Debug for Ready<V> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Ready").finish_non_exhaustive()
    }
}

/// Waits until the task is ready, or has ended. Dropped before, it cancels the task.
pub(crate) struct Starting<V, E> {
    slot: Arc<Mutex<Slot<V>>>,
    child: Option<Child<(), E>>,
}

impl<V, E: From<Interrupt>> Starting<V, E> {
    pub(crate) fn new(spawn: impl FnOnce(Ready<V>) -> Child<(), E>) -> Self {
        let slot = Arc::new(Mutex::new(Slot::Waiting(None)));
        let child = Some(spawn(Ready(Arc::clone(&slot))));
        Self { slot, child }
    }

    fn take(&self, waker: &Waker) -> Option<V> {
        let waiting = Slot::Waiting(Some(waker.clone()));
        match swap(&self.slot, waiting) {
            Slot::Ready(value) => {
                drop_contained(swap(&self.slot, Slot::Over));
                Some(value)
            }
            before => {
                drop_contained(before);
                None
            }
        }
    }
}

impl<V, E> Unpin for Starting<V, E> {}

impl<V, E: From<Interrupt>> Future for Starting<V, E> {
    type Output = Result<V, E>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        if let Some(value) = self.take(cx.waker()) {
            self.child = None; // from now on its errors are the scope's
            return Poll::Ready(Ok(value));
        }
        let child = self.child.as_mut().expect("polled after it was ready");
        let Poll::Ready(ended) = Pin::new(child).poll(cx) else {
            return Poll::Pending;
        };
        self.child = None;
        // It may have said so and ended since.
        Poll::Ready(match (self.take(cx.waker()), ended) {
            (Some(value), Ok(())) => Ok(value),
            (_, Err(error)) => Err(error),
            (None, Ok(())) => Err(E::from(Interrupt::Closed)),
        })
    }
}

impl<V, E> Drop for Starting<V, E> {
    fn drop(&mut self) {
        if let Some(child) = &self.child {
            child.cancel();
        }
    }
}
