//! Origins that make their request when the time is up.

use std::{
    future::Future,
    pin::Pin,
    task::{Context, Poll, ready},
    time::Duration,
};

use arborio_task::frames::Inside;
use arborio_timers::{Instant, Sleep, TimedOut, sleep, sleep_until};

use crate::origin::{Ended, Moment, Origin};

/// When the time is up, and what was done about it so far.
#[derive(Debug)]
enum Limit {
    /// This long after the first poll, which has not been or was ready.
    After(Duration),
    /// At this instant; no poll has been pending yet.
    At(Instant),
    /// The first poll was pending, so there is a timer.
    Armed(Sleep),
}

impl Limit {
    /// Whether the time is up; asked after the inside was pending.
    fn poll(&mut self, inside: &Inside<'_>, cx: &mut Context<'_>) -> Poll<()> {
        let timer = match self {
            Self::Armed(timer) => return Pin::new(timer).poll(cx),
            Self::After(Duration::ZERO) => return Poll::Ready(()),
            Self::After(duration) => sleep(*duration),
            Self::At(deadline) => sleep_until(*deadline),
        };
        inside.set_limit(Some(timer.deadline().as_nanos()));
        *self = Self::Armed(timer);
        match self {
            Self::Armed(timer) => Pin::new(timer).poll(cx),
            _ => Poll::Pending,
        }
    }
}

pin_project_lite::pin_project! {
    /// Gives a future a limited time.
    struct Limited<F> {
        #[pin]
        origin: Origin<F>,
        limit: Limit,
    }
}

impl<F: Future> Limited<F> {
    fn new(limit: Limit, future: F) -> Self {
        Self {
            origin: Origin::new(future),
            limit,
        }
    }

    #[inline]
    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Ended<F::Output>> {
        let this = self.project();
        let limit = this.limit;
        this.origin.poll(cx, |moment, inside, cx| {
            moment == Moment::After && limit.poll(inside, cx).is_ready()
        })
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
    /// The future of [`fail_after`], [`fail_at`] and [`timeout`].
    #[must_use = "futures do nothing unless awaited"]
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
/// [`finally`](crate::finally)); they have one second. A future without handlers is
/// dropped at once.
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
pub fn move_on_after<F: Future>(limit: Duration, future: F) -> MoveOn<F> {
    MoveOn {
        limited: Limited::new(Limit::After(limit), future),
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
pub fn move_on_at<F: Future>(deadline: Instant, future: F) -> MoveOn<F> {
    MoveOn {
        limited: Limited::new(Limit::At(deadline), future),
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
pub fn fail_after<F: Future>(limit: Duration, future: F) -> Timeout<F> {
    Timeout {
        limited: Limited::new(Limit::After(limit), future),
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
pub fn fail_at<F: Future>(deadline: Instant, future: F) -> Timeout<F> {
    Timeout {
        limited: Limited::new(Limit::At(deadline), future),
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
pub fn timeout<F: Future>(limit: Duration, future: F) -> Timeout<F> {
    fail_after(limit, future)
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

/// The earliest deadline of the origins around the code that asks, if any has one.
/// Origins outside of a [`shield`](crate::shield) do not count.
///
/// # Examples
/// ```
/// use arborio_scope::{current_effective_deadline, timeout};
/// use arborio_timers::{Instant, sleep};
/// use std::time::Duration;
///
/// futures_lite::future::block_on(async {
///     assert_eq!(current_effective_deadline(), None);
///     let deadline = timeout(Duration::from_secs(5), async {
///         sleep(Duration::ZERO).await;
///         current_effective_deadline().expect("the timeout has one")
///     });
///     assert!(deadline.await.unwrap() <= Instant::now() + Duration::from_secs(5));
/// });
/// ```
pub fn current_effective_deadline() -> Option<Instant> {
    arborio_task::frames::limit().map(Instant::from_nanos)
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
