//! What frames have left that were dropped outside of their tree, and whom to tell.
//!
//! One word, because each table has one, and most never need more.
//!
//! # States of the word
//! | word           | meaning                                                    |
//! |----------------|------------------------------------------------------------|
//! | null           | nobody is to be told: the tree has ended                   |
//! | a task         | whose tree it is (B6 of [`super::table`])                  |
//! | a rest, tagged | everything is there, in a box that is this word's alone    |

use std::{ptr, sync::Arc, task::Waker};

use arborio_base::{contain, drop_contained};

use super::{
    root,
    slots::{Answer, Index},
};
use crate::{cell::TaskRef, waker};

/// See the head of this file.
pub(super) struct Away(*mut ());

/// What few tables need.
#[derive(Default)]
struct Rest {
    task: Option<TaskRef>,
    notes: Vec<Note>,
    /// Has polled the outermost frame of a foreign tree. Shared, so that the clone that
    /// is made under the lock is no foreign code.
    foreign: Option<Arc<Waker>>,
}

/// One frame is gone, and this is what it said.
pub(super) struct Note {
    pub(super) index: Index,
    pub(super) answer: Answer,
}

/// Whom to tell that there is a note.
pub(super) enum Root {
    /// A task of an event loop, by a counted waker of its own.
    Task(Waker),
    /// See [`Rest`].
    Foreign(Arc<Waker>),
}

/// The tag of a pointer to a rest. Tasks and rests are aligned to more.
const REST: usize = 1;

impl Away {
    pub(super) const fn nobody() -> Self {
        Self(ptr::null_mut())
    }

    /// The box, if there is one.
    fn boxed(&self) -> Option<*mut Rest> {
        let is_rest = self.0.addr() & REST != 0;
        is_rest.then(|| self.0.map_addr(|address| address & !REST).cast())
    }

    fn rest_if_any(&mut self) -> Option<&mut Rest> {
        let rest = self.boxed()?;
        // SAFETY: the box is this word's alone, and the word is borrowed.
        Some(unsafe { &mut *rest })
    }

    /// The rest, which is made if there is none.
    fn rest(&mut self) -> &mut Rest {
        let rest = match self.boxed() {
            Some(rest) => rest,
            None => {
                let task = self.task();
                let new = Rest {
                    task,
                    ..Rest::default()
                };
                let new = Box::into_raw(Box::new(new));
                self.0 = new.map_addr(|address| address | REST).cast();
                new
            }
        };
        // SAFETY: the box is this word's alone, and the word is borrowed.
        unsafe { &mut *rest }
    }

    /// The task whose tree it is.
    pub(super) fn task(&self) -> Option<TaskRef> {
        match self.boxed() {
            // SAFETY: the box is this word's alone, and the word is borrowed.
            Some(rest) => unsafe { (*rest).task },
            None => TaskRef::from_ptr(self.0.cast()),
        }
    }

    /// It is the tree of `task`, or nobody's.
    pub(super) fn set_task(&mut self, task: Option<TaskRef>) {
        match self.rest_if_any() {
            Some(rest) => rest.task = task,
            None => self.0 = task.map_or(ptr::null_mut(), |task| task.as_ptr().cast()),
        }
    }

    /// The outermost frame of the tree was polled by `waker`. Gives back what was there.
    pub(super) fn set_foreign(&mut self, waker: Waker) -> Option<Arc<Waker>> {
        self.rest().foreign.replace(Arc::new(waker))
    }

    fn foreign(&self) -> Option<Arc<Waker>> {
        let rest = self.boxed()?;
        // SAFETY: the box is this word's alone, and the word is borrowed.
        unsafe { (*rest).foreign.clone() }
    }

    /// Whom to tell.
    pub(super) fn root(&self) -> Option<Root> {
        match self.task() {
            // B6: it is allocated.
            Some(task) => Some(Root::Task(Waker::clone(&waker::borrowed(task)))),
            None => self.foreign().map(Root::Foreign),
        }
    }

    /// The tree has ended (B4): there is nobody to be told.
    pub(super) fn has_ended(&self) -> bool {
        self.task().is_none() && self.foreign().is_none()
    }

    /// From now on. Gives back whom to tell, to be dropped by the caller.
    pub(super) fn end(&mut self) -> Option<Arc<Waker>> {
        self.set_task(None);
        self.rest_if_any()?.foreign.take()
    }

    pub(super) fn put(&mut self, note: Note) {
        self.rest().notes.push(note);
    }

    pub(super) fn take_notes(&mut self) -> impl Iterator<Item = Note> {
        let notes = self.rest_if_any().map(|rest| rest.notes.drain(..));
        notes.into_iter().flatten()
    }
}

impl Drop for Away {
    fn drop(&mut self) {
        if let Some(rest) = self.boxed() {
            // SAFETY: made by a box, and this word's alone.
            drop(unsafe { Box::from_raw(rest) });
        }
    }
}

impl Root {
    pub(super) fn tell(self) {
        match self {
            Self::Foreign(waker) => {
                contain(|| waker.wake_by_ref());
                drop_contained(waker);
            }
            Self::Task(waker) => {
                let task = waker::task_of(&waker).expect("it was made by `Away::root`");
                root::notice(task);
            }
        }
    }
}
