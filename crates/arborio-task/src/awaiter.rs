//! Who waits for a task on its owner's thread.
//!
//! One word. Most tasks are awaited by one task of the same loop, which is kept
//! as a plain counted pointer; a waker of another kind, or a second awaiter,
//! takes a list behind a pointer.
//!
//! | word            | meaning                                       |
//! |-----------------|-----------------------------------------------|
//! | null            | nobody                                        |
//! | even            | a task of this loop, one counted reference    |
//! | odd             | a boxed list of wakers                        |
//!
//! Only the owner touches the word. Wakers are cloned and dropped, which may
//! run foreign code that comes back here, only while the word is consistent.

use std::{ptr, task::Waker};

use arborio_base::{Plain, contain, drop_contained};

use crate::{
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

    /// Takes whoever waits out of the word.
    #[inline]
    pub(crate) fn take(&self) -> Awaiting {
        let word = self.word.replace(ptr::null_mut());
        if word.addr() & LIST != 0 {
            let list = word.map_addr(|addr| addr & !LIST).cast::<Vec<Waker>>();
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

    /// Notes that the task behind `waker` waits.
    #[inline]
    pub(crate) fn register(&self, hub: &Hub, waker: &Waker) {
        let own = waker::task_of(waker).filter(|task| ptr::eq(task.hub, hub));
        let word = self.word.get();
        match own {
            Some(task) if word.is_null() => {
                task.local.add_reference();
                self.word.set(task.as_ptr().cast());
            }
            Some(task) if task.as_ptr().cast() == word => {}
            _ => self.register_in_list(waker),
        }
    }

    #[cold]
    fn register_in_list(&self, waker: &Waker) {
        let clone = waker.clone(); // foreign code: before the word is taken
        let mut list = match self.take() {
            Awaiting::Nobody => Box::default(),
            Awaiting::Task(task) => Box::new(vec![waker::from_counted(task)]),
            Awaiting::List(list) => list,
        };
        let known = list.iter().any(|waiter| waiter.will_wake(&clone));
        let surplus = if known {
            Some(clone)
        } else {
            list.push(clone);
            None
        };
        self.put(Awaiting::List(list));
        if let Some(surplus) = surplus {
            drop_contained(surplus); // foreign code: after the word is put back
        }
    }
}

/// Who waited, taken out of the word.
#[must_use]
pub(crate) enum Awaiting {
    Nobody,
    /// With one counted reference.
    Task(TaskRef),
    #[expect(clippy::box_collection, reason = "the list must fit into one word")]
    List(Box<Vec<Waker>>),
}

impl Awaiting {
    /// Wakes them in the order in which they came.
    #[inline]
    pub(crate) fn wake(self, hub: &Hub) {
        match self {
            Self::Nobody => {}
            Self::Task(task) => {
                life_cycle::wake(hub, task);
                life_cycle::release(hub, task);
            }
            Self::List(list) => {
                for waker in *list {
                    contain(|| waker.wake());
                }
            }
        }
    }

    /// Forgets them.
    #[inline]
    pub(crate) fn forget(self, hub: &Hub) {
        match self {
            Self::Nobody => {}
            Self::Task(task) => life_cycle::release(hub, task),
            Self::List(list) => {
                for waker in *list {
                    drop_contained(waker);
                }
            }
        }
    }
}
