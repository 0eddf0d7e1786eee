//! A limit of time for each round of a loop.
//!
//! The timer is armed anew only when it rings: it looks then at when the last round
//! began. So a round costs one reading of the clock, and any number of rounds has
//! one timer.

use std::{
    fmt,
    future::Future,
    pin::Pin,
    sync::atomic::{AtomicU64, Ordering},
    task::{Context, Poll},
    time::Duration,
};

use arborio_timers::{Instant, Sleep, TimedOut, sleep_until};

use crate::origin::{Ended, Moment, Origin};

/// Says when a new round begins; see [`repeat_timeout`].
///
/// # Examples
/// ```
/// use arborio_scope::{Ticker, repeat_timeout};
/// use std::time::Duration;
///
/// let rounds = repeat_timeout(Duration::from_secs(5), async |t: &Ticker| {
///     for _ in 0..3 {
///         t.tick();
///     }
///     3
/// });
/// assert_eq!(futures_lite::future::block_on(rounds), Ok(3));
/// ```
pub struct Ticker {
    limit: Duration,
    /// When the time is up, in nanoseconds of the loop's clock; [`OFF`] if it never is.
    /// Relaxed throughout: one task at a time has it, and hands it on as a whole.
    due: AtomicU64,
}

/// There is no limit any more.
const OFF: u64 = u64::MAX;

impl Ticker {
    /// The first round begins now.
    fn new(limit: Duration) -> Self {
        Self {
            limit,
            due: AtomicU64::new(due_after(limit)),
        }
    }

    /// A new round begins: it has the whole time.
    ///
    /// After a timeout that was swallowed there is no limit any more, and this does
    /// nothing.
    ///
    /// # Examples
    /// ```
    /// use arborio_scope::{Ticker, repeat_timeout};
    /// use std::time::Duration;
    ///
    /// let one_round = async |t: &Ticker| t.tick();
    /// let ended = futures_lite::future::block_on(repeat_timeout(Duration::ZERO, one_round));
    /// assert_eq!(ended, Ok(()));
    /// ```
    pub fn tick(&self) {
        if self.due.load(Ordering::Relaxed) != OFF {
            self.due.store(due_after(self.limit), Ordering::Relaxed);
        }
    }

    /// When the time is up, if it ever is.
    fn due(&self) -> Option<u64> {
        Some(self.due.load(Ordering::Relaxed)).filter(|&due| due != OFF)
    }

    fn switch_off(&self) {
        self.due.store(OFF, Ordering::Relaxed);
    }
}

/// The end of a round that begins now. If it has none that is [`OFF`]: the next ones have none either.
fn due_after(limit: Duration) -> u64 {
    Instant::now().saturating_add(limit).as_nanos()
}

impl fmt::Debug for Ticker {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Ticker")
            .field("limit", &self.limit)
            .field("due", &self.due().map(Instant::from_nanos))
            .finish()
    }
}

pin_project_lite::pin_project! {
    /// The rounds, and the limit of each.
    struct Rounds<'t, F> {
        #[pin]
        origin: Origin<F>,
        ticker: &'t Ticker,
        alarm: Option<Sleep>,
    }
}

impl<F: Future> Future for Rounds<'_, F> {
    type Output = Result<F::Output, TimedOut>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let this = self.project();
        let (ticker, alarm) = (*this.ticker, this.alarm);
        let ended = this
            .origin
            .poll_limited(cx, &|| ticker.due(), |moment, cx| match moment {
                Moment::Before => false, // a value wins over the time
                Moment::After => rings(ticker, alarm, cx),
                Moment::Withdrawn => {
                    ticker.switch_off();
                    *alarm = None;
                    false
                }
            });
        ended.map(|ended| match ended {
            Ended::Value(value) => Ok(value),
            Ended::Dropped => Err(TimedOut),
        })
    }
}

/// Whether the time of the last round is up. If not, the alarm is set.
fn rings(ticker: &Ticker, alarm: &mut Option<Sleep>, cx: &mut Context<'_>) -> bool {
    let Some(due) = ticker.due().map(Instant::from_nanos) else {
        return false;
    };
    let alarm = alarm.get_or_insert_with(|| sleep_until(due));
    while Pin::new(&mut *alarm).poll(cx).is_ready() {
        if alarm.deadline() >= due {
            return true;
        }
        Pin::new(&mut *alarm).reset(due); // it was set in an earlier round
    }
    false
}

/// Gives each round of `body` at most `limit`: from one [`tick`](Ticker::tick) to the
/// next, the first one from this call.
///
/// When the time of a round is up the handlers of `body` are asked, as by
/// [`timeout`](crate::timeout); they have one second. If they swallow the request the
/// body goes on, without a limit. A body that ends in time, or that is ready when it is
/// polled at the end of the time, gives its value. Only suspended rounds time out: one
/// that blocks for too long and then ticks has its time renewed.
///
/// # Errors
/// [`TimedOut`] if the time of a round was up.
///
/// # Cancel safety
/// As safe as `body`: dropping this drops it, without asking anybody.
///
/// # Examples
/// ```
/// use arborio_scope::{Ticker, repeat_timeout};
/// use arborio_timers::{TimedOut, sleep};
/// use std::time::Duration;
///
/// let mut rounds = 0;
/// let ended = repeat_timeout(Duration::from_millis(50), async |t: &Ticker| {
///     for nap in [1, 1, 3_600_000] {
///         t.tick();
///         rounds += 1;
///         sleep(Duration::from_millis(nap)).await;
///     }
/// });
/// assert_eq!(futures_lite::future::block_on(ended), Err(TimedOut));
/// assert_eq!(rounds, 3);
/// ```
pub fn repeat_timeout<R, B>(
    limit: Duration,
    body: B,
) -> impl Future<Output = Result<R, TimedOut>> + use<R, B>
where
    B: AsyncFnOnce(&Ticker) -> R,
{
    let ticker = Ticker::new(limit); // the first round begins now
    async move {
        let rounds = Rounds {
            origin: Origin::new(body(&ticker)),
            ticker: &ticker,
            alarm: None,
        };
        rounds.await
    }
}
