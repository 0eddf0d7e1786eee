//! The table of a task's frames, and who may touch it.
//!
//! A table belongs to one tree of frames: that of a task, or, under a foreign
//! executor, that of the outermost frame. Frames lie in futures, which may move
//! to another thread between two polls and be dropped there; the table does not.
//!
//! # Invariants
//! - B1: `slots` is touched only (a) inside a poll or a drop of the tree's task or
//!   outermost frame, by whoever finds this table to be the current one
//!   ([`super::entry`]), or (b) by the owner of the task, while its loop is the
//!   current one of this thread. All of that is on one thread at a time.
//! - B2: everybody else leaves a note in `away` and tells the root; the owner of
//!   the task, or the next one inside the tree, reads the notes.
//! - B3: no foreign code runs while `slots` is borrowed or `away` is locked: wakers
//!   are cloned before, and called and dropped after.
//! - B4: a frame that has a slot keeps the table allocated without counting: until
//!   the tree ends its root counts for all, and [`Table::end`] adds a count for each
//!   slot that is left. Whether a frame has a count is said by [`Away`].
//! - B5: a tree that is one handler of a task, polled with the task's own waker, and asked
//!   by the task at most, has no slots: [`LoneTree`] says all of it. Its index is 0, as it
//!   will be when it gets a slot.
//! - B6: until the tree of a task has ended (B4), its task is allocated: it ends its tree
//!   before it gives itself up. So the table refers to it without counting.
//!
//! Most trees are as in B5, or never get a table. One costs 32 bytes; slots, notes and
//! foreign wakers are made when there are some.

use std::{cell::Cell, task::Waker};

#[cfg(not(loom))]
use arborio_base::sync::thread_local;
use arborio_base::{
    contain, drop_contained,
    sync::{
        Mutex, MutexGuard,
        atomic::{AtomicBool, Ordering},
        lock,
    },
};

use super::{
    asking::Next,
    away::{Away, Note},
    counted::{Count, Counted},
    lone::{LONE, LoneTree},
    slots::{Answer, Asker, HandlerState, Index, Kind, Request, Slots},
};
use crate::{cell::TaskRef, tasks::current_task, waker};

/// See the head of this file.
pub(crate) struct Table {
    pub(super) count: Count,
    /// The whole tree, if there are no slots (B1, B5).
    lone: Cell<LoneTree>,
    /// Whether `away` has notes. Written under its lock only.
    noted: AtomicBool,
    /// Absent until B5 is not enough, and while it is borrowed (B1).
    slots: Cell<Option<Box<Slots>>>,
    away: Mutex<Away>,
    #[cfg(loom)]
    watched: Watched,
}

/// Tables that one thread keeps for later. None for the sanitizers: reuse would hide
/// a use after free.
#[cfg(not(loom))]
const MOST_USED: usize = if cfg!(arborio_no_cell_cache) { 0 } else { 64 };

#[cfg(not(loom))]
thread_local! {
    /// Tables of trees that have ended, empty and with a count of one.
    static USED: std::cell::RefCell<Vec<Counted>> =
        const { std::cell::RefCell::new(Vec::new()) };
}

/// Fails a model in which two threads touch the slots, or a table is leaked.
#[cfg(loom)]
struct Watched(loom::cell::UnsafeCell<()>, crate::life::Life);

#[cfg(loom)]
impl Drop for Watched {
    fn drop(&mut self) {
        self.1.end();
    }
}

// SAFETY: `slots` and `lone` are touched by one thread at a time (B1), and everything in
// them may move between threads; the task may be told from any; the rest is made for all.
unsafe impl Sync for Table {}

impl Table {
    /// A table of the tree of `task`, or of a foreign one.
    fn made(task: Option<TaskRef>, foreign: Option<Waker>) -> Counted {
        #[cfg(not(loom))]
        let used = Self::used();
        #[cfg(loom)]
        let used = None;
        let table = used.unwrap_or_else(|| {
            Counted::new(Self {
                count: Count::one(),
                lone: Cell::new(LoneTree::default()),
                noted: AtomicBool::new(false),
                slots: Cell::new(None),
                away: Mutex::new(Away::nobody()),
                #[cfg(loom)]
                watched: Watched(
                    loom::cell::UnsafeCell::new(()),
                    crate::life::Life::new(&crate::life::TABLES),
                ),
            })
        });
        let mut away = table.away();
        away.set_task(task);
        let none = foreign.and_then(|waker| away.set_foreign(waker));
        debug_assert!(none.is_none(), "the last tree has ended");
        drop(away);
        table
    }

    /// A table that has been used before on this thread.
    #[cfg(not(loom))]
    fn used() -> Option<Counted> {
        USED.try_with(|used| used.borrow_mut().pop()).ok()?
    }

    /// The root gives its count up, after [`end`](Self::end). A table that nobody
    /// else refers to is kept for the next tree of this thread.
    pub(crate) fn give_up(table: Counted) {
        #[cfg(not(loom))]
        {
            if !table.is_only() {
                return;
            }
            debug_assert!(
                table.is_deserted() || table.away().has_ended(),
                "it counts for its slots"
            );
            // Nobody else refers to it (B1), and no frame has a key (B4).
            table.lone.take();
            table.borrow(Slots::clear);
            let _ = USED.try_with(|used| {
                let mut used = used.borrow_mut();
                if used.len() < MOST_USED {
                    used.push(table);
                }
            });
        }
        #[cfg(loom)]
        drop(table);
    }

    /// Fails a model in which two threads are inside (B1).
    fn watch(&self) {
        #[cfg(loom)]
        self.watched.0.with_mut(|_| ());
    }

    /// Touches the slots, if there are any.
    fn borrow<R>(&self, touch: impl FnOnce(&mut Slots) -> R) -> Option<R> {
        self.watch();
        let mut slots = self.slots.take()?;
        let touched = touch(&mut slots);
        self.slots.set(Some(slots));
        Some(touched)
    }

    /// A table for the frames of `task`, which is being polled.
    pub(crate) fn of_task(task: TaskRef) -> Counted {
        Self::made(Some(task), None)
    }

    /// A table of the tree whose outermost frame `waker` has polled.
    pub(crate) fn foreign(waker: Waker) -> Counted {
        Self::made(None, Some(waker))
    }

    fn away(&self) -> MutexGuard<'_, Away> {
        lock(&self.away)
    }

    /// Touches the frames. `touch` calls no foreign code (B3).
    ///
    /// # Safety
    /// B1.
    #[inline]
    pub(crate) unsafe fn with<R>(&self, touch: impl FnOnce(&mut Slots) -> R) -> R {
        // SAFETY: passed on to the caller.
        unsafe { self.with_lone(|_| None, touch) }
    }

    /// The same, unless there are no slots (B5) and `lone` knows the answer from the only
    /// frame, if there is one.
    ///
    /// # Safety
    /// B1.
    #[inline]
    unsafe fn with_lone<R>(
        &self,
        lone: impl FnOnce(&mut LoneTree) -> Option<R>,
        touch: impl FnOnce(&mut Slots) -> R,
    ) -> R {
        // Relaxed: a note that is missed here is told to the root, which comes again;
        // one that is seen is read under the lock.
        if self.noted.load(Ordering::Relaxed) {
            self.read_notes();
        }
        self.watch();
        let mut slots = match self.slots.take() {
            Some(slots) => slots,
            None => {
                let mut tree = self.lone.get();
                if let Some(known) = lone(&mut tree) {
                    self.lone.set(tree);
                    return known;
                }
                self.unfold()
            }
        };
        let touched = touch(&mut slots);
        self.slots.set(Some(slots));
        touched
    }

    /// The slots of a tree that has had none until now (B5). The caller puts them in.
    #[cold]
    fn unfold(&self) -> Box<Slots> {
        let mut slots = Box::new(Slots::new());
        self.lone.take().unfold(&mut slots, || {
            let task = self.away().task().expect("the tree has not ended");
            Waker::clone(&waker::borrowed(task)) // B6
        });
        slots
    }

    /// Adds a frame inside `parent`, or inside the root, that `waker` has polled.
    ///
    /// # Safety
    /// B1.
    pub(super) unsafe fn insert(&self, kind: Kind, parent: Option<Index>, waker: &Waker) -> Index {
        let fits = parent.is_none() && is_own(waker);
        let alone = |tree: &mut LoneTree| (fits && tree.insert(kind)).then_some(LONE);
        let waker = (!fits).then(|| waker.clone()); // foreign code: before it (B3)
        let own = || Waker::clone(&waker::borrowed(current_task().expect("it is polled")));
        let insert = |slots: &mut Slots| slots.insert(kind, parent, waker.unwrap_or_else(own));
        // SAFETY: passed on to the caller.
        unsafe { self.with_lone(alone, insert) }
    }

    /// The frame in the slot `index` is polled again, inside `parent`: whether `waker`,
    /// which does that, is known there.
    ///
    /// # Safety
    /// B1.
    pub(super) unsafe fn move_to(
        &self,
        index: Index,
        parent: Option<Index>,
        waker: &Waker,
    ) -> bool {
        let alone = |_: &mut LoneTree| (parent.is_none() && is_own(waker)).then_some(true);
        let touch = |slots: &mut Slots| {
            slots.move_to(index, parent);
            slots.is_woken_by(index, waker)
        };
        // SAFETY: passed on to the caller.
        unsafe { self.with_lone(alone, touch) }
    }

    /// What the handler in the slot `index` was told.
    ///
    /// # Safety
    /// B1.
    pub(super) unsafe fn handler(&self, index: Index) -> HandlerState {
        // SAFETY: passed on to the caller.
        unsafe { self.with_lone(|tree| tree.state(), |slots| slots.handler(index)) }
    }

    /// The handler in the slot `index` is at it.
    ///
    /// # Safety
    /// B1.
    pub(super) unsafe fn set_busy(&self, index: Index) {
        // SAFETY: passed on to the caller.
        unsafe { self.with_lone(LoneTree::set_busy, |slots| slots.set_busy(index)) }
    }

    /// Nobody outside sees through the frame in the slot `index` any more.
    ///
    /// # Safety
    /// B1.
    pub(super) unsafe fn set_opaque(&self, index: Index) {
        // SAFETY: passed on to the caller.
        unsafe { self.with_lone(LoneTree::set_opaque, |slots| slots.set_opaque(index)) }
    }

    /// Whether the origin in the slot `index` asks those inside to end.
    ///
    /// # Safety
    /// B1.
    pub(super) unsafe fn is_felt(&self, index: Index) -> bool {
        let alone = |_: &mut LoneTree| Some(false); // there is no origin
        // SAFETY: passed on to the caller.
        unsafe { self.with_lone(alone, |slots| slots.is_felt(index)) }
    }

    /// What the root has heard.
    ///
    /// # Safety
    /// B1.
    pub(super) unsafe fn heard_by_root(&self) -> Request {
        // SAFETY: passed on to the caller.
        unsafe { self.with_lone(|tree| Some(tree.heard()), |slots| slots.root) }
    }

    /// The task asks its frames: what next? The wakers are those of who was asked.
    ///
    /// # Safety
    /// B1.
    pub(super) unsafe fn request(&self) -> (Next, Vec<Waker>) {
        let alone = |tree: &mut LoneTree| Some((tree.request(), Vec::new()));
        // SAFETY: passed on to the caller.
        unsafe { self.with_lone(alone, |slots| slots.request(Asker::Root)) }
    }

    /// The task, whose request is in force, is pending: what next? As above.
    ///
    /// # Safety
    /// B1.
    pub(super) unsafe fn settle(&self) -> (Next, Vec<Waker>) {
        let alone = |tree: &mut LoneTree| Some((tree.settle(), Vec::new()));
        // SAFETY: passed on to the caller.
        unsafe { self.with_lone(alone, |slots| slots.settle(Asker::Root)) }
    }

    /// The handler in the slot `index` answers.
    ///
    /// # Safety
    /// B1.
    pub(super) unsafe fn answer(&self, index: Index, answer: Answer) {
        let alone = |tree: &mut LoneTree| tree.answer(answer);
        // SAFETY: passed on to the caller.
        unsafe { self.with_lone(alone, |slots| slots.answer(index, answer)) }
    }

    /// The frame in the slot `index` goes, and that is what it says to whoever has asked.
    /// Gives back its waker, to be dropped by the caller.
    ///
    /// # Safety
    /// B1.
    pub(super) unsafe fn remove(&self, index: Index, answer: Answer) -> Option<Waker> {
        let alone = |tree: &mut LoneTree| tree.remove(answer).map(|()| None);
        let touch = |slots: &mut Slots| {
            slots.answer(index, answer);
            slots.remove(index)
        };
        // SAFETY: passed on to the caller.
        unsafe { self.with_lone(alone, touch) }
    }

    /// The outermost frame of a foreign tree was polled by another waker.
    pub(crate) fn set_root(&self, waker: Waker) {
        let old = self.away().set_foreign(waker);
        drop_contained(old);
    }

    /// Somebody outside of the tree has dropped the frame in the slot `index`.
    ///
    /// # Safety
    /// The frame has had that slot until now, and does not refer to the table any
    /// more afterwards.
    pub(crate) unsafe fn note(table: *const Self, index: Index, answer: Answer) {
        // Counted, because what is below may outlive the tree.
        // SAFETY: B4: the slot keeps it allocated until the note is written below.
        let table = unsafe { Counted::another(table) };
        let mut away = table.away();
        if away.has_ended() {
            drop(away);
            // SAFETY: B4: the frame had this count, and gives it up.
            drop(unsafe { Counted::from_raw(table.as_ptr()) });
            return;
        }
        away.put(Note { index, answer });
        let first = !table.noted.load(Ordering::Relaxed);
        table.noted.store(true, Ordering::Relaxed);
        let root = if first { away.root() } else { None };
        drop(away);
        if let Some(root) = root {
            root.tell();
        }
    }

    #[cold]
    fn read_notes(&self) {
        let mut slots = self.slots.take().unwrap_or_else(|| self.unfold());
        let mut away = self.away();
        let (gone, waiting) = self.apply(&mut away, &mut slots);
        drop(away);
        self.slots.set(Some(slots));
        drop_contained(gone);
        for waker in waiting {
            contain(|| waker.wake());
        }
    }

    /// Takes the slots out that the notes name. Gives back their wakers, and those
    /// of the origins that may go on now.
    fn apply(&self, away: &mut Away, slots: &mut Slots) -> (Vec<Waker>, Vec<Waker>) {
        self.watch();
        self.noted.store(false, Ordering::Relaxed);
        let mut gone = Vec::new();
        for Note { index, answer } in away.take_notes() {
            slots.answer(index, answer);
            gone.extend(slots.remove(index));
        }
        (gone, slots.waiting_origins())
    }

    /// Whether no frame refers to it: the last of a tree that never had slots is gone. Then
    /// there is nobody who would ask whether the tree has ended. The root asks.
    fn is_deserted(&self) -> bool {
        self.watch();
        let slots = self.slots.take();
        let has_slots = slots.is_some();
        self.slots.set(slots);
        // Relaxed: a note is of a frame, which is there until the note is read.
        !has_slots && self.lone.get().is_empty() && !self.noted.load(Ordering::Relaxed)
    }

    /// The tree has ended: its task, or its outermost frame. Nobody is asked any
    /// more, and frames that were leaked keep nobody's waker.
    ///
    /// # Safety
    /// B1, for the last time; and once. The caller holds the count of the root.
    pub(crate) unsafe fn end(table: &Self) {
        if table.is_deserted() {
            return;
        }
        let mut away = table.away();
        let noted = table.noted.load(Ordering::Relaxed);
        let mut slots = table.slots.take();
        if noted && slots.is_none() {
            // A note is about the only frame: it is gone.
            table.noted.store(false, Ordering::Relaxed);
            away.take_notes().for_each(drop);
            let mut tree = table.lone.get();
            tree.forget();
            table.lone.set(tree);
        }
        let gone = slots.as_mut().map(|slots| {
            let (gone, _) = table.apply(&mut away, slots);
            (gone, slots.take_wakers())
        });
        table.watch();
        let lone = usize::from(!table.lone.get().is_empty());
        for _ in 0..lone + slots.as_ref().map_or(0, |slots| slots.len()) {
            // SAFETY: the caller holds it.
            std::mem::forget(unsafe { Counted::another(table) }); // B4
        }
        table.slots.set(slots);
        let foreign = away.end();
        drop(away);
        drop_contained(gone);
        drop_contained(foreign);
    }
}

/// Whether `waker` is that of the task that is being polled.
fn is_own(waker: &Waker) -> bool {
    let task = waker::task_of(waker);
    task.is_some() && task == current_task()
}

#[cfg(all(test, not(loom)))]
mod tests {
    use super::*;

    /// A table of a foreign tree, which has had a frame.
    fn table() -> Counted {
        let table = Table::foreign(Waker::noop().clone());
        // SAFETY: B1: nobody else knows the table.
        let frame = unsafe { table.insert(Kind::Origin, None, Waker::noop()) };
        // SAFETY: as above.
        drop(unsafe { table.with(|slots| slots.remove(frame)) });
        table
    }

    /// Ends the tree, and gives the table up.
    fn end(table: Counted) {
        // SAFETY: B1: nobody else knows the table; and this ends it for the first time.
        unsafe { Table::end(&table) };
        Table::give_up(table);
    }

    fn kept() -> usize {
        USED.with(|used| used.borrow().len())
    }

    #[test]
    fn a_thread_keeps_so_many_tables_and_no_more() {
        let tables: Vec<_> = (0..MOST_USED + 2).map(|_| table()).collect();
        for (ended, table) in tables.into_iter().enumerate() {
            assert_eq!(kept(), ended.min(MOST_USED));
            end(table);
        }
        assert_eq!(kept(), MOST_USED);
        let taken = table();
        assert_eq!(kept(), MOST_USED.saturating_sub(1), "one is used again");
        end(taken);
    }

    #[test]
    fn a_table_that_is_used_again_has_nothing_of_the_tree_before() {
        let first = table();
        let place = first.as_ptr();
        // SAFETY: B1: nobody else knows the table.
        let handler = unsafe { first.insert(Kind::Handler, None, Waker::noop()) };
        // SAFETY: as above.
        assert_eq!(unsafe { first.request() }.0, Next::Poll);
        // SAFETY: as above.
        drop(unsafe { first.remove(handler, Answer::Swallowed) });
        // SAFETY: as above.
        assert!(unsafe { first.heard_by_root() }.in_force);
        end(first);
        let second = table();
        assert_eq!(second.as_ptr() == place, MOST_USED > 0);
        // SAFETY: as above.
        assert!(!unsafe { second.heard_by_root() }.in_force);
        assert!(second.is_only() && !second.away().has_ended());
    }

    #[test]
    fn a_table_to_which_somebody_else_refers_is_not_kept() {
        let first = table();
        // SAFETY: it is allocated.
        let second = unsafe { Counted::another(first.as_ptr()) };
        assert!(!first.is_only());
        end(first);
        assert_eq!(kept(), 0);
        assert!(second.is_only(), "that count was given up");
    }

    #[test]
    fn only_a_tree_without_frames_is_deserted() {
        let table = Table::foreign(Waker::noop().clone());
        assert!(table.is_deserted());
        let mut tree = LoneTree::default();
        assert!(tree.insert(Kind::Handler));
        table.lone.set(tree);
        assert!(!table.is_deserted());
        table.lone.take();
        // SAFETY: B1: nobody else knows the table.
        let handler = unsafe { table.insert(Kind::Handler, None, Waker::noop()) };
        assert!(!table.is_deserted());
        // SAFETY: as above.
        drop(unsafe { table.remove(handler, Answer::Passed) });
        end(table);
    }

    #[test]
    fn the_only_handler_of_a_task_has_no_slot_until_somebody_else_polls_it() {
        let main = std::future::poll_fn(|cx| {
            let mut handler = crate::frames::Frame::handler();
            let mut poll = |waker: &Waker| {
                let mut cx = std::task::Context::from_waker(waker);
                let polled = handler.poll(&mut cx, |_, _| std::task::Poll::<()>::Pending);
                assert!(polled.is_pending());
                let table = crate::side::frames(current_task().expect("it is being polled"));
                // SAFETY: the table of the task that is being polled (B1).
                unsafe { &*table }.borrow(|slots| slots.len())
            };
            assert_eq!([poll(cx.waker()), poll(cx.waker())], [None, None]);
            assert_eq!(poll(Waker::noop()), Some(1));
            std::task::Poll::Ready(())
        });
        let tasks = crate::Tasks::new(std::sync::Arc::new(crate::NoNotify));
        let ((), ended) = tasks.run_main(main, |running| while running.run_next() {});
        ended.unwrap();
    }
}
