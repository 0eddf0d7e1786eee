//! What one event loop owns: the interface for the driver of a loop.

use std::{fmt, marker::PhantomData, rc::Rc, task::Waker};

use arborio_base::WakeBatch;

use crate::{
    clock::Clock,
    helper::TimersHelper,
    home::{self, LocalHome},
    instant::Instant,
};

/// The timers of one event loop.
///
/// The driver of a loop makes one, [enters](Self::enter) it while it runs
/// tasks, and on each pass lets it [fire](Self::fire) and asks it for the
/// [next deadline](Self::next_deadline). Making and dropping one costs some
/// tens of nanoseconds as long as no sleep is armed.
///
/// Dropping it ends it, as [`end`](Self::end).
///
/// # Examples
/// ```
/// use arborio_base::WakeBatch;
/// use arborio_timers::{Clock, Timers, sleep};
/// use std::{future::Future, pin::pin, task::{Context, Waker}, time::Duration};
///
/// let timers = Timers::new(Clock::simulated(), Waker::noop().clone());
/// let _entered = timers.enter();
/// let mut cx = Context::from_waker(Waker::noop());
/// let mut nap = pin!(sleep(Duration::from_secs(60)));
/// assert!(nap.as_mut().poll(&mut cx).is_pending());
///
/// timers.jump_to(timers.next_deadline().unwrap());
/// let mut batch = WakeBatch::new();
/// assert_eq!(timers.fire(&mut batch), 1);
/// batch.wake_all();
/// assert!(nap.as_mut().poll(&mut cx).is_ready());
/// ```
pub struct Timers {
    /// Shared with the thread-local that says which loop is running.
    home: Rc<LocalHome>,
}

impl Timers {
    /// Timers on `clock`. `notify` is woken, from any thread, when the loop
    /// should look at its timers again although it may be waiting: another
    /// thread armed a sleep, moved the clock, or let go of it. It wakes the
    /// loop and does nothing else; in particular it uses no timers.
    ///
    /// # Examples
    /// ```
    /// use arborio_timers::{Clock, Timers};
    /// let timers = Timers::new(Clock::real(), std::task::Waker::noop().clone());
    /// assert!(timers.is_idle());
    /// ```
    pub fn new(clock: Clock, notify: Waker) -> Self {
        Self {
            home: home::new_local(clock, notify),
        }
    }

    /// As [`new`](Self::new), with a helper that fires them from other threads while a task holds up the loop. Each use of a
    /// sleep then takes a lock, which costs some 10 ns.
    ///
    /// # Examples
    /// ```
    /// use arborio_timers::{Clock, Timers};
    /// let (timers, _helper) = Timers::with_helper(Clock::real(), std::task::Waker::noop().clone());
    /// assert!(timers.is_idle());
    /// ```
    pub fn with_helper(clock: Clock, notify: Waker) -> (Self, TimersHelper) {
        let (home, helper) = home::new_lent(clock, notify);
        (Self { home }, helper)
    }

    /// Makes these the timers of the running loop on this thread, until the
    /// guard is dropped. The guards of nested loops must be dropped in reverse
    /// order.
    ///
    /// # Examples
    /// ```
    /// use arborio_timers::{Clock, Instant, Timers};
    /// let timers = Timers::new(Clock::simulated(), std::task::Waker::noop().clone());
    /// let entered = timers.enter();
    /// assert_eq!(Instant::now(), timers.now());
    /// drop(entered);
    /// ```
    pub fn enter(&self) -> Entered<'_> {
        Entered {
            previous: home::set_current(Some(Rc::clone(&self.home))),
            timers: PhantomData,
        }
    }

    /// Moves the wakers of all sleeps that are due to `batch`, in the order of
    /// their deadlines, and returns how many these were. The caller wakes them.
    ///
    /// Reads the clock once, and not at all if no armed sleep ever fires.
    ///
    /// # Examples
    /// ```
    /// use arborio_base::WakeBatch;
    /// use arborio_timers::{Clock, Timers};
    /// let timers = Timers::new(Clock::real(), std::task::Waker::noop().clone());
    /// assert_eq!(timers.fire(&mut WakeBatch::new()), 0);
    /// ```
    pub fn fire(&self, batch: &mut WakeBatch) -> usize {
        self.home.fire(batch)
    }

    /// The deadline of the sleep that is due first, exact to the nanosecond.
    /// `None` if no armed sleep ever fires.
    ///
    /// # Examples
    /// ```
    /// use arborio_timers::{Clock, Timers};
    /// let timers = Timers::new(Clock::real(), std::task::Waker::noop().clone());
    /// assert_eq!(timers.next_deadline(), None);
    /// ```
    pub fn next_deadline(&self) -> Option<Instant> {
        self.home.next_deadline()
    }

    /// When the loop should wake for its sleeps: at the next deadline, but if
    /// something fired less than 36 µs ago and more than one sleep is armed, not before those 36 µs are over.
    ///
    /// Many sleeps with deadlines close to each other then share a wake, which
    /// costs more than all the rest of a sleep. A lone sleep has nobody before
    /// it and is on time. On a simulated clock, where a wake costs nothing, this
    /// is always [`next_deadline`](Self::next_deadline).
    ///
    /// # Examples
    /// ```
    /// use arborio_timers::{Clock, Timers};
    /// let timers = Timers::new(Clock::real(), std::task::Waker::noop().clone());
    /// assert_eq!(timers.next_wake(), None);
    /// ```
    pub fn next_wake(&self) -> Option<Instant> {
        self.home.next_wake()
    }

    /// Whether no armed sleep ever fires.
    ///
    /// # Examples
    /// ```
    /// use arborio_timers::{Clock, Timers};
    /// let timers = Timers::new(Clock::real(), std::task::Waker::noop().clone());
    /// assert!(timers.is_idle());
    /// ```
    pub fn is_idle(&self) -> bool {
        self.next_deadline().is_none()
    }

    /// How many sleeps are armed, those that never fire included.
    ///
    /// # Examples
    /// ```
    /// use arborio_timers::{Clock, Timers};
    /// let timers = Timers::new(Clock::real(), std::task::Waker::noop().clone());
    /// assert_eq!(timers.armed(), 0);
    /// ```
    pub fn armed(&self) -> usize {
        self.home.armed()
    }

    /// The present on the clock of these timers.
    ///
    /// # Examples
    /// ```
    /// use arborio_timers::{Clock, Timers};
    /// let clock = Clock::simulated();
    /// let timers = Timers::new(clock.clone(), std::task::Waker::noop().clone());
    /// assert_eq!(timers.now(), clock.now());
    /// ```
    pub fn now(&self) -> Instant {
        self.home.clock().now()
    }

    /// The clock of these timers.
    ///
    /// # Examples
    /// ```
    /// use arborio_timers::{Clock, Timers};
    /// let timers = Timers::new(Clock::simulated(), std::task::Waker::noop().clone());
    /// assert!(timers.clock().is_simulated());
    /// ```
    pub fn clock(&self) -> &Clock {
        self.home.clock()
    }

    /// Whether no other loop goes by the same simulated clock. When the last
    /// other one ends, the notifier is woken. On the real clock always true.
    ///
    /// # Examples
    /// ```
    /// use arborio_timers::{Clock, Timers};
    /// let clock = Clock::simulated();
    /// let timers = Timers::new(clock.clone(), std::task::Waker::noop().clone());
    /// let others = Timers::new(clock, std::task::Waker::noop().clone());
    /// assert!(!timers.is_alone());
    /// drop(others);
    /// assert!(timers.is_alone());
    /// ```
    pub fn is_alone(&self) -> bool {
        let clock = self.home.clock();
        !clock.is_simulated() || !home::others_on(clock.id(), self.home.id())
    }

    /// Moves the simulated clock to `instant`, and tells the other loops on
    /// it. Whether the time has come to jump is for the driver to decide; a
    /// clock that [is held](Clock::is_held) wants to be left alone.
    ///
    /// # Panics
    /// If these timers are on the real clock.
    ///
    /// # Examples
    /// ```
    /// use arborio_timers::{Clock, Timers};
    /// use std::time::Duration;
    /// let timers = Timers::new(Clock::simulated(), std::task::Waker::noop().clone());
    /// let later = timers.now() + Duration::from_secs(1);
    /// timers.jump_to(later);
    /// assert_eq!(timers.now(), later);
    /// ```
    pub fn jump_to(&self, instant: Instant) {
        let clock = self.home.clock();
        clock.set_at_least(instant);
        home::notify_all_on(clock.id(), self.home.id());
    }

    /// Ends these timers. Idempotent.
    ///
    /// Everybody who waits is woken: a sleep that is polled again finds another
    /// loop on its clock, or panics with a message that says that there is none. Sleeps that are
    /// polled under the guard of [`enter`](Self::enter) from now on behave as
    /// if no loop ran.
    ///
    /// # Examples
    /// ```
    /// use arborio_timers::{Clock, Timers};
    /// let timers = Timers::new(Clock::real(), std::task::Waker::noop().clone());
    /// timers.end();
    /// assert!(timers.is_idle());
    /// ```
    pub fn end(&self) {
        self.home.end();
    }
}

/// Ends the timers.
impl Drop for Timers {
    fn drop(&mut self) {
        self.home.end();
    }
}

impl fmt::Debug for Timers {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Timers")
            .field("home", &self.home.id())
            .field("clock", self.home.clock())
            .finish_non_exhaustive()
    }
}

/// While it lives, its [`Timers`] are those of the running loop on this thread.
///
/// # Examples
/// ```
/// use arborio_timers::{Clock, Instant, Timers};
/// use std::{task::Waker, time::Duration};
/// let outer = Timers::new(Clock::simulated(), Waker::noop().clone());
/// let inner = Timers::new(Clock::simulated(), Waker::noop().clone());
/// let _outer = outer.enter();
/// {
///     let _inner = inner.enter();
///     inner.jump_to(inner.now() + Duration::from_secs(9));
///     assert_eq!(Instant::now(), inner.now());
/// }
/// assert_eq!(Instant::now(), outer.now());
/// ```
#[must_use = "the loop counts as running only while this guard lives"]
pub struct Entered<'a> {
    /// What was running before.
    previous: Option<Rc<LocalHome>>,
    /// The timers outlive the guard.
    timers: PhantomData<&'a Timers>,
}

/// Whatever ran before runs again.
impl Drop for Entered<'_> {
    fn drop(&mut self) {
        let own = home::set_current(self.previous.take());
        // Dropped here, when the thread-local is no longer borrowed.
        drop(own);
    }
}

impl fmt::Debug for Entered<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Entered").finish_non_exhaustive()
    }
}
