//! One worker as the others see it: who asks it (T3 of [`super`]), and how it is reached.

use std::{
    fmt,
    sync::{Arc, OnceLock},
};

use arborio_base::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use arborio_task::{Notify, Submitter};

use super::URGENT;

/// One worker as the others see it.
#[derive(Default)]
pub(super) struct Worker {
    pub(super) asked_by: AtomicUsize,
    /// Whether its polls tend to be long. It says so when that changes.
    pub(super) says_long: AtomicBool,
    /// Set when the worker starts.
    pub(super) reached: OnceLock<Reached>,
}

impl fmt::Debug for Worker {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Worker")
            .field("asked_by", &self.asked_by)
            .finish_non_exhaustive()
    }
}

/// How a worker is reached.
pub(super) struct Reached {
    pub(super) inbox: Submitter,
    pub(super) notifier: Arc<dyn Notify>,
}

impl Worker {
    /// The request of worker `asked_by - 1`, if it still stands, does not any more (T3).
    pub(super) fn clear_request(&self, asked_by: usize, success: Ordering) {
        let mut seen = self.asked_by.load(Ordering::Relaxed);
        while seen & !URGENT == asked_by {
            match self
                .asked_by
                .compare_exchange_weak(seen, 0, success, Ordering::Relaxed)
            {
                Ok(_) => return,
                Err(now) => seen = now,
            }
        }
    }

    /// Whether the poll that it is in, or that comes next, is probably long. A model has no time.
    pub(super) fn polls_long(&self) -> bool {
        !cfg!(loom) && self.says_long.load(Ordering::Relaxed)
    }

    pub(super) fn notify(&self) {
        if let Some(reached) = self.reached.get() {
            arborio_base::contain(|| reached.notifier.notify());
        }
    }
}
