//! A precise end for a wait.
//!
//! mio rounds a timeout up to whole milliseconds. A timer descriptor in the
//! same epoll ends the wait at its nanosecond. It is edge-triggered and never
//! read: arming it anew makes the next edge. Where the system refuses one, the
//! caller falls back to milliseconds, late but never early.

use std::{
    os::fd::{AsRawFd, OwnedFd},
    time::Duration,
};

use mio::{Interest, Registry, unix::SourceFd};
use rustix::time::{
    ClockId, Itimerspec, TimerfdClockId, TimerfdFlags, TimerfdTimerFlags, Timespec, clock_gettime,
    timerfd_create, timerfd_settime,
};

use crate::home::TIMER;

/// Whether the system gave us a timer descriptor.
#[derive(Debug)]
pub(crate) enum TimerFd {
    /// Nobody needed one yet.
    Untried,
    /// It ends the wait at `armed` (on the monotonic clock).
    Ready { fd: OwnedFd, armed: Timespec },
    /// The system has none for us; asked once.
    Refused,
}

const NEVER: Timespec = Timespec {
    tv_sec: 0,
    tv_nsec: 0,
};

impl TimerFd {
    /// Sees to it that a wait which begins now ends after `timeout` at the
    /// latest. False if the wait itself must take the timeout.
    ///
    /// A timer that is armed for an earlier time, still to come, is left
    /// alone: that wait ends early, and the next one arms it right.
    pub(crate) fn arm(&mut self, registry: &Registry, timeout: Duration) -> bool {
        if matches!(self, Self::Untried) {
            *self = Self::create(registry);
        }
        let Self::Ready { fd, armed } = self else {
            return false;
        };
        let now = clock_gettime(ClockId::Monotonic);
        let Some(wanted) = after(now, timeout) else {
            // Beyond the end of the clock: nobody will see that wait end late.
            return true;
        };
        if now < *armed && *armed <= wanted {
            return true;
        }
        let setting = Itimerspec {
            it_interval: NEVER,
            it_value: wanted,
        };
        let set = timerfd_settime(&*fd, TimerfdTimerFlags::ABSTIME, &setting).is_ok();
        *armed = if set { wanted } else { NEVER };
        set
    }

    #[cold]
    fn create(registry: &Registry) -> Self {
        let flags = TimerfdFlags::CLOEXEC | TimerfdFlags::NONBLOCK;
        let Ok(fd) = timerfd_create(TimerfdClockId::Monotonic, flags) else {
            return Self::Refused;
        };
        let watched = registry.register(&mut SourceFd(&fd.as_raw_fd()), TIMER, Interest::READABLE);
        match watched {
            Ok(()) => Self::Ready { fd, armed: NEVER },
            Err(_) => Self::Refused,
        }
    }
}

/// `now + timeout`, if the clock goes that far.
fn after(now: Timespec, timeout: Duration) -> Option<Timespec> {
    let seconds = i64::try_from(timeout.as_secs()).ok()?;
    now.checked_add(Timespec {
        tv_sec: seconds,
        tv_nsec: timeout.subsec_nanos().into(),
    })
}

#[cfg(all(test, not(loom)))]
mod tests {
    use super::*;

    /// Arms `timer`, and returns for when it is armed then.
    fn armed_by(timer: &mut TimerFd, poll: &mio::Poll, timeout: Duration) -> Timespec {
        assert!(timer.arm(poll.registry(), timeout));
        let TimerFd::Ready { armed, .. } = timer else {
            panic!("the system gives us one");
        };
        *armed
    }

    #[test]
    fn a_timer_is_armed_anew_for_an_earlier_time_and_not_for_a_later_one() {
        let (poll, mut timer) = (mio::Poll::new().unwrap(), TimerFd::Untried);
        let [hour, day] = [1, 24].map(|hours| Duration::from_secs(hours * 3600));
        let late = armed_by(&mut timer, &poll, day);
        let early = armed_by(&mut timer, &poll, hour);
        assert!(early < late);
        assert_eq!(armed_by(&mut timer, &poll, day), early, "spares a call");
    }
}
