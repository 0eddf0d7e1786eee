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
//!   slot that is left. Whether a frame has a count is said by `ended`.

use std::{
    cell::{RefCell, RefMut},
    sync::Arc,
    task::Waker,
};

use arborio_base::{
    contain, drop_contained,
    sync::{
        Mutex, MutexGuard,
        atomic::{AtomicBool, Ordering},
        lock,
    },
};

use super::{
    root,
    slots::{Answer, Index, Slots},
};
use crate::{cell::TaskRef, waker};

/// See the head of this file.
pub(crate) struct Table {
    slots: RefCell<Slots>,
    /// Whether `away` has notes. Written under its lock only.
    noted: AtomicBool,
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
    static USED: RefCell<Vec<Arc<Table>>> = const { RefCell::new(Vec::new()) };
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

/// What happened to frames outside of their tree.
struct Away {
    notes: Vec<Note>,
    /// Whom to tell; nobody once the tree has ended.
    root: Option<Root>,
    /// The tree has ended (B4).
    ended: bool,
}

/// Whom to tell that there is a note.
#[derive(Clone)]
enum Root {
    /// A task of an event loop, by a counted waker of its own.
    Task(Waker),
    /// Has polled the outermost frame. Shared, so that the clone that is made under
    /// the lock is no foreign code.
    Foreign(Arc<Waker>),
}

/// One frame is gone, and this is what it said.
struct Note {
    index: Index,
    answer: Answer,
}

// SAFETY: `slots` is touched by one thread at a time (B1), and everything in it
// may move between threads; the rest is made for all.
unsafe impl Sync for Table {}

impl Table {
    fn with_root(root: Root) -> Arc<Self> {
        #[cfg(not(loom))]
        if let Some(mut table) = Self::used()
            && let Some(unused) = Arc::get_mut(&mut table)
        {
            let away = unused.away.get_mut();
            let away = away.unwrap_or_else(std::sync::PoisonError::into_inner);
            (away.root, away.ended) = (Some(root), false);
            return table;
        }
        Arc::new(Self {
            slots: RefCell::new(Slots::new()),
            noted: AtomicBool::new(false),
            away: Mutex::new(Away {
                notes: Vec::new(),
                root: Some(root),
                ended: false,
            }),
            #[cfg(loom)]
            watched: Watched(
                loom::cell::UnsafeCell::new(()),
                crate::life::Life::new(&crate::life::TABLES),
            ),
        })
    }

    /// A table that has been used before on this thread.
    #[cfg(not(loom))]
    fn used() -> Option<Arc<Self>> {
        USED.try_with(|used| used.borrow_mut().pop()).ok()?
    }

    /// The root gives its count up, after [`end`](Self::end). A table that nobody
    /// else refers to is kept for the next tree of this thread.
    pub(crate) fn give_up(table: Arc<Self>) {
        #[cfg(not(loom))]
        {
            let mut table = table;
            let Some(unused) = Arc::get_mut(&mut table) else {
                return;
            };
            unused.slots.get_mut().clear(); // no frame has a key (B4)
            let away = unused.away.get_mut();
            debug_assert!(away.is_ok_and(|away| away.ended), "it counts for its slots");
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

    /// The slots, for whoever may touch them (B1).
    fn slots(&self) -> RefMut<'_, Slots> {
        #[cfg(loom)]
        self.watched.0.with_mut(|_| ());
        self.slots.borrow_mut()
    }

    /// A table for the frames of `task`, which is being polled.
    pub(crate) fn of_task(task: TaskRef) -> Arc<Self> {
        Self::with_root(Root::Task(Waker::clone(&waker::borrowed(task))))
    }

    /// A table of the tree whose outermost frame `waker` has polled.
    pub(crate) fn foreign(waker: Waker) -> Arc<Self> {
        Self::with_root(Root::Foreign(Arc::new(waker)))
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
        // Relaxed: a note that is missed here is told to the root, which comes again;
        // one that is seen is read under the lock.
        if self.noted.load(Ordering::Relaxed) {
            self.read_notes();
        }
        touch(&mut self.slots())
    }

    /// The outermost frame of a foreign tree was polled by another waker.
    pub(crate) fn set_root(&self, waker: Waker) {
        let root = Some(Root::Foreign(Arc::new(waker)));
        let old = std::mem::replace(&mut self.away().root, root);
        drop_contained(old);
    }

    /// Somebody outside of the tree has dropped the frame in the slot `index`.
    ///
    /// # Safety
    /// The frame has had that slot until now, and does not refer to the table any
    /// more afterwards.
    pub(crate) unsafe fn note(table: *const Self, index: Index, answer: Answer) {
        // SAFETY: B4: the slot keeps it allocated until the note is written below.
        unsafe { Arc::increment_strong_count(table) };
        // SAFETY: counted just now: what is below may outlive the tree.
        let table = unsafe { Arc::from_raw(table) };
        let mut away = table.away();
        if away.ended {
            drop(away);
            // SAFETY: B4: the frame had this count, and gives it up.
            drop(unsafe { Arc::from_raw(Arc::as_ptr(&table)) });
            return;
        }
        away.notes.push(Note { index, answer });
        let first = !table.noted.load(Ordering::Relaxed);
        table.noted.store(true, Ordering::Relaxed);
        let root = if first { away.root.clone() } else { None };
        drop(away);
        if let Some(root) = root {
            root.tell();
        }
    }

    #[cold]
    fn read_notes(&self) {
        let mut away = self.away();
        let (gone, waiting) = self.apply(&mut away);
        drop(away);
        drop_contained(gone);
        for waker in waiting {
            contain(|| waker.wake());
        }
    }

    /// Takes the slots out that the notes name. Gives back their wakers, and those
    /// of the origins that may go on now.
    fn apply(&self, away: &mut Away) -> (Vec<Waker>, Vec<Waker>) {
        self.noted.store(false, Ordering::Relaxed);
        let mut slots = self.slots();
        let mut gone = Vec::new();
        for Note { index, answer } in away.notes.drain(..) {
            slots.answer(index, answer);
            gone.extend(slots.remove(index));
        }
        (gone, slots.waiting_origins())
    }

    /// The tree has ended: its task, or its outermost frame. Nobody is asked any
    /// more, and frames that were leaked keep nobody's waker.
    ///
    /// # Safety
    /// B1, for the last time; and once. The caller holds the count of the root.
    pub(crate) unsafe fn end(table: &Arc<Self>) {
        let mut away = table.away();
        let (gone, _) = table.apply(&mut away);
        let (wakers, left) = {
            let mut slots = table.slots();
            (slots.take_wakers(), slots.len())
        };
        for _ in 0..left {
            std::mem::forget(Arc::clone(table)); // B4
        }
        away.ended = true;
        let root = away.root.take();
        drop(away);
        drop_contained((gone, wakers));
        drop_contained(root);
    }
}

impl Root {
    fn tell(self) {
        match self {
            Self::Foreign(waker) => {
                contain(|| waker.wake_by_ref());
                drop_contained(waker);
            }
            Self::Task(waker) => {
                let task = waker::task_of(&waker).expect("it was made by `of_task`");
                root::notice(task);
            }
        }
    }
}
