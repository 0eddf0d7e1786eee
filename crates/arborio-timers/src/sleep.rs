//! A future that waits for a deadline.
//!
//! # States
//! | state      | slot                    | the next poll                              |
//! |------------|-------------------------|--------------------------------------------|
//! | `Yielding` | none                    | wakes its task, is pending, then `Done`    |
//! | `Unarmed`  | none                    | ready if due, else arms a slot             |
//! | `Local`    | in a home's local wheel | on that home's thread: ready if slot gone  |
//! |            |                         | elsewhere: takes leave, then as `Unarmed`  |
//! | `Shared`   | in a home's shared wheel| ready if slot gone                         |
//! | `Done`     | none                    | ready                                      |
//!
//! # Invariants
//! - S1: a slot that is gone has fired, for nobody but its sleep removes it. If
//!   it went with its home, the home's number finds nothing, and the sleep is
//!   armed anew.

use std::{
    future::Future,
    pin::Pin,
    task::{Context, Poll},
    time::Duration,
};

use crate::{
    clock::{Clock, ClockId},
    home::{self, Armed, Berth, HomeId, NOBODY},
    instant::Instant,
    wheel::Key,
};

/// What is further away than this is not due, says a clock that is some milliseconds behind.
const FAR: Duration = Duration::from_millis(20);

/// Where a sleep stands; see the table at the top of this file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    /// `sleep(0)`, not polled yet.
    Yielding,
    /// No slot is armed.
    Unarmed,
    /// A slot of the local wheel of `home` is armed, or has fired.
    Local,
    /// A slot of the shared wheel of `home` is armed, or has fired.
    Shared,
    /// Over.
    Done,
}

impl State {
    /// The state of a sleep that was just armed.
    #[inline]
    fn of(berth: Berth) -> Self {
        if berth.local {
            Self::Local
        } else {
            Self::Shared
        }
    }
}

/// A future that is ready when its deadline has come; see [`sleep`].
///
/// It is `Send` and `Sync`, has no memory of its own beside a slot of a timer
/// wheel while it waits, and belongs to the clock of the loop in which it was
/// made. It may be polled anywhere:
/// * on the thread of a loop with the same clock it waits in that loop's timers;
/// * a sleep on the real clock that is polled where no such loop runs is served
///   by a background thread of this crate;
/// * a sleep on a simulated clock that is polled elsewhere waits in the timers
///   of a loop on that clock.
///
/// # Cancel safety
/// Dropping it disarms the timer and loses nothing else. Polling it again
/// after it was ready gives ready again.
///
/// # Panics
/// Polling panics if the background thread is needed and cannot be started, or
/// if the sleep is on a simulated clock and no loop on that clock is left.
///
/// # Examples
/// ```
/// use arborio_timers::{Instant, sleep};
/// use std::time::Duration;
/// let start = Instant::now();
/// let nap = sleep(Duration::from_millis(2));
/// futures_lite::future::block_on(nap);
/// assert!(start.elapsed() >= Duration::from_millis(2));
/// ```
#[derive(Debug)]
#[must_use = "a sleep does nothing unless it is awaited"]
pub struct Sleep {
    /// When it ends, on its clock.
    deadline: Instant,
    /// The home of its slot; means nothing without one.
    home: HomeId,
    /// Its slot; means nothing without one.
    key: Key,
    /// The clock it was made on.
    clock: ClockId,
    /// Where it stands.
    state: State,
}

/// Waits for `duration`, counted from this call, on the clock of the loop that
/// runs on this thread, or else on the real clock.
///
/// Never ends early. `sleep(Duration::ZERO)` lets every task that is ready now
/// run once, by waking its own. A sleep that would end beyond the end of time
/// (`Duration::MAX`) never ends.
///
/// # Cancel safety
/// Dropping the future disarms the timer.
///
/// # Panics
/// Never here; see [`Sleep`] for polling.
///
/// # Examples
/// ```
/// use arborio_timers::sleep;
/// use std::time::Duration;
/// futures_lite::future::block_on(async {
///     let start = std::time::Instant::now();
///     sleep(Duration::from_millis(1)).await;
///     assert!(start.elapsed() >= Duration::from_millis(1));
/// });
/// ```
#[inline]
pub fn sleep(duration: Duration) -> Sleep {
    let (clock, now) = here();
    let state = if duration.is_zero() {
        State::Yielding
    } else {
        State::Unarmed
    };
    Sleep::new(clock, now + duration, state)
}

/// Waits until `deadline` on the clock of the loop that runs on this thread,
/// or else on the real clock. A deadline that has passed is ready at once.
///
/// # Cancel safety
/// Dropping the future disarms the timer.
///
/// # Panics
/// Never here; see [`Sleep`] for polling.
///
/// # Examples
/// ```
/// use arborio_timers::{Instant, sleep_until};
/// let now = Instant::now();
/// let past = sleep_until(now);
/// assert_eq!(past.deadline(), now);
/// futures_lite::future::block_on(past);
/// ```
#[inline]
pub fn sleep_until(deadline: Instant) -> Sleep {
    Sleep::new(clock_here(), deadline, State::Unarmed)
}

/// The clock that a future made now belongs to, and its present.
#[inline]
fn here() -> (ClockId, Instant) {
    home::with_current(|home| (home.clock().id(), home.clock().now()))
        .unwrap_or_else(|| (ClockId::REAL, Instant::now_real()))
}

/// The clock that a future made now belongs to.
#[inline]
fn clock_here() -> ClockId {
    home::with_current(|home| home.clock().id()).unwrap_or_else(|| Clock::real().id())
}

impl Sleep {
    /// A sleep without a slot.
    #[inline]
    fn new(clock: ClockId, deadline: Instant, state: State) -> Self {
        Self {
            deadline,
            home: NOBODY,
            key: Key::NONE,
            clock,
            state,
        }
    }

    /// A sleep that ends `duration` from now and is armed for the task of `cx`.
    /// Spares the second reading of the clock that polling a new sleep costs.
    ///
    /// # Panics
    /// Where polling a new sleep does.
    ///
    /// # Examples
    /// ```
    /// use arborio_timers::{Instant, Sleep};
    /// use std::{task::{Context, Waker}, time::Duration};
    /// let mut cx = Context::from_waker(Waker::noop());
    /// let sleep = Sleep::armed(Duration::from_secs(1), &mut cx);
    /// assert!(sleep.deadline() > Instant::now());
    /// ```
    #[inline]
    pub fn armed(duration: Duration, cx: &mut Context<'_>) -> Self {
        // The clone may be foreign code, so it is made before anything is held.
        let (clock, deadline, berth) = home::arm_after(duration, cx.waker().clone());
        Self {
            deadline,
            home: berth.home,
            key: berth.key,
            clock,
            state: State::of(berth),
        }
    }

    /// When this sleep ends.
    ///
    /// # Examples
    /// ```
    /// use arborio_timers::{Instant, sleep};
    /// use std::time::Duration;
    /// assert_eq!(sleep(Duration::MAX).deadline(), Instant::FAR_FUTURE);
    /// ```
    #[inline]
    pub fn deadline(&self) -> Instant {
        self.deadline
    }

    /// Whether the sleep is over: it was ready, or its deadline has come.
    ///
    /// # Examples
    /// ```
    /// use arborio_timers::{Instant, sleep, sleep_until};
    /// use std::time::Duration;
    /// assert!(sleep_until(Instant::now()).is_elapsed());
    /// assert!(!sleep(Duration::from_secs(60)).is_elapsed());
    /// ```
    pub fn is_elapsed(&self) -> bool {
        self.state == State::Done
            || home::now_on(self.clock).is_some_and(|now| now >= self.deadline)
    }

    /// Gives the sleep another deadline, earlier or later, also when it is over.
    ///
    /// The task that waits must poll the sleep once more, as after its making,
    /// to be sure to be woken at the new deadline.
    ///
    /// # Examples
    /// ```
    /// use arborio_timers::{Instant, sleep};
    /// use std::{pin::pin, time::Duration};
    /// let mut nap = pin!(sleep(Duration::from_secs(3600)));
    /// nap.as_mut().reset(Instant::now() + Duration::from_millis(1));
    /// futures_lite::future::block_on(nap.as_mut());
    /// assert!(nap.is_elapsed());
    /// ```
    pub fn reset(self: Pin<&mut Self>, deadline: Instant) {
        let sleep = self.get_mut();
        sleep.deadline = deadline;
        let armed_anew = sleep
            .berth()
            .is_some_and(|berth| home::reset(berth, deadline));
        if !armed_anew {
            sleep.disarm();
            sleep.state = State::Unarmed;
        }
    }

    /// Lets the next poll wake its task and be pending, and the one after be ready.
    pub(crate) fn reset_to_yield(&mut self, deadline: Instant) {
        self.disarm();
        self.deadline = deadline;
        self.state = State::Yielding;
    }

    /// The present on the clock of this sleep, or its deadline if that clock
    /// is simulated and has no loop any more.
    pub(crate) fn now(&self) -> Instant {
        home::now_on(self.clock).unwrap_or(self.deadline)
    }

    /// The slot of this sleep, if it has one.
    #[inline]
    fn berth(&self) -> Option<Berth> {
        let local = match self.state {
            State::Local => true,
            State::Shared => false,
            State::Yielding | State::Unarmed | State::Done => return None,
        };
        Some(Berth {
            home: self.home,
            key: self.key,
            local,
        })
    }

    /// Gives the slot back, if there is one.
    #[inline]
    fn disarm(&mut self) {
        if matches!(self.state, State::Local | State::Shared) {
            self.give_slot_back();
        }
    }

    /// Not inlined: a sleep is dropped in many places, and mostly has no slot there.
    #[inline(never)]
    fn give_slot_back(&mut self) {
        if let Some(berth) = self.berth() {
            self.state = State::Unarmed;
            home::disarm(berth);
        }
    }

    /// Takes a slot that wakes the task of `cx`.
    #[inline]
    fn arm(&mut self, cx: &mut Context<'_>) {
        // The clone may be foreign code, so it is made before anything is held.
        let berth = home::arm(self.clock, self.deadline, cx.waker().clone());
        self.home = berth.home;
        self.key = berth.key;
        self.state = State::of(berth);
    }

    /// Whether its time has come. The exact time is asked for only if it may matter: a slot
    /// that is armed too late fires in the next pass all the same.
    #[inline]
    fn is_due(&self) -> bool {
        if self.clock == ClockId::REAL && self.deadline > Instant::recent_real().saturating_add(FAR)
        {
            return false;
        }
        home::now_on(self.clock).is_some_and(|now| now >= self.deadline)
    }

    /// Polls a sleep without a slot.
    fn poll_unarmed(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        if self.is_due() {
            self.state = State::Done;
            return Poll::Ready(());
        }
        self.arm(cx);
        Poll::Pending
    }

    /// Polls a sleep with a slot.
    #[inline]
    fn poll_armed(&mut self, berth: Berth, cx: &mut Context<'_>) -> Poll<()> {
        match home::poll_armed(berth, cx.waker()) {
            Some(Armed::Fired) => {
                self.state = State::Done;
                Poll::Ready(())
            }
            Some(Armed::Waiting | Armed::OtherWaker) => Poll::Pending,
            None => {
                self.disarm();
                self.poll_unarmed(cx)
            }
        }
    }
}

impl Future for Sleep {
    type Output = ();

    #[inline]
    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        let sleep = self.get_mut();
        match (sleep.state, sleep.berth()) {
            (_, Some(berth)) => sleep.poll_armed(berth, cx),
            (State::Done, None) => Poll::Ready(()),
            (State::Yielding, None) => {
                sleep.state = State::Done;
                cx.waker().wake_by_ref();
                Poll::Pending
            }
            (_, None) => sleep.poll_unarmed(cx),
        }
    }
}

/// Disarms the timer, from whichever thread.
impl Drop for Sleep {
    #[inline]
    fn drop(&mut self) {
        self.disarm();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_sleep_is_send_and_sync_and_thirty_two_bytes() {
        fn assert_send_sync<T: Send + Sync + Unpin>() {}
        assert_send_sync::<Sleep>();
        assert_eq!(size_of::<Sleep>(), 32);
    }
}
