//! How cells come from the spawners to the run, and chains of them.
//!
//! The spawners and the run share one word: a pointer to the cell that came last, which
//! links to the one before, and two marks. A spawner puts a cell in front of it, the run
//! takes all at once.
//!
//! # States
//! | marks         | meaning                                             | a spawner           |
//! |---------------|-----------------------------------------------------|---------------------|
//! | (none)        | the run is awake, or was never polled               | puts its cell there |
//! | SLEEPS        | the run waits for a wake; there is no cell          | ... and wakes it    |
//! | CLOSED        | was asked to end, or has ended                      | keeps its cell      |
//!
//! # Invariants
//! - C1: what waits is never dropped with the word, which has no destructor of its own:
//!   whoever ends the place takes it out. Therefore a spawner may be borrowed by the very
//!   branches that wait there.
//! - C2: SLEEPS is set by the run, and only while no cell is there. Whoever puts a cell
//!   there, or closes the place, takes it away, and wakes the run.
//! - C3: a cell in the word is an [`Owned`] of the place's own type, which nobody else
//!   has: a word lies in one [`Place`] and its clones, which agree in `'env` and `K`.
//! - C4: of a [`Local`](crate::Local) place all clones are on one thread, which therefore
//!   changes the word without atomic changes.

use std::{marker::PhantomData, ptr::NonNull, sync::Arc};

use arborio_base::sync::atomic::{AtomicPtr, Ordering};

use super::{Head, Owned};
use crate::concurrent::{spawner::Kind, wakes::Wakes};

/// The place is closed.
const CLOSED: usize = 1;
/// The run sleeps.
const SLEEPS: usize = 2;
const MARKS: usize = CLOSED | SLEEPS;

const _: () = assert!(
    align_of::<Head>() > MARKS,
    "the marks lie beside the pointer"
);

/// What a spawner has done.
#[must_use]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Entered {
    /// The run will look by itself.
    Unheard,
    /// The run sleeps, and is to be woken.
    Wakes,
}

/// See the head of the file; and what else lies in the same allocation.
pub(crate) struct Shared<X> {
    last: AtomicPtr<Head>,
    pub(crate) rest: X,
}

/// Where the spawners and the run of one `Concurrent` meet.
pub(crate) struct Place<'env, K, X> {
    wakes: Arc<Wakes<Shared<X>>>,
    /// C3: invariant in `'env`, and as `Send` as what is put there.
    mark: PhantomData<(Invariant<'env>, K)>,
}

type Invariant<'env> = fn(&'env ()) -> &'env ();

impl<K, X> Clone for Place<'_, K, X> {
    fn clone(&self) -> Self {
        let (wakes, mark) = (Arc::clone(&self.wakes), PhantomData);
        Self { wakes, mark }
    }
}

fn marks(word: *mut Head) -> usize {
    word.addr() & MARKS
}

fn cell(word: *mut Head) -> Option<NonNull<Head>> {
    NonNull::new(word.map_addr(|address| address & !MARKS))
}

impl<'env, K: Kind, X> Place<'env, K, X> {
    pub(crate) fn new(rest: X) -> Self {
        let last = AtomicPtr::new(std::ptr::null_mut());
        let wakes = Wakes::new(Shared { last, rest });
        let mark = PhantomData;
        Self { wakes, mark }
    }

    pub(crate) fn wakes(&self) -> &Arc<Wakes<Shared<X>>> {
        &self.wakes
    }

    pub(crate) fn rest(&self) -> &X {
        &self.wakes.beside.rest
    }

    fn last(&self) -> &AtomicPtr<Head> {
        &self.wakes.beside.last
    }

    /// Changes the word, unless `change` has nothing to change; gives what was there.
    #[inline]
    fn change(
        &self,
        mut change: impl FnMut(*mut Head) -> Option<*mut Head>,
    ) -> Result<*mut Head, *mut Head> {
        // Relaxed: what it points at is read after the exchange only.
        let mut before = self.last().load(Ordering::Relaxed);
        loop {
            let Some(after) = change(before) else {
                return Err(before);
            };
            if !K::MIGRATES {
                self.last().store(after, Ordering::Relaxed); // C4
                return Ok(before);
            }
            // Acquire: the cells that others have put there; release: the one put there.
            match (self.last()).compare_exchange_weak(
                before,
                after,
                Ordering::AcqRel,
                Ordering::Relaxed,
            ) {
                Ok(_) => return Ok(before),
                Err(now) => before = now,
            }
        }
    }

    /// Gives the branch back if the place is closed.
    #[inline]
    pub(crate) fn enter(&self, branch: Owned<'env, K>) -> Result<Entered, Owned<'env, K>> {
        let head = branch.into_head();
        let entered = self.change(|before| {
            if marks(before) & CLOSED != 0 {
                return None;
            }
            // SAFETY: the cell is this call's until it is in the word.
            let next = unsafe { &(*head.as_ptr()).next };
            next.set(cell(before));
            Some(head.as_ptr())
        });
        match entered {
            Ok(before) if marks(before) & SLEEPS != 0 => Ok(Entered::Wakes),
            Ok(_) => Ok(Entered::Unheard),
            // SAFETY: it came from `into_head` above, and did not get into the word.
            Err(_) => Err(unsafe { Owned::from_head(head) }),
        }
    }

    /// Takes what waits, in the order in which it came, as the batch `batch`. The run
    /// does not sleep.
    #[inline]
    pub(crate) fn collect(&self, batch: u64) -> Chain<'env, K> {
        self.take(0, batch)
    }

    /// The same, and nothing comes any more.
    pub(crate) fn close(&self, batch: u64) -> Chain<'env, K> {
        self.take(CLOSED, batch)
    }

    #[inline]
    fn take(&self, mark: usize, batch: u64) -> Chain<'env, K> {
        let taken = self.change(|before| {
            let after = (marks(before) & CLOSED) | mark;
            let after = std::ptr::without_provenance_mut(after);
            (before != after).then_some(after)
        });
        match taken.ok().and_then(cell) {
            // SAFETY: they were in the word, and are this call's (C3).
            Some(last) => unsafe { Chain::from_last(last, batch) },
            None => Chain::new(),
        }
    }

    /// Nothing comes any more; what waits stays. Tells whether the run is to be woken.
    pub(crate) fn shut(&self) -> Entered {
        let before =
            self.change(|before| Some(before.map_addr(|address| (address | CLOSED) & !SLEEPS)));
        match before {
            Ok(before) if marks(before) & SLEEPS != 0 => Entered::Wakes,
            _ => Entered::Unheard,
        }
    }

    /// The same if nothing waits; false if something does.
    pub(crate) fn shut_if_empty(&self) -> bool {
        let closed = std::ptr::without_provenance_mut(CLOSED);
        let changed =
            self.change(|before| (cell(before).is_none() && before != closed).then_some(closed));
        match changed {
            Ok(_) => true,
            Err(now) => now == closed,
        }
    }

    /// The run sleeps from now on (C2), unless something waits: false then.
    pub(crate) fn lie_down(&self) -> bool {
        let changed = self.change(|before| {
            (cell(before).is_none()).then(|| before.map_addr(|address| address | SLEEPS))
        });
        changed.is_ok()
    }

    pub(crate) fn is_closed(&self) -> bool {
        // Acquire: who sees that it is closed sees what came before.
        marks(self.last().load(Ordering::Acquire)) & CLOSED != 0
    }
}

/// Branches in a row.
pub(crate) struct Chain<'env, K: Kind> {
    first: Option<Owned<'env, K>>,
    /// Of the chain that begins with `first`; nothing if there is none.
    last: Option<NonNull<Head>>,
    count: usize,
}

// SAFETY: `last` is a member of the chain, which owns all of them.
unsafe impl<K: Kind + Send> Send for Chain<'_, K> {}

impl<'env, K: Kind> Chain<'env, K> {
    pub(crate) const fn new() -> Self {
        Self {
            first: None,
            last: None,
            count: 0,
        }
    }

    /// Turns round what came to the word: the last one is in front there. It is the
    /// batch `batch` that came.
    ///
    /// # Safety
    /// They are of this type, and the caller's.
    unsafe fn from_last(last: NonNull<Head>, batch: u64) -> Self {
        let (mut count, mut first, mut next) = (0, last, None);
        let mut rest = Some(last);
        while let Some(cell) = rest {
            // SAFETY: it is the caller's, and so alive.
            let head = unsafe { cell.as_ref() };
            rest = head.next.replace(next);
            head.batch.set(batch);
            head.behind.set(count as u32); // memory ends before that does
            count += 1;
            (first, next) = (cell, Some(cell));
        }
        Self {
            // SAFETY: it was put into the word by `into_head`.
            first: Some(unsafe { Owned::from_head(first) }),
            last: Some(last),
            count,
        }
    }

    #[inline]
    pub(crate) fn len(&self) -> usize {
        self.count
    }

    #[inline]
    pub(crate) fn is_empty(&self) -> bool {
        self.count == 0
    }

    #[inline]
    pub(crate) fn push_back(&mut self, branch: Owned<'env, K>) {
        self.count += 1;
        let Some(last) = self.last.replace(branch.head) else {
            self.first = Some(branch);
            return;
        };
        // SAFETY: a member of the chain, which is borrowed alone.
        let next = unsafe { &(*last.as_ptr()).next };
        next.set(Some(branch.into_head()));
    }

    #[inline]
    pub(crate) fn pop_front(&mut self) -> Option<Owned<'env, K>> {
        let first = self.first.take()?;
        self.count -= 1;
        match first.head().next.take() {
            // SAFETY: it was put there by `into_head`, and is no member twice.
            Some(next) => self.first = Some(unsafe { Owned::from_head(next) }),
            None => self.last = None,
        }
        Some(first)
    }

    /// Puts `other` behind this.
    pub(crate) fn append(&mut self, other: &mut Self) {
        let Some(first) = other.first.take() else {
            return;
        };
        self.count += std::mem::take(&mut other.count);
        match std::mem::replace(&mut self.last, other.last.take()) {
            Some(last) => {
                // SAFETY: a member of the chain, which is borrowed alone.
                let next = unsafe { &(*last.as_ptr()).next };
                next.set(Some(first.into_head()));
            }
            None => self.first = Some(first),
        }
    }
}

impl<K: Kind> Drop for Chain<'_, K> {
    #[inline]
    fn drop(&mut self) {
        while self.pop_front().is_some() {}
    }
}
