//! An event: a gate that is open or shut.
//!
//! # Invariants
//! - E1: `set` changes under the lock only. Nobody is in line while it is true,
//!   but for those whom the running `set()` has not told yet.
//! - E2: a place wants the round in which it came. `set()` ends a round and
//!   tells everybody of it and of those before; who comes later waits for the
//!   next `set()`, so a `clear()` in between takes nothing back.

use std::{
    fmt,
    future::Future,
    pin::Pin,
    task::{Context, Poll, Waker},
};

use arborio_base::{
    contain,
    sync::atomic::{AtomicUsize, Ordering},
};

use crate::{
    blocking::block_on,
    flavour::Flavour,
    guarded::Guarded,
    line::{Answer, Line, Place, Reach},
    rounds::is_due,
};

/// A gate that is open or shut: tasks wait until it is set.
///
/// Under the name [`arborio_sync::Event`](crate::Event) for any threads, and
/// [`local::Event`](crate::local::Event) for one.
///
/// # Fairness
/// [`set`](Event::set) wakes all that wait, in the order in which they came.
///
/// # Examples
/// ```
/// use arborio_sync::Event;
///
/// # futures_lite::future::block_on(async {
/// let ready = Event::new();
/// ready.set();
/// ready.wait().await;
/// ready.clear();
/// assert!(!ready.is_set());
/// # });
/// ```
pub struct Event<F: Flavour> {
    /// 1 while it is set (E1): for looks without the lock.
    set: AtomicUsize,
    waiters: Guarded<F, Waiters>,
}

/// Who waits, and since which round.
struct Waiters {
    /// How many rounds `set()` has ended.
    round: usize,
    line: Line,
}

impl<F: Flavour> Event<F> {
    const_fn! {
        /// An event that is not set.
        ///
        /// # Examples
        /// ```
        /// static READY: arborio_sync::Event = arborio_sync::Event::new();
        /// assert!(!READY.is_set());
        /// ```
        pub const fn new() -> Self {
            Self {
                set: AtomicUsize::new(0),
                waiters: Guarded::new(Waiters { round: 0, line: Line::new() }),
            }
        }
    }

    /// Whether it is set.
    ///
    /// # Examples
    /// ```
    /// assert!(!arborio_sync::Event::new().is_set());
    /// ```
    #[inline]
    pub fn is_set(&self) -> bool {
        self.set.load(F::ACQUIRE) != 0
    }

    /// Sets it and wakes all that wait. They go on even if it is cleared before
    /// they are polled. Setting a set event does nothing.
    ///
    /// # Examples
    /// ```
    /// let event = arborio_sync::Event::new();
    /// event.set();
    /// assert!(event.is_set());
    /// ```
    pub fn set(&self) {
        let mut waiters = self.waiters.lock();
        if self.set.load(Ordering::Relaxed) != 0 {
            return;
        }
        self.set.store(1, F::RELEASE);
        let ended = waiters.round;
        waiters.round += 1;
        while let Some(waker) = waiters.tell_one(ended) {
            drop(waiters);
            contain(|| waker.wake());
            waiters = self.waiters.lock();
        }
    }

    /// Shuts it: who comes from now on waits.
    ///
    /// # Examples
    /// ```
    /// let event = arborio_sync::Event::new();
    /// event.set();
    /// event.clear();
    /// assert!(!event.is_set());
    /// ```
    pub fn clear(&self) {
        let _waiters = self.waiters.lock();
        self.set.store(0, F::RELEASE);
    }

    /// Waits until it is set; returns at once if it is.
    ///
    /// # Cancel safety
    /// Dropping the future loses nothing: others are woken all the same.
    ///
    /// # Examples
    /// ```
    /// # futures_lite::future::block_on(async {
    /// let event = arborio_sync::Event::new();
    /// event.set();
    /// event.wait().await;
    /// # });
    /// ```
    #[inline]
    pub fn wait(&self) -> EventWait<'_, F> {
        EventWait {
            place: Place::new(InLine(self)),
        }
    }

    /// Waits with the whole thread.
    ///
    /// # Panics
    /// In a task of an Arborio loop, which it would hold up.
    ///
    /// # Examples
    /// ```
    /// let event = arborio_sync::Event::new();
    /// std::thread::scope(|scope| {
    ///     scope.spawn(|| event.set());
    ///     event.blocking_wait();
    /// });
    /// assert!(event.is_set());
    /// ```
    #[track_caller]
    pub fn blocking_wait(&self) {
        block_on(self.wait());
    }
}

impl Waiters {
    /// Tells the first one that came in round `ended` or before.
    fn tell_one(&mut self, ended: usize) -> Option<Waker> {
        let came = self.line.first_want()?;
        if is_due(came, ended) {
            self.line.answer_first(Answer::Granted)
        } else {
            None
        }
    }
}

impl<F: Flavour> Default for Event<F> {
    fn default() -> Self {
        Self::new()
    }
}

impl<F: Flavour> fmt::Debug for Event<F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Event")
            .field("set", &self.is_set())
            .finish()
    }
}

/// The way from a waiting future to the line.
struct InLine<'a, F: Flavour>(&'a Event<F>);

// SAFETY: a shared reference always leads to the same event, and that has one line.
unsafe impl<F: Flavour> Reach for InLine<'_, F> {
    type Flavour = F;
    type State = Waiters;

    fn guarded(&self) -> &Guarded<F, Waiters> {
        &self.0.waiters
    }

    fn line(waiters: &mut Waiters) -> &mut Line {
        &mut waiters.line
    }

    fn left(&self, _answer: Option<Answer>, _want: usize) {
        // An event gives everybody the same: nothing is to be passed on.
    }
}

pin_project_lite::pin_project! {
    /// Waits for an event; made by [`Event::wait`].
    #[must_use = "futures do nothing unless awaited"]
    pub struct EventWait<'a, F: Flavour> {
        #[pin]
        place: Place<InLine<'a, F>>,
    }
}

impl<F: Flavour> Future for EventWait<'_, F> {
    type Output = ();

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        let mut wait = self.project();
        if let Some(answer) = wait.place.as_mut().poll_answer(cx) {
            return answer.map(drop);
        }
        let event = wait.place.reach().0;
        if event.is_set() {
            return Poll::Ready(());
        }
        wait.place.poll_join(cx, |event, waiters| {
            if event.0.is_set() {
                Ok(())
            } else {
                Err(waiters.round)
            }
        })
    }
}
