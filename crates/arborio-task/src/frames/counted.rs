//! A counted pointer to a table, of one word, whose count is four bytes in the table:
//! an [`Arc`](std::sync::Arc) would make each table twelve bytes larger.
//!
//! # Invariants
//! - N1: the count is how many [`Counted`] refer to the table, and how many were made
//!   into pointers, forgotten, or are owed to frames (B4 of [`super::table`]). Who takes
//!   the last one frees the table.

use std::{
    mem,
    ops::Deref,
    ptr::NonNull,
    // Not the models' own: as with an `Arc`, they watch what it protects.
    sync::atomic::{AtomicU32, Ordering, fence},
};

use super::table::Table;

/// How many refer to a table.
pub(super) struct Count(AtomicU32);

impl Count {
    pub(super) fn one() -> Self {
        Self(AtomicU32::new(1))
    }
}

/// See the head of this file.
pub(crate) struct Counted(NonNull<Table>);

impl Counted {
    pub(super) fn new(table: Table) -> Self {
        Self(NonNull::from(Box::leak(Box::new(table))))
    }

    /// The pointer, with the count.
    pub(crate) fn into_raw(self) -> *mut Table {
        let pointer = self.as_ptr();
        mem::forget(self);
        pointer
    }

    pub(super) fn as_ptr(&self) -> *mut Table {
        self.0.as_ptr()
    }

    /// Takes a count over.
    ///
    /// # Safety
    /// `table` is not null, and the caller gives a count of it away (N1).
    pub(crate) unsafe fn from_raw(table: *const Table) -> Self {
        // SAFETY: not null, says the caller.
        Self(unsafe { NonNull::new_unchecked(table.cast_mut()) })
    }

    /// Adds a count.
    ///
    /// # Safety
    /// The table is allocated.
    pub(super) unsafe fn another(table: *const Table) -> Self {
        // SAFETY: allocated, says the caller.
        let count = unsafe { &(*table).count };
        // Relaxed: whoever adds one is kept by another.
        let before = count.0.fetch_add(1, Ordering::Relaxed);
        if before > u32::MAX / 2 {
            std::process::abort(); // as an `Arc` does
        }
        // SAFETY: counted just now.
        unsafe { Self::from_raw(table) }
    }

    /// Whether nobody else has a count.
    pub(super) fn is_only(&self) -> bool {
        // Acquire: pairs with the decrements of the others.
        self.count.0.load(Ordering::Acquire) == 1
    }
}

impl Deref for Counted {
    type Target = Table;

    fn deref(&self) -> &Table {
        // SAFETY: N1: this one has a count.
        unsafe { self.0.as_ref() }
    }
}

impl Drop for Counted {
    fn drop(&mut self) {
        // The only one spares itself the exchange. Release: what was done with the table
        // comes before its end.
        if self.is_only() || self.count.0.fetch_sub(1, Ordering::Release) == 1 {
            fence(Ordering::Acquire); // pairs with the releases of the others
            // SAFETY: N1: it was the last count, and `new` has made a box.
            drop(unsafe { Box::from_raw(self.0.as_ptr()) });
        }
    }
}
