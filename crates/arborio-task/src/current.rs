//! Which loop runs on this thread now: the owner test.
//!
//! The address of a hub is its identity. It is never used again while a task
//! with that hub exists, so a nested loop, the next loop of the same thread, or
//! a new thread simply compares as foreign. The thread-local has no destructor:
//! it can be read at any time of a thread's life, and says "no loop" in the end.

use std::ptr;

use crate::hub::Hub;

#[cfg(not(loom))]
thread_local! {
    static CURRENT: std::cell::Cell<*const Hub> = const { std::cell::Cell::new(ptr::null()) };
}

#[cfg(loom)]
loom::thread_local! {
    static CURRENT: std::cell::Cell<*const Hub> = std::cell::Cell::new(ptr::null());
}

/// The hub of the loop that runs on this thread, or null.
#[inline(always)]
pub(crate) fn current() -> *const Hub {
    CURRENT.with(|current| current.get())
}

/// Sets it and returns the previous one.
pub(crate) fn set_current(hub: *const Hub) -> *const Hub {
    CURRENT.with(|current| current.replace(hub))
}
