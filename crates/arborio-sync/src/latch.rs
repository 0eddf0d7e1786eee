//! A lock of one byte for a few dozen instructions: one exchange to take it, a
//! plain store to give it back.
//!
//! The standard library's mutex pays a second read-modify-write when it is
//! given back, to see whether somebody sleeps. Nobody sleeps on a latch: who
//! finds it held spins for a moment, then lets other threads run, then naps for
//! a bounded time. That is right only for what this crate does under it: links
//! of a list and moves of a message, no foreign code, no allocation but that of
//! a channel's buffer and of a promise's list of callbacks. A holder that the system
//! suspends costs the others at most one nap more than its absence.
//!
//! # States
//! | byte  | meaning | changed by                                          |
//! |-------|---------|-----------------------------------------------------|
//! | false | free    | `lock`: exchange, Acquire, pairs with `unlock`      |
//! | true  | held    | `unlock`: store, Release; only by the holder        |

use arborio_base::sync::{
    atomic::{AtomicBool, Ordering},
    thread,
};

/// Spins before the first yield: longer than any section under a latch takes.
const SPINS: u32 = 64;
/// Yields before the first nap.
const YIELDS: u32 = 16;
/// The longest nap. A suspended holder is back within some milliseconds.
#[cfg(not(loom))]
const LONGEST_NAP: std::time::Duration = std::time::Duration::from_millis(1);

/// Takes the latch.
#[inline(always)]
pub(crate) fn lock(held: &AtomicBool) {
    if !try_lock(held) {
        lock_held(held);
    }
}

/// Gives it back. Only its holder may.
#[inline(always)]
pub(crate) fn unlock(held: &AtomicBool) {
    held.store(false, Ordering::Release);
}

#[inline(always)]
fn try_lock(held: &AtomicBool) -> bool {
    let taken = held.compare_exchange_weak(false, true, Ordering::Acquire, Ordering::Relaxed);
    taken.is_ok()
}

#[cold]
fn lock_held(held: &AtomicBool) {
    let mut round = 0;
    loop {
        wait(round);
        round += 1;
        // Relaxed: a look that saves the line's owner a failed exchange.
        if !held.load(Ordering::Relaxed) && try_lock(held) {
            return;
        }
    }
}

#[cfg(not(loom))]
fn wait(round: u32) {
    if round < SPINS {
        std::hint::spin_loop();
    } else if round < SPINS + YIELDS {
        thread::yield_now();
    } else {
        let doublings = (round - SPINS - YIELDS).min(5);
        let nap = std::time::Duration::from_micros(50) * (1 << doublings);
        thread::sleep(nap.min(LONGEST_NAP));
    }
}

#[cfg(loom)]
fn wait(_round: u32) {
    let _ = (SPINS, YIELDS);
    thread::yield_now();
}
