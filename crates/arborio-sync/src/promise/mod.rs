//! A promise: an outcome that somebody sets from outside, once, and that any
//! number of others await.
//!
//! * [`pledge`]: the outcome and the line of those who wait; every transition.
//! * [`waiting`]: the futures.
//! * [`errors`]: what a promise says instead of a value.
//! * [`number`]: the numbers of callbacks.
//!
//! Foreign code, which is callbacks, wakers, and the value's `clone` and `drop`,
//! runs without any lock. It may do with the promise what it likes.

mod errors;
mod number;
mod pledge;
mod waiting;

use std::{error::Error, fmt, future::IntoFuture, sync::Arc};

use arborio_base::contain;

use self::pledge::{Kind, Outcome, Pledge};
pub use self::{
    errors::{AlreadyDone, PromiseError, StillPending},
    waiting::{PromiseFuture, PromiseTake, PromiseWait},
};
use crate::{
    blocking::{assert_may_block, block_on},
    flavour::{Flavour, OneThread, Threads},
};

/// An outcome that is set once, from outside, and that any number of tasks await.
///
/// Under the name [`arborio_sync::Promise`](crate::Promise) for any threads, and
/// [`local::Promise`](crate::local::Promise) for one. This is the future of
/// Python's `asyncio`. Clones are handles to one promise: each of them may
/// complete it, and each may wait.
///
/// | it is     | by         | `wait`, `try_result` | `take`             | callbacks      |
/// |-----------|------------|----------------------|--------------------|----------------|
/// | pending   | `new`      | waits                | waits              | are kept       |
/// | a value   | `set`      | clones it            | moves it out       | see the value  |
/// | an error  | `fail`     | the same error       | the same error     | see the error  |
/// | cancelled | `cancel`   | `Cancelled`          | `Cancelled`        | see it         |
/// | taken     | `take`     | `Taken`              | `Taken`            | see that       |
///
/// It changes from pending once, and the first one who completes it wins. Awaiting
/// a promise that is done does not suspend.
///
/// Taking and waiting do not exclude each other: whoever is polled first gets the
/// value, and who is polled after it was taken gets `Taken`, however long it
/// has waited. Only those who are reading it at that moment, clones and
/// callbacks, end in peace: the taker waits for them, and so the callbacks that
/// were there before the completion always see the value.
///
/// If nobody is left who could complete it, because the only handles left are
/// borrowed by their own waits, those wait for ever. Use a
/// [`oneshot`](crate::oneshot) where the end of the other side must be seen.
///
/// # Threads
/// A promise may be sent and shared if its value is `Send` and `Sync`, because
/// several threads may clone one value at the same time.
///
/// # Fairness
/// Completion wakes all that wait, in the order in which they came.
///
/// # Examples
/// ```
/// use arborio_sync::Promise;
///
/// # futures_lite::future::block_on(async {
/// let answer = Promise::new();
/// let asker = answer.clone();
/// let thread = std::thread::spawn(move || answer.set(42).unwrap());
/// assert_eq!((&asker).await.unwrap(), 42);
/// assert_eq!(asker.await.unwrap(), 42, "any number of times");
/// # thread.join().unwrap();
/// # });
/// ```
#[doc(alias = "Future")]
#[doc(alias = "Deferred")]
pub struct Promise<T, F: Flavour> {
    pledge: F::Counted<Pledge<T, F>>,
}

impl<T, F: Flavour> Promise<T, F> {
    /// A promise that is pending.
    ///
    /// # Examples
    /// ```
    /// assert!(arborio_sync::Promise::<u32>::new().is_pending());
    /// ```
    pub fn new() -> Self {
        Self {
            pledge: F::counted(Pledge::new()),
        }
    }

    /// Completes it with a value.
    ///
    /// Those who wait are woken, then the callbacks run, here, one after the other.
    ///
    /// # Errors
    /// [`AlreadyDone`], which gives the value back, if it was completed before.
    ///
    /// # Examples
    /// ```
    /// let promise = arborio_sync::Promise::new();
    /// promise.set("first").unwrap();
    /// assert_eq!(promise.set("second").unwrap_err().into_inner(), "second");
    /// assert_eq!(promise.try_result().unwrap().unwrap(), "first");
    /// ```
    #[doc(alias = "set_result")]
    pub fn set(&self, value: T) -> Result<(), AlreadyDone<T>> {
        match self.pledge.complete(Ok(value)) {
            Ok(()) => Ok(()),
            Err(Ok(value)) => Err(AlreadyDone(value)),
            Err(Err(_)) => unreachable!("a value comes back as a value"),
        }
    }

    /// Completes it with an error, which everybody who waits shares.
    ///
    /// # Errors
    /// [`AlreadyDone`], which gives the error back, if it was completed before.
    ///
    /// # Examples
    /// ```
    /// use arborio_sync::{Promise, PromiseError};
    /// let promise = Promise::<u32>::new();
    /// promise.fail(std::io::Error::other("no space left")).unwrap();
    /// let error = promise.try_result().unwrap().unwrap_err();
    /// assert_eq!(error.to_string(), "the promise failed: no space left");
    /// assert!(promise.fail("again").is_err());
    /// ```
    #[doc(alias = "set_exception")]
    pub fn fail(
        &self,
        error: impl Into<Box<dyn Error + Send + Sync>>,
    ) -> Result<(), AlreadyDone<Arc<dyn Error + Send + Sync>>> {
        let error = Arc::from(error.into());
        match self.pledge.complete(Err(PromiseError::Failed(error))) {
            Ok(()) => Ok(()),
            Err(Err(PromiseError::Failed(error))) => Err(AlreadyDone(error)),
            Err(_) => unreachable!("an error comes back as it was"),
        }
    }

    /// Completes it with [`PromiseError::Cancelled`]; returns whether this call did.
    ///
    /// # Examples
    /// ```
    /// let promise = arborio_sync::Promise::<u32>::new();
    /// assert!(promise.cancel());
    /// assert!(!promise.cancel(), "it is done");
    /// assert!(promise.is_cancelled());
    /// ```
    pub fn cancel(&self) -> bool {
        self.pledge.complete(Err(PromiseError::Cancelled)).is_ok()
    }

    /// Whether it has an outcome, of whatever kind.
    ///
    /// # Examples
    /// ```
    /// let promise = arborio_sync::Promise::new();
    /// assert!(!promise.is_done());
    /// promise.set(1).unwrap();
    /// assert!(promise.is_done());
    /// ```
    #[doc(alias = "done")]
    pub fn is_done(&self) -> bool {
        self.pledge.kind() != Kind::Pending
    }

    /// Whether it has no outcome yet.
    ///
    /// # Examples
    /// ```
    /// assert!(arborio_sync::Promise::<u32>::new().is_pending());
    /// ```
    pub fn is_pending(&self) -> bool {
        self.pledge.kind() == Kind::Pending
    }

    /// Whether it was completed by [`Promise::cancel`].
    ///
    /// # Examples
    /// ```
    /// let promise = arborio_sync::Promise::new();
    /// promise.set(1).unwrap();
    /// assert!(!promise.is_cancelled());
    /// ```
    pub fn is_cancelled(&self) -> bool {
        self.pledge.kind() == Kind::Cancelled
    }

    /// Waits for the outcome and moves the value out: for values that cannot be
    /// cloned, or need not be.
    ///
    /// The first one who is polled when the value is there gets it. An outcome
    /// without a value is given to everybody.
    ///
    /// # Errors
    /// [`PromiseError::Taken`] if another one took the value; else what the promise
    /// was completed with instead of a value.
    ///
    /// # Cancel safety
    /// Dropping the future takes nothing.
    ///
    /// # Examples
    /// ```
    /// use arborio_sync::{Promise, PromiseError};
    /// # futures_lite::future::block_on(async {
    /// struct NotClone(u32);
    /// let promise = Promise::new();
    /// promise.set(NotClone(7)).unwrap();
    /// assert_eq!(promise.take().await.unwrap().0, 7);
    /// assert!(matches!(promise.take().await, Err(PromiseError::Taken)));
    /// # });
    /// ```
    #[inline]
    pub fn take(&self) -> PromiseTake<'_, T, F> {
        PromiseTake::new(&self.pledge)
    }

    /// [`take`](Promise::take) with the whole thread.
    ///
    /// # Errors
    /// As for [`take`](Promise::take).
    ///
    /// # Panics
    /// In a task of an Arborio loop, which it would hold up.
    ///
    /// # Examples
    /// ```
    /// let promise = arborio_sync::Promise::new();
    /// std::thread::scope(|scope| {
    ///     scope.spawn(|| promise.set(vec![1]).unwrap());
    ///     assert_eq!(promise.blocking_take().unwrap(), [1]);
    /// });
    /// ```
    #[track_caller]
    pub fn blocking_take(&self) -> Result<T, PromiseError> {
        assert_may_block();
        match self.pledge.try_take() {
            pledge::Taking::There(outcome) => outcome,
            pledge::Taking::NotNow => block_on(self.take()),
        }
    }

    /// Takes back a callback that has not run; returns whether it was there.
    ///
    /// # Examples
    /// ```
    /// let promise = arborio_sync::Promise::new();
    /// let id = promise.on_done(|_| unreachable!("it is taken back"));
    /// assert!(promise.remove_callback(id));
    /// assert!(!promise.remove_callback(id));
    /// promise.set(1).unwrap();
    /// ```
    #[doc(alias = "remove_done_callback")]
    pub fn remove_callback(&self, id: CallbackId) -> bool {
        let callback = id.number.and_then(|number| self.pledge.take_back(number));
        callback.is_some()
    }

    /// Keeps `callback`, or runs it if the promise is done.
    fn add_callback(&self, callback: F::Callback<Outcome<T>>) -> CallbackId {
        let number = match self.pledge.keep(callback) {
            Ok(number) => Some(number),
            Err(callback) => {
                self.pledge
                    .read(|outcome| contain(|| callback(outcome)))
                    .expect("the callback came back, so it is done");
                None
            }
        };
        CallbackId { number }
    }
}

impl<T: Clone, F: Flavour> Promise<T, F> {
    /// Waits for the outcome, and clones it.
    ///
    /// `(&promise).await` and `promise.await` do the same; the latter owns its
    /// handle, and so may outlive the caller's.
    ///
    /// # Errors
    /// What the promise was completed with instead of a value, or
    /// [`PromiseError::Taken`] if the value was taken.
    ///
    /// # Panics
    /// If the value's `clone` does.
    ///
    /// # Cancel safety
    /// Dropping the future has no effect on the promise.
    ///
    /// # Examples
    /// ```
    /// # futures_lite::future::block_on(async {
    /// let promise = arborio_sync::Promise::new();
    /// promise.set(7).unwrap();
    /// assert_eq!(promise.wait().await.unwrap(), 7);
    /// # });
    /// ```
    #[inline]
    pub fn wait(&self) -> PromiseWait<'_, T, F> {
        PromiseWait::new(&self.pledge)
    }

    /// [`wait`](Promise::wait) with the whole thread.
    ///
    /// # Errors
    /// As for [`wait`](Promise::wait).
    ///
    /// # Panics
    /// In a task of an Arborio loop, which it would hold up.
    ///
    /// # Examples
    /// ```
    /// let promise = arborio_sync::Promise::new();
    /// std::thread::scope(|scope| {
    ///     scope.spawn(|| promise.set(7).unwrap());
    ///     assert_eq!(promise.blocking_wait().unwrap(), 7);
    /// });
    /// ```
    #[track_caller]
    pub fn blocking_wait(&self) -> Result<T, PromiseError> {
        assert_may_block();
        let there = self.pledge.read(Outcome::clone);
        there.unwrap_or_else(|| block_on(self.wait()))
    }

    /// The outcome, if it is there.
    ///
    /// # Errors
    /// [`StillPending`] if it is not. The inner result is that of
    /// [`wait`](Promise::wait).
    ///
    /// # Examples
    /// ```
    /// use arborio_sync::{Promise, StillPending};
    /// let promise = Promise::new();
    /// assert!(promise.try_result().is_err());
    /// promise.set(7).unwrap();
    /// assert_eq!(promise.try_result().unwrap().unwrap(), 7);
    /// ```
    #[doc(alias = "result")]
    pub fn try_result(&self) -> Result<Result<T, PromiseError>, StillPending> {
        self.pledge.read(Outcome::clone).ok_or(StillPending)
    }
}

impl<T> Promise<T, Threads> {
    /// Calls `callback` when the promise is done.
    ///
    /// It runs in the thread that completes the promise, after those who wait have
    /// been woken, in the order in which callbacks were added; or here and now, if
    /// the promise is done. A panic in it is contained, and the other callbacks run.
    /// It is dropped without being called if the promise is never completed.
    ///
    /// # Examples
    /// ```
    /// let (sender, receiver) = std::sync::mpsc::channel();
    /// let promise = arborio_sync::Promise::new();
    /// promise.on_done(move |outcome| sender.send(*outcome.as_ref().unwrap()).unwrap());
    /// promise.set(7).unwrap();
    /// assert_eq!(receiver.recv(), Ok(7));
    /// ```
    #[doc(alias = "add_done_callback")]
    pub fn on_done(
        &self,
        callback: impl FnOnce(&Result<T, PromiseError>) + Send + 'static,
    ) -> CallbackId {
        self.add_callback(Box::new(callback))
    }
}

impl<T> Promise<T, OneThread> {
    /// Calls `callback` when the promise is done.
    ///
    /// It runs where the promise is completed, after those who wait have been
    /// woken, in the order in which callbacks were added; or here and now, if the
    /// promise is done. A panic in it is contained, and the other callbacks run. It
    /// is dropped without being called if the promise is never completed.
    ///
    /// # Examples
    /// ```
    /// use std::{cell::Cell, rc::Rc};
    /// let seen = Rc::new(Cell::new(0));
    /// let promise = arborio_sync::local::Promise::new();
    /// let see = Rc::clone(&seen);
    /// promise.on_done(move |outcome| see.set(*outcome.as_ref().unwrap()));
    /// promise.set(7).unwrap();
    /// assert_eq!(seen.get(), 7);
    /// ```
    #[doc(alias = "add_done_callback")]
    pub fn on_done(&self, callback: impl FnOnce(&Result<T, PromiseError>) + 'static) -> CallbackId {
        self.add_callback(Box::new(callback))
    }
}

/// Says which callback of a promise is meant; see [`Promise::remove_callback`].
///
/// # Examples
/// ```
/// let promise = arborio_sync::Promise::new();
/// promise.set(1).unwrap();
/// let id = promise.on_done(|_| ());
/// assert!(!promise.remove_callback(id), "it has run");
/// ```
#[derive(Clone, Copy, Debug)]
pub struct CallbackId {
    /// Its number, among all callbacks of all promises; `None` if it ran at once.
    number: Option<u64>,
}

impl<T, F: Flavour> Clone for Promise<T, F> {
    fn clone(&self) -> Self {
        Self {
            pledge: self.pledge.clone(),
        }
    }
}

impl<T, F: Flavour> Default for Promise<T, F> {
    fn default() -> Self {
        Self::new()
    }
}

impl<T, F: Flavour> fmt::Debug for Promise<T, F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Promise").field(&self.pledge.kind()).finish()
    }
}

impl<T: Clone, F: Flavour> IntoFuture for Promise<T, F> {
    type Output = Result<T, PromiseError>;
    type IntoFuture = PromiseFuture<T, F>;

    fn into_future(self) -> PromiseFuture<T, F> {
        PromiseFuture::new(self.pledge)
    }
}

impl<'a, T: Clone, F: Flavour> IntoFuture for &'a Promise<T, F> {
    type Output = Result<T, PromiseError>;
    type IntoFuture = PromiseWait<'a, T, F>;

    fn into_future(self) -> PromiseWait<'a, T, F> {
        self.wait()
    }
}
