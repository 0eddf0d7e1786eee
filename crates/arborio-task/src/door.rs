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
//! - O3: a closed door keeps nothing: an owner refers to its branch, and that to the door.

use std::sync::Arc;

use arborio_base::{
    contain, drop_contained,
    sync::{
        Mutex,
        atomic::{AtomicBool, Ordering},
        lock,
    },
};

use crate::{inbox::Notify, tree::Describe};

/// See the head of this file.
pub(crate) struct Door {
    /// `None` once it is closed.
    waiting: Mutex<Option<Vec<Arc<dyn Describe>>>>,
    /// Somebody may be waiting.
    came: AtomicBool,
    notifier: Arc<dyn Notify>,
}

impl Door {
    pub(crate) fn new(notifier: Arc<dyn Notify>) -> Self {
        Self {
            waiting: Mutex::new(Some(Vec::new())),
            came: AtomicBool::new(false),
            notifier,
        }
    }

    /// Brings what builds on a branch, from any thread.
    pub(crate) fn bring(&self, owner: Arc<dyn Describe>) {
        let refused = match &mut *lock(&self.waiting) {
            Some(waiting) => {
                waiting.push(owner);
                None
            }
            None => Some(owner), // O3
        };
        if refused.is_some() {
            return drop_contained(refused);
        }
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
    pub(crate) fn take(&self) -> Vec<Arc<dyn Describe>> {
        // Before the list is taken: what comes later sets it again. AcqRel is not needed,
        // the lock orders the list.
        self.came.store(false, Ordering::Relaxed);
        lock(&self.waiting)
            .as_mut()
            .map_or_else(Vec::new, std::mem::take)
    }

    /// The loop ends. Gives what is left.
    pub(crate) fn close(&self) -> Vec<Arc<dyn Describe>> {
        lock(&self.waiting).take().unwrap_or_default()
    }
}
