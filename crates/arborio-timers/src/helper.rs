//! [`TimersHelper`]: another thread fires the timers of a loop that is held up.

use std::{
    fmt,
    sync::{Arc, Mutex},
    task::Waker,
};

use arborio_base::{Process, WakeBatch, between_forks};

use crate::{clock::Clock, home::lock, wheel::Wheel};

/// Fires the sleeps of a loop's [`Timers`](crate::Timers) from another thread, while the loop cannot.
///
/// # Examples
/// ```
/// use arborio_base::WakeBatch;
/// use arborio_timers::{Clock, Timers, sleep};
/// use std::{pin::pin, task::{Context, Waker}, time::Duration};
///
/// let clock = Clock::simulated();
/// let (timers, helper) = Timers::with_helper(clock, Waker::noop().clone());
/// let _here = timers.enter();
/// let mut cx = Context::from_waker(Waker::noop());
/// let mut nap = pin!(sleep(Duration::from_secs(1)));
/// assert!(nap.as_mut().poll(&mut cx).is_pending());
///
/// timers.jump_to(timers.next_deadline().unwrap());
/// let fired = std::thread::spawn(move || helper.fire(&mut WakeBatch::new())).join().unwrap();
/// assert_eq!(fired, 1);
/// assert!(nap.as_mut().poll(&mut cx).is_ready());
/// ```
#[derive(Clone)]
pub struct TimersHelper {
    wheel: Arc<Mutex<Wheel<Waker>>>,
    clock: Clock,
}

impl TimersHelper {
    /// For those who go by `clock` and whose wheel is `wheel`.
    pub(crate) fn new(wheel: Arc<Mutex<Wheel<Waker>>>, clock: Clock) -> Self {
        Process::watched(); // forks are to wait for `fire`
        Self { wheel, clock }
    }

    /// Moves the wakers of all sleeps that are due to `batch`, in the order of their deadlines, and returns how many these
    /// were. The caller wakes them. Those that threads without a loop of these timers have armed are left to the loop. While a
    /// thread of the process forks, none are moved.
    ///
    /// # Examples
    /// ```
    /// use arborio_base::WakeBatch;
    /// use arborio_timers::{Clock, Timers};
    /// let (_timers, helper) = Timers::with_helper(Clock::real(), std::task::Waker::noop().clone());
    /// assert_eq!(helper.fire(&mut WakeBatch::new()), 0);
    /// ```
    pub fn fire(&self, batch: &mut WakeBatch) -> usize {
        // The loop may be in a task that forks: in the child this lock would stay taken.
        let fired = between_forks(|| {
            let mut wheel = lock(&self.wheel);
            if wheel.next_deadline().is_none() {
                return 0;
            }
            let now = self.clock.now().as_nanos();
            wheel.advance_with(now, |waker| batch.push(waker))
        });
        fired.unwrap_or(0)
    }
}

impl fmt::Debug for TimersHelper {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TimersHelper")
            .field("clock", &self.clock)
            .finish_non_exhaustive()
    }
}
