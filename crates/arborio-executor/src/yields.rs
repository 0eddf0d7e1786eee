//! Giving others a turn: for one ready cycle, or for one pass over the I/O.

use std::{
    pin::Pin,
    task::{Context, Poll},
};

use crate::here;

/// Lets every task that is ready now run before this one goes on.
///
/// The task goes to the end of the queue: whoever was queued before it runs
/// first, whoever is queued later runs later. Neither timers nor I/O are looked
/// at. Works under any executor, as far as that executor's queue is fair.
///
/// # Cancel safety
/// Dropping the future loses nothing but the turn.
///
/// # Examples
/// ```
/// # use arborio_executor::doc::run;
/// use arborio_executor::{skip_ready_cycle, spawn};
/// run(async {
///     let other = spawn(async { "first" });
///     skip_ready_cycle().await;
///     assert!(other.is_finished());
/// });
/// ```
pub fn skip_ready_cycle() -> SkipReadyCycle {
    SkipReadyCycle { yielded: false }
}

/// The usual name of [`skip_ready_cycle`].
///
/// # Cancel safety
/// Dropping the future loses nothing but the turn.
///
/// # Examples
/// ```
/// # use arborio_executor::doc::run;
/// use arborio_executor::{spawn, yield_now};
/// run(async {
///     let other = spawn(async { 1 });
///     yield_now().await;
///     assert_eq!(other.await.unwrap(), 1);
/// });
/// ```
#[doc(alias("checkpoint", "sleep0"))]
pub fn yield_now() -> SkipReadyCycle {
    skip_ready_cycle()
}

/// The future of [`skip_ready_cycle`] and [`yield_now`].
#[derive(Debug)]
#[must_use = "futures do nothing unless awaited"]
pub struct SkipReadyCycle {
    /// Whether the task was sent to the end of the queue.
    yielded: bool,
}

impl Future for SkipReadyCycle {
    type Output = ();

    #[inline]
    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        if self.yielded {
            return Poll::Ready(());
        }
        self.yielded = true;
        cx.waker().wake_by_ref();
        Poll::Pending
    }
}

/// Lets the loop look at its timers and its I/O once before this task goes on.
///
/// All tasks that are ready run first, then the loop makes one pass that does
/// not block, then the tasks that the pass woke are queued, and behind them
/// this one. Where no Arborio loop runs it does the same as
/// [`skip_ready_cycle`].
///
/// # Cancel safety
/// Dropping the future loses nothing but the turn.
///
/// # Examples
/// ```
/// # use arborio_executor::doc::run;
/// use arborio_executor::{skip_poll_cycle, skip_ready_cycle, spawn};
/// run(async {
///     let patient = spawn(skip_poll_cycle());
///     for _ in 0..10 {
///         skip_ready_cycle().await;
///         assert!(!patient.is_finished());
///     }
///     patient.await.unwrap();
/// });
/// ```
pub fn skip_poll_cycle() -> SkipPollCycle {
    SkipPollCycle { asked: None }
}

/// The future of [`skip_poll_cycle`].
#[derive(Debug)]
#[must_use = "futures do nothing unless awaited"]
pub struct SkipPollCycle {
    /// Which thread this future has asked to be woken after its next pass, and how many it had made.
    asked: Option<(u64, u64)>,
}

impl Future for SkipPollCycle {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        let (thread, passes) = (here::thread(), here::passes());
        match self.asked {
            Some((asked, since)) if (asked == thread && since != passes) || !here::runs() => {
                return Poll::Ready(());
            }
            _ => self.asked = Some((thread, passes)), // a task that has moved asks again
        }
        // Polled again before the pass it asks again: the waker may be another.
        if !here::runs() || !here::after_pass(cx.waker().clone()) {
            cx.waker().wake_by_ref();
        }
        Poll::Pending
    }
}
