//! Ticks at regular times.

use std::{
    future::Future,
    pin::Pin,
    task::{Context, Poll, ready},
    time::Duration,
};

use arborio_base::budget;
use futures_core::Stream;

use crate::{
    instant::{Instant, nanos_of},
    sleep::{Sleep, sleep_until},
};

/// What an [`Interval`] does when a tick was taken so late that the time of
/// the next had passed already.
///
/// # Examples
/// ```
/// use arborio_timers::{MissedTick, interval};
/// use std::time::Duration;
/// let ticks = interval(Duration::from_secs(1));
/// assert_eq!(ticks.missed_tick(), MissedTick::Burst);
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum MissedTick {
    /// Make up for them: the missed ticks follow at once, on their old times.
    #[default]
    Burst,
    /// Start over: the next tick is one period after the late one was taken.
    Delay,
    /// Leave them out: the next tick is the next one of the old times that is
    /// still to come.
    Skip,
}

/// Ticks at regular times; see [`interval`].
///
/// As a stream it never ends; its items are the times for which the ticks were
/// scheduled.
///
/// # Examples
/// ```
/// use arborio_timers::interval;
/// use std::time::Duration;
/// futures_lite::future::block_on(async {
///     let mut ticks = interval(Duration::from_millis(1));
///     let first = ticks.tick().await;
///     let second = ticks.tick().await;
///     assert_eq!(second - first, Duration::from_millis(1));
/// });
/// ```
#[derive(Debug)]
#[must_use = "an interval does nothing unless its ticks are awaited"]
pub struct Interval {
    /// Waits for the next tick; its deadline is the time of that.
    next: Sleep,
    /// The time from tick to tick.
    period: Duration,
    /// What happens after a tick that was taken too late.
    missed: MissedTick,
}

/// Ticks every `period`, the first time at once.
///
/// Each tick charges the budget of the task, so a task that takes ticks for
/// ever cannot keep the others waiting. With a period of zero a tick comes
/// each time after every task that was ready has run. Times beyond the end of
/// time never come: `interval(Duration::MAX)` ticks once.
///
/// # Panics
/// Never here; polling panics where polling a [`Sleep`] does.
///
/// # Examples
/// ```
/// use arborio_timers::{Instant, interval};
/// use std::time::Duration;
/// let before = Instant::now();
/// let mut ticks = interval(Duration::from_secs(60));
/// let first = futures_lite::future::block_on(ticks.tick());
/// assert!(first >= before && first <= Instant::now());
/// ```
pub fn interval(period: Duration) -> Interval {
    interval_at(Instant::now(), period)
}

/// Ticks every `period`, the first time at `start`. Otherwise as [`interval`].
///
/// # Panics
/// Never here; polling panics where polling a [`Sleep`] does.
///
/// # Examples
/// ```
/// use arborio_timers::{Instant, interval_at};
/// use std::time::Duration;
/// let start = Instant::now() + Duration::from_millis(1);
/// let mut ticks = interval_at(start, Duration::from_secs(60));
/// assert_eq!(futures_lite::future::block_on(ticks.tick()), start);
/// ```
pub fn interval_at(start: Instant, period: Duration) -> Interval {
    Interval {
        next: sleep_until(start),
        period,
        missed: MissedTick::default(),
    }
}

impl Interval {
    /// Waits for the next tick and returns the time for which it was scheduled.
    ///
    /// # Cancel safety
    /// Dropping the future loses no tick: the next call waits for the same one.
    ///
    /// # Examples
    /// ```
    /// use arborio_timers::interval;
    /// use std::time::Duration;
    /// let mut ticks = interval(Duration::from_millis(1));
    /// let first = futures_lite::future::block_on(ticks.tick());
    /// let second = futures_lite::future::block_on(ticks.tick());
    /// assert!(second > first);
    /// ```
    pub fn tick(&mut self) -> Tick<'_> {
        Tick { interval: self }
    }

    /// The same as [`tick`](Self::tick), for hand-written futures.
    ///
    /// # Examples
    /// ```
    /// use arborio_timers::interval;
    /// use std::{task::{Context, Waker}, time::Duration};
    /// let mut ticks = interval(Duration::from_secs(60));
    /// let mut cx = Context::from_waker(Waker::noop());
    /// assert!(ticks.poll_tick(&mut cx).is_ready(), "the first comes at once");
    /// assert!(ticks.poll_tick(&mut cx).is_pending());
    /// ```
    pub fn poll_tick(&mut self, cx: &mut Context<'_>) -> Poll<Instant> {
        ready!(budget::poll_charge(cx));
        if Pin::new(&mut self.next).poll(cx).is_pending() {
            budget::refund();
            return Poll::Pending;
        }
        let scheduled = self.next.deadline();
        self.schedule_after(scheduled);
        Poll::Ready(scheduled)
    }

    /// The time from tick to tick.
    ///
    /// # Examples
    /// ```
    /// use std::time::Duration;
    /// let ticks = arborio_timers::interval(Duration::from_secs(1));
    /// assert_eq!(ticks.period(), Duration::from_secs(1));
    /// ```
    pub fn period(&self) -> Duration {
        self.period
    }

    /// What happens after a tick that was taken too late.
    ///
    /// # Examples
    /// ```
    /// use arborio_timers::{MissedTick, interval};
    /// let ticks = interval(std::time::Duration::from_secs(1));
    /// assert_eq!(ticks.missed_tick(), MissedTick::Burst);
    /// ```
    pub fn missed_tick(&self) -> MissedTick {
        self.missed
    }

    /// Chooses what happens after a tick that was taken too late.
    ///
    /// # Examples
    /// ```
    /// use arborio_timers::{MissedTick, interval};
    /// let ticks = interval(std::time::Duration::from_secs(1)).with_missed_tick(MissedTick::Skip);
    /// assert_eq!(ticks.missed_tick(), MissedTick::Skip);
    /// ```
    pub fn with_missed_tick(mut self, missed: MissedTick) -> Self {
        self.missed = missed;
        self
    }

    /// Lets the next tick come one period from now.
    ///
    /// # Examples
    /// ```
    /// use std::{task::{Context, Waker}, time::Duration};
    /// let mut ticks = arborio_timers::interval(Duration::from_secs(60));
    /// ticks.reset();
    /// assert!(ticks.poll_tick(&mut Context::from_waker(Waker::noop())).is_pending());
    /// ```
    pub fn reset(&mut self) {
        let next = self.next.now() + self.period;
        self.schedule(next);
    }

    /// Chooses the time of the tick after the one that was just taken.
    fn schedule_after(&mut self, scheduled: Instant) {
        let regular = scheduled + self.period;
        if self.period.is_zero() {
            let now = self.next.now();
            return self.schedule(now);
        }
        let next = match self.missed {
            MissedTick::Burst => regular,
            MissedTick::Delay | MissedTick::Skip => {
                let now = self.next.now();
                if now <= regular {
                    regular
                } else if self.missed == MissedTick::Delay {
                    now + self.period
                } else {
                    now + self.until_next_regular(scheduled, now)
                }
            }
        };
        self.schedule(next);
    }

    /// From `now` to the next regular time after it. The period is not zero.
    fn until_next_regular(&self, scheduled: Instant, now: Instant) -> Duration {
        let period = nanos_of(self.period);
        let late = now.as_nanos() - scheduled.as_nanos();
        Duration::from_nanos(period - late % period)
    }

    /// Sets the time of the next tick.
    fn schedule(&mut self, next: Instant) {
        if self.period.is_zero() {
            self.next.reset_to_yield(next);
        } else {
            Pin::new(&mut self.next).reset(next);
        }
    }
}

/// Never ends.
impl Stream for Interval {
    type Item = Instant;

    fn poll_next(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Instant>> {
        self.get_mut().poll_tick(cx).map(Some)
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        (usize::MAX, None)
    }
}

/// The future of [`Interval::tick`].
///
/// # Cancel safety
/// Dropping it loses no tick.
///
/// # Examples
/// ```
/// use arborio_timers::{Tick, interval};
/// let mut ticks = interval(std::time::Duration::from_secs(1));
/// let first: Tick<'_> = ticks.tick();
/// let at = futures_lite::future::block_on(first);
/// assert_eq!(at, at);
/// ```
#[derive(Debug)]
#[must_use = "a tick is taken only when it is awaited"]
pub struct Tick<'a> {
    /// Whose tick.
    interval: &'a mut Interval,
}

impl Future for Tick<'_> {
    type Output = Instant;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Instant> {
        self.interval.poll_tick(cx)
    }
}
