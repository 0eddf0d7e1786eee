//! A node of the task tree: the list of the tasks that hang on it.
//!
//! This list is the only one that holds a task of its loop. A task that has
//! ended stays in it as long as somebody refers to its cell; it is not counted
//! any more. The root node lies in the hub. Only the owner touches a node.
//!
//! # Invariants
//! - N1: `pending` counts the tasks of the list that are waited for and have
//!   not ended.
//! - N2: `attention` is set whenever the one who drives the loop may have
//!   something to decide: nothing is pending any more, `main` has ended, a
//!   task ended without an output, or a panic came up.

use std::cell::RefCell;

use arborio_base::{List, Plain};

use crate::{cell::TaskRef, interrupt::Payload, local::Flags};

/// See the head of this file.
pub(crate) struct Node {
    pub(crate) children: List,
    pending: Plain<usize>,
    attention: Plain<bool>,
    /// Panics that nobody observed, oldest first.
    panics: RefCell<Vec<Payload>>,
}

impl Node {
    pub(crate) fn new() -> Self {
        Self {
            children: List::new(),
            pending: Plain::new(0),
            attention: Plain::new(false),
            panics: RefCell::new(Vec::new()),
        }
    }

    /// Hangs `task` on this node.
    ///
    /// # Safety
    /// The node does not move any more and outlives the task's end; the caller
    /// is the owner; `task` hangs on no node.
    #[inline]
    pub(crate) unsafe fn adopt(&self, task: TaskRef) {
        task.parent.set(self);
        // SAFETY: the list was prepared with the hub; the rest is the caller's.
        unsafe { self.children.push_back(task.links()) };
        if !task.local.seen().any(Flags::DAEMON.and(Flags::DONE)) {
            self.pending.set(self.pending.get() + 1);
        }
    }

    /// A task of this node has ended.
    #[inline]
    pub(crate) fn child_ended(&self, task: TaskRef) {
        let seen = task.local.seen();
        if seen.any(Flags::DAEMON) {
            return;
        }
        let left = self.pending.get() - 1;
        self.pending.set(left);
        if left == 0 || seen.any(Flags::MAIN) {
            self.attention.set(true); // N2
        }
    }

    /// A task of this node ends without an output.
    pub(crate) fn child_interrupted(&self) {
        self.attention.set(true); // N2
    }

    /// A panic that nobody observes comes up.
    pub(crate) fn bubble(&self, panic: Payload) {
        self.panics.borrow_mut().push(panic);
        self.attention.set(true); // N2
    }

    pub(crate) fn pending(&self) -> usize {
        self.pending.get()
    }

    /// Whether there is something to decide.
    #[inline(always)]
    pub(crate) fn wants_attention(&self) -> bool {
        self.attention.get()
    }

    /// Whether there is something to decide; asked again, the answer is no.
    #[inline(always)]
    pub(crate) fn take_attention(&self) -> bool {
        self.attention.get() && self.attention.replace(false)
    }

    pub(crate) fn take_panics(&self) -> Vec<Payload> {
        self.panics.take()
    }
}
