//! Branches that run inside of their task, and borrow from it.
//!
//! | file          | what it is about                                              |
//! |---------------|---------------------------------------------------------------|
//! | `spawner.rs`  | where branches come in, before the run and while it runs       |
//! | `cells/`      | one branch: its future, its value, and who has them when       |
//! | `branch.rs`   | the handle of a branch                                         |
//! | `wakes.rs`    | how a wake, of any thread, reaches a branch; the only protocol |
//! | `branches.rs` | which branches there are, and which are polled next            |
//! | `run.rs`      | body and branches as one future; requests, panics, the end     |
//! | `closure.rs`  | the form with a closure                                        |
//!
//! A branch is a cell that the run owns, and that lasts until its handle is gone, too. A
//! waker leads to a number. The unsafe code is in `cells/`.
//!
//! # Examples
//! ```
//! use arborio_scope::Concurrent;
//! let text = String::from("bread");
//! let c = Concurrent::new();
//! let length = c.spawn(async { text.len() });
//! let length = futures_lite::future::block_on(c.run(length));
//! assert_eq!(length.unwrap(), 5);
//! ```

mod branch;
mod branches;
#[allow(unsafe_code, reason = "a branch and its handle share one allocation")]
mod cells;
mod closure;
mod run;
mod spawner;
mod wakes;

use std::{fmt, future::Future, ops::Deref};

use arborio_task::{Interrupt, Reason, ReasonKind};

pub use branch::Branch;
pub use closure::{Inside, concurrent_local};
pub use run::Run;
pub use spawner::{Kind, Spawner};

use crate::{Local, Sent};

/// Futures that run side by side inside of one task, and may borrow what was declared
/// before it.
///
/// [`spawn`](Spawner::spawn) starts a *branch*. [`run`](Self::run) polls the body and
/// the branches, each only when it was woken, until all have ended. They take turns on
/// the task that awaits the run: nothing runs in parallel. The whole is `Send` if the
/// branches are; [`local`](Self::local) takes branches that are not.
///
/// It can be leaked, or its run, or a handle: what is leaked is not polled any more.
/// Dropped before it was run, it drops its branches in their order.
///
/// # Examples
/// ```
/// use arborio_scope::Concurrent;
/// use arborio_timers::sleep;
/// use std::{sync::Mutex, time::Duration};
///
/// let words = Mutex::new(Vec::new());
/// futures_lite::future::block_on(async {
///     let c = Concurrent::new();
///     c.spawn(async {
///         sleep(Duration::from_millis(2)).await;
///         words.lock().unwrap().push("world");
///     });
///     c.spawn(async { words.lock().unwrap().push("hello") });
///     c.run(async {}).await;
/// });
/// assert_eq!(words.into_inner().unwrap(), ["hello", "world"]);
/// ```
#[must_use = "branches are dropped, unpolled, unless `run` polls them"]
pub struct Concurrent<'env, K: Kind = Sent> {
    spawner: Spawner<'env, K>,
}

impl Concurrent<'_, Sent> {
    /// No branches yet; those that come must be `Send`.
    ///
    /// # Examples
    /// ```
    /// let number = 6;
    /// let c = arborio_scope::Concurrent::new();
    /// let seven = c.spawn(async { number + 1 });
    /// let seven = futures_lite::future::block_on(c.run(seven));
    /// assert_eq!(seven.unwrap(), 7);
    /// ```
    pub fn new() -> Self {
        Self {
            spawner: Spawner::new(),
        }
    }
}

impl Concurrent<'_, Local> {
    /// No branches yet; all stay on this thread.
    ///
    /// # Examples
    /// ```
    /// use std::cell::Cell;
    /// let number = Cell::new(6);
    /// let c = arborio_scope::Concurrent::local();
    /// c.spawn(async { number.set(7) });
    /// futures_lite::future::block_on(c.run(async {}));
    /// assert_eq!(number.get(), 7);
    /// ```
    pub fn local() -> Self {
        Self {
            spawner: Spawner::new(),
        }
    }
}

impl<'env, K: Kind> Concurrent<'env, K> {
    /// A spawner that a branch can take along.
    ///
    /// # Examples
    /// ```
    /// let c = arborio_scope::Concurrent::new();
    /// let s = c.spawner();
    /// let inner = c.spawn(async move { s.spawn(async { 5 }) });
    /// let five = c.run(async { inner.await.unwrap().await });
    /// assert_eq!(futures_lite::future::block_on(five).unwrap(), 5);
    /// ```
    pub fn spawner(&self) -> Spawner<'env, K> {
        self.spawner.clone()
    }

    /// Polls `body` and the branches until all have ended, and gives the value of
    /// `body`.
    ///
    /// The body may spawn, and await the handles of branches. Its end ends nobody:
    /// branches that are not to go on for ever are told so by
    /// [`cancel`](Spawner::cancel), also from the end of the body.
    ///
    /// One poll of this polls what was woken before it, and a bounded number of times
    /// what is woken or spawned meanwhile. Who wakes itself waits for the next poll,
    /// so a branch that is never idle starves neither its siblings nor other tasks.
    ///
    /// # Panics
    /// A panic of the body or of a branch goes on here, when everything else was
    /// dropped. A second call panics: it runs once.
    ///
    /// # Cancel safety
    /// Dropping the future drops the body, and then the branches in the order in which
    /// they were spawned, without asking anybody. A request from outside (a
    /// [`timeout`](crate::timeout), say) asks the handlers in the branches and in the
    /// body.
    ///
    /// # Examples
    /// ```
    /// use arborio_scope::Concurrent;
    /// futures_lite::future::block_on(async {
    ///     let text = String::from("bread");
    ///     let c = Concurrent::new();
    ///     let length = c.run(async {
    ///         let length = c.spawn(async { text.len() });
    ///         length.await.unwrap()
    ///     });
    ///     assert_eq!(length.await, 5);
    /// });
    /// ```
    pub fn run<F: Future>(&self, body: F) -> Run<'_, 'env, F, K> {
        assert!(self.spawner.place.start(), "a Concurrent runs once");
        Run::new(&self.spawner, body)
    }
}

impl Default for Concurrent<'_, Sent> {
    fn default() -> Self {
        Self::new()
    }
}

impl<'env, K: Kind> Deref for Concurrent<'env, K> {
    type Target = Spawner<'env, K>;

    fn deref(&self) -> &Self::Target {
        &self.spawner
    }
}

impl<K: Kind> Drop for Concurrent<'_, K> {
    /// For those that were never run.
    fn drop(&mut self) {
        let mut waiting = self.spawner.place.close(0);
        if waiting.is_empty() {
            return;
        }
        let why = Interrupt::Cancelled(Reason::new(ReasonKind::Abort));
        while let Some(branch) = waiting.pop_front() {
            branches::end(branch, why.clone());
        }
    }
}

impl<K: Kind> fmt::Debug for Concurrent<'_, K> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Concurrent")
            .field("is_closed", &self.is_closed())
            .finish_non_exhaustive()
    }
}
