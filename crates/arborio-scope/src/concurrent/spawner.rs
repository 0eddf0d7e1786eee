//! Where branches come in: what the spawners and the run of one place share.
//!
//! # States
//! | state  | meaning                            | `spawn`                     |
//! |--------|------------------------------------|-----------------------------|
//! | open   | branches wait for the run's look   | puts it to those that wait  |
//! | closed | was asked to end, or has ended     | drops it; the handle is told|
//!
//! # Invariants
//! - C1: what waits is never dropped with this structure, which has no destructor of
//!   its own: whoever ends the place takes it out. Therefore a spawner may be borrowed
//!   by the very branches that it holds.
//! - C2: the run lies down under this lock, and only if nothing waits and nothing was
//!   asked that it does not know of. Who changes that under the lock finds out whether
//!   it sleeps, and wakes it.

use std::{
    fmt,
    future::Future,
    mem::{self, ManuallyDrop},
    pin::Pin,
    sync::Arc,
};

use arborio_base::sync::{
    Mutex,
    atomic::{AtomicBool, Ordering},
    lock,
};
use arborio_task::{Reason, ReasonKind};

use super::{
    branch::{Branch, Delivering, Running},
    wakes::Wakes,
};
use crate::{Local, Sent};

/// Whether branches, and what they belong to, may go from one thread to another.
/// There are two kinds: [`Sent`] and [`Local`].
pub trait Kind: sealed::Sealed {
    /// A branch in a box.
    #[doc(hidden)]
    type Boxed<'env>: Boxed;
}

/// What the run does with a branch in a box.
#[doc(hidden)]
pub trait Boxed: Unpin {
    /// The branch itself.
    type Inside: Running + ?Sized;

    /// Where it lies.
    fn as_pin(&mut self) -> Pin<&mut Self::Inside>;
}

impl<R: Running + ?Sized> Boxed for Pin<Box<R>> {
    type Inside = R;

    #[inline]
    fn as_pin(&mut self) -> Pin<&mut R> {
        self.as_mut()
    }
}

impl Kind for Sent {
    type Boxed<'env> = Pin<Box<dyn Running + Send + 'env>>;
}

impl Kind for Local {
    type Boxed<'env> = Pin<Box<dyn Running + 'env>>;
}

mod sealed {
    pub trait Sealed {}
    impl Sealed for crate::Sent {}
    impl Sealed for crate::Local {}
}

/// What the spawners of one place and its run share.
pub(crate) struct Place<B> {
    entrance: Mutex<Entrance<B>>,
    /// Whether there is a request; set under the lock.
    is_asked: AtomicBool,
    pub(crate) wakes: Arc<Wakes>,
}

struct Entrance<B> {
    /// C1.
    waiting: Vec<ManuallyDrop<B>>,
    is_closed: bool,
    was_run: bool,
    /// C2.
    sleeps: bool,
    request: Option<Reason>,
}

impl<B> Place<B> {
    pub(crate) fn new() -> Self {
        Self {
            entrance: Mutex::new(Entrance {
                waiting: Vec::new(),
                is_closed: false,
                was_run: false,
                sleeps: false,
                request: None,
            }),
            is_asked: AtomicBool::new(false),
            wakes: Wakes::new(),
        }
    }

    /// False: it ran before.
    pub(crate) fn start(&self) -> bool {
        !mem::replace(&mut lock(&self.entrance).was_run, true)
    }

    /// Changes something that the run must see (C2).
    fn change(&self, change: impl FnOnce(&mut Entrance<B>)) {
        let mut entrance = lock(&self.entrance);
        change(&mut entrance);
        let sleeps = mem::take(&mut entrance.sleeps);
        drop(entrance);
        if sleeps {
            self.wakes.wake_run();
        }
    }

    /// Gives the branch back if the place is closed.
    fn enter(&self, branch: B) -> Result<(), B> {
        let mut refused = None;
        self.change(|entrance| match entrance.is_closed {
            false => entrance.waiting.push(ManuallyDrop::new(branch)),
            true => refused = Some(branch),
        });
        refused.map_or(Ok(()), Err)
    }

    fn ask(&self, reason: Reason) {
        self.change(|entrance| {
            entrance.is_closed = true;
            entrance.request.get_or_insert(reason);
            self.is_asked.store(true, Ordering::Release);
        });
    }

    /// Whether the branches were asked to end.
    pub(crate) fn is_asked(&self) -> bool {
        self.is_asked.load(Ordering::Acquire)
    }

    /// Why they were asked.
    pub(crate) fn request(&self) -> Option<Reason> {
        lock(&self.entrance).request.clone()
    }

    fn is_closed(&self) -> bool {
        lock(&self.entrance).is_closed
    }

    /// The run takes what waits. Swaps; `into` must be empty.
    pub(crate) fn collect(&self, into: &mut Vec<ManuallyDrop<B>>) {
        debug_assert!(into.is_empty());
        let mut entrance = lock(&self.entrance);
        entrance.sleeps = false;
        mem::swap(&mut entrance.waiting, into);
    }

    /// The run lies down, unless there is something for it to do (C2): false then.
    pub(crate) fn lie_down(&self, knows_request: bool) -> bool {
        let mut entrance = lock(&self.entrance);
        let may_sleep = entrance.waiting.is_empty() && self.is_asked() == knows_request;
        entrance.sleeps = may_sleep;
        may_sleep
    }

    /// Closes the place if nothing waits; false if something does.
    pub(crate) fn close_if_empty(&self) -> bool {
        let mut entrance = lock(&self.entrance);
        entrance.is_closed |= entrance.waiting.is_empty();
        entrance.waiting.is_empty()
    }

    /// Closes the place for good. Gives what still waits, in its order.
    #[must_use]
    pub(crate) fn close(&self) -> Vec<ManuallyDrop<B>> {
        let mut entrance = lock(&self.entrance);
        entrance.is_closed = true;
        mem::take(&mut entrance.waiting)
    }
}

/// Starts branches of a [`Concurrent`](super::Concurrent), and asks them to end.
///
/// A branch that is to spawn others takes a clone along
/// ([`spawner`](super::Concurrent::spawner)): it cannot borrow the `Concurrent` that
/// owns it.
///
/// # Examples
/// ```
/// use arborio_scope::Concurrent;
/// use std::sync::atomic::{AtomicU32, Ordering::Relaxed};
///
/// let sum = AtomicU32::new(0);
/// futures_lite::future::block_on(async {
///     let c = Concurrent::new();
///     let (sum, s) = (&sum, c.spawner());
///     c.spawn(async move {
///         s.spawn(async { sum.fetch_add(1, Relaxed) });
///         sum.fetch_add(2, Relaxed);
///     });
///     c.run(async {}).await;
/// });
/// assert_eq!(sum.into_inner(), 3);
/// ```
pub struct Spawner<'env, K: Kind = Sent> {
    pub(crate) place: Arc<Place<K::Boxed<'env>>>,
}

impl<'env, K: Kind> Spawner<'env, K> {
    pub(crate) fn new() -> Self {
        Self {
            place: Arc::new(Place::new()),
        }
    }

    fn enter<T>(&self, branch: K::Boxed<'env>, handle: Branch<T>) -> Branch<T> {
        match self.place.enter(branch) {
            Ok(()) => handle,
            Err(_refused) => Branch::closed(),
        }
    }

    /// Asks all branches to end, and spawns no others from now on. The body goes on.
    ///
    /// Branches are asked like the inside of a timeout: their innermost handlers
    /// ([`finally`](crate::finally), [`catch_cancel`](crate::catch_cancel)) have their
    /// grace of a second, and the others go on meanwhile; where there is no handler
    /// left to wait for, all branches are dropped. If all that were asked swallow the
    /// request the branches go on. The first reason stays.
    ///
    /// # Examples
    /// ```
    /// use arborio_scope::Concurrent;
    /// futures_lite::future::block_on(async {
    ///     let c = Concurrent::new();
    ///     let ticker = c.spawn(std::future::pending::<()>());
    ///     let value = c.run(async {
    ///         c.cancel();
    ///         "done"
    ///     });
    ///     assert_eq!(value.await, "done");
    ///     assert!(ticker.await.is_err());
    /// });
    /// ```
    #[track_caller]
    pub fn cancel(&self) {
        self.place.ask(Reason::new(ReasonKind::Cancel));
    }

    /// Whether nothing can be spawned any more: after the end of the run, and after
    /// [`cancel`](Self::cancel).
    ///
    /// # Examples
    /// ```
    /// let c = arborio_scope::Concurrent::new();
    /// assert!(!c.is_closed());
    /// futures_lite::future::block_on(c.run(async {}));
    /// assert!(c.is_closed());
    /// ```
    pub fn is_closed(&self) -> bool {
        self.place.is_closed()
    }
}

impl<'env> Spawner<'env, Sent> {
    /// Starts a branch: it is polled when the run is polled next.
    ///
    /// After the end, and after [`cancel`](Self::cancel), the future is dropped
    /// without being polled, and its handle gives `Closed`.
    ///
    /// # Examples
    /// ```
    /// use arborio_scope::Concurrent;
    /// let c = Concurrent::new();
    /// futures_lite::future::block_on(c.run(async {}));
    /// let late = c.spawn(async { unreachable!("it is never polled") });
    /// assert!(futures_lite::future::block_on(late).is_err());
    /// ```
    pub fn spawn<F>(&self, future: F) -> Branch<F::Output>
    where
        F: Future<Output: Send> + Send + 'env,
    {
        let (branch, handle) = Delivering::new(future);
        self.enter(Box::pin(branch), handle)
    }
}

impl<'env> Spawner<'env, Local> {
    /// Starts a branch that stays on this thread: it is polled when the run is polled
    /// next.
    ///
    /// After the end, and after [`cancel`](Self::cancel), the future is dropped
    /// without being polled, and its handle gives `Closed`.
    ///
    /// # Examples
    /// ```
    /// use arborio_scope::Concurrent;
    /// use std::cell::Cell;
    /// let count = Cell::new(0);
    /// let c = Concurrent::local();
    /// c.spawn(async { count.set(count.get() + 1) });
    /// c.spawn(async { count.set(count.get() + 1) });
    /// futures_lite::future::block_on(c.run(async {}));
    /// assert_eq!(count.get(), 2);
    /// ```
    pub fn spawn<F: Future + 'env>(&self, future: F) -> Branch<F::Output> {
        let (branch, handle) = Delivering::new(future);
        self.enter(Box::pin(branch), handle)
    }
}

impl<K: Kind> Clone for Spawner<'_, K> {
    fn clone(&self) -> Self {
        let place = Arc::clone(&self.place);
        Self { place }
    }
}

impl<K: Kind> fmt::Debug for Spawner<'_, K> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Spawner")
            .field("is_closed", &self.is_closed())
            .finish_non_exhaustive()
    }
}
