//! The run queue: a FIFO of tasks, linked through the tasks themselves.
//!
//! Only the owner touches it. A task is in it exactly while its QUEUED flag is
//! set ([`crate::local`], L1), so the link has room for one queue.

use arborio_base::Plain;

use crate::cell::TaskRef;

/// See the head of this file.
pub(crate) struct RunQueue {
    /// The task that is polled next.
    head: Plain<Option<TaskRef>>,
    /// The task that came last; `None` exactly while `head` is.
    tail: Plain<Option<TaskRef>>,
}

impl RunQueue {
    pub(crate) fn new() -> Self {
        Self {
            head: Plain::new(None),
            tail: Plain::new(None),
        }
    }

    #[inline(always)]
    pub(crate) fn is_empty(&self) -> bool {
        self.head.get().is_none()
    }

    /// Whether there are two tasks or more.
    #[inline(always)]
    pub(crate) fn has_two(&self) -> bool {
        self.head
            .get()
            .is_some_and(|head| head.next.get().is_some())
    }

    /// How many tasks there are; `most` if there are more.
    pub(crate) fn count_up_to(&self, most: usize) -> usize {
        let mut count = 0;
        let mut next = self.head.get();
        while count < most
            && let Some(task) = next
        {
            count += 1;
            next = task.next.get();
        }
        count
    }

    /// Puts the tasks of `other` before those that are here.
    pub(crate) fn put_before(&self, other: &Self) {
        let (Some(head), Some(tail)) = (other.head.replace(None), other.tail.replace(None)) else {
            return;
        };
        tail.next.set(self.head.replace(Some(head)));
        if self.tail.get().is_none() {
            self.tail.set(Some(tail));
        }
    }

    /// Adds `task`, whose QUEUED flag the caller has just set.
    #[inline(always)]
    pub(crate) fn push(&self, task: TaskRef) {
        task.next.set(None);
        match self.tail.replace(Some(task)) {
            Some(tail) => tail.next.set(Some(task)),
            None => self.head.set(Some(task)),
        }
    }

    /// Takes the oldest task. The caller clears its QUEUED flag.
    #[inline(always)]
    pub(crate) fn pop(&self) -> Option<TaskRef> {
        let task = self.head.get()?;
        let next = task.next.get();
        self.head.set(next);
        if next.is_none() {
            self.tail.set(None);
        }
        Some(task)
    }
}
