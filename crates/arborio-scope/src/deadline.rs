//! Origins that make their request when the time is up.

use std::{
    fmt,
    future::{Future, IntoFuture},
    pin::Pin,
    task::{Context, Poll, ready},
    time::Duration,
};

use arborio_timers::{Instant, TimedOut};

use crate::{
    limit::Until,
    origin::{Ended, Origin},
};

pin_project_lite::pin_project! {
    /// Gives a future a limited time.
    struct Limited<F> {
        #[pin]
        origin: Origin<F>,
    }
}

impl<F: Future> Limited<F> {
    #[inline(always)]
    const fn new(until: Until, future: F) -> Self {
        Self {
            origin: Origin::limited(until, future),
        }
    }

    #[inline]
    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Ended<F::Output>> {
        self.project().origin.poll_timed(cx)
    }
}

pin_project_lite::pin_project! {
    /// The future of [`move_on_after`] and [`move_on_at`].
    #[must_use = "futures do nothing unless awaited"]
    pub struct MoveOn<F> {
        #[pin]
        limited: Limited<F>,
    }
}

pin_project_lite::pin_project! {
    /// The future of [`timeout`], [`timeout_at`], [`fail_after`] and [`fail_at`].
    #[must_use = "a timeout does nothing unless it is awaited"]
    pub struct Timeout<F> {
        #[pin]
        limited: Limited<F>,
    }
}

/// Gives `future` at most `limit`, counted from the first poll; `None` if it was
/// asked to end because the time was up.
///
/// The future is polled first, so a value wins over the limit, even over zero. When
/// the time is up its handlers are asked ([`catch_cancel`](crate::catch_cancel),
/// [`finally`](crate::finally)); they have as long as an origin or a scope around this
/// says ([`MoveOn::grace`]), or one second. A future without handlers is dropped at once.
///
/// # Cancel safety
/// As safe as `future`: dropping this drops it, without asking anybody.
///
/// # Examples
/// ```
/// use arborio_scope::move_on_after;
/// use std::{future::pending, time::Duration};
///
/// futures_lite::future::block_on(async {
///     assert_eq!(move_on_after(Duration::ZERO, async { 5 }).await, Some(5));
///     assert_eq!(move_on_after(Duration::ZERO, pending::<u8>()).await, None);
/// });
/// ```
#[inline]
pub fn move_on_after<F: IntoFuture>(limit: Duration, future: F) -> MoveOn<F::IntoFuture> {
    MoveOn {
        limited: Limited::new(Until::After(limit), future.into_future()),
    }
}

/// Gives `future` until `deadline`. Otherwise as [`move_on_after`].
///
/// # Cancel safety
/// As safe as `future`: dropping this drops it, without asking anybody.
///
/// # Examples
/// ```
/// use arborio_scope::move_on_at;
/// use arborio_timers::Instant;
///
/// futures_lite::future::block_on(async {
///     let value = move_on_at(Instant::now(), std::future::pending::<u8>()).await;
///     assert_eq!(value, None);
/// });
/// ```
#[inline]
pub fn move_on_at<F: IntoFuture>(deadline: Instant, future: F) -> MoveOn<F::IntoFuture> {
    MoveOn {
        limited: Limited::new(Until::At(deadline), future.into_future()),
    }
}

/// Gives `future` at most `limit`, counted from the first poll. Otherwise as
/// [`move_on_after`].
///
/// # Errors
/// [`TimedOut`] if the time was up first.
///
/// # Cancel safety
/// As safe as `future`: dropping this drops it, without asking anybody.
///
/// # Examples
/// ```
/// use arborio_scope::fail_after;
/// use arborio_timers::TimedOut;
/// use std::{future::pending, time::Duration};
///
/// futures_lite::future::block_on(async {
///     assert_eq!(fail_after(Duration::ZERO, async { 5 }).await, Ok(5));
///     assert_eq!(fail_after(Duration::ZERO, pending::<u8>()).await, Err(TimedOut));
/// });
/// ```
#[inline]
pub fn fail_after<F: IntoFuture>(limit: Duration, future: F) -> Timeout<F::IntoFuture> {
    Timeout {
        limited: Limited::new(Until::After(limit), future.into_future()),
    }
}

/// Gives `future` until `deadline`. Otherwise as [`fail_after`].
///
/// # Errors
/// [`TimedOut`] if the deadline came first.
///
/// # Cancel safety
/// As safe as `future`: dropping this drops it, without asking anybody.
///
/// # Examples
/// ```
/// use arborio_scope::fail_at;
/// use arborio_timers::{Instant, TimedOut};
///
/// futures_lite::future::block_on(async {
///     let value = fail_at(Instant::now(), std::future::pending::<u8>()).await;
///     assert_eq!(value, Err(TimedOut));
/// });
/// ```
#[inline]
pub fn fail_at<F: IntoFuture>(deadline: Instant, future: F) -> Timeout<F::IntoFuture> {
    Timeout {
        limited: Limited::new(Until::At(deadline), future.into_future()),
    }
}

/// Another name of [`fail_after`].
///
/// # Errors
/// [`TimedOut`] if the time was up first.
///
/// # Cancel safety
/// As safe as `future`: dropping this drops it, without asking anybody.
///
/// # Examples
/// ```
/// use arborio_scope::timeout;
/// use std::time::Duration;
///
/// futures_lite::future::block_on(async {
///     assert_eq!(timeout(Duration::from_secs(1), async { 5 }).await, Ok(5));
/// });
/// ```
#[inline]
pub fn timeout<F: IntoFuture>(limit: Duration, future: F) -> Timeout<F::IntoFuture> {
    fail_after(limit, future)
}

/// The same as [`fail_at`], under the name that most know.
///
/// # Errors
/// [`TimedOut`] if the deadline came first.
///
/// # Cancel safety
/// As safe as `future`: dropping this drops it, without asking anybody.
///
/// # Examples
/// ```
/// use arborio_scope::timeout_at;
/// use arborio_timers::Instant;
///
/// futures_lite::future::block_on(async {
///     assert_eq!(timeout_at(Instant::FAR_FUTURE, async { 5 }).await, Ok(5));
/// });
/// ```
#[inline]
pub fn timeout_at<F: IntoFuture>(deadline: Instant, future: F) -> Timeout<F::IntoFuture> {
    fail_at(deadline, future)
}

impl<F: Future> MoveOn<F> {
    /// How long handlers may take when the time is up, and those of origins inside that do
    /// not say so themselves. Then the future is dropped, whatever they do.
    /// `Duration::MAX` is for ever.
    ///
    /// # Examples
    /// ```
    /// use arborio_scope::{finally, move_on_after};
    /// use std::{future::pending, time::Duration};
    ///
    /// futures_lite::future::block_on(async {
    ///     let stubborn = finally(pending::<u8>(), || pending::<()>());
    ///     let limited = move_on_after(Duration::ZERO, stubborn);
    ///     assert_eq!(limited.grace(Duration::from_millis(1)).await, None);
    /// });
    /// ```
    pub fn grace(mut self, grace: Duration) -> Self {
        self.limited.origin.set_grace(grace);
        self
    }
}

impl<F: Future> Timeout<F> {
    /// How long handlers may take when the time is up, and those of origins inside that do
    /// not say so themselves. Then the future is dropped, whatever they do.
    /// `Duration::MAX` is for ever.
    ///
    /// # Examples
    /// ```
    /// use arborio_scope::{finally, timeout};
    /// use std::{future::pending, time::Duration};
    ///
    /// futures_lite::future::block_on(async {
    ///     let stubborn = finally(pending::<u8>(), || pending::<()>());
    ///     let limited = timeout(Duration::ZERO, stubborn);
    ///     assert!(limited.grace(Duration::from_millis(1)).await.is_err());
    /// });
    /// ```
    pub fn grace(mut self, grace: Duration) -> Self {
        self.limited.origin.set_grace(grace);
        self
    }
}

impl<F> fmt::Debug for MoveOn<F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.limited.origin.fmt_as("MoveOn", f)
    }
}

impl<F> fmt::Debug for Timeout<F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.limited.origin.fmt_as("Timeout", f)
    }
}

impl<F: Future> Future for MoveOn<F> {
    type Output = Option<F::Output>;

    #[inline]
    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        Poll::Ready(match ready!(self.project().limited.poll(cx)) {
            Ended::Value(value) => Some(value),
            Ended::Dropped => None,
        })
    }
}

impl<F: Future> Future for Timeout<F> {
    type Output = Result<F::Output, TimedOut>;

    #[inline]
    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        Poll::Ready(match ready!(self.project().limited.poll(cx)) {
            Ended::Value(value) => Ok(value),
            Ended::Dropped => Err(TimedOut),
        })
    }
}

/// The earliest deadline of the origins and scopes around the code that asks, if any
/// has one. Those outside of a [`shield`](crate::shield) do not count.
///
/// # Examples
/// ```
/// use arborio_scope::{current_effective_deadline, timeout};
/// use arborio_timers::Instant;
/// use std::time::Duration;
///
/// futures_lite::future::block_on(async {
///     assert_eq!(current_effective_deadline(), None);
///     let deadline = timeout(Duration::from_secs(5), async {
///         current_effective_deadline().expect("the timeout has one")
///     });
///     assert!(deadline.await.unwrap() <= Instant::now() + Duration::from_secs(5));
/// });
/// ```
pub fn current_effective_deadline() -> Option<Instant> {
    crate::scope::effective_limit().map(Instant::from_nanos)
}

/// Whether the code that asks was asked to end: its task, or an origin around it.
///
/// # Examples
/// ```
/// assert!(!arborio_scope::is_cancelling());
/// ```
pub fn is_cancelling() -> bool {
    arborio_task::frames::is_cancelling()
}
