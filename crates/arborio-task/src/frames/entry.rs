//! Which frame is being polled on this thread, and how a frame finds its place.
//!
//! Each poll of a frame lays an *entry* on the stack, linked to the entry of the
//! frame around it. An entry is provisional: a handler gets a slot in the table
//! only when its poll is pending, an origin only when a handler inside of it needs a
//! parent: one that has no handlers inside has nobody to ask. So a deadline around
//! a future without handlers, or one that is ready at its first poll, costs the entry,
//! and everything but laying it is kept out of the polls of frames.
//!
//! # Invariants
//! - E1: CURRENT is null, or points to an entry of a poll that is running on this
//!   thread: who sets it puts the outer one back, also when the poll panics.
//! - E2: an entry belongs to the task that was being polled when it was laid. If
//!   another task, or none, is being polled now, the chain does not count: the
//!   poll is the outermost one of its tree.
//! - E3: a frame that is being polled and has a slot has it in the table of the tree
//!   that is being polled; that lives as long as the entry, because the root of the
//!   tree holds it.
//! - E4: a frame with a table has a slot there (B4).

use std::{cell::Cell, ptr, task::Waker};

use arborio_base::drop_contained;
#[cfg(not(loom))]
use arborio_base::sync::thread_local;

use super::{
    frame::Frame,
    slots::{Answer, HandlerState, Holds, Index, Slots},
    table::Table,
};
use crate::{cell::TaskRef, local::Flags, side, tasks};

#[cfg(not(loom))]
thread_local! {
    static CURRENT: Cell<*const Entry<'static>> = const { Cell::new(ptr::null()) };
}

#[cfg(loom)]
loom::thread_local! {
    static CURRENT: Cell<*const Entry<'static>> = Cell::new(ptr::null());
}

/// What an origin tells those inside who ask, in any unit that all origins share.
///
/// # Examples
/// A function that tells the limit is enough.
/// ```
/// use arborio_task::frames::Terms;
/// let terms: &dyn Terms = &|| Some(7);
/// assert_eq!((terms.limit(), terms.grace()), (Some(7), None));
/// ```
pub trait Terms {
    /// When its time is over. Asking for it may fix it.
    fn limit(&self) -> Option<u64>;

    /// How long handlers may take, if it has said so.
    fn grace(&self) -> Option<u64> {
        None
    }
}

impl<F: Fn() -> Option<u64>> Terms for F {
    fn limit(&self) -> Option<u64> {
        self()
    }
}

/// One poll of a frame that is running.
pub(super) struct Entry<'e> {
    /// What was CURRENT before, or null (E1): the frame around it, if it counts.
    outer: *const Entry<'static>,
    /// The task that is being polled (E2).
    task: Option<TaskRef>,
    pub(super) frame: &'e Frame,
    /// What has the frame polled.
    waker: &'e Waker,
    pub(super) terms: Option<&'e dyn Terms>,
}

/// An entry is the current one as long as this lives.
pub(super) struct Laid(*const Entry<'static>);

impl Drop for Laid {
    #[inline]
    fn drop(&mut self) {
        CURRENT.with(|current| current.set(self.0));
    }
}

/// The entry of the innermost frame that is being polled, if it counts (E2) now
/// that `task` is being polled.
fn current<'a>(task: Option<TaskRef>) -> Option<&'a Entry<'a>> {
    let entry: *const Entry<'a> = CURRENT.with(Cell::get).cast();
    // SAFETY: E1: it is on this thread's stack, below the caller.
    let entry = unsafe { entry.as_ref() }?;
    (entry.task == task).then_some(entry)
}

/// The table of a task that is being polled, or whose future is being dropped.
fn table_of(task: Option<TaskRef>) -> *const Table {
    task.map_or(ptr::null(), side::frames)
}

/// Whether this thread is inside the tree of `table` (B1).
pub(super) fn is_inside(table: *const Table) -> bool {
    let task = tasks::current_task();
    match current(task) {
        Some(entry) => ptr::eq(entry.tree(), table),
        None => ptr::eq(table_of(task), table),
    }
}

/// The frames around the code that asks, from the innermost to the first where
/// `visit` says that one sees no further; whether that leads to the root of the tree.
pub(super) fn outward(mut visit: impl FnMut(&Entry<'_>) -> bool) -> bool {
    let mut next = current(tasks::current_task());
    while let Some(entry) = next {
        if !visit(entry) {
            return false;
        }
        next = entry.outer();
    }
    true
}

impl<'e> Entry<'e> {
    /// The entry of a poll of `frame` that begins.
    #[inline(always)]
    pub(super) fn new(frame: &'e Frame, waker: &'e Waker, terms: Option<&'e dyn Terms>) -> Self {
        Self {
            outer: CURRENT.with(Cell::get),
            task: tasks::current_task(),
            frame,
            waker,
            terms,
        }
    }

    /// Makes it the current one (E1). It stays where it is meanwhile.
    #[inline(always)]
    pub(super) fn lay(&self) -> Laid {
        let here: *const Self = self;
        CURRENT.with(|current| current.set(here.cast()));
        Laid(self.outer)
    }

    /// The frame around it, if that counts (E2).
    pub(super) fn outer(&self) -> Option<&Entry<'_>> {
        // SAFETY: E1: the entries around this one are further down the stack.
        let outer = unsafe { self.outer.as_ref() }?;
        (outer.task == self.task).then_some(outer)
    }

    /// The table of the tree that is being polled, or null.
    fn tree(&self) -> *const Table {
        match self.frame.table() {
            table if !table.is_null() => table, // E3
            _ => self.tree_around(),
        }
    }

    /// The same, whatever the frame itself says.
    fn tree_around(&self) -> *const Table {
        match self.outer() {
            Some(outer) => outer.tree(),
            None => table_of(self.task),
        }
    }

    /// Touches the frames of the tree.
    fn with<R>(&self, touch: impl FnOnce(&mut Slots) -> R) -> Option<R> {
        // SAFETY: E3.
        let table = unsafe { self.tree().as_ref() }?;
        // SAFETY: the entry is that of a poll inside the tree (B1, E3).
        Some(unsafe { table.with(touch) })
    }

    /// The same for a frame that has a slot.
    pub(super) fn with_slot<R>(&self, touch: impl FnOnce(&mut Slots, Index) -> R) -> Option<R> {
        let index = self.frame.index()?;
        self.with(|slots| touch(slots, index))
    }

    /// What is to be done with the frame's place in the tree, if it has one. `touch` may do
    /// what B1 allows.
    pub(super) fn with_place<R>(&self, touch: impl FnOnce(&Table, Index) -> R) -> Option<R> {
        let index = self.frame.index()?;
        // SAFETY: E3.
        let table = unsafe { self.tree().as_ref() }?;
        Some(touch(table, index))
    }

    /// Gives the frame a slot, and those around it first.
    #[inline(never)]
    pub(super) fn settle_down(&self) -> Index {
        match self.frame.index() {
            Some(index) => index,
            None => self.take_slot(),
        }
    }

    fn take_slot(&self) -> Index {
        let parent = self.outer().map(Entry::settle_down);
        let holds = match (parent, self.task) {
            (None, None) => Holds::Tree,
            _ => Holds::Nothing,
        };
        let table = match self.tree() {
            null if null.is_null() => self.make_table(),
            table => table,
        };
        let kind = self.frame.kind();
        // SAFETY: E3, or made just now for the root of this tree.
        let table_here = unsafe { &*table };
        // SAFETY: the entry is that of a poll inside the tree (B1, E3).
        let index = unsafe { table_here.insert(kind, parent, self.waker) };
        self.frame.take_place(table, index, holds);
        index
    }

    /// The tree's first table. The task holds it; that of a foreign tree is held by
    /// the place of its outermost frame, which is this one.
    #[cold]
    fn make_table(&self) -> *const Table {
        match self.task {
            Some(task) => {
                task.local.set(Flags::FRAMED);
                side::set_frames(task, Table::of_task(task))
            }
            None => Table::foreign(self.waker.clone()).into_raw(),
        }
    }

    /// A frame that has a slot is polled again: is it still the right one?
    #[inline(never)]
    pub(super) fn arrive(&self) {
        let (table, owns_tree) = (self.frame.table(), self.frame.owns_tree());
        let brings_it = owns_tree && self.task.is_none() && self.outer().is_none();
        if !brings_it && !ptr::eq(self.tree_around(), table) {
            return self.frame.leave(Answer::Passed); // it was moved to another tree
        }
        let parent = self.outer().map(Entry::settle_down);
        // SAFETY: B1, E3.
        let known =
            self.with_place(|table, index| unsafe { table.move_to(index, parent, self.waker) });
        if known != Some(true) {
            self.refresh(table, owns_tree);
        }
    }

    /// Sees to it that a request reaches the frame by the waker of this poll.
    fn refresh(&self, table: *const Table, owns_tree: bool) {
        if owns_tree {
            // SAFETY: the frame holds it.
            unsafe { &*table }.set_root(self.waker.clone());
        }
        let fresh = self.waker.clone(); // foreign code: before the table (B3)
        let old = self.with_slot(|slots, index| slots.set_waker(index, fresh));
        drop_contained(old);
    }

    /// The inside is ready.
    #[inline(never)]
    pub(super) fn depart(&self) {
        // SAFETY: B1, E3.
        let state = self.with_place(|table, index| unsafe { table.handler(index) });
        if state != Some(HandlerState::Busy) {
            self.frame.leave(Answer::Passed);
        }
    }
}
