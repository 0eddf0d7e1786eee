//! The table of a task's frames, and who may touch it.
//!
//! A table belongs to one tree of frames: that of a task, or, under a foreign
//! executor, that of the outermost frame. Frames lie in futures, which may move
//! to another thread between two polls and be dropped there; the table does not.
//!
//! # Invariants
//! - B1: `slots` is touched only inside a poll or a drop of the tree's own task or
//!   outermost frame, which is on one thread at a time: by whoever finds this
//!   table to be the current one ([`super::context`]).
//! - B2: everybody else leaves a note in `away` and wakes the root; the next one
//!   inside the tree reads the notes first.
//! - B3: no foreign code runs while `slots` is borrowed: wakers are cloned
//!   before, and called and dropped after.

use std::{
    cell::RefCell,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
    task::Waker,
};

use arborio_base::{contain, drop_contained};

use super::slots::{Answer, Key, Slots};

/// See the head of this file.
pub(crate) struct Table {
    slots: RefCell<Slots>,
    /// Whether `away` has notes. Release when set, pairs with the swap.
    noted: AtomicBool,
    away: Mutex<Away>,
}

/// What happened to frames outside of their tree.
struct Away {
    notes: Vec<Note>,
    /// Has the tree polled.
    root: Option<Waker>,
}

/// One frame is gone, and this is what it said.
struct Note {
    key: Key,
    answer: Answer,
}

// SAFETY: `slots` is touched by one thread at a time (B1), and everything in it
// may move between threads; the rest is made for all.
unsafe impl Sync for Table {}

impl Table {
    /// A table of the tree that `root` has polled.
    pub(crate) fn new(root: Waker) -> Arc<Self> {
        Arc::new(Self {
            slots: RefCell::new(Slots::new()),
            noted: AtomicBool::new(false),
            away: Mutex::new(Away {
                notes: Vec::new(),
                root: Some(root),
            }),
        })
    }

    /// Touches the frames. `touch` calls no foreign code (B3).
    ///
    /// # Safety
    /// The caller is inside the tree (B1).
    pub(crate) unsafe fn with<R>(&self, touch: impl FnOnce(&mut Slots) -> R) -> R {
        if self.noted.load(Ordering::Relaxed) {
            // Acquire comes with the lock of `away`.
            self.read_notes();
        }
        touch(&mut self.slots.borrow_mut())
    }

    /// Somebody outside of the tree has dropped a frame.
    pub(crate) fn note(&self, key: Key, answer: Answer) {
        let root = {
            let mut away = self.away.lock().unwrap_or_else(PoisonError::into_inner);
            away.notes.push(Note { key, answer });
            self.noted.store(true, Ordering::Release);
            away.root.take()
        };
        if let Some(root) = root {
            contain(|| root.wake());
        }
    }

    /// The root of a foreign tree was polled by another waker.
    pub(crate) fn set_root(&self, waker: Waker) {
        let old = {
            let mut away = self.away.lock().unwrap_or_else(PoisonError::into_inner);
            away.root.replace(waker)
        };
        drop_contained(old);
    }

    #[cold]
    fn read_notes(&self) {
        let notes = {
            let mut away = self.away.lock().unwrap_or_else(PoisonError::into_inner);
            self.noted.store(false, Ordering::Relaxed); // the lock orders it
            std::mem::take(&mut away.notes)
        };
        let mut gone = Vec::new();
        let waiting = {
            let mut slots = self.slots.borrow_mut();
            for Note { key, answer } in notes {
                slots.answer(key, answer);
                gone.extend(slots.remove(key));
            }
            slots.waiting_origins()
        };
        drop_contained(gone);
        for waker in waiting {
            contain(|| waker.wake());
        }
    }
}
