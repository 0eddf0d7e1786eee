//! A flag that turns a use after free into a failed model.

use std::sync::atomic::{AtomicBool, AtomicIsize, Ordering};

/// Cells that exist now, over all models of the process.
pub static CELLS: AtomicIsize = AtomicIsize::new(0);

/// Lies in each cell; the memory itself is leaked by a model.
pub(crate) struct Life {
    /// Tracks that every access is ordered before the end.
    access: loom::cell::UnsafeCell<()>,
    ended: AtomicBool,
}

impl Life {
    pub(crate) fn new() -> Self {
        CELLS.fetch_add(1, Ordering::Relaxed);
        Self {
            access: loom::cell::UnsafeCell::new(()),
            ended: AtomicBool::new(false),
        }
    }

    pub(crate) fn check(&self) {
        assert!(!self.ended.load(Ordering::Relaxed), "a freed task is used");
        self.access.with(|_| ());
    }

    pub(crate) fn end(&self) {
        assert!(
            !self.ended.swap(true, Ordering::Relaxed),
            "a task is freed twice"
        );
        self.access.with_mut(|_| ());
        CELLS.fetch_sub(1, Ordering::Relaxed);
    }
}
