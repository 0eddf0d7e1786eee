//! Tasks that must run at the same time.

use std::sync::{Condvar, Mutex};

use crate::limits::TOO_LONG;

/// Who comes blocks its worker until so many have come: a barrier that does not wait for ever.
pub(crate) struct Meeting {
    wanted: usize,
    come: Mutex<usize>,
    changed: Condvar,
}

impl Meeting {
    pub(crate) fn new(wanted: usize) -> Self {
        Self {
            wanted,
            come: Mutex::new(0),
            changed: Condvar::new(),
        }
    }

    /// True for the last one.
    ///
    /// # Panics
    /// If the others do not come.
    #[track_caller]
    pub(crate) fn wait(&self) -> bool {
        let mut come = self.come.lock().unwrap();
        *come += 1;
        let is_last = *come == self.wanted;
        self.changed.notify_all();
        let waited = self
            .changed
            .wait_timeout_while(come, TOO_LONG, |come| *come < self.wanted);
        let come = *waited.unwrap().0; // and the lock is free when this panics
        let wanted = self.wanted;
        assert!(
            come >= wanted,
            "{come} of {wanted} tasks run at the same time"
        );
        is_last
    }
}
