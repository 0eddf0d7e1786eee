//! What a loop takes for the time: the real clock, or one that is moved by hand.

use std::{
    fmt,
    sync::{
        Arc,
        atomic::{AtomicU32, AtomicU64, AtomicUsize, Ordering},
    },
    time::Duration,
};

use crate::{home, instant::Instant};

/// Names a clock without keeping it alive. Never used again in one process.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct ClockId(u32);

impl ClockId {
    /// The real clock.
    pub(crate) const REAL: Self = Self(0);

    /// An id that no clock had before.
    fn fresh() -> Self {
        static LAST: AtomicU32 = AtomicU32::new(0);
        // Relaxed: only the counter itself matters.
        let last = LAST.fetch_update(Ordering::Relaxed, Ordering::Relaxed, |last| {
            last.checked_add(1)
        });
        let last =
            last.expect("this process made 2^32 - 1 simulated clocks, there are no more ids");
        Self(last + 1)
    }
}

/// The real clock, or a simulated one that moves only when it is told to.
///
/// Clones show the same time. Cloning costs nothing for the real clock.
///
/// # Examples
/// ```
/// use arborio_timers::Clock;
/// use std::time::Duration;
/// let clock = Clock::simulated();
/// let start = clock.now();
/// assert_eq!(clock.now(), start, "nobody moved it");
/// clock.advance(Duration::from_secs(3600));
/// assert_eq!(clock.now() - start, Duration::from_secs(3600));
/// ```
#[derive(Clone)]
pub struct Clock {
    /// `None` is the real clock.
    simulated: Option<Arc<Simulated>>,
}

/// A clock that is moved by hand.
struct Simulated {
    /// Names this clock in sleeps.
    id: ClockId,
    /// The present in nanoseconds. Only grows.
    now: AtomicU64,
    /// How many [`ClockHold`]s are alive.
    holds: AtomicUsize,
}

impl Clock {
    /// The clock of the machine: monotonic, as [`std::time::Instant`].
    ///
    /// # Examples
    /// ```
    /// use arborio_timers::Clock;
    /// assert!(!Clock::real().is_simulated());
    /// ```
    pub const fn real() -> Self {
        Self { simulated: None }
    }

    /// The clock of the loop that runs on this thread; the real one if none does.
    ///
    /// # Examples
    /// ```
    /// use arborio_timers::{Clock, Timers};
    /// use std::task::Waker;
    /// let timers = Timers::new(Clock::simulated(), Waker::noop().clone());
    /// let _entered = timers.enter();
    /// assert!(Clock::current().is_simulated());
    /// ```
    pub fn current() -> Self {
        home::with_current(|current| current.clock().clone()).unwrap_or_default()
    }

    /// A new clock that always starts at the same instant and stands still
    /// until it is moved: by [`advance`](Self::advance), or by the driver of a
    /// loop that has nothing left to do.
    ///
    /// # Panics
    /// If this process has made 2^32 - 1 simulated clocks before.
    ///
    /// # Examples
    /// ```
    /// use arborio_timers::Clock;
    /// assert_eq!(Clock::simulated().now(), Clock::simulated().now());
    /// ```
    pub fn simulated() -> Self {
        let simulated = Simulated {
            id: ClockId::fresh(),
            now: AtomicU64::new(Instant::ORIGIN.as_nanos()),
            holds: AtomicUsize::new(0),
        };
        Self {
            simulated: Some(Arc::new(simulated)),
        }
    }

    /// The present on this clock.
    ///
    /// # Examples
    /// ```
    /// use arborio_timers::Clock;
    /// let earlier = Clock::real().now();
    /// assert!(Clock::real().now() >= earlier);
    /// ```
    #[inline]
    pub fn now(&self) -> Instant {
        match &self.simulated {
            None => Instant::now_real(),
            // Acquire, with the Release in `advance_to`: who sees the new time
            // also sees what was done before it was set.
            Some(simulated) => Instant::from_nanos(simulated.now.load(Ordering::Acquire)),
        }
    }

    /// Whether this clock moves only by hand.
    ///
    /// # Examples
    /// ```
    /// assert!(arborio_timers::Clock::simulated().is_simulated());
    /// ```
    #[inline]
    pub fn is_simulated(&self) -> bool {
        self.simulated.is_some()
    }

    /// Moves a simulated clock forward and tells the loops that use it. It
    /// never gets to the end of time, only to the nanosecond before.
    ///
    /// # Panics
    /// On the real clock.
    ///
    /// # Examples
    /// ```
    /// use arborio_timers::{Clock, Instant};
    /// use std::time::Duration;
    /// let clock = Clock::simulated();
    /// clock.advance(Duration::MAX);
    /// assert!(clock.now() < Instant::FAR_FUTURE, "saturates before that");
    /// ```
    pub fn advance(&self, by: Duration) {
        self.change(|now| now + by);
        home::notify_all_on(self.id(), home::NOBODY);
    }

    /// Moves a simulated clock to `instant` and tells the loops that use it.
    /// A clock that is there or beyond already stays where it is.
    ///
    /// # Panics
    /// On the real clock.
    ///
    /// # Examples
    /// ```
    /// use arborio_timers::Clock;
    /// use std::time::Duration;
    /// let clock = Clock::simulated();
    /// let start = clock.now();
    /// clock.advance_to(start + Duration::from_secs(1));
    /// clock.advance_to(start);
    /// assert_eq!(clock.now(), start + Duration::from_secs(1));
    /// ```
    pub fn advance_to(&self, instant: Instant) {
        self.set_at_least(instant);
        home::notify_all_on(self.id(), home::NOBODY);
    }

    /// Moves the clock without telling anybody.
    pub(crate) fn set_at_least(&self, instant: Instant) {
        self.change(|now| now.max(instant));
    }

    /// Moves the clock in one step, so that two threads lose nothing to each other.
    fn change(&self, later: impl Fn(Instant) -> Instant) {
        let Some(simulated) = &self.simulated else {
            panic!("the real clock cannot be moved, only one made by `Clock::simulated`");
        };
        // The end of time is never reached: what is due then never fires.
        let change = |now| Some(later(Instant::from_nanos(now)).as_nanos().min(u64::MAX - 1));
        // Release: partner of the Acquire in `now`.
        let _ = simulated
            .now
            .fetch_update(Ordering::Release, Ordering::Relaxed, change);
    }

    /// Keeps a simulated clock from being moved by an idle loop while the
    /// guard lives. On the real clock the guard does nothing.
    ///
    /// For work that a loop cannot see but waits for: a job on another thread
    /// holds the clock, hands in its result, and only then lets go.
    /// [`advance`](Self::advance) is not affected.
    ///
    /// # Examples
    /// ```
    /// use arborio_timers::Clock;
    /// let clock = Clock::simulated();
    /// let hold = clock.hold();
    /// assert!(clock.is_held());
    /// drop(hold);
    /// assert!(!clock.is_held());
    /// ```
    pub fn hold(&self) -> ClockHold {
        if let Some(simulated) = &self.simulated {
            // Relaxed: nothing is published when a hold begins.
            simulated.holds.fetch_add(1, Ordering::Relaxed);
        }
        ClockHold {
            clock: self.clone(),
        }
    }

    /// Whether a [`ClockHold`] of this clock is alive.
    ///
    /// When this answers no, whatever the last holder did before it let go is
    /// visible. So a driver asks this first, and then whether there is work.
    ///
    /// # Examples
    /// ```
    /// use arborio_timers::Clock;
    /// let _hold = Clock::real().hold();
    /// assert!(!Clock::real().is_held(), "the real clock cannot be held");
    /// ```
    pub fn is_held(&self) -> bool {
        let Some(simulated) = &self.simulated else {
            return false;
        };
        // Acquire: partner of the Release in the drop of `ClockHold`.
        simulated.holds.load(Ordering::Acquire) != 0
    }

    /// The name of this clock.
    #[inline]
    pub(crate) fn id(&self) -> ClockId {
        match &self.simulated {
            None => ClockId::REAL,
            Some(simulated) => simulated.id,
        }
    }
}

/// The real clock.
impl Default for Clock {
    fn default() -> Self {
        Self::real()
    }
}

impl fmt::Debug for Clock {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.simulated {
            None => f.write_str("Clock::real"),
            Some(_) => write!(f, "Clock::simulated({:?})", self.now()),
        }
    }
}

/// Keeps a simulated clock from being moved by an idle loop; see [`Clock::hold`].
///
/// # Examples
/// ```
/// use arborio_timers::Clock;
/// let clock = Clock::simulated();
/// let hold = clock.hold();
/// std::thread::spawn(move || drop(hold)).join().unwrap();
/// assert!(!clock.is_held());
/// ```
#[derive(Debug)]
#[must_use = "the clock is held only while this guard lives"]
pub struct ClockHold {
    /// The clock whose count this guard raised.
    clock: Clock,
}

/// Lets go, and tells the loops on this clock if this was the last hold.
impl Drop for ClockHold {
    fn drop(&mut self) {
        let Some(simulated) = &self.clock.simulated else {
            return;
        };
        // Release: partner of the Acquire in `is_held`.
        if simulated.holds.fetch_sub(1, Ordering::Release) == 1 {
            home::notify_all_on(simulated.id, home::NOBODY);
        }
    }
}

/// How long the loop on this thread has been running, by its clock; on a
/// thread without a loop, how long ago this process first asked for the time.
///
/// # Examples
/// ```
/// use arborio_timers::{Clock, Timers, clock};
/// use std::{task::Waker, time::Duration};
/// let simulated = Clock::simulated();
/// let timers = Timers::new(simulated.clone(), Waker::noop().clone());
/// let _entered = timers.enter();
/// simulated.advance(Duration::from_secs(2));
/// assert_eq!(clock(), Duration::from_secs(2));
/// ```
pub fn clock() -> Duration {
    home::with_current(|current| current.clock().now() - current.started())
        .unwrap_or_else(|| Instant::now_real() - Instant::ORIGIN)
}
