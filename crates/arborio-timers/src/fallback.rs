//! The background thread for sleeps on the real clock that are polled where no
//! loop runs. It starts with the first such sleep and stays.
//!
//! One mutex guards its wheel, and it waits on a condition variable with that
//! mutex: a sleep is armed under the mutex before the thread is notified, and
//! the thread computes how long to wait under the same mutex. So a sleep that
//! is earlier than all others either is seen by that computation or finds the
//! thread waiting, and its notification counts.

use std::{
    io,
    sync::{Condvar, MutexGuard, PoisonError},
    task::Waker,
    thread,
    time::Duration,
};

use arborio_base::{Process, WakeBatch};

use crate::{
    clock::Clock,
    home::{Alarm, FALLBACK, SharedHome, SharedPart, lock},
    instant::Instant,
    wheel::Key,
};

/// The longest the thread waits in one go, whatever the next deadline is: far
/// below what any system takes as a timeout.
const LONGEST_WAIT: Duration = Duration::from_secs(24 * 3600);

/// The home of the background thread.
static HOME: SharedHome = SharedHome::new(
    FALLBACK,
    Clock::real(),
    Instant::ORIGIN,
    Alarm::Thread(Condvar::new()),
);

/// The home of the background thread.
pub(crate) fn home() -> &'static SharedHome {
    &HOME
}

/// How often the thread is started in vain before that is taken for lasting, and how long nobody tries in between.
const TRIES: u32 = 10;
const PAUSE: Duration = Duration::from_millis(1);

/// Arms a sleep, and starts the thread if it does not run yet.
///
/// # Panics
/// If the thread cannot be started, tried several times: a sleep has nobody to tell an error.
pub(crate) fn arm(deadline: Instant, waker: Waker) -> Key {
    let mut started = ensure_thread();
    for _ in 1..TRIES {
        if started.is_ok() {
            break;
        }
        thread::sleep(PAUSE);
        started = ensure_thread();
    }
    if let Err(error) = started {
        panic!(
            "`sleep` was polled outside of an event loop, and its background thread cannot start: {error}"
        );
    }
    match HOME.arm(deadline, waker) {
        Ok(key) => key,
        Err(_) => unreachable!("the background thread never ends"),
    }
}

/// Starts the thread unless it runs; so does the first sleep of the child of a fork, where it does not. A failure leaves everything as it was, so
/// the next sleep tries again.
fn ensure_thread() -> io::Result<()> {
    let mut part = lock(HOME.part());
    let runs = part.thread_runs_in.is_some_and(Process::is_this);
    if !runs {
        // Under the lock, so that only one starts; the new thread waits for us.
        thread::Builder::new()
            .name("arborio-timers".into())
            .spawn(run)?;
        part.thread_runs_in = Some(Process::watched());
    }
    Ok(())
}

/// The life of the background thread: fire what is due, then wait for the next
/// deadline or for a sleep that is earlier.
fn run() {
    let mut batch = WakeBatch::new();
    let mut part = lock(HOME.part());
    loop {
        let now = Instant::now_real();
        part.wheel
            .advance_with(now.as_nanos(), |waker| batch.push(waker));
        if !batch.is_empty() {
            drop(part);
            batch.wake_all();
            part = lock(HOME.part());
            continue;
        }
        let next = part.wheel.next_deadline().map(Instant::from_nanos);
        part = wait(part, next.map(|next| next - now));
    }
}

/// Waits until notified, and at most for `timeout`.
fn wait<'a>(
    part: MutexGuard<'a, SharedPart>,
    timeout: Option<Duration>,
) -> MutexGuard<'a, SharedPart> {
    let Some(changed) = HOME.condvar() else {
        unreachable!("the background thread has a condition variable");
    };
    match timeout {
        None => changed.wait(part).unwrap_or_else(PoisonError::into_inner),
        Some(timeout) => {
            let timeout = timeout.min(LONGEST_WAIT);
            let woken = changed.wait_timeout(part, timeout);
            woken.unwrap_or_else(PoisonError::into_inner).0
        }
    }
}
