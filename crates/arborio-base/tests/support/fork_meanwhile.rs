//! A fork while another thread is in the middle of something: where it allocates.

use std::{
    cell::Cell,
    panic::{AssertUnwindSafe, catch_unwind},
    sync::atomic::{AtomicBool, Ordering},
    thread,
    time::{Duration, Instant},
};

/// Far beyond what anything here takes.
const TOO_LONG: Duration = Duration::from_secs(30);

/// A fork that waits for nobody is over by then.
const FORK: Duration = Duration::from_millis(100);

thread_local! {
    /// Whether the next allocation of this thread is where it stops. No destructor, so it can be used at any time.
    static STOPS: Cell<bool> = const { Cell::new(false) };
}

static HAS_STOPPED: AtomicBool = AtomicBool::new(false);
static FORKS: AtomicBool = AtomicBool::new(false);

/// The allocator calls it first.
pub(crate) fn at_allocation() {
    if STOPS.replace(false) {
        HAS_STOPPED.store(true, Ordering::SeqCst);
        wait_for(&FORKS);
        let seen = Instant::now();
        while seen.elapsed() < FORK {
            thread::yield_now();
        }
    }
}

fn wait_for(flag: &AtomicBool) {
    let start = Instant::now();
    while !flag.load(Ordering::SeqCst) && start.elapsed() < TOO_LONG {
        thread::yield_now();
    }
}

/// This thread stops in the next allocation, and goes on when [`child_is_well`] has begun to fork. Once in a process.
pub(crate) fn stop_at_next_allocation() {
    STOPS.set(true);
}

/// Forks as soon as the other thread has stopped. Whether `body` is true in the child, and not for too long.
pub(crate) fn child_is_well(body: impl FnOnce() -> bool) -> bool {
    wait_for(&HAS_STOPPED);
    assert!(HAS_STOPPED.load(Ordering::SeqCst), "it does not allocate");
    FORKS.store(true, Ordering::SeqCst);
    // SAFETY: the child has this one thread. It uses memory, which the C library keeps usable across a fork, and
    // leaves by `_exit`.
    let child = unsafe { libc::fork() };
    if child == 0 {
        // SAFETY: asks for a signal that ends the process.
        unsafe { libc::alarm(20) };
        let well = catch_unwind(AssertUnwindSafe(body)).unwrap_or(false);
        // SAFETY: ends this process without running destructors.
        unsafe { libc::_exit(i32::from(!well)) };
    }
    let mut status = 0;
    // SAFETY: `status` outlives the call.
    let waited = unsafe { libc::waitpid(child, &raw mut status, 0) };
    assert_eq!(waited, child);
    status == 0
}
