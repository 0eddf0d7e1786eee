//! A deadline around any future, for those who have timers and nothing else.
//!
//! It drops the future when the time is up and asks nobody. The `timeout` of the scopes'
//! crate, which is that of the facade, asks the handlers inside first.

use std::{
    error::Error,
    fmt,
    future::Future,
    io,
    pin::Pin,
    task::{Context, Poll},
    time::Duration,
};

use pin_project_lite::pin_project;

use crate::{
    instant::Instant,
    sleep::{Sleep, sleep_until},
};

/// The time was up before the future was ready.
///
/// # Examples
/// ```
/// use arborio_timers::TimedOut;
/// assert_eq!(TimedOut.to_string(), "the time is up");
/// let error = std::io::Error::from(TimedOut);
/// assert_eq!(error.kind(), std::io::ErrorKind::TimedOut);
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct TimedOut;

impl fmt::Display for TimedOut {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the time is up")
    }
}

impl Error for TimedOut {}

impl From<TimedOut> for io::Error {
    fn from(error: TimedOut) -> Self {
        Self::new(io::ErrorKind::TimedOut, error)
    }
}

/// When a timeout strikes, and what it has done about it so far.
#[derive(Debug)]
enum Limit {
    /// This long after the first poll, which has not been or was ready.
    After(Duration),
    /// At this instant; no poll has been pending yet.
    At(Instant),
    /// The first poll was pending, so there is a timer.
    Armed(Sleep),
}

pin_project! {
    /// The future of [`timeout`] and [`timeout_at`].
    ///
    /// # Cancel safety
    /// Dropping it drops the inner future, and loses what that loses.
    ///
    /// # Examples
    /// ```
    /// use arborio_timers::{TimedOut, Timeout, timeout};
    /// use std::{future::Ready, future::ready, time::Duration};
    /// let quick: Timeout<Ready<u8>> = timeout(Duration::ZERO, ready(7));
    /// assert_eq!(futures_lite::future::block_on(quick), Ok(7));
    /// ```
    #[derive(Debug)]
    #[must_use = "a timeout does nothing unless it is awaited"]
    pub struct Timeout<F> {
        // Polled first, so that it wins when both are ready.
        #[pin]
        future: F,
        // The timer, or how to make it.
        limit: Limit,
    }
}

/// Gives `future` at most `limit`, counted from the first poll.
///
/// Handlers inside, as those of the crate of scopes, are not asked: the future is dropped
/// as a `select!` drops it.
///
/// The future is polled first, so one that is ready at its first poll wins
/// even over a limit of zero. When the time is up the future is dropped
/// together with this one. A limit of `Duration::MAX` is none. A future that
/// is ready at once never costs a timer, not even a look at the clock.
///
/// # Errors
/// [`TimedOut`] if the time was up first.
///
/// # Cancel safety
/// As safe as `future`: dropping this drops it.
///
/// # Panics
/// Polling panics where polling a [`Sleep`] does.
///
/// # Examples
/// ```
/// use arborio_timers::{TimedOut, timeout};
/// use std::{future::pending, time::Duration};
/// futures_lite::future::block_on(async {
///     let limit = Duration::from_millis(1);
///     assert_eq!(timeout(limit, async { 5 }).await, Ok(5));
///     assert_eq!(timeout(limit, pending::<()>()).await, Err(TimedOut));
/// });
/// ```
#[inline]
pub fn timeout<F: Future>(limit: Duration, future: F) -> Timeout<F> {
    Timeout {
        future,
        limit: Limit::After(limit),
    }
}

/// Gives `future` until `deadline`, on the clock of the loop on which it is
/// first polled. Otherwise as [`timeout`].
///
/// # Errors
/// [`TimedOut`] if the deadline came first.
///
/// # Cancel safety
/// As safe as `future`: dropping this drops it.
///
/// # Panics
/// Polling panics where polling a [`Sleep`] does.
///
/// # Examples
/// ```
/// use arborio_timers::{Instant, TimedOut, timeout_at};
/// use std::future::pending;
/// let late = timeout_at(Instant::now(), pending::<()>());
/// assert_eq!(futures_lite::future::block_on(late), Err(TimedOut));
/// ```
#[inline]
pub fn timeout_at<F: Future>(deadline: Instant, future: F) -> Timeout<F> {
    Timeout {
        future,
        limit: Limit::At(deadline),
    }
}

impl<F> Timeout<F> {
    /// Gives the future back and disarms the timer.
    ///
    /// # Examples
    /// ```
    /// use arborio_timers::timeout;
    /// use std::{future::ready, time::Duration};
    /// let inner = timeout(Duration::ZERO, ready(3)).into_inner();
    /// assert_eq!(futures_lite::future::block_on(inner), 3);
    /// ```
    pub fn into_inner(self) -> F {
        self.future
    }
}

impl Limit {
    /// Whether the time is up; called after the inner future was pending.
    #[inline]
    fn poll(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        match self {
            Self::Armed(sleep) => Pin::new(sleep).poll(cx),
            Self::After(Duration::ZERO) => Poll::Ready(()),
            Self::After(duration) => {
                *self = Self::Armed(Sleep::armed(*duration, cx));
                Poll::Pending
            }
            Self::At(deadline) => {
                let mut sleep = sleep_until(*deadline);
                let is_up = Pin::new(&mut sleep).poll(cx);
                *self = Self::Armed(sleep);
                is_up
            }
        }
    }
}

impl<F: Future> Future for Timeout<F> {
    type Output = Result<F::Output, TimedOut>;

    #[inline]
    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let timeout = self.project();
        if let Poll::Ready(output) = timeout.future.poll(cx) {
            return Poll::Ready(Ok(output));
        }
        timeout.limit.poll(cx).map(|()| Err(TimedOut))
    }
}
