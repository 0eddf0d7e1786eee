//! Whether those of a loop who were asked to end have any time left: said by any thread, heard by whoever gave them the time.
//!
//! Both sides come under one lock, so that it does not matter who is first. What is told is called outside of it.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

type Tell = dyn Fn() + Send + Sync;

/// See the head of this file.
#[derive(Default)]
pub(crate) struct Force(Mutex<State>);

#[derive(Default)]
struct State {
    /// They have none.
    came: bool,
    /// Who is to be told.
    waits: Option<Arc<Tell>>,
}

impl Force {
    fn lock(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn come(&self) {
        let mut state = self.lock();
        state.came = true;
        let waits = state.waits.take();
        drop(state);
        if let Some(tell) = waits {
            tell();
        }
    }

    pub(crate) fn when_it_comes(&self, tell: Arc<Tell>) {
        let mut state = self.lock();
        let before = if state.came {
            drop(state);
            tell();
            None
        } else {
            let before = state.waits.replace(tell);
            drop(state);
            before
        };
        drop(before); // foreign destructors: outside of the lock
    }
}
