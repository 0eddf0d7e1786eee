//! The floor of the synchronisation primitives: plain queues of wakers, each in two forms.
//!
//! What one thread needs is reached through [`Alone`], which checks nothing; the same algorithm for any
//! threads lies in one standard mutex, [`Locked`]. Nobody cancels: a waiter that is dropped while it waits
//! would be served all the same. First come, first served.

mod channel;
mod event;
mod mutex;

use std::cell::UnsafeCell;

pub(crate) use channel::{Ends, Receiver, Sender, channel, unbounded};
pub(crate) use event::{Event, Waiters};
pub(crate) use mutex::{Mutex, Permits, Queue};

/// How a state is kept, and how it is reached.
pub(crate) trait Keep<S>: 'static {
    fn keep(state: S) -> Self;

    /// Calls `look` with the state. `look` takes and clones wakers and wakes none: it never comes back
    /// here.
    fn with<T>(&self, look: impl FnOnce(&mut S) -> T) -> T;
}

/// For one thread.
pub(crate) struct Alone<S>(UnsafeCell<S>);

impl<S: 'static> Keep<S> for Alone<S> {
    fn keep(state: S) -> Self {
        Self(UnsafeCell::new(state))
    }

    #[inline(always)]
    fn with<T>(&self, look: impl FnOnce(&mut S) -> T) -> T {
        // SAFETY: the cell is not `Sync`, and `look` does not come back: this is the one reference.
        look(unsafe { &mut *self.0.get() })
    }
}

/// For any threads, in principle: one mutex around everything.
pub(crate) struct Locked<S>(std::sync::Mutex<S>);

impl<S: 'static> Keep<S> for Locked<S> {
    fn keep(state: S) -> Self {
        Self(std::sync::Mutex::new(state))
    }

    #[inline(always)]
    fn with<T>(&self, look: impl FnOnce(&mut S) -> T) -> T {
        look(&mut self.0.lock().expect("nothing panics under this lock"))
    }
}
