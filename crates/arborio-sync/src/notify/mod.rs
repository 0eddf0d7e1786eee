//! A notification: for one that waits, or for all.
//!
//! `waiting.rs` is how somebody waits for it, `notified.rs` the futures of that.
//!
//! # The word
//! The lowest bit says that a permit is stored: a `notify_one` that found nobody.
//! The rest is the round: how many times `notify_waiters` was called. A
//! [`Notified`] remembers the round in which it was made, and is over once that
//! has ended.
//!
//! # Invariants
//! - N1: the word changes under the lock only. Looks without the lock decide
//!   nothing but that a round has ended, which stays true.
//! - N2: whenever the lock is released, a permit is stored only if nobody is in
//!   line but those who are being told that their round has ended.
//! - N3: everybody in line of an earlier round than the present one is about to
//!   be told so. A `notify_one` tells them itself before it looks for one to
//!   notify, so that it is not spent on somebody who has been notified already.

mod notified;
mod waiting;

use std::{fmt, rc::Rc, sync::Arc};

use arborio_base::{
    contain,
    sync::atomic::{AtomicUsize, Ordering},
};

use crate::{
    blocking::{assert_may_block, block_on},
    flavour::{Flavour, OneThread, Threads},
    guarded::{Guarded, Held},
    line::{Answer, Line},
    rounds::tell_rounds,
};
use waiting::{Owner, Waiting};

pub use notified::{Notified, OwnedNotified};

const PERMIT: usize = 1;
const ROUND: usize = 2;

/// Tells one waiting task, or all of them, that something has happened.
///
/// Under the name [`arborio_sync::Notify`](crate::Notify) for any threads, and
/// [`local::Notify`](crate::local::Notify) for one.
///
/// It carries no value: whoever is notified looks at what has changed. A
/// `notify_one` that finds nobody waiting is kept for the next one who waits, but
/// only one is kept. What one thread wrote before a `notify_one` is seen by
/// the task that this call notifies.
///
/// # Fairness
/// [`notify_one`](Notify::notify_one) notifies the one that has waited longest,
/// [`notify_waiters`](Notify::notify_waiters) all of them in the order in which
/// they came.
///
/// # Examples
/// ```
/// use arborio_sync::Notify;
///
/// # futures_lite::future::block_on(async {
/// let notify = Notify::new();
/// notify.notify_one(); // nobody waits yet: it is kept
/// notify.notified().await;
/// assert!(futures_lite::future::poll_once(notify.notified()).await.is_none());
/// # });
/// ```
///
/// Waiting for a condition without losing the change that comes between the look
/// and the wait:
/// ```
/// use std::sync::atomic::{AtomicBool, Ordering};
/// use arborio_sync::Notify;
///
/// async fn wait_until_open(open: &AtomicBool, changed: &Notify) {
///     loop {
///         let notified = changed.notified(); // counts from here on
///         if open.load(Ordering::Acquire) {
///             return;
///         }
///         notified.await;
///     }
/// }
/// # futures_lite::future::block_on(async {
/// let (open, changed) = (AtomicBool::new(false), Notify::new());
/// let opening = async {
///     open.store(true, Ordering::Release);
///     changed.notify_waiters();
/// };
/// futures_lite::future::zip(wait_until_open(&open, &changed), opening).await;
/// assert!(open.into_inner());
/// # });
/// ```
#[doc(alias = "Condvar")]
pub struct Notify<F: Flavour> {
    /// The round and the permit; changed by the holder of `line` (N1).
    word: AtomicUsize,
    /// Those who wait; each wants the round in which it joined.
    line: Guarded<F, Line>,
}

impl<F: Flavour> Notify<F> {
    const_fn! {
        /// Nobody has been notified.
        ///
        /// # Examples
        /// ```
        /// static CHANGED: arborio_sync::Notify = arborio_sync::Notify::new();
        /// CHANGED.notify_one();
        /// CHANGED.blocking_notified();
        /// # let mut next = Box::pin(CHANGED.notified());
        /// # assert!(!next.as_mut().enable());
        /// ```
        pub const fn new() -> Self {
            Self {
                word: AtomicUsize::new(0),
                line: Guarded::new(Line::new()),
            }
        }
    }

    /// Notifies the one that has waited longest. If nobody waits, the next one who
    /// does is notified at once; several such calls notify one only.
    ///
    /// # Examples
    /// ```
    /// # futures_lite::future::block_on(async {
    /// let notify = arborio_sync::Notify::new();
    /// notify.notify_one();
    /// notify.notify_one();
    /// notify.notified().await;
    /// let second = futures_lite::future::poll_once(notify.notified()).await;
    /// assert!(second.is_none(), "one permit is kept, not two");
    /// # });
    /// ```
    pub fn notify_one(&self) {
        let line = self.line.lock();
        let ended = self.round().wrapping_sub(ROUND);
        let mut line = self.tell(line, ended); // N3
        let waker = line.answer_first(Answer::Granted);
        if waker.is_none() {
            // Also if a permit is there: whoever takes it must see what was written
            // before this call, so it is stored again.
            self.store(self.word.load(Ordering::Relaxed) | PERMIT);
        }
        drop(line);
        if let Some(waker) = waker {
            contain(|| waker.wake());
        }
    }

    /// Notifies all that wait now, those [`Notified`] included that were made but
    /// not polled yet. Nothing is kept for those who come later.
    ///
    /// # Examples
    /// ```
    /// # futures_lite::future::block_on(async {
    /// let notify = arborio_sync::Notify::new();
    /// let (first, second) = (notify.notified(), notify.notified());
    /// notify.notify_waiters();
    /// first.await;
    /// second.await;
    /// let third = futures_lite::future::poll_once(notify.notified()).await;
    /// assert!(third.is_none());
    /// # });
    /// ```
    pub fn notify_waiters(&self) {
        let line = self.line.lock();
        let ended = self.round();
        let word = self.word.load(Ordering::Relaxed);
        self.store(word.wrapping_add(ROUND));
        drop(self.tell(line, ended));
    }

    /// Waits to be notified.
    ///
    /// The future takes part in [`notify_waiters`](Notify::notify_waiters) from its
    /// making on, in [`notify_one`](Notify::notify_one) from its first poll on or
    /// from [`Notified::enable`] on.
    ///
    /// # Cancel safety
    /// Dropping the future gives up its place in line. A `notify_one` that was
    /// meant for it, and that it has not seen, goes to the next one.
    ///
    /// # Examples
    /// ```
    /// # futures_lite::future::block_on(async {
    /// let notify = arborio_sync::Notify::new();
    /// let notified = notify.notified();
    /// notify.notify_one();
    /// notified.await;
    /// # assert!(!std::pin::pin!(notify.notified()).enable());
    /// # });
    /// ```
    #[inline]
    pub fn notified(&self) -> Notified<'_, F> {
        Notified {
            waiting: Waiting::new(self),
        }
    }

    /// Waits to be notified, with the whole thread.
    ///
    /// # Panics
    /// In a task of an Arborio loop, which it would hold up.
    ///
    /// # Examples
    /// ```
    /// let notify = arborio_sync::Notify::new();
    /// let told = std::thread::scope(|scope| {
    ///     scope.spawn(|| notify.notify_one());
    ///     notify.blocking_notified();
    ///     true
    /// });
    /// assert!(told);
    /// ```
    #[track_caller]
    pub fn blocking_notified(&self) {
        assert_may_block();
        if !self.permit_ends_wait_since(self.round()) {
            block_on(self.notified());
        }
    }

    /// The number of the present round: the word without the permit.
    fn round(&self) -> usize {
        self.word.load(F::ACQUIRE) & !PERMIT
    }

    fn has_permit(&self) -> bool {
        self.word.load(F::ACQUIRE) & PERMIT != 0
    }

    /// Changes the word. The caller has the lock (N1).
    fn store(&self, word: usize) {
        self.word.store(word, F::RELEASE);
    }

    /// Takes the permit, if there is one. The caller has the lock (N1).
    fn take_permit(&self) -> bool {
        let there = self.has_permit();
        if there {
            self.store(self.round());
        }
        there
    }

    /// Whether the wait of somebody who came in round `made` is over: the round has
    /// ended, which spends no permit, or a permit was there. The caller has the
    /// lock.
    fn ends_wait_since(&self, made: usize) -> bool {
        self.round() != made || self.take_permit()
    }

    /// The same for a caller without the lock, if a permit is there.
    fn permit_ends_wait_since(&self, made: usize) -> bool {
        self.has_permit() && {
            let _line = self.line.lock();
            self.ends_wait_since(made)
        }
    }

    /// Tells all who joined in round `ended` or before that it has ended.
    fn tell<'a>(&'a self, line: Held<'a, F, Line>, ended: usize) -> Held<'a, F, Line> {
        tell_rounds(&self.line, line, |line| line, ended, Answer::Retry)
    }
}

impl Notify<Threads> {
    /// [`notified`](Notify::notified) for a future that owns the notification.
    ///
    /// # Cancel safety
    /// As for [`notified`](Notify::notified).
    ///
    /// # Examples
    /// ```
    /// use std::sync::Arc;
    /// let notify = Arc::new(arborio_sync::Notify::new());
    /// let notified = Arc::clone(&notify).notified_owned();
    /// let thread = std::thread::spawn(|| futures_lite::future::block_on(notified));
    /// notify.notify_waiters();
    /// assert!(thread.join().is_ok());
    /// ```
    pub fn notified_owned(self: Arc<Self>) -> OwnedNotified<Threads> {
        OwnedNotified {
            waiting: Waiting::new(Owner(self)),
        }
    }
}

impl Notify<OneThread> {
    /// [`notified`](Notify::notified) for a future that owns the notification.
    ///
    /// # Cancel safety
    /// As for [`notified`](Notify::notified).
    ///
    /// # Examples
    /// ```
    /// use std::rc::Rc;
    /// let notify = Rc::new(arborio_sync::local::Notify::new());
    /// let notified = Rc::clone(&notify).notified_owned();
    /// notify.notify_waiters();
    /// futures_lite::future::block_on(notified);
    /// assert_eq!(Rc::strong_count(&notify), 1);
    /// ```
    pub fn notified_owned(self: Rc<Self>) -> OwnedNotified<OneThread> {
        OwnedNotified {
            waiting: Waiting::new(Owner(self)),
        }
    }
}

impl<F: Flavour> Default for Notify<F> {
    fn default() -> Self {
        Self::new()
    }
}

impl<F: Flavour> fmt::Debug for Notify<F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Notify")
            .field("permit", &self.has_permit())
            .finish()
    }
}
