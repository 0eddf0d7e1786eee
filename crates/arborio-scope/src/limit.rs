//! When the time of an origin is up.

use std::{
    cell::Cell,
    future::Future,
    pin::Pin,
    task::{Context, Poll},
    time::Duration,
};

use arborio_timers::{Instant, Sleep, sleep_until};

/// A limit in time. The clock is read, and a timer made, when somebody wants to know:
/// a future that is ready at once costs neither.
#[derive(Debug)]
pub(crate) struct Limit {
    until: Cell<Until>,
    timer: Option<Sleep>,
}

/// How long something may run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Until {
    Forever,
    /// Counted from the first time that somebody asks.
    After(Duration),
    At(Instant),
}

impl Limit {
    pub(crate) const fn new(until: Until) -> Self {
        Self {
            until: Cell::new(until),
            timer: None,
        }
    }

    /// What tells when the time is up, and what waits for it.
    #[inline]
    pub(crate) fn split(&mut self) -> (impl Fn() -> Option<u64>, Alarm<'_>) {
        let (until, timer) = (&self.until, &mut self.timer);
        let tell = move || deadline(until).map(Instant::as_nanos);
        (tell, Alarm { until, timer })
    }
}

/// When the time is up; that is fixed from now on.
fn deadline(until: &Cell<Until>) -> Option<Instant> {
    match until.get() {
        Until::Forever => None,
        Until::At(deadline) => Some(deadline),
        Until::After(duration) => {
            let deadline = Instant::now().saturating_add(duration);
            until.set(Until::At(deadline));
            Some(deadline)
        }
    }
}

/// Rings when the time is up.
pub(crate) struct Alarm<'a> {
    until: &'a Cell<Until>,
    timer: &'a mut Option<Sleep>,
}

impl Alarm<'_> {
    /// Whether the time is up.
    #[inline]
    pub(crate) fn poll(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        match self.timer {
            Some(timer) => Pin::new(timer).poll(cx),
            None => self.arm(cx),
        }
    }

    #[inline]
    fn arm(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        match self.until.get() {
            Until::Forever => Poll::Pending,
            Until::After(Duration::ZERO) => Poll::Ready(()),
            Until::After(duration) => {
                let timer = self.timer.insert(Sleep::armed(duration, cx));
                self.until.set(Until::At(timer.deadline()));
                Poll::Pending
            }
            Until::At(deadline) => Pin::new(self.timer.insert(sleep_until(deadline))).poll(cx),
        }
    }

    /// It has rung, and does not count any more. False: there is no request now.
    pub(crate) fn switch_off(&mut self) -> bool {
        self.until.set(Until::Forever);
        *self.timer = None;
        false
    }
}
