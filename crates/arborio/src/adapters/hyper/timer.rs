//! [`Timer`]: hyper's time on the clock of the loop.
//!
//! hyper speaks of the standard library's instants. Those of Arborio convert both ways without loss, and
//! on a simulated clock too, as long as nobody compares them with what the standard library says is the
//! present: hyper asks [`now`](hyper::rt::Timer::now) for that.

use std::{
    pin::Pin,
    task::{Context, Poll},
    time::{Duration, Instant as StdInstant},
};

use ::hyper::rt;

use crate::time::{Instant, Sleep, sleep, sleep_until};

/// hyper's timer: on the clock of the loop that runs on this thread, or else on the real one.
///
/// # Examples
/// An hour on a simulated clock:
/// ```
/// use arborio::{EventLoop, hyper::Timer, time::{Clock, Duration}};
/// use hyper::rt::Timer as _;
/// let began = std::time::Instant::now();
/// let passed = EventLoop::builder().clock(Clock::simulated()).run(async {
///     let start = Timer.now();
///     Timer.sleep(Duration::from_secs(3600)).await;
///     Timer.now() - start
/// });
/// assert_eq!(passed, Duration::from_secs(3600));
/// assert!(began.elapsed() < passed);
/// ```
#[derive(Clone, Copy, Debug, Default)]
pub struct Timer;

impl rt::Timer for Timer {
    fn sleep(&self, duration: Duration) -> Pin<Box<dyn rt::Sleep>> {
        Box::pin(TimerSleep(sleep(duration)))
    }

    fn sleep_until(&self, deadline: StdInstant) -> Pin<Box<dyn rt::Sleep>> {
        Box::pin(TimerSleep(sleep_until(deadline.into())))
    }

    fn now(&self) -> StdInstant {
        Instant::now().into()
    }

    /// Moves the sleep; makes a new one only if it is somebody else's.
    fn reset(&self, sleep: &mut Pin<Box<dyn rt::Sleep>>, deadline: StdInstant) {
        match sleep.as_mut().downcast_mut_pin::<TimerSleep>() {
            Some(ours) => Pin::new(&mut ours.get_mut().0).reset(deadline.into()),
            None => *sleep = self.sleep_until(deadline),
        }
    }
}

/// The sleep of a [`Timer`], inside of what hyper boxes.
///
/// # Examples
/// ```
/// use arborio::hyper::{Timer, TimerSleep};
/// use hyper::rt::Timer as _;
/// let mut sleep = Timer.sleep(std::time::Duration::from_secs(1));
/// assert!(sleep.as_mut().downcast_mut_pin::<TimerSleep>().is_some());
/// ```
#[derive(Debug)]
#[must_use = "a sleep does nothing unless it is awaited"]
pub struct TimerSleep(Sleep);

impl Future for TimerSleep {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        Pin::new(&mut self.0).poll(cx)
    }
}

impl rt::Sleep for TimerSleep {}
