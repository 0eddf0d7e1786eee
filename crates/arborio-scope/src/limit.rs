//! When the time of an origin is up.

use std::{
    cell::Cell,
    future::Future,
    pin::Pin,
    task::{Context, Poll},
    time::Duration,
};

use arborio_timers::{Instant, Sleep, sleep, sleep_until};

/// A limit in time. The clock is read, and a timer made, when somebody wants to know:
/// a future that is ready at once costs neither.
#[derive(Debug)]
pub(crate) struct Limit {
    given: Given,
    /// When the time is up, once that is fixed.
    deadline: Cell<Option<Instant>>,
    timer: Option<Sleep>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Given {
    Never,
    /// Counted from the first poll.
    After(Duration),
    At,
}

impl Limit {
    const fn new(given: Given, deadline: Option<Instant>) -> Self {
        Self {
            given,
            deadline: Cell::new(deadline),
            timer: None,
        }
    }

    /// None.
    pub(crate) const fn never() -> Self {
        Self::new(Given::Never, None)
    }

    /// This long after the first time that somebody asks.
    pub(crate) const fn after(duration: Duration) -> Self {
        Self::new(Given::After(duration), None)
    }

    /// At this instant.
    pub(crate) const fn at(deadline: Instant) -> Self {
        Self::new(Given::At, Some(deadline))
    }

    /// When the time is up; that is fixed from now on.
    pub(crate) fn deadline(given: Duration, deadline: &Cell<Option<Instant>>) -> Instant {
        deadline.get().unwrap_or_else(|| {
            let fixed = Instant::now().saturating_add(given);
            deadline.set(Some(fixed));
            fixed
        })
    }

    /// What tells when the time is up, and what waits for it.
    pub(crate) fn split(&mut self) -> (impl Fn() -> Option<u64>, Alarm<'_>) {
        let (given, deadline) = (self.given, &self.deadline);
        let tell = move || {
            let deadline = match given {
                Given::Never => return None,
                Given::After(duration) => Self::deadline(duration, deadline),
                Given::At => deadline.get()?,
            };
            Some(deadline.as_nanos())
        };
        let timer = &mut self.timer;
        let given = &mut self.given;
        (
            tell,
            Alarm {
                given,
                deadline,
                timer,
            },
        )
    }
}

/// Rings when the time is up.
pub(crate) struct Alarm<'a> {
    given: &'a mut Given,
    deadline: &'a Cell<Option<Instant>>,
    timer: &'a mut Option<Sleep>,
}

impl Alarm<'_> {
    /// Whether the time is up.
    #[inline]
    pub(crate) fn poll(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        if let Some(timer) = self.timer {
            return Pin::new(timer).poll(cx);
        }
        self.arm(cx)
    }

    fn arm(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        let timer = match (self.deadline.get(), *self.given) {
            (_, Given::Never) => return Poll::Pending,
            (_, Given::After(Duration::ZERO)) => return Poll::Ready(()),
            (None, Given::After(duration)) => sleep(duration),
            (Some(deadline), _) => sleep_until(deadline),
            (None, Given::At) => return Poll::Pending,
        };
        self.deadline.set(Some(timer.deadline()));
        Pin::new(self.timer.insert(timer)).poll(cx)
    }

    /// It has rung, and does not count any more. False: there is no request now.
    pub(crate) fn switch_off(&mut self) -> bool {
        *self.given = Given::Never;
        *self.timer = None;
        false
    }
}
