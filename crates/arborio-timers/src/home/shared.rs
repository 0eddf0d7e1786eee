//! The part of a home that every thread may use, under a mutex.
//!
//! # Invariants
//! - A1: `attention` is written under the lock of `part`, and says whether
//!   `part` has a sleep or a key for the owner.
//! - A2: after `ended` is set under that lock, nothing is added any more.

use std::{
    sync::{
        Condvar, Mutex,
        atomic::{AtomicBool, Ordering},
    },
    task::Waker,
};

use arborio_base::{Process, WakeBatch, contain};

use super::{Armed, HomeId, lock};
use crate::{
    clock::Clock,
    instant::Instant,
    wheel::{Key, Wheel},
};

/// How the owner of a home is told that there is something to do.
pub(crate) enum Alarm {
    /// The background thread waits here, with the lock of `part`.
    Thread(Condvar),
    /// The notifier of an event loop.
    Loop(Waker),
}

/// The shared part of a home.
pub(crate) struct SharedHome {
    /// The number of the home.
    id: HomeId,
    /// The clock it goes by.
    clock: Clock,
    /// How to reach its owner.
    alarm: Alarm,
    /// Whether the owner should take the lock (A1).
    attention: AtomicBool,
    /// What the lock guards.
    part: Mutex<SharedPart>,
}

/// What the lock of a [`SharedHome`] guards.
pub(crate) struct SharedPart {
    /// Sleeps that were armed by other threads.
    pub(crate) wheel: Wheel<Waker>,
    /// Keys of slots in the local wheel whose sleeps took leave.
    pub(crate) gone: Vec<Key>,
    /// Whether the home has ended (A2). For the background thread: never.
    pub(crate) ended: bool,
    /// Where the background thread runs, if it does; unused by a loop's home.
    pub(crate) thread_runs_in: Option<Process>,
}

impl SharedHome {
    /// A home without sleeps.
    pub(crate) const fn new(id: HomeId, clock: Clock, now: Instant, alarm: Alarm) -> Self {
        let part = SharedPart {
            wheel: Wheel::new(now.as_nanos()),
            gone: Vec::new(),
            ended: false,
            thread_runs_in: None,
        };
        Self {
            id,
            clock,
            alarm,
            attention: AtomicBool::new(false),
            part: Mutex::new(part),
        }
    }

    /// The number of the home.
    pub(crate) fn id(&self) -> HomeId {
        self.id
    }

    /// The clock of the home.
    pub(crate) fn clock(&self) -> &Clock {
        &self.clock
    }

    /// What the lock guards, for the background thread.
    pub(crate) fn part(&self) -> &Mutex<SharedPart> {
        &self.part
    }

    /// Tells the owner to look. Must be called without a lock.
    pub(crate) fn alarm(&self) {
        match &self.alarm {
            Alarm::Thread(changed) => changed.notify_one(),
            Alarm::Loop(notify) => _ = contain(|| notify.wake_by_ref()),
        }
    }

    /// Where the background thread waits.
    pub(crate) fn condvar(&self) -> Option<&Condvar> {
        match &self.alarm {
            Alarm::Thread(changed) => Some(changed),
            Alarm::Loop(_) => None,
        }
    }

    /// Whether the owner has something to do here. The owner asks this on
    /// every pass; it is a plain load.
    #[inline]
    pub(crate) fn wants_attention(&self) -> bool {
        // Relaxed: whoever reads true takes the lock, which orders the rest.
        self.attention.load(Ordering::Relaxed)
    }

    /// Arms a sleep; gives the waker back if the home has ended.
    pub(crate) fn arm(&self, deadline: Instant, waker: Waker) -> Result<Key, Waker> {
        let mut part = lock(&self.part);
        if part.ended {
            return Err(waker);
        }
        let before = part.wheel.next_deadline();
        let key = part.wheel.insert(deadline.as_nanos(), waker);
        let is_first = part.wheel.next_deadline() != before;
        self.update_attention(&part);
        drop(part);
        if is_first {
            self.alarm();
        }
        Ok(key)
    }

    /// Disarms a sleep of the shared wheel. The caller drops the waker.
    pub(crate) fn remove(&self, key: Key) -> Option<Waker> {
        let mut part = lock(&self.part);
        let waker = part.wheel.remove(key);
        self.update_attention(&part);
        drop(part);
        if waker.is_some() && self.clock.is_simulated() {
            // The loop may be about to jump to this deadline.
            self.alarm();
        }
        waker
    }

    /// Notes that the sleep with this key of the local wheel is no more.
    pub(crate) fn take_leave(&self, key: Key) {
        let mut part = lock(&self.part);
        if part.ended {
            return;
        }
        part.gone.push(key);
        self.update_attention(&part);
        drop(part);
        if self.clock.is_simulated() {
            self.alarm();
        }
    }

    /// What a poll finds; `None` if the home has ended.
    pub(crate) fn look_at(&self, key: Key, waker: &Waker) -> Option<Armed> {
        let mut part = lock(&self.part);
        if part.ended {
            return None;
        }
        Some(match part.wheel.get_mut(key) {
            None => Armed::Fired,
            Some(held) if held.will_wake(waker) => Armed::Waiting,
            Some(_) => Armed::OtherWaker,
        })
    }

    /// Swaps the waker of an entry; `None` if the home has ended.
    pub(crate) fn replace_waker(&self, key: Key, waker: &mut Option<Waker>) -> Option<Armed> {
        let mut part = lock(&self.part);
        if part.ended {
            return None;
        }
        Some(swap_waker(&mut part.wheel, key, waker))
    }

    /// Gives an entry another deadline. Returns whether it was still there.
    pub(crate) fn reset(&self, key: Key, deadline: Instant) -> bool {
        let mut part = lock(&self.part);
        let before = part.wheel.next_deadline();
        let found = part.wheel.reset(key, deadline.as_nanos());
        let changed = part.wheel.next_deadline() != before;
        drop(part);
        if changed {
            self.alarm();
        }
        found
    }

    /// The owner's pass, first half: the keys of slots to clear.
    pub(crate) fn take_gone(&self) -> Vec<Key> {
        let mut part = lock(&self.part);
        let gone = std::mem::take(&mut part.gone);
        self.update_attention(&part);
        gone
    }

    /// The owner's pass, second half: moves the wakers of what is due here and
    /// in its `own` wheel to `batch`, in the order of the deadlines; of equal
    /// ones the owner's come first.
    pub(crate) fn fire_both(
        &self,
        own: &mut Wheel<Waker>,
        now: Instant,
        batch: &mut WakeBatch,
    ) -> usize {
        let now = now.as_nanos();
        let before = batch.len();
        let mut part = lock(&self.part);
        let theirs = &mut part.wheel;
        // Each step hands out what one wheel has before the other's next.
        while let Some(next) = theirs.next_deadline().filter(|next| *next <= now) {
            own.advance_with(next, |waker| batch.push(waker));
            let until = own.next_deadline().map_or(now, |own| now.min(own - 1));
            theirs.advance_with(until, |waker| batch.push(waker));
        }
        own.advance_with(now, |waker| batch.push(waker));
        theirs.advance_with(now, |waker| batch.push(waker));
        self.update_attention(&part);
        batch.len() - before
    }

    /// How many sleeps are armed in the shared wheel.
    pub(crate) fn armed(&self) -> usize {
        lock(&self.part).wheel.len()
    }

    /// The earliest deadline of the shared wheel in nanoseconds.
    pub(crate) fn next_deadline(&self) -> Option<u64> {
        lock(&self.part).wheel.next_deadline()
    }

    /// Ends the home (A2) and returns the wakers of the threads that wait.
    pub(crate) fn end(&self) -> Vec<Waker> {
        let mut part = lock(&self.part);
        part.ended = true;
        part.gone = Vec::new();
        let wakers = part.wheel.drain();
        self.update_attention(&part);
        wakers
    }

    /// Restores A1. The argument proves that the caller has the lock.
    fn update_attention(&self, part: &SharedPart) {
        let wanted = !part.gone.is_empty() || !part.wheel.is_empty();
        // Relaxed: see `wants_attention`.
        self.attention.store(wanted, Ordering::Relaxed);
    }
}

/// Swaps the waker of the entry `key` with `waker`, if the entry is there.
pub(super) fn swap_waker(wheel: &mut Wheel<Waker>, key: Key, waker: &mut Option<Waker>) -> Armed {
    let Some(held) = wheel.get_mut(key) else {
        return Armed::Fired;
    };
    if let Some(new) = waker.take() {
        *waker = Some(std::mem::replace(held, new));
    }
    Armed::Waiting
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::home::NOBODY;

    /// A home that is in no directory.
    fn home() -> SharedHome {
        let alarm = Alarm::Loop(Waker::noop().clone());
        SharedHome::new(NOBODY, Clock::real(), Instant::ORIGIN, alarm)
    }

    #[test]
    fn a_thread_that_comes_too_late_finds_a_home_that_has_ended() {
        let home = home();
        let deadline = Instant::FAR_FUTURE;
        let armed = home.arm(deadline, Waker::noop().clone());
        let key = armed.expect("it has not ended yet");
        assert!(home.wants_attention());
        assert_eq!(home.end().len(), 1);
        assert!(home.arm(deadline, Waker::noop().clone()).is_err());
        assert_eq!(home.look_at(key, Waker::noop()), None);
        assert_eq!(home.replace_waker(key, &mut None), None);
        assert!(home.remove(key).is_none());
        home.take_leave(key);
        assert!(!home.wants_attention());
    }

    #[test]
    fn attention_is_wanted_exactly_while_there_is_something() {
        let home = home();
        assert!(!home.wants_attention());
        home.take_leave(Key::NONE);
        assert!(home.wants_attention());
        assert_eq!(home.take_gone(), [Key::NONE]);
        assert!(!home.wants_attention());
        let armed = home.arm(Instant::ORIGIN, Waker::noop().clone());
        assert!(armed.is_ok() && home.wants_attention());
        let mut batch = WakeBatch::new();
        let mut own = Wheel::new(0);
        assert_eq!(home.fire_both(&mut own, Instant::ORIGIN, &mut batch), 1);
        assert!(!home.wants_attention());
    }
}
