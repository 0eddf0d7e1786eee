//! Who waits for a task on its owner's thread.
//!
//! One word. Most tasks are awaited by value, by one task of the same loop, which
//! is kept as a plain counted pointer. A waker of another kind, or awaiters that
//! share the handle, take a list behind a pointer.
//!
//! | word            | meaning                                       |
//! |-----------------|-----------------------------------------------|
//! | null            | nobody                                        |
//! | even            | a task that was of this loop when it came, one counted reference |
//! | odd             | a boxed list of awaiters, each with its number |
//!
//! # Invariants
//! - A1: whoever polls the handle by value is the only one who waits, since it
//!   has the handle to itself: it replaces everybody else. So a task that is
//!   polled by many tasks, one after the other, keeps one waker.
//! - A2: an awaiter that shares the handle has a number of its own, and takes
//!   its waker back when it is dropped.
//! - A3: wakers are cloned and dropped, which may run foreign code that comes
//!   back here, only while the word is consistent.
//!
//! Only the owner touches the word.

use std::{ptr, task::Waker};

use arborio_base::{Plain, contain, drop_contained};

use crate::{
    abroad,
    cell::{Header, TaskRef},
    hub::Hub,
    life_cycle, waker,
};

const LIST: usize = 1;

/// See the head of this file.
pub(crate) struct Awaiter {
    word: Plain<*mut ()>,
}

impl Awaiter {
    pub(crate) fn new() -> Self {
        Self {
            word: Plain::new(ptr::null_mut()),
        }
    }

    /// Whether nobody waits.
    #[inline(always)]
    pub(crate) fn is_empty(&self) -> bool {
        self.word.get().is_null()
    }

    /// Whether it is one task that waits, which has the handle to itself.
    pub(crate) fn is_task(&self) -> bool {
        let word = self.word.get();
        !word.is_null() && word.addr() & LIST == 0
    }

    /// Wakes whoever waits, who does not wait any more then. Mostly that is nobody, or a task.
    #[inline(always)]
    pub(crate) fn wake(&self, hub: &Hub) {
        if !self.is_empty() {
            self.take().wake(hub);
        }
    }

    /// Nobody waits any more.
    #[inline(always)]
    pub(crate) fn forget(&self, hub: &Hub) {
        if !self.is_empty() {
            self.take().forget(hub);
        }
    }

    /// Takes whoever waits out of the word.
    #[inline]
    fn take(&self) -> Awaiting {
        let word = self.word.replace(ptr::null_mut());
        if word.addr() & LIST != 0 {
            let list = word.map_addr(|addr| addr & !LIST).cast::<AwaiterList>();
            // SAFETY: an odd word was made by `put` below, and was taken out.
            return Awaiting::List(unsafe { Box::from_raw(list) });
        }
        TaskRef::from_ptr(word.cast::<Header>()).map_or(Awaiting::Nobody, Awaiting::Task)
    }

    /// Puts it back. The word is empty.
    fn put(&self, awaiting: Awaiting) {
        self.word.set(match awaiting {
            Awaiting::Nobody => ptr::null_mut(),
            Awaiting::Task(task) => task.as_ptr().cast(),
            Awaiting::List(list) => Box::into_raw(list)
                .cast::<()>()
                .map_addr(|addr| addr | LIST),
        });
    }

    /// Notes that the task behind `waker`, and nobody else, waits (A1).
    #[inline]
    pub(crate) fn register_only(&self, hub: &Hub, waker: &Waker) {
        let word = self.word.get();
        let new = match waker::task_of(waker).filter(|task| ptr::eq(task.hub(), hub)) {
            Some(task) if task.as_ptr().cast() == word => return,
            Some(task) if word.is_null() => {
                task.local.add_reference();
                return self.word.set(task.as_ptr().cast());
            }
            Some(task) => {
                task.local.add_reference();
                Awaiting::Task(task)
            }
            None => Awaiting::one(waker.clone()),
        };
        let replaced = self.take();
        self.put(new);
        replaced.forget(hub);
    }

    /// Notes that the task behind `waker` waits as number `number` (A2).
    pub(crate) fn register(&self, hub: &Hub, number: usize, waker: &Waker) {
        let clone = waker.clone();
        let replaced = self.change_list(|list| list.put(number, clone));
        replaced.forget(hub);
    }

    /// Awaiter `number` waits no longer.
    pub(crate) fn leave(&self, hub: &Hub, number: usize) {
        let left = self.change_list(|list| list.remove(number));
        left.forget(hub);
    }

    /// Changes the list, which is made if there is none. Returns what dropped
    /// out, to be forgotten once the word is consistent (A3).
    fn change_list(&self, change: impl FnOnce(&mut AwaiterList) -> Option<Waker>) -> Awaiting {
        let (mut list, stale) = match self.take() {
            Awaiting::List(list) => (list, Awaiting::Nobody),
            stale => (Box::default(), stale), // A1: nobody polls by value now
        };
        let dropped = change(&mut list);
        self.put(if list.is_empty() {
            Awaiting::Nobody
        } else {
            Awaiting::List(list)
        });
        match dropped {
            Some(waker) => Awaiting::one(waker),
            None => stale,
        }
    }
}

/// Who waited, taken out of the word.
#[must_use]
pub(crate) enum Awaiting {
    Nobody,
    /// With one counted reference.
    Task(TaskRef),
    List(Box<AwaiterList>),
}

impl Awaiting {
    /// A single waker that is not a task of this loop, or that dropped out.
    fn one(waker: Waker) -> Self {
        let mut list = Box::<AwaiterList>::default();
        list.replace_all(waker);
        Self::List(list)
    }

    /// Wakes them in the order in which they came.
    #[inline]
    pub(crate) fn wake(self, hub: &Hub) {
        match self {
            Self::Nobody => {}
            Self::Task(task) if ptr::eq(task.hub(), hub) => {
                life_cycle::wake(hub, task);
                life_cycle::release(hub, task);
            }
            Self::Task(task) => abroad::wake(task), // it has moved meanwhile
            Self::List(list) => list.wake_all(),
        }
    }

    /// Forgets them.
    #[inline]
    pub(crate) fn forget(self, hub: &Hub) {
        match self {
            Self::Nobody => {}
            Self::Task(task) if ptr::eq(task.hub(), hub) => life_cycle::release(hub, task),
            Self::Task(task) => abroad::release(task),
            Self::List(list) => list.forget_all(),
        }
    }
}

/// Wakers by the number of their awaiter, in the order in which they came.
#[derive(Default)]
pub(crate) struct AwaiterList {
    wakers: Vec<(usize, Waker)>,
}

impl AwaiterList {
    /// The number of an awaiter that has the handle to itself.
    const ONLY: usize = 0;

    pub(crate) fn is_empty(&self) -> bool {
        self.wakers.is_empty()
    }

    /// Puts the waker of awaiter `number`, and returns the one it had before,
    /// or a stale one of somebody who had the handle to himself.
    pub(crate) fn put(&mut self, number: usize, waker: Waker) -> Option<Waker> {
        let known = |&(other, _): &(usize, Waker)| other == number || other == Self::ONLY;
        match self.wakers.iter().position(known) {
            Some(place) => {
                let old = std::mem::replace(&mut self.wakers[place], (number, waker));
                Some(old.1)
            }
            None => {
                self.wakers.push((number, waker));
                None
            }
        }
    }

    /// Puts a waker in the place of all, and returns those.
    pub(crate) fn replace_all(&mut self, waker: Waker) -> Vec<(usize, Waker)> {
        std::mem::replace(&mut self.wakers, vec![(Self::ONLY, waker)])
    }

    /// Takes the waker of awaiter `number` out.
    pub(crate) fn remove(&mut self, number: usize) -> Option<Waker> {
        let place = self.wakers.iter().position(|&(other, _)| other == number)?;
        Some(self.wakers.remove(place).1)
    }

    /// Wakes them in order.
    #[cold]
    pub(crate) fn wake_all(self) {
        for waker in self.into_wakers() {
            contain(|| waker.wake());
        }
    }

    /// Drops them in order.
    #[cold]
    pub(crate) fn forget_all(self) {
        for waker in self.into_wakers() {
            drop_contained(waker);
        }
    }

    /// All wakers, in order.
    fn into_wakers(self) -> impl Iterator<Item = Waker> {
        self.wakers.into_iter().map(|(_, waker)| waker)
    }
}

#[cfg(all(test, not(loom)))]
mod tests {
    use std::{
        future::pending,
        sync::{
            Arc,
            atomic::{AtomicUsize, Ordering},
        },
        task::Wake,
    };

    use super::*;
    use crate::{NoNotify, SpawnOptions, Tasks, current::own_current, try_spawn};

    #[derive(Default)]
    struct Bell(AtomicUsize);

    impl Wake for Bell {
        fn wake(self: Arc<Self>) {
            self.0.fetch_add(1, Ordering::SeqCst);
        }
    }

    fn bell() -> (Arc<Bell>, Waker) {
        let bell = Arc::<Bell>::default();
        (Arc::clone(&bell), Waker::from(bell))
    }

    /// On a loop, with the wakers of two of its tasks.
    fn on_a_loop(test: impl FnOnce(&Hub, [&Waker; 2])) {
        let main = async {
            let handles = [(); 2].map(|()| try_spawn(pending::<()>(), SpawnOptions::new()).ok());
            let tasks = (handles.each_ref()).map(|handle| handle.as_ref()?.reference());
            let wakers = tasks.map(|task| waker::borrowed(task.expect("a loop runs")));
            let hub = own_current().expect("a loop runs");
            test(&hub, wakers.each_ref().map(|waker| &**waker));
            drop(hub);
            handles.iter().flatten().for_each(crate::Task::abort);
        };
        let (_, ended) =
            Tasks::new(Arc::new(NoNotify)).run_main(main, |running| while running.run_next() {});
        ended.unwrap();
    }

    fn count_of(waker: &Waker) -> i64 {
        let task = waker::task_of(waker).expect("it is a task's");
        task.local.seen().count()
    }

    #[test]
    fn a_task_that_has_the_handle_to_itself_is_known_as_one() {
        on_a_loop(|hub, [task, _]| {
            let awaiter = Awaiter::new();
            assert!(awaiter.is_empty() && !awaiter.is_task());
            awaiter.register_only(hub, task);
            assert!(!awaiter.is_empty() && awaiter.is_task());
            awaiter.forget(hub);
            assert!(awaiter.is_empty() && !awaiter.is_task());
            awaiter.register_only(hub, Waker::noop());
            assert!(!awaiter.is_empty() && !awaiter.is_task());
            awaiter.forget(hub);
            awaiter.register(hub, 1, task);
            assert!(!awaiter.is_task(), "it shares the handle");
            awaiter.forget(hub);
        });
    }

    #[test]
    fn a_task_is_counted_while_it_waits_and_once() {
        on_a_loop(|hub, [first, second]| {
            let awaiter = Awaiter::new();
            let before = [first, second].map(count_of);
            let more = || {
                let now = [first, second].map(count_of);
                [now[0] - before[0], now[1] - before[1]]
            };
            for _ in 0..2 {
                awaiter.register_only(hub, first);
                assert_eq!(more(), [1, 0]);
            }
            awaiter.register_only(hub, second);
            assert_eq!(more(), [0, 1]);
            let (bell, waker) = bell();
            let references = Arc::strong_count(&bell);
            awaiter.register_only(hub, &waker);
            assert_eq!((more(), Arc::strong_count(&bell)), ([0, 0], references + 1));
            awaiter.register_only(hub, first);
            assert_eq!((more(), Arc::strong_count(&bell)), ([1, 0], references));
            awaiter.forget(hub);
            assert_eq!(more(), [0, 0]);
        });
    }

    #[test]
    fn who_has_left_is_not_woken_and_nobody_is_left_when_all_have() {
        on_a_loop(|hub, _| {
            let awaiter = Awaiter::new();
            let bells = [bell(), bell(), bell()];
            for (number, (_, waker)) in bells.iter().enumerate() {
                awaiter.register(hub, 8 * (number + 1), waker);
            }
            awaiter.leave(hub, 16);
            awaiter.leave(hub, 99); // nobody's
            awaiter.wake(hub);
            let woken = || {
                bells
                    .each_ref()
                    .map(|(bell, _)| bell.0.load(Ordering::SeqCst))
            };
            assert_eq!(woken(), [1, 0, 1]);
            assert!(awaiter.is_empty());
            awaiter.register(hub, 8, &bells[0].1);
            assert!(!awaiter.is_empty());
            awaiter.leave(hub, 8);
            assert!(awaiter.is_empty());
            assert!(bells.iter().all(|(bell, _)| Arc::strong_count(bell) == 2));
        });
    }

    #[test]
    fn a_list_has_one_waker_for_each_number_and_none_that_is_stale() {
        let mut list = AwaiterList::default();
        let wakers = [(); 4].map(|()| bell().1);
        let is = |waker: Option<Waker>, index: usize| waker.unwrap().will_wake(&wakers[index]);
        assert!(list.is_empty() && list.put(8, wakers[0].clone()).is_none());
        assert!(list.put(16, wakers[1].clone()).is_none());
        assert!(is(list.put(16, wakers[2].clone()), 1));
        assert!(is(list.remove(16), 2) && list.remove(16).is_none());
        assert_eq!(list.replace_all(wakers[3].clone()).len(), 1);
        assert!(
            is(list.put(8, wakers[0].clone()), 3),
            "nobody has it to himself"
        );
        assert!(!list.is_empty() && is(list.remove(8), 0) && list.is_empty());
    }
}
