//! A limit of time for a task that runs already.
//!
//! The timer belongs to the loop, and the task keeps it until it ends. There is no task
//! that waits: the timer's waker is what asks.

use std::{
    pin::Pin,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    task::{Context, Wake, Waker},
    time::Duration,
};

use arborio_task::{Borrower, Canceller, Interrupt, Task};
use arborio_timers::Sleep;

/// Gives tasks that run already a limited time.
///
/// # Examples
/// ```
/// # use arborio_executor::{doc::run, spawn};
/// use arborio_scope::ApplyTimeout;
/// use arborio_task::Interrupt;
/// use std::{future::pending, time::Duration};
/// let ended = run(async {
///     let task = spawn(pending::<()>());
///     assert!(task.apply_timeout(Duration::from_millis(1)));
///     task.await
/// });
/// assert!(matches!(ended, Err(Interrupt::TimedOut)));
/// ```
pub trait ApplyTimeout {
    /// Asks the task to end if it has not ended by itself within `limit`, counted from
    /// now on the clock of its loop. False if it has ended already.
    ///
    /// It is asked as by [`Task::cancel`]: handlers inside may clean up, and may swallow
    /// the request; nothing forces them. If the request ends the task, everybody who
    /// awaits it gets [`Interrupt::TimedOut`]. `Duration::ZERO` asks at once. Each call
    /// has a timer of its own, so the earliest counts. They are disarmed when the task
    /// ends, and do not keep its loop running.
    ///
    /// From another thread, the time counts from when the loop looks at its inbox.
    fn apply_timeout(&self, limit: Duration) -> bool;
}

impl<T> ApplyTimeout for Task<T> {
    fn apply_timeout(&self, limit: Duration) -> bool {
        if limit.is_zero() {
            return self.cancel_with(Interrupt::TimedOut);
        }
        self.attach(move |canceller| Countdown::start(limit, canceller))
    }
}

impl<T> ApplyTimeout for Borrower<'_, T> {
    fn apply_timeout(&self, limit: Duration) -> bool {
        if limit.is_zero() {
            return self.cancel_with(Interrupt::TimedOut);
        }
        self.attach(move |canceller| Countdown::start(limit, canceller))
    }
}

/// Asks the task to end when its timer rings.
struct Countdown {
    canceller: Canceller,
    /// `None` once it has rung, and when the task has ended.
    timer: Mutex<Option<Sleep>>,
}

/// Disarms the timer when it is dropped. The timer has the countdown in its waker, so
/// this is what ends both.
struct Running(Arc<Countdown>);

impl Countdown {
    fn start(limit: Duration, canceller: Canceller) -> Running {
        let countdown = Arc::new(Self {
            canceller,
            timer: Mutex::new(None),
        });
        let waker = Waker::from(Arc::clone(&countdown));
        // Armed under the lock: on another thread it may ring at once. Arming calls nobody.
        let mut timer = countdown.timer();
        *timer = Some(Sleep::armed(limit, &mut Context::from_waker(&waker)));
        drop(timer);
        Running(countdown)
    }

    fn timer(&self) -> MutexGuard<'_, Option<Sleep>> {
        self.timer.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Whether the time is up; told once. A timer whose home has ended is armed anew.
    fn rings(&self, waker: &Waker) -> bool {
        let mut timer = self.timer();
        let Some(sleep) = timer.as_mut() else {
            return false;
        };
        let rings = Pin::new(sleep)
            .poll(&mut Context::from_waker(waker))
            .is_ready();
        if rings {
            *timer = None; // it has no slot any more: nothing is called
        }
        rings
    }
}

impl Wake for Countdown {
    fn wake(self: Arc<Self>) {
        let waker = Waker::from(Arc::clone(&self));
        if self.rings(&waker) {
            self.canceller.cancel_with(Interrupt::TimedOut);
        }
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        let timer = self.0.timer().take();
        drop(timer); // and the waker in its slot: not under the lock
    }
}
