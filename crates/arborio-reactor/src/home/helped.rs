//! What others do for a loop that is held up in a poll: they look for events at its epoll instead of it, and
//! their own wait ends when there is one. Who may have got what the loop waits for is H1 of `helper.rs`.

use std::sync::{
    Arc,
    // Not the models' own: nothing depends on it.
    atomic::{Ordering, fence},
};

use arborio_base::{WakeBatch, between_forks, sync::lock};
use mio::{Registry, Token};

use super::{
    Home,
    token::{ATTENDED, NOTIFIER, TIMER},
};
use crate::readiness::Event;

/// The most sources of a reactor that others attend.
const ATTENDABLE: usize = 64;

/// How many events who helps takes at a time: it comes again soon.
const HELPED: usize = 256;

impl Home {
    /// As [`dispatch`](Self::dispatch), of what the kernel says now: for who helps the loop (`helper.rs`).
    pub(crate) fn look(&self, batch: &mut WakeBatch) -> usize {
        // The loop may be in a task that forks: in the child these locks would stay taken.
        between_forks(|| self.look_now(batch)).unwrap_or(0)
    }

    fn look_now(&self, batch: &mut WakeBatch) -> usize {
        use rustix::{buffer::spare_capacity, event::epoll, time::Timespec};
        const NOW: Timespec = Timespec {
            tv_sec: 0,
            tv_nsec: 0,
        };
        let mut events = Vec::with_capacity(HELPED);
        let table = lock(&self.table);
        let Some(registry) = table.registry.as_ref().filter(|_| self.process.is_this()) else {
            return 0;
        };
        // An interruption or a refusal: whoever helps looks again.
        let _ = epoll::wait(registry, spare_capacity(&mut events), Some(&NOW));
        let (mut woken, mut loops_own) = (0, false);
        for event in events {
            let (flags, data) = (event.flags, event.data.u64());
            let token = Token(usize::try_from(data).expect("64 bits, see `token.rs`"));
            loops_own |= [NOTIFIER, TIMER, ATTENDED].contains(&token);
            woken += self.tell(&table, token, Event::of_epoll(flags), batch);
        }
        drop(table);
        if loops_own {
            self.took.store(true, Ordering::Release);
            fence(Ordering::SeqCst); // H1
            if self.waits.load(Ordering::Acquire)
                && let Some(notifier) = self.notifier.get()
            {
                let _ = notifier.wake();
            }
        }
        woken
    }

    /// Has the wait of this home end when there is an event for the sources of `other`. False if the system
    /// refuses.
    pub(crate) fn attend(&self, other: &Self) -> bool {
        use rustix::event::epoll::{EventData, EventFlags, add};
        // The kernel walks over all that the other one watches: 64 ns for each.
        if other.count() > ATTENDABLE {
            return false;
        }
        let Some(watched) = other.epoll() else {
            return false;
        };
        let data = EventData::new_u64(ATTENDED.0 as u64);
        // Once, or it would be told again and again of what the other does not look at.
        let flags = EventFlags::IN | EventFlags::ONESHOT;
        (self.epoll()).is_some_and(|epoll| add(epoll, watched, data, flags).is_ok())
    }

    /// Takes [`attend`](Self::attend) back.
    pub(crate) fn leave(&self, other: &Self) {
        if let (Some(epoll), Some(watched)) = (self.epoll(), other.epoll()) {
            let _ = rustix::event::epoll::delete(epoll, watched); // it may be closed
        }
    }

    /// The epoll, held open as long as this lives; `None` once the reactor has ended, and in the child of a fork.
    fn epoll(&self) -> Option<Arc<Registry>> {
        self.check_process().ok()?;
        lock(&self.table).registry.clone()
    }
}
