//! One branch: its future as the run has it, its value on the way to the handle.
//!
//! The two meet in a counted [`Slot`]. The run never reaches into it, and the handle
//! never reaches the future; so each may be dropped, or leaked, without the other.

use std::{
    fmt,
    future::Future,
    mem,
    pin::Pin,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    task::{Context, Poll, Waker},
};

use arborio_task::Interrupt;

/// A branch whose type nobody knows any more. Sealed by its module.
pub trait Running: Future<Output = ()> {
    /// The branch is about to be dropped: its handle is told why.
    fn interrupt(self: Pin<&mut Self>, why: Interrupt);
}

/// What becomes of a branch's value.
enum Slot<T> {
    /// The branch has not ended; the waker is of who awaits it.
    Open(Option<Waker>),
    Value(T),
    Interrupted(Interrupt),
    Taken,
}

/// Both ends have one.
type Shared<T> = Arc<Mutex<Slot<T>>>;

fn locked<T>(slot: &Shared<T>) -> MutexGuard<'_, Slot<T>> {
    slot.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Takes what has come; `Open` if nothing has.
fn take<T>(slot: &mut Slot<T>) -> Slot<T> {
    match slot {
        Slot::Open(_) => Slot::Open(None),
        _ => mem::replace(slot, Slot::Taken),
    }
}

/// The branch's end of the slot.
struct Outlet<T>(Shared<T>);

impl<T> Outlet<T> {
    /// The first call counts.
    fn put(&self, outcome: Slot<T>) {
        let mut slot = locked(&self.0);
        if !matches!(*slot, Slot::Open(_)) {
            drop(slot); // before `outcome`, whose destructor is foreign code
            return;
        }
        let Slot::Open(waiting) = mem::replace(&mut *slot, outcome) else {
            return;
        };
        drop(slot);
        if let Some(waker) = waiting {
            waker.wake();
        }
    }
}

pin_project_lite::pin_project! {
    /// A future that leaves its value in a slot.
    pub(crate) struct Delivering<F: Future> {
        #[pin]
        future: F,
        outlet: Outlet<F::Output>,
    }
}

impl<F: Future> Delivering<F> {
    /// A branch, and the handle of it.
    pub(crate) fn new(future: F) -> (Self, Branch<F::Output>) {
        let slot = Arc::new(Mutex::new(Slot::Open(None)));
        let outlet = Outlet(Arc::clone(&slot));
        (Self { future, outlet }, Branch(slot))
    }
}

impl<F: Future> Future for Delivering<F> {
    type Output = ();

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        let branch = self.project();
        branch.future.poll(cx).map(|value| {
            branch.outlet.put(Slot::Value(value));
        })
    }
}

impl<F: Future> Running for Delivering<F> {
    fn interrupt(self: Pin<&mut Self>, why: Interrupt) {
        self.project().outlet.put(Slot::Interrupted(why));
    }
}

/// The handle of a branch; made by [`spawn`](super::Spawner::spawn).
///
/// Awaiting it gives the branch's value: from the body, from another branch, or after
/// the run. Dropping it changes nothing for the branch.
///
/// # Errors
/// `Closed` if the branch was spawned after the end. `Cancelled` if it was dropped:
/// because of [`cancel`](super::Spawner::cancel), because another branch panicked, or
/// because the run was dropped.
///
/// # Panics
/// If it is polled after it was ready.
///
/// # Cancel safety
/// Safe: the value stays in the slot until a poll returns it.
///
/// # Examples
/// ```
/// use arborio_scope::Concurrent;
///
/// futures_lite::future::block_on(async {
///     let c = Concurrent::new();
///     let three = c.spawn(async { 3 });
///     let four = c.run(async { three.await.unwrap() + 1 }).await;
///     assert_eq!(four, 4);
/// });
/// ```
pub struct Branch<T>(Shared<T>);

impl<T> Branch<T> {
    /// The handle of a branch that never was.
    pub(crate) fn closed() -> Self {
        Self(Arc::new(Mutex::new(Slot::Interrupted(Interrupt::Closed))))
    }

    /// Takes what has come; `Open` if nothing has.
    fn take(&mut self) -> Slot<T> {
        match Arc::get_mut(&mut self.0) {
            // The branch is gone, and has left what it had.
            Some(slot) => take(slot.get_mut().unwrap_or_else(PoisonError::into_inner)),
            None => take(&mut locked(&self.0)),
        }
    }

    /// Leaves a waker, unless something has come meanwhile: that is taken then.
    fn wait(&self, fresh: Waker) -> Slot<T> {
        let mut slot = locked(&self.0);
        let before = match &mut *slot {
            Slot::Open(waiting) => Slot::Open(waiting.replace(fresh)),
            ended => take(ended),
        };
        drop(slot); // before the old waker, or the fresh one
        before
    }

    /// Whether the branch has ended, with or without a value.
    ///
    /// # Examples
    /// ```
    /// let c = arborio_scope::Concurrent::new();
    /// let branch = c.spawn(async {});
    /// assert!(!branch.is_finished());
    /// futures_lite::future::block_on(c.run(async {}));
    /// assert!(branch.is_finished());
    /// ```
    pub fn is_finished(&self) -> bool {
        !matches!(*locked(&self.0), Slot::Open(_))
    }
}

impl<T> Future for Branch<T> {
    type Output = Result<T, Interrupt>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let outcome = match self.take() {
            Slot::Open(_) => {
                let fresh = cx.waker().clone(); // foreign code: not under the lock
                match self.wait(fresh) {
                    Slot::Open(_) => return Poll::Pending,
                    ended_meanwhile => ended_meanwhile,
                }
            }
            ended => ended,
        };
        match outcome {
            Slot::Value(value) => Poll::Ready(Ok(value)),
            Slot::Interrupted(why) => Poll::Ready(Err(why)),
            Slot::Open(_) | Slot::Taken => panic!("a branch was awaited after it was ready"),
        }
    }
}

impl<T> fmt::Debug for Branch<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Branch")
            .field("is_finished", &self.is_finished())
            .finish()
    }
}
