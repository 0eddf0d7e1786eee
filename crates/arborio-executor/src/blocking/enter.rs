//! A future that runs on a pool thread, as it is seen from where it is awaited.

use std::{
    fmt,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll},
};

use arborio_task::Interrupt;

use super::{
    Blocking,
    crew::Crew,
    pool,
    ride::{Wishes, ride},
};
use crate::{
    default_loop,
    hop::{Away, Hop},
};

/// The future of [`enter_executor`](super::enter_executor).
///
/// # Examples
/// Nothing happens before it is polled.
/// ```
/// use arborio_executor::{blocking::BlockingPool, doc::run};
/// let pool = BlockingPool::builder().build();
/// let hop = pool.enter(async { 6 });
/// assert_eq!(pool.threads(), 0);
/// assert_eq!(run(hop).unwrap(), 6);
/// assert_eq!(pool.threads(), 1);
/// ```
#[must_use = "futures do nothing unless awaited"]
pub struct EnterExecutor<T>(Hop<OnThread<T>>);

impl<T> EnterExecutor<T> {
    pub(super) fn new<F>(crew: Arc<Crew>, future: F) -> Self
    where
        F: Future<Output = T> + Send + 'static,
        T: Send + 'static,
    {
        Self(Hop::new(move || OnThread::set_out(&crew, future)))
    }
}

impl<T> Future for EnterExecutor<T> {
    type Output = Result<T, Interrupt>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        self.0.poll(cx)
    }
}

impl<T> fmt::Debug for EnterExecutor<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt_as("EnterExecutor", f)
    }
}

/// A future in a job: what its awaiter wants of it, and what becomes of it.
struct OnThread<T> {
    /// Gives `None` for a future that was dropped there.
    job: Blocking<Option<T>>,
    wishes: Arc<Wishes>,
}

impl<T: Send + 'static> OnThread<T> {
    fn set_out(crew: &Arc<Crew>, future: impl Future<Output = T> + Send + 'static) -> Self {
        let wishes = Arc::new(Wishes::new());
        let (theirs, spawns_on) = (Arc::clone(&wishes), default_loop::around());
        let job = move |_token| default_loop::on_behalf(spawns_on, || ride(future, &theirs));
        Self {
            job: pool::spawn(crew, job),
            wishes,
        }
    }
}

impl<T> Away for OnThread<T> {
    type Output = T;

    fn ask(&mut self) -> bool {
        self.wishes.ask()
    }

    fn poll(&mut self, cx: &mut Context<'_>) -> Poll<Option<Result<T, Interrupt>>> {
        Pin::new(&mut self.job).poll(cx).map(Result::transpose)
    }
}

impl<T> Drop for OnThread<T> {
    fn drop(&mut self) {
        self.wishes.drop_it();
    }
}
