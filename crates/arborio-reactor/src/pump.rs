//! One epoll with its buffer of events: waits, and hands out what came.

use std::{io, sync::Arc, time::Duration};

use arborio_base::WakeBatch;
use mio::{Events, Poll};

use crate::{
    home::{DrivenBy, Home},
    timer_fd::TimerFd,
};

/// How many events one wait brings at most. What is left over stays in the
/// kernel's queue, behind nobody: the next wait brings it first.
const EVENTS: usize = 1024;

/// The longest wait that is given to the kernel in milliseconds, far below
/// where its 32-bit count would wrap. The wait ends early; callers expect that.
const LONGEST: Duration = Duration::from_secs(3600);

/// The waiting side of a reactor: whoever has it drives the reactor.
#[derive(Debug)]
pub(crate) struct Pump {
    poll: Poll,
    /// What the last wait brought and `dispatch` has not handed out.
    events: Events,
    timer: TimerFd,
    home: Arc<Home>,
}

impl Pump {
    /// Creates an epoll and its table.
    pub(crate) fn open(driven_by: DrivenBy) -> io::Result<Self> {
        let poll = Poll::new()?;
        let home = Arc::new(Home::new(poll.registry().try_clone()?, driven_by));
        Ok(Self {
            poll,
            events: Events::with_capacity(EVENTS),
            timer: TimerFd::Untried,
            home,
        })
    }

    /// The table of the sources.
    pub(crate) fn home(&self) -> &Arc<Home> {
        &self.home
    }

    /// The registry, for the notifier.
    pub(crate) fn registry(&self) -> &mio::Registry {
        self.poll.registry()
    }

    /// Waits for events until `timeout` is over (`None`: for ever).
    pub(crate) fn wait(&mut self, timeout: Option<Duration>) -> io::Result<()> {
        self.home.check_process()?;
        let timeout = match timeout {
            Some(left) if !left.is_zero() => {
                let armed = self.timer.arm(self.poll.registry(), left);
                (!armed).then(|| left.min(LONGEST))
            }
            plain => plain,
        };
        let taken = self.home.begin_wait();
        let timeout = if taken { Some(Duration::ZERO) } else { timeout };
        let polled = self.poll.poll(&mut self.events, timeout);
        self.home.end_wait();
        match polled {
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {
                self.events.clear();
                Ok(())
            }
            other => other,
        }
    }

    /// Hands out what the last wait brought.
    pub(crate) fn dispatch(&mut self, batch: &mut WakeBatch) -> usize {
        let woken = self.home.dispatch(&self.events, batch);
        self.events.clear();
        woken
    }
}

impl Drop for Pump {
    fn drop(&mut self) {
        self.home.end();
    }
}
