//! Who waits for a source, in which direction.
//!
//! Most sources have one waiter per direction, and it is kept inline; more of
//! them go to a list on the heap. There are two kinds of waiters:
//!
//! * a *keyed* waiter is a future of this crate. It has an entry of its own,
//!   found by its key, and takes it back when it is dropped, so that waits
//!   that were given up leave nothing behind;
//! * a *shared* waiter is a caller of a `poll_*` function, which nobody tells
//!   when it gives up. It shares its entry with every other shared waiter of
//!   the same task, and stays until the next event.
//!
//! Nothing here calls, clones or drops a waker: what comes out is handed to
//! the caller, who holds the lock and lets go of it first.

use std::task::Waker;

use arborio_base::WakeBatch;

use crate::readiness::Direction;

/// Names the entry of one waiter.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct WaitKey(u32);

const SHARED: u32 = 0;
const FRESH: u32 = 1;

impl WaitKey {
    /// The key of everybody who calls a `poll_*` function.
    pub(crate) const fn shared() -> Self {
        Self(SHARED)
    }

    /// The key of a future that has not waited yet.
    pub(crate) const fn fresh() -> Self {
        Self(FRESH)
    }

    /// Whether an entry of this future's own may exist.
    #[inline]
    pub(crate) const fn has_entry(&self) -> bool {
        self.0 > FRESH
    }
}

/// The waiters of one source. Kept small: an idle connection has one.
#[derive(Debug, Default)]
pub(crate) struct Waiters {
    /// The first waiter of each direction.
    first: [Option<Waker>; 2],
    /// The key of `first`; means nothing where that is `None`.
    first_id: [u32; 2],
    /// The last key that was given out.
    last_id: u32,
    /// All other waiters, in the order of arrival.
    #[allow(
        clippy::box_collection,
        reason = "rarely there, and two words smaller than a Vec"
    )]
    more: Option<Box<Vec<Waiter>>>,
}

/// A waiter that found the inline place taken.
#[derive(Debug)]
struct Waiter {
    direction: Direction,
    id: u32,
    waker: Waker,
}

impl Waiters {
    /// Whether `waker` already stands in the entry of `key`.
    pub(crate) fn knows(&self, direction: Direction, key: &WaitKey, waker: &Waker) -> bool {
        let at = direction as usize;
        let mine = |id: u32, known: &Waker| id == key.0 && known.will_wake(waker);
        let first = &self.first[at];
        first.as_ref().is_some_and(|w| mine(self.first_id[at], w))
            || self
                .listed()
                .iter()
                .any(|w| w.direction == direction && mine(w.id, &w.waker))
    }

    /// Puts `waker` into the entry of `key`, and returns a waker to drop.
    pub(crate) fn put(
        &mut self,
        direction: Direction,
        key: &mut WaitKey,
        waker: Waker,
    ) -> Option<Waker> {
        let at = direction as usize;
        if self.first[at].is_none() && self.more.is_none() {
            // The usual waiter: it waits alone.
            if key.0 == FRESH {
                key.0 = self.new_id();
            }
            self.first[at] = Some(waker);
            self.first_id[at] = key.0;
            return None;
        }
        if self.knows(direction, key, &waker) {
            return Some(waker);
        }
        if key.0 == FRESH {
            key.0 = self.new_id();
        } else if key.has_entry()
            && let Some(old) = self.entry_mut(direction, key.0)
        {
            return Some(std::mem::replace(old, waker));
        }
        if self.first[at].is_none() {
            self.first[at] = Some(waker);
            self.first_id[at] = key.0;
        } else {
            self.more.get_or_insert_default().push(Waiter {
                direction,
                id: key.0,
                waker,
            });
        }
        None
    }

    /// Takes the entry of `key` out.
    pub(crate) fn remove(&mut self, direction: Direction, key: &WaitKey) -> Option<Waker> {
        let at = direction as usize;
        if self.first_id[at] == key.0
            && let Some(waker) = self.first[at].take()
        {
            return Some(waker);
        }
        let more = self.more.as_mut()?;
        let index = more
            .iter()
            .position(|w| w.direction == direction && w.id == key.0)?;
        let waker = more.remove(index).waker;
        if more.is_empty() {
            self.more = None;
        }
        Some(waker)
    }

    /// Moves everybody who waits in `direction` into `batch`, first come first
    /// served, and returns how many there were.
    pub(crate) fn take(&mut self, direction: Direction, batch: &mut WakeBatch) -> usize {
        let before = batch.len();
        if let Some(waker) = self.first[direction as usize].take() {
            batch.push(waker);
        }
        if let Some(more) = &mut self.more {
            for waiter in more.extract_if(.., |w| w.direction == direction) {
                batch.push(waiter.waker);
            }
            if more.is_empty() {
                self.more = None;
            }
        }
        batch.len() - before
    }

    /// Whether nobody waits in `direction`.
    pub(crate) fn is_empty(&self, direction: Direction) -> bool {
        self.first[direction as usize].is_none()
            && self.listed().iter().all(|w| w.direction != direction)
    }

    fn listed(&self) -> &[Waiter] {
        self.more.as_deref().map_or(&[], Vec::as_slice)
    }

    fn entry_mut(&mut self, direction: Direction, id: u32) -> Option<&mut Waker> {
        let at = direction as usize;
        if self.first_id[at] == id && self.first[at].is_some() {
            return self.first[at].as_mut();
        }
        let more = self.more.as_mut()?;
        let entry = more
            .iter_mut()
            .find(|w| w.direction == direction && w.id == id)?;
        Some(&mut entry.waker)
    }

    /// A key that no living entry has, however often the counter went round.
    fn new_id(&mut self) -> u32 {
        loop {
            self.last_id = self.last_id.wrapping_add(1).max(FRESH + 1);
            let id = self.last_id;
            if !self.first_id.contains(&id) && self.listed().iter().all(|w| w.id != id) {
                return id;
            }
        }
    }
}

#[cfg(all(test, not(loom)))]
mod tests {
    use std::sync::Arc;
    use std::task::Wake;

    use super::*;

    struct Nobody;
    impl Wake for Nobody {
        fn wake(self: Arc<Self>) {}
    }

    fn waker() -> Waker {
        Waker::from(Arc::new(Nobody))
    }

    #[test]
    fn shared_waiters_of_one_task_share_an_entry_and_tasks_do_not() {
        let mut waiters = Waiters::default();
        let (a, b) = (waker(), waker());
        let mut key = WaitKey::shared();
        for waker in [&a, &a, &b, &a, &b] {
            waiters.put(Direction::Read, &mut key, waker.clone());
        }
        let mut batch = WakeBatch::new();
        assert_eq!(waiters.take(Direction::Write, &mut batch), 0);
        assert_eq!(waiters.take(Direction::Read, &mut batch), 2);
        assert!(waiters.is_empty(Direction::Read));
    }

    #[test]
    fn two_keyed_waiters_of_one_task_do_not_share() {
        let mut waiters = Waiters::default();
        let task = waker();
        let (mut a, mut b) = (WaitKey::fresh(), WaitKey::fresh());
        waiters.put(Direction::Read, &mut a, task.clone());
        waiters.put(Direction::Read, &mut b, task.clone());
        assert_ne!(a, b);
        assert!(waiters.remove(Direction::Read, &a).is_some());
        assert!(waiters.remove(Direction::Read, &a).is_none());
        assert!(!waiters.is_empty(Direction::Read), "b still waits");
    }

    #[test]
    fn only_a_future_that_has_waited_may_have_an_entry() {
        let mut key = WaitKey::fresh();
        assert!(!key.has_entry() && !WaitKey::shared().has_entry());
        Waiters::default().put(Direction::Read, &mut key, waker());
        assert!(key.has_entry());
    }

    #[test]
    fn a_keyed_waiter_that_changes_its_task_keeps_one_entry() {
        let mut waiters = Waiters::default();
        let mut key = WaitKey::fresh();
        for _ in 0..3 {
            waiters.put(Direction::Write, &mut key, waker());
        }
        assert_eq!(waiters.take(Direction::Write, &mut WakeBatch::new()), 1);
    }

    #[test]
    fn a_key_in_use_is_not_given_out_again_when_the_counter_wraps() {
        let mut waiters = Waiters::default();
        let mut old = WaitKey::fresh();
        waiters.put(Direction::Read, &mut old, waker());
        waiters.last_id = u32::MAX;
        let mut new = WaitKey::fresh();
        waiters.put(Direction::Read, &mut new, waker());
        assert_ne!(old, new);
    }

    #[test]
    fn a_listed_waiter_keeps_its_entry_from_task_to_task_and_takes_it_back() {
        let mut waiters = Waiters::default();
        let mut keys = [(); 4].map(|()| WaitKey::fresh());
        let directions = [Direction::Read, Direction::Write].repeat(2);
        for _ in 0..2 {
            for (&direction, key) in directions.iter().zip(&mut keys) {
                waiters.put(direction, key, waker());
            }
        }
        for (&direction, key) in directions.iter().zip(&keys).skip(2) {
            assert!(waiters.remove(direction, key).is_some());
            assert!(waiters.remove(direction, key).is_none());
        }
        let mut batch = WakeBatch::new();
        for (direction, all) in [(Direction::Read, 1), (Direction::Write, 2)] {
            assert_eq!(waiters.take(direction, &mut batch), 1);
            assert_eq!(batch.len(), all);
        }
    }
}
