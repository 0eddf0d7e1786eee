//! Where branches come in: what the spawners and the run of one place share.
//!
//! The branches themselves go through the word of the [`Place`]. Beside it lies what
//! happens once: the run begins, and somebody asks the branches to end.
//!
//! # Invariants
//! - C5: `is_asked` is set before the place is shut, and the run looks at it after it has
//!   lain down. So either it sees the request, or the shutting finds it asleep (C2).

use std::{fmt, future::Future};

use arborio_base::sync::{
    Mutex,
    atomic::{AtomicBool, Ordering},
    lock,
};
use arborio_task::{Interrupt, Reason, ReasonKind};

use super::{
    branch::Branch,
    cells::{self, Entered, Handle, Owned},
    wakes,
};
use crate::{Local, Sent};

/// Whether branches, and what they belong to, may go from one thread to another.
/// There are two kinds: [`Sent`] and [`Local`].
pub trait Kind: sealed::Sealed {
    #[doc(hidden)]
    const MIGRATES: bool;
}

impl Kind for Sent {
    const MIGRATES: bool = true;
}

impl Kind for Local {
    const MIGRATES: bool = false;
}

mod sealed {
    pub trait Sealed {}
    impl Sealed for crate::Sent {}
    impl Sealed for crate::Local {}
}

/// What spawners and run share, beside the branches.
pub(crate) struct Orders {
    was_run: AtomicBool,
    /// Whether there is a request (C5).
    is_asked: AtomicBool,
    request: Mutex<Option<Reason>>,
}

pub(crate) type Place<'env, K> = cells::Place<'env, K, Orders>;
pub(crate) type Bell = wakes::Bell<cells::Shared<Orders>>;

impl<'env, K: Kind> Place<'env, K> {
    fn open() -> Self {
        Self::new(Orders {
            was_run: AtomicBool::new(false),
            is_asked: AtomicBool::new(false),
            request: Mutex::new(None),
        })
    }

    /// False: it ran before.
    pub(crate) fn start(&self) -> bool {
        // Relaxed: of two calls one is the first, and nothing else is published.
        !self.rest().was_run.swap(true, Ordering::Relaxed)
    }

    #[cold]
    fn wake_run(&self) {
        self.wakes().wake_run();
    }

    fn ask(&self, reason: Reason) {
        lock(&self.rest().request).get_or_insert(reason);
        self.rest().is_asked.store(true, Ordering::Release);
        if self.shut() == Entered::Wakes {
            self.wake_run();
        }
    }

    /// Whether the branches were asked to end.
    pub(crate) fn is_asked(&self) -> bool {
        self.rest().is_asked.load(Ordering::Acquire)
    }

    /// Why they were asked.
    pub(crate) fn request(&self) -> Option<Reason> {
        lock(&self.rest().request).clone()
    }

    /// The run lies down, unless there is something for it to do (C2, C5): false then.
    pub(crate) fn sleep(&self, knows_request: bool) -> bool {
        self.lie_down() && self.is_asked() == knows_request
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
    pub(crate) place: Place<'env, K>,
}

impl<'env, K: Kind> Spawner<'env, K> {
    pub(crate) fn new() -> Self {
        Self {
            place: Place::open(),
        }
    }

    #[inline]
    fn enter<T>(&self, (branch, handle): (Owned<'env, K>, Handle<T>)) -> Branch<T> {
        match self.place.enter(branch) {
            Ok(Entered::Unheard) => {}
            Ok(Entered::Wakes) => self.place.wake_run(),
            Err(refused) => refuse(refused),
        }
        Branch::new(handle)
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
        self.enter(Owned::sent(future))
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
        self.enter(Owned::local(future))
    }
}

/// Drops a branch that came too late.
#[cold]
fn refuse<K: Kind>(mut branch: Owned<'_, K>) {
    branch.tell(Interrupt::Closed);
}

impl<K: Kind> Clone for Spawner<'_, K> {
    fn clone(&self) -> Self {
        let place = self.place.clone();
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
