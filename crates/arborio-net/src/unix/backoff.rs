//! Waiting for room in somebody else's queue, of which the kernel tells nobody.

use std::{io, os::fd::OwnedFd, time::Duration};

use arborio_reactor::Async;
use arborio_timers::sleep;
use rustix::time::{
    Itimerspec, TimerfdClockId, TimerfdFlags, TimerfdTimerFlags, Timespec, timerfd_create,
    timerfd_settime,
};

/// The first pause: a queue that is full for a moment costs no more than that.
const FIRST: i64 = 1_000_000;

/// The longest pause, in nanoseconds as the first: sixteen tries in a second.
const LONGEST: i64 = 64_000_000;

/// Pauses, each twice as long as the one before up to the longest.
///
/// They are measured by a timer descriptor instead of a sleep, because they
/// are part of an I/O operation: on a simulated clock that sockets hold, they
/// end all the same, and on one that sockets do not hold, they do not move it.
#[derive(Debug)]
pub(crate) struct Backoff {
    /// How long the next pause is, in nanoseconds.
    next: i64,
    /// Made by the first pause.
    timer: Option<Async<OwnedFd>>,
}

impl Backoff {
    pub(crate) const fn new() -> Self {
        let timer = None;
        Self { next: FIRST, timer }
    }

    /// Lets some time pass.
    pub(crate) async fn pause(&mut self) {
        let length = self.lengthen();
        if self.pause_by_timer(length).await.is_err() {
            sleep(Duration::from_nanos(length.unsigned_abs())).await;
        }
    }

    /// The length of a pause. The next one is twice as long, up to the longest.
    fn lengthen(&mut self) -> i64 {
        let longer = (self.next * 2).min(LONGEST);
        std::mem::replace(&mut self.next, longer)
    }

    /// Fails if the system has no timer for us.
    async fn pause_by_timer(&mut self, length: i64) -> io::Result<()> {
        let timer = match self.timer.take() {
            Some(timer) => timer,
            None => new_timer()?,
        };
        let timer = self.timer.insert(timer);
        let spec = |nanos| Timespec {
            tv_sec: 0,
            tv_nsec: nanos,
        };
        let once = Itimerspec {
            it_interval: spec(0),
            it_value: spec(length),
        };
        timerfd_settime(&*timer, TimerfdTimerFlags::empty(), &once)?;
        let over = |timer: &OwnedFd| Ok(rustix::io::read(timer, &mut [0; 8])?);
        timer.read_with(over).await.map(drop)
    }
}

fn new_timer() -> io::Result<Async<OwnedFd>> {
    let flags = TimerfdFlags::NONBLOCK | TimerfdFlags::CLOEXEC;
    Async::from_nonblocking(timerfd_create(TimerfdClockId::Monotonic, flags)?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pauses_become_longer_up_to_a_limit() {
        let mut backoff = Backoff::new();
        let pauses = [1, 2, 4, 8, 16, 32, 64, 64];
        let lengths = pauses.map(|_| backoff.lengthen() / FIRST);
        assert_eq!(lengths, pauses);
    }
}
