//! When the time of an origin is up.

use std::{
    cell::Cell,
    future::Future,
    pin::Pin,
    task::{Context, Poll},
    time::Duration,
};

use arborio_timers::{Instant, Sleep, sleep_until};

/// How long something may run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Until {
    Forever,
    /// Counted from the first time that somebody asks.
    After(Duration),
    At(Instant),
    /// It was up, or somebody else has asked: since then a request is in force.
    Asked(Instant),
}

/// When the time is up; that is fixed from now on.
pub(crate) fn deadline(until: &Cell<Until>) -> Option<Instant> {
    match until.get() {
        Until::Forever => None,
        Until::At(deadline) | Until::Asked(deadline) => Some(deadline),
        Until::After(duration) => {
            let deadline = Instant::now().saturating_add(duration);
            until.set(Until::At(deadline));
            Some(deadline)
        }
    }
}

/// Rings when the time is up, or, once somebody has asked, when the grace is over. The
/// clock is read, and a timer made, when somebody wants to know: a future that is ready at
/// once costs neither.
#[derive(Debug)]
pub(crate) struct Alarm {
    pub(crate) timer: Option<Sleep>,
}

impl Alarm {
    #[inline(always)]
    pub(crate) const fn off() -> Self {
        Self { timer: None }
    }

    /// Whether the time is up.
    #[inline]
    pub(crate) fn poll(&mut self, until: &Cell<Until>, cx: &mut Context<'_>) -> Poll<()> {
        match &mut self.timer {
            Some(timer) => Pin::new(timer).poll(cx),
            None => self.arm(until, cx),
        }
    }

    #[inline]
    fn arm(&mut self, until: &Cell<Until>, cx: &mut Context<'_>) -> Poll<()> {
        match until.get() {
            Until::Forever | Until::Asked(_) => Poll::Pending,
            Until::After(Duration::ZERO) => Poll::Ready(()),
            Until::After(duration) => {
                let timer = self.timer.insert(Sleep::armed(duration, cx));
                until.set(Until::At(timer.deadline()));
                Poll::Pending
            }
            Until::At(deadline) => Pin::new(self.timer.insert(sleep_until(deadline))).poll(cx),
        }
    }

    /// A request is in force since `since`: rings when the grace is over.
    pub(crate) fn ring_after(&mut self, since: Instant, grace: Duration) {
        let end = since.saturating_add(grace);
        self.timer = (grace != Duration::MAX).then(|| sleep_until(end));
    }

    /// It does not ring any more.
    pub(crate) fn switch_off(&mut self, until: &Cell<Until>) {
        self.timer = None;
        until.set(Until::Forever);
    }
}
