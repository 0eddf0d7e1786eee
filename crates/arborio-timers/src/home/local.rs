//! The part of a home that only the thread touches which runs its loop.
//!
//! # Invariants
//! - B1: see `own.rs`.
//! - B2: a home with an entry in `wheel`, and every home on a simulated clock,
//!   is in the directory until it ends, so that other threads can find it.

use std::{
    cell::{Cell, OnceCell},
    sync::Arc,
    task::Waker,
    time::Duration,
};

use arborio_base::{WakeBatch, drop_contained};

use super::{
    Alarm, Armed, Berth, HomeId, SharedHome, notify_all_on, own::OwnWheel, publish,
    shared::swap_waker, withdraw,
};
use crate::{
    clock::Clock,
    instant::Instant,
    wheel::{Key, Wheel},
};

/// How long a loop that has just fired lets the next sleeps gather, at most,
/// before it wakes for them. With 10,000 sleeps of 1 to 50 ms, which are 5 µs
/// apart, it saves a third of the CPU time and makes the median sleep 15 µs
/// later: 22,000 system calls instead of 43,000 for twelve rounds of them.
const BATCH: Duration = Duration::from_micros(36);

/// The local part of a home, shared by `Timers` and the thread-local that says
/// which loop is running.
pub(crate) struct LocalHome {
    /// The number of the home.
    id: HomeId,
    /// The clock it goes by.
    clock: Clock,
    /// Wakes the loop from any thread.
    notify: Waker,
    /// When the home was made.
    started: Instant,
    /// Whether the home has ended: nothing is armed here any more.
    ended: Cell<bool>,
    /// When the home last fired anything.
    fired: Cell<Instant>,
    /// The sleeps that were polled on the thread of the loop (B1).
    wheel: OwnWheel,
    /// The part for other threads. Made when something might need it (B2):
    /// a loop without timers does not pay for it.
    shared: OnceCell<Arc<SharedHome>>,
}

impl LocalHome {
    /// A home without sleeps.
    pub(super) fn new(
        id: HomeId,
        clock: Clock,
        notify: Waker,
        started: Instant,
        wheel: OwnWheel,
    ) -> Self {
        let home = Self {
            id,
            clock,
            notify,
            started,
            ended: Cell::new(false),
            fired: Cell::new(Instant::from_nanos(0)),
            wheel,
            shared: OnceCell::new(),
        };
        if home.clock.is_simulated() {
            home.shared();
        }
        home
    }

    /// The number of the home.
    #[inline]
    pub(crate) fn id(&self) -> HomeId {
        self.id
    }

    /// The clock of the home.
    #[inline]
    pub(crate) fn clock(&self) -> &Clock {
        &self.clock
    }

    /// When the home was made.
    pub(crate) fn started(&self) -> Instant {
        self.started
    }

    /// Whether the home takes no more sleeps.
    #[inline]
    pub(crate) fn has_ended(&self) -> bool {
        self.ended.get()
    }

    /// The shared part, made and published at the first call (B2).
    #[inline]
    fn shared(&self) -> &Arc<SharedHome> {
        self.shared.get_or_init(|| {
            let alarm = Alarm::Loop(self.notify.clone());
            let shared = SharedHome::new(self.id, self.clock.clone(), self.started, alarm);
            let shared = Arc::new(shared);
            publish(&shared);
            shared
        })
    }

    /// The shared part, if somebody left something there.
    #[inline]
    fn shared_if_wanted(&self) -> Option<&SharedHome> {
        let shared = self.shared.get()?;
        shared.wants_attention().then_some(shared)
    }

    /// Arms a sleep. The option is only there so that the caller can tell
    /// whether the waker was used; it must hold one.
    #[inline]
    pub(super) fn arm(&self, deadline: Instant, waker: Option<Waker>) -> Berth {
        self.shared();
        let waker = waker.unwrap_or_else(|| Waker::noop().clone());
        Berth {
            home: self.id,
            key: self
                .wheel
                .with(|wheel| wheel.insert(deadline.as_nanos(), waker)),
            local: true,
        }
    }

    /// Disarms a sleep. The caller drops the waker.
    #[inline]
    pub(super) fn remove(&self, key: Key) -> Option<Waker> {
        self.wheel.with(|wheel| wheel.remove(key))
    }

    /// What a poll finds.
    #[inline]
    pub(super) fn look_at(&self, key: Key, waker: &Waker) -> Armed {
        self.wheel.with(|wheel| match wheel.get_mut(key) {
            None => Armed::Fired,
            Some(held) if held.will_wake(waker) => Armed::Waiting,
            Some(_) => Armed::OtherWaker,
        })
    }

    /// Swaps the waker of an entry.
    pub(super) fn replace_waker(&self, key: Key, waker: &mut Option<Waker>) -> Armed {
        self.wheel.with(|wheel| swap_waker(wheel, key, waker))
    }

    /// Gives an entry another deadline. Returns whether it was still there.
    pub(super) fn reset(&self, key: Key, deadline: Instant) -> bool {
        self.wheel
            .with(|wheel| wheel.reset(key, deadline.as_nanos()))
    }

    /// Clears the slots of the sleeps that other threads took away.
    fn clear_gone(&self, shared: &SharedHome) {
        for key in shared.take_gone() {
            // The borrow ends with the statement, before the waker is dropped.
            let waker = self.remove(key);
            drop_contained(waker);
        }
    }

    /// Moves the wakers of all sleeps that are due to `batch`.
    pub(crate) fn fire(&self, batch: &mut WakeBatch) -> usize {
        let shared = self.shared_if_wanted();
        if let Some(shared) = shared {
            self.clear_gone(shared);
        }
        self.wheel.with(|wheel| {
            if wheel.next_deadline().is_none() && shared.is_none() {
                return 0;
            }
            let now = self.clock.now();
            let count = match shared {
                None => wheel.advance_with(now.as_nanos(), |waker| batch.push(waker)),
                Some(shared) => shared.fire_both(wheel, now, batch),
            };
            if count != 0 {
                self.fired.set(now);
            }
            count
        })
    }

    /// When the loop should look here again: [`next_deadline`](Self::next_deadline),
    /// or a little later on the real clock if something fired just now.
    pub(crate) fn next_wake(&self) -> Option<Instant> {
        let deadline = self.next_deadline()?;
        // A sleep that is alone has nobody to be batched with.
        if self.clock.is_simulated() || self.wheel.with(|wheel| wheel.len()) <= 1 {
            return Some(deadline);
        }
        Some(deadline.max(self.fired.get() + BATCH))
    }

    /// How many sleeps are armed, here and from other threads.
    pub(crate) fn armed(&self) -> usize {
        let there = self.shared_if_wanted().map_or(0, SharedHome::armed);
        self.wheel.with(|wheel| wheel.len()) + there
    }

    /// The earliest deadline of all sleeps that ever fire.
    pub(crate) fn next_deadline(&self) -> Option<Instant> {
        let shared = self.shared_if_wanted();
        if let Some(shared) = shared {
            self.clear_gone(shared);
        }
        let here = self.wheel.with(Wheel::next_deadline);
        let there = shared.and_then(SharedHome::next_deadline);
        let earliest = match (here, there) {
            (Some(here), Some(there)) => Some(here.min(there)),
            (one, other) => one.or(other),
        };
        earliest.map(Instant::from_nanos)
    }

    /// Ends the home and wakes everybody who waits, so that they learn of it:
    /// a sleep that was polled here may be shared with a task elsewhere.
    pub(crate) fn end(&self) {
        if self.ended.replace(true) {
            return;
        }
        // Without a shared part nothing was ever armed (B2).
        let Some(shared) = self.shared.get() else {
            return;
        };
        let own = self.wheel.with(Wheel::drain);
        let abroad = shared.end();
        withdraw(self.id);
        if self.clock.is_simulated() {
            notify_all_on(self.clock.id(), self.id);
        }
        let mut batch = WakeBatch::new();
        own.into_iter()
            .chain(abroad)
            .for_each(|waker| batch.push(waker));
        batch.wake_all();
    }
}
