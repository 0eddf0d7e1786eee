//! Where tasks and the thread of a stream meet: [`Station`].
//!
//! A state under a lock, which tasks look at and leave orders in, and which the thread changes. A task
//! that finds nothing is woken after every change. There is one entry for each handle, so what
//! somebody polls with many wakers does not pile up.
//!
//! No waker is cloned, called or dropped while the lock is held.

use std::{
    fmt, io, mem,
    sync::{Condvar, Mutex, MutexGuard, PoisonError},
    task::{Context, Poll, Waker, ready},
    thread,
};

use arborio_base::{budget, contain, drop_contained};
use arborio_timers::{Clock, ClockHold};

/// The state `S` of one stream, and who waits for it to change.
pub(super) struct Station<S> {
    /// The name of the thread.
    name: &'static str,
    /// What the thread does, all its life.
    work: fn(),
    held: Mutex<Held<S>>,
    /// There may be an order for the thread.
    ordered: Condvar,
}

struct Held<S> {
    state: S,
    /// The thread is there.
    started: bool,
    /// How many tickets were given out.
    tickets: u64,
    waiting: Vec<(u64, Waker)>,
}

impl<S> Station<S> {
    pub(super) const fn new(name: &'static str, work: fn(), state: S) -> Self {
        Self {
            name,
            work,
            held: Mutex::new(Held {
                state,
                started: false,
                tickets: 0,
                waiting: Vec::new(),
            }),
            ordered: Condvar::new(),
        }
    }

    fn lock(&self) -> MutexGuard<'_, Held<S>> {
        self.held.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Waits for something to do. For the thread.
    pub(super) fn next_order<R>(&self, mut take: impl FnMut(&mut S) -> Option<R>) -> R {
        let mut held = self.lock();
        loop {
            if let Some(order) = take(&mut held.state) {
                return order;
            }
            let waited = self.ordered.wait(held);
            held = waited.unwrap_or_else(PoisonError::into_inner);
        }
    }

    /// Changes the state, and wakes everybody who waits. For the thread.
    pub(super) fn change(&self, change: impl FnOnce(&mut S)) {
        let mut held = self.lock();
        change(&mut held.state);
        let waiting = mem::take(&mut held.waiting);
        drop(held);
        for (_, waker) in waiting {
            contain(|| waker.wake());
        }
    }

    /// What `look` finds; the waker is noted under `number` if that is nothing.
    fn poll<R>(
        &self,
        cx: &Context<'_>,
        number: u64,
        mut look: impl FnMut(&mut S) -> Poll<io::Result<R>>,
    ) -> Poll<io::Result<R>> {
        let mut waker = None;
        loop {
            let mut held = self.lock();
            if !held.started {
                thread::Builder::new()
                    .name(self.name.to_owned())
                    .spawn(self.work)?;
                held.started = true;
            }
            let found = look(&mut held.state);
            self.ordered.notify_one(); // it may have left an order
            if found.is_ready() {
                drop(held);
                return found;
            }
            let Some(waker) = waker.take() else {
                drop(held);
                waker = Some(cx.waker().clone());
                continue; // something may have changed meanwhile
            };
            let before = held.leave(number);
            held.waiting.push((number, waker));
            drop(held);
            drop_contained(before);
            return Poll::Pending;
        }
    }
}

impl<S> Held<S> {
    /// Takes out who waits under `number`.
    fn leave(&mut self, number: u64) -> Option<Waker> {
        let entry = self.waiting.iter().position(|(held, _)| *held == number)?;
        Some(self.waiting.remove(entry).1)
    }
}

/// The right of one handle to wait at a station.
pub(super) struct Ticket<S: 'static> {
    station: &'static Station<S>,
    number: u64,
    /// Time stands still while it waits.
    hold: Option<ClockHold>,
}

impl<S> Ticket<S> {
    pub(super) fn new(station: &'static Station<S>) -> Self {
        let mut held = station.lock();
        held.tickets += 1;
        Self {
            station,
            number: held.tickets,
            hold: None,
        }
    }

    /// What `look` finds; who polls is woken when it may find something. Charges the budget for what was
    /// found.
    ///
    /// # Errors
    /// That of a thread that the system refuses, and those of `look`.
    pub(super) fn poll<R>(
        &mut self,
        cx: &mut Context<'_>,
        look: impl FnMut(&mut S) -> Poll<io::Result<R>>,
    ) -> Poll<io::Result<R>> {
        ready!(budget::poll_charge(cx));
        let polled = self.station.poll(cx, self.number, look);
        if polled.is_pending() {
            budget::refund();
            self.hold.get_or_insert_with(|| Clock::current().hold());
        } else {
            self.hold = None;
        }
        polled
    }
}

impl<S> Drop for Ticket<S> {
    fn drop(&mut self) {
        let left = self.station.lock().leave(self.number);
        drop_contained(left);
    }
}

impl<S> fmt::Debug for Ticket<S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Ticket").field(&self.number).finish()
    }
}

#[cfg(test)]
mod tests {
    use std::{sync::Arc, task::Wake};

    use super::*;

    struct Sleeper;

    impl Wake for Sleeper {
        fn wake(self: Arc<Self>) {}
    }

    #[test]
    fn a_handle_leaves_one_waker_at_its_station_and_takes_it_along() {
        static STATION: Station<()> = Station::new("nobody", || (), ());
        let sleepers = [(); 3].map(|()| Arc::new(Sleeper));
        let waiting = || {
            sleepers
                .each_ref()
                .map(|sleeper| Arc::strong_count(sleeper) - 1)
        };
        let mut ticket = Ticket::new(&STATION);
        for sleeper in &sleepers {
            let waker = Waker::from(Arc::clone(sleeper));
            let look = |(): &mut ()| Poll::<io::Result<()>>::Pending;
            let polled = ticket.poll(&mut Context::from_waker(&waker), look);
            assert!(polled.is_pending());
        }
        assert_eq!(waiting(), [0, 0, 1]);
        assert_eq!(format!("{ticket:?}"), "Ticket(1)");
        drop(ticket);
        assert_eq!(waiting(), [0, 0, 0]);
    }
}
