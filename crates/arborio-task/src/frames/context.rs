//! Which frame is being polled on this thread, and how a frame finds its place.
//!
//! Each poll of a frame lays an *entry* on the stack, linked to the entry of the
//! frame around it. An entry is provisional: a frame gets a slot in the table
//! only when its poll is pending, or when a frame inside of it needs a parent.
//! So a future that is ready at its first poll costs two stores.
//!
//! # Invariants
//! - E1: CURRENT is null, or points to an entry of a poll that is running on this
//!   thread: who sets it puts the outer one back, also when the poll panics.
//! - E2: an entry belongs to the task that was being polled when it was laid. If
//!   another task, or none, is being polled now, the chain does not count: the
//!   poll is the outermost one of its tree.
//! - E3: `tree` of an entry, once set, is the table of the tree that is being
//!   polled; it lives as long as the entry, because the root of the tree holds it.

use std::{
    cell::Cell,
    fmt, ptr,
    sync::Arc,
    task::{Context, Poll, Waker},
};

use arborio_base::{contain, drop_contained};

use super::{
    slots::{Answer, Asker, HandlerState, Key, Kind, Next, Slots},
    table::Table,
};
use crate::{cell::TaskRef, side, tasks};

#[cfg(not(loom))]
thread_local! {
    static CURRENT: Cell<*const Entry> = const { Cell::new(ptr::null()) };
}

#[cfg(loom)]
loom::thread_local! {
    static CURRENT: Cell<*const Entry> = Cell::new(ptr::null());
}

/// One poll of a frame that is running.
struct Entry {
    /// The frame around it, or null (E1).
    outer: *const Self,
    /// The task that is being polled (E2).
    task: Option<TaskRef>,
    /// The table of the tree, once there is one (E3).
    tree: Cell<*const Table>,
    frame: *const Frame,
    /// What has the frame polled.
    waker: *const Waker,
}

/// Puts the outer entry back.
struct Restore(*const Entry);

impl Drop for Restore {
    fn drop(&mut self) {
        CURRENT.with(|current| current.set(self.0));
    }
}

/// The entry of the innermost frame that is being polled, if it counts (E2).
fn current<'a>() -> Option<&'a Entry> {
    let entry = CURRENT.with(Cell::get);
    // SAFETY: E1: it is on this thread's stack, below the caller.
    let entry = unsafe { entry.as_ref() }?;
    (entry.task == tasks::current_task()).then_some(entry)
}

/// The table of the task that is being polled, or whose future is being dropped.
fn table_of_task() -> *const Table {
    tasks::current_task().map_or(ptr::null(), side::frames)
}

/// Whether this thread is inside the tree of `table` (B1).
fn is_inside(table: *const Table) -> bool {
    current().is_some_and(|entry| ptr::eq(entry.tree.get(), table))
        || ptr::eq(table_of_task(), table)
}

impl Entry {
    /// The table of the tree that is being polled.
    fn tree(&self) -> Option<&Table> {
        // SAFETY: E3.
        unsafe { self.tree.get().as_ref() }
    }

    fn frame(&self) -> &Frame {
        // SAFETY: the poll that laid the entry borrows the frame.
        unsafe { &*self.frame }
    }

    fn outer(&self) -> Option<&Self> {
        // SAFETY: E1: the entries around this one are further down the stack.
        let outer = unsafe { self.outer.as_ref() }?;
        (outer.task == self.task).then_some(outer)
    }

    /// Touches the frames of the tree.
    fn with<R>(&self, touch: impl FnOnce(&mut Slots) -> R) -> Option<R> {
        let table = self.tree()?;
        // SAFETY: the entry is that of a poll inside the tree (B1, E3).
        Some(unsafe { table.with(touch) })
    }

    /// Gives the frame a slot, and those around it first.
    fn settle_down(&self) -> Key {
        if let Some(key) = self.frame().key() {
            return key;
        }
        let parent = self.outer().map(|outer| {
            let key = outer.settle_down();
            self.tree.set(outer.tree.get());
            key
        });
        // SAFETY: the context of a poll that is running.
        let waker = unsafe { &*self.waker };
        let root = parent.is_none();
        let table = self.table(root);
        let waker = waker.clone(); // foreign code: before the table (B3)
        let kind = self.frame().kind;
        let inserted = self.with(|slots| slots.insert(kind, parent, waker));
        let key = inserted.expect("the tree has a table by now");
        let owns_tree = root && self.task.is_none();
        self.frame().place.set(Some(Place {
            table,
            key,
            owns_tree,
        }));
        key
    }

    /// The table for a new place, which is made if there is none.
    fn table(&self, root: bool) -> Arc<Table> {
        if self.tree.get().is_null() && root {
            // SAFETY: the context of a poll that is running.
            let waker = unsafe { &*self.waker };
            let make = || Table::new(waker.clone());
            let table = match self.task {
                Some(task) => side::frames_or_make(task, make),
                None => make(),
            };
            self.tree.set(Arc::as_ptr(&table));
            return table;
        }
        let tree = self.tree.get();
        // SAFETY: it came from an `Arc` that the root of the tree holds (E3).
        unsafe { Arc::increment_strong_count(tree) };
        // SAFETY: counted just now.
        unsafe { Arc::from_raw(tree) }
    }
}

/// A frame's slot.
struct Place {
    table: Arc<Table>,
    key: Key,
    /// The frame is the outermost one of its tree, under a foreign executor.
    owns_tree: bool,
}

/// A part of a future that takes part in cancellation: an origin of requests, or
/// a handler that answers those of the origins around it.
///
/// It lies in the future; [`poll`](Frame::poll) stands around each poll of what is
/// inside. Combinators are built from it: an origin makes a
/// [`request`](Inside::request) and [settles](Inside::settle) after each pending
/// poll; a handler looks whether it [was asked](Inside::is_asked) and
/// [answers](Inside::answer).
///
/// # Examples
/// A handler that nobody asks does nothing.
/// ```
/// use arborio_task::frames::Frame;
/// use std::task::{Context, Poll, Waker};
/// let mut frame = Frame::handler();
/// let mut cx = Context::from_waker(Waker::noop());
/// let polled = frame.poll(&mut cx, |_, inside| Poll::Ready(inside.is_asked()));
/// assert_eq!(polled, Poll::Ready(false));
/// ```
pub struct Frame {
    kind: Kind,
    place: Cell<Option<Place>>,
}

impl Frame {
    /// Where requests are made.
    pub const fn origin() -> Self {
        Self {
            kind: Kind::Origin,
            place: Cell::new(None),
        }
    }

    /// Where requests are answered.
    pub const fn handler() -> Self {
        Self {
            kind: Kind::Handler,
            place: Cell::new(None),
        }
    }

    /// A handler that nobody outside sees through.
    pub const fn shield() -> Self {
        Self {
            kind: Kind::Shield,
            place: Cell::new(None),
        }
    }

    fn key(&self) -> Option<Key> {
        self.look(|place| place.key)
    }

    fn look<R>(&self, look: impl FnOnce(&Place) -> R) -> Option<R> {
        let place = self.place.take();
        let found = place.as_ref().map(look);
        self.place.set(place);
        found
    }

    /// Runs `poll`, which polls what is inside of the frame.
    ///
    /// If it is pending, the frame takes its place in the tree; if it is ready,
    /// the frame leaves the tree, unless it is a handler that has begun to act
    /// ([`Inside::set_busy`]).
    #[inline]
    pub fn poll<R>(
        &mut self,
        cx: &mut Context<'_>,
        poll: impl FnOnce(&mut Context<'_>, &Inside<'_>) -> Poll<R>,
    ) -> Poll<R> {
        let around = current();
        let entry = Entry {
            outer: around.map_or(ptr::null(), ptr::from_ref),
            task: tasks::current_task(),
            tree: Cell::new(around.map_or_else(table_of_task, |around| around.tree.get())),
            frame: &raw const *self,
            waker: cx.waker(),
        };
        entry.frame().arrive(&entry);
        let restore = Restore(CURRENT.with(|current| current.replace(&raw const entry)));
        let polled = poll(cx, &Inside { entry: &entry });
        drop(restore);
        if polled.is_pending() {
            entry.settle_down();
        } else if entry.with_key(|slots, key| slots.handler(key)) != Some(HandlerState::Busy) {
            entry.frame().leave(Answer::Passed);
        }
        polled
    }

    /// A frame that has a place is polled again: is it still the right one?
    #[inline]
    fn arrive(&self, entry: &Entry) {
        let Some((table, owns_tree)) =
            self.look(|place| (Arc::as_ptr(&place.table), place.owns_tree))
        else {
            return;
        };
        if owns_tree && entry.tree.get().is_null() && entry.task.is_none() {
            entry.tree.set(table); // the outermost frame brings the table along
        }
        if !ptr::eq(entry.tree.get(), table) {
            return self.leave(Answer::Passed); // it was moved to another tree
        }
        self.refresh(entry, owns_tree);
    }

    /// Sees to it that a request reaches the frame by the waker of this poll.
    fn refresh(&self, entry: &Entry, owns_tree: bool) {
        // SAFETY: the context of a poll that is running.
        let waker = unsafe { &*entry.waker };
        let parent = entry.outer().map(Entry::settle_down);
        let known = entry.with_key(|slots, key| {
            slots.move_to(key, parent);
            slots.is_woken_by(key, waker)
        });
        if known == Some(true) {
            return;
        }
        if let (true, Some(table)) = (owns_tree, entry.tree()) {
            table.set_root(waker.clone());
        }
        let fresh = waker.clone(); // foreign code: before the table (B3)
        let old = entry.with_key(|slots, key| slots.set_waker(key, fresh));
        drop_contained(old);
    }

    /// Leaves the tree, with `answer` if somebody had asked.
    fn leave(&self, answer: Answer) {
        let Some(place) = self.place.take() else {
            return;
        };
        let table = Arc::as_ptr(&place.table);
        if place.owns_tree || is_inside(table) {
            // SAFETY: inside the tree; the outermost frame of a foreign tree is
            // borrowed by its own poll or drop, and nobody is inside but for that.
            let waker = unsafe {
                place.table.with(|slots| {
                    slots.answer(place.key, answer);
                    slots.remove(place.key)
                })
            };
            drop_contained(waker);
        } else {
            place.table.note(place.key, answer);
        }
        drop_contained(place);
    }

    /// Ends a handler that was asked, with its answer.
    pub fn finish(self, answer: Answer) {
        self.leave(answer);
    }
}

impl Drop for Frame {
    #[inline]
    fn drop(&mut self) {
        if self.place.get_mut().is_some() {
            self.leave(Answer::Passed);
        }
    }
}

impl fmt::Debug for Frame {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Frame")
            .field("kind", &self.kind)
            .finish_non_exhaustive()
    }
}

impl Entry {
    fn with_key<R>(&self, touch: impl FnOnce(&mut Slots, Key) -> R) -> Option<R> {
        let key = self.frame().key()?;
        self.with(|slots| touch(slots, key))
    }
}

/// A poll of a frame that is running, and what the frame may do in it.
pub struct Inside<'a> {
    entry: &'a Entry,
}

impl Inside<'_> {
    /// Puts a request of this origin in force and asks the innermost handlers
    /// inside: what next? [`Next::Drop`] if there is none.
    #[must_use]
    pub fn request(&self) -> Next {
        self.ask(Slots::request)
    }

    /// The inside of this origin, whose request is in force, is pending: what next?
    #[must_use]
    pub fn settle(&self, may_swallow: bool) -> Next {
        self.ask(|slots, asker| slots.settle(asker, may_swallow))
    }

    fn ask(&self, ask: impl FnOnce(&mut Slots, Asker) -> (Next, Vec<Waker>)) -> Next {
        let asked = self
            .entry
            .with_key(|slots, key| ask(slots, Asker::Slot(key)));
        let (next, wakers) = asked.unwrap_or((Next::Drop, Vec::new()));
        for waker in wakers {
            contain(|| waker.wake());
        }
        next
    }

    /// Notes when the time of this origin is over, in any unit.
    pub fn set_limit(&self, limit: Option<u64>) {
        self.entry.settle_down();
        self.entry
            .with_key(|slots, key| slots.set_limit(key, limit));
    }

    /// Whether this handler was asked, and has not answered.
    pub fn is_asked(&self) -> bool {
        let state = self.entry.with_key(|slots, key| slots.handler(key));
        matches!(state, Some(HandlerState::Asked | HandlerState::Busy))
    }

    /// This handler has begun to act on what it was asked.
    pub fn set_busy(&self) {
        self.entry.with_key(Slots::set_busy);
    }

    /// What is inside of this frame is not asked by those outside any more.
    pub fn set_opaque(&self) {
        self.entry.settle_down();
        self.entry.with_key(Slots::set_opaque);
    }

    /// This handler answers.
    pub fn answer(&self, answer: Answer) {
        self.entry.with_key(|slots, key| slots.answer(key, answer));
    }
}

impl fmt::Debug for Inside<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Inside").finish_non_exhaustive()
    }
}

/// Whether a request is in force that reaches the code that asks: that of its
/// task, or of an origin around it.
pub fn is_cancelling() -> bool {
    outward().0
}

/// The earliest limit of the origins around the code that asks, in the unit of
/// [`Inside::set_limit`].
pub fn limit() -> Option<u64> {
    outward().1
}

fn outward() -> (bool, Option<u64>) {
    if let Some(entry) = current() {
        let key = entry.settle_down();
        return entry
            .with(|slots| slots.outward(Some(key)))
            .unwrap_or_default();
    }
    // SAFETY: null, or the table of the task that is being polled on this thread.
    let table = unsafe { table_of_task().as_ref() };
    // SAFETY: the caller is inside of that task (B1).
    table
        .map(|table| unsafe { table.with(|slots| slots.outward(None)) })
        .unwrap_or_default()
}
