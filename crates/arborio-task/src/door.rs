//! The door of a loop: what other threads leave there for the loop to look after.
//!
//! A branch whose future was dropped on another thread cannot be touched there. What
//! builds on it is brought to the door of its loop, and is told on the loop's own thread.
//! A loop has a door once it has had a branch; every branch knows it.
//!
//! # States
//! | waiting | meaning                                 | next                          |
//! |---------|-----------------------------------------|-------------------------------|
//! | open    | the loop will look                      | open: `bring`, `take`; closed |
//! | closed  | the loop has ended: nobody looks        | -                             |
//!
//! # Invariants
//! - O1: what was brought before `close` is taken by the loop: `bring` and `close` exclude
//!   each other, and `close` gives what is left.
//! - O2: whoever brings something calls the notifier afterwards, so a loop that sleeps
//!   wakes up and looks; `came` is set before that, and read when mail is taken.
//! - O4: what a thread brought before it pushed something on the inbox is taken before that is settled: the loop
//!   takes the mail first, and looks at the door before it settles it.
//! - O3: a closed door keeps nothing: an owner refers to its branch, and that to the door.

use std::{sync::Arc, task::Waker};

use arborio_base::{
    contain, drop_contained,
    sync::{
        Mutex,
        atomic::{AtomicBool, Ordering},
        lock,
    },
};

use crate::{branch::Branch, cell::TaskRef, inbox::Notify, tree::Describe};

/// What is brought to a door.
pub(crate) enum Visitor {
    /// What builds on a branch whose future was dropped on another thread.
    Left(Arc<dyn Describe>),
    /// A new task of the branch, spawned on another thread. It has its PIN, and its hub is
    /// [`TRANSIT`](crate::moving::TRANSIT).
    New(TaskRef, Arc<Branch>),
    /// Something hangs on the branch that is on another loop; the task that it is, if it is one.
    Held(Arc<Branch>, Option<Waker>),
    /// It is gone; where that task was.
    Released(Arc<Branch>, Option<usize>),
}

// SAFETY: a task with its PIN is for whoever takes it over, on any thread; its future is `Send`, which
// `bring_new` asks for.
unsafe impl Send for Visitor {}

/// See the head of this file.
pub(crate) struct Door {
    /// `None` once it is closed.
    waiting: Mutex<Option<Vec<Visitor>>>,
    /// Whether the loop stays where it is, and takes tasks.
    takes_tasks: bool,
    /// Somebody may be waiting.
    came: AtomicBool,
    notifier: Arc<dyn Notify>,
}

impl Door {
    pub(crate) fn new(notifier: Arc<dyn Notify>, takes_tasks: bool) -> Self {
        Self {
            waiting: Mutex::new(Some(Vec::new())),
            takes_tasks,
            came: AtomicBool::new(false),
            notifier,
        }
    }

    /// Brings `visitor`, who is no new task, from any thread.
    pub(crate) fn bring(&self, visitor: Visitor) {
        let refused = match &mut *lock(&self.waiting) {
            Some(waiting) => {
                waiting.push(visitor);
                None
            }
            None => Some(visitor), // O3
        };
        if refused.is_some() {
            return drop_contained(refused);
        }
        self.ring();
    }

    /// Brings the task that `make` makes around `future`, from any thread. It is one of `branch`, if that takes
    /// it when the loop looks.
    ///
    /// # Errors
    /// The future, if the door is closed, or this is not the door of a loop that takes tasks.
    pub(crate) fn bring_new<F: Send>(
        &self,
        future: F,
        branch: Arc<Branch>,
        make: impl FnOnce(F) -> TaskRef,
    ) -> Result<TaskRef, F> {
        if !self.takes_tasks {
            return Err(future);
        }
        let task = match &mut *lock(&self.waiting) {
            Some(waiting) => {
                let task = make(future);
                waiting.push(Visitor::New(task, branch));
                task
            }
            None => return Err(future), // O3
        };
        self.ring();
        Ok(task)
    }

    fn ring(&self) {
        // Release: pairs with the load in `has_visitors`.
        self.came.store(true, Ordering::Release);
        contain(|| self.notifier.notify()); // O2
    }

    /// Whether there may be something to take.
    #[inline]
    pub(crate) fn has_visitors(&self) -> bool {
        self.came.load(Ordering::Acquire)
    }

    /// Takes what was brought.
    pub(crate) fn take(&self) -> Vec<Visitor> {
        // Before the list is taken: what comes later sets it again. AcqRel is not needed,
        // the lock orders the list.
        self.came.store(false, Ordering::Relaxed);
        lock(&self.waiting)
            .as_mut()
            .map_or_else(Vec::new, std::mem::take)
    }

    /// The loop ends. Gives what is left.
    pub(crate) fn close(&self) -> Vec<Visitor> {
        lock(&self.waiting).take().unwrap_or_default()
    }
}
