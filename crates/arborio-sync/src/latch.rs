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

#[cfg(not(loom))]
use std::time::Duration;

use arborio_base::sync::{
    atomic::{AtomicBool, Ordering},
    thread,
};

/// Spins before the first yield: longer than any section under a latch takes.
const SPINS: u32 = 64;
/// Yields before the first nap.
const YIELDS: u32 = 16;
/// The first nap. Each one takes twice as long as the one before it.
#[cfg(not(loom))]
const SHORTEST_NAP: Duration = Duration::from_micros(50);
/// The longest nap. A suspended holder is back within some milliseconds.
#[cfg(not(loom))]
const LONGEST_NAP: Duration = Duration::from_millis(1);

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
    match rest(round) {
        Rest::Spin => std::hint::spin_loop(),
        Rest::Yield => thread::yield_now(),
        Rest::Nap(nap) => thread::sleep(nap),
    }
}

/// How to wait between two looks.
#[cfg(not(loom))]
#[derive(Debug, PartialEq, Eq)]
enum Rest {
    Spin,
    Yield,
    Nap(Duration),
}

/// How to wait after `round` looks that found it held.
#[cfg(not(loom))]
fn rest(round: u32) -> Rest {
    let Some(yields) = round.checked_sub(SPINS) else {
        return Rest::Spin;
    };
    let Some(naps) = yields.checked_sub(YIELDS) else {
        return Rest::Yield;
    };
    let nap = SHORTEST_NAP * (1 << naps.min(5));
    Rest::Nap(nap.min(LONGEST_NAP))
}

#[cfg(loom)]
fn wait(_round: u32) {
    let _ = (SPINS, YIELDS);
    thread::yield_now();
}

#[cfg(all(test, not(loom)))]
mod tests {
    use super::*;

    #[test]
    fn who_waits_spins_then_yields_then_naps_longer_and_longer() {
        assert!((0..64).all(|round| rest(round) == Rest::Spin));
        assert!((64..80).all(|round| rest(round) == Rest::Yield));
        let naps = [50, 100, 200, 400, 800, 1000, 1000];
        for (round, nap) in (80..).zip(naps) {
            assert_eq!(rest(round), Rest::Nap(Duration::from_micros(nap)));
        }
        assert_eq!(rest(u32::MAX), Rest::Nap(LONGEST_NAP));
    }

    #[test]
    fn it_is_held_once_at_a_time() {
        let held = AtomicBool::new(false);
        lock(&held);
        assert!(!try_lock(&held));
        unlock(&held);
        lock(&held);
        assert!(held.load(Ordering::Relaxed));
    }

    #[cfg(target_os = "linux")]
    #[test]
    fn who_finds_it_held_for_long_sleeps() {
        use std::{fs, path::Path, sync::OnceLock, time::Instant};
        let (held, place) = (AtomicBool::new(true), OnceLock::new());
        let sleeps = |thread| {
            let status = fs::read_to_string(Path::new("/proc").join(thread).join("status"));
            status.is_ok_and(|status| status.contains("State:\tS"))
        };
        let slept = std::thread::scope(|scope| {
            scope.spawn(|| {
                let own = fs::read_link("/proc/thread-self").unwrap();
                place.set(own).unwrap();
                lock(&held); // nothing else from here on is a reason to sleep
            });
            let end = Instant::now() + Duration::from_secs(20);
            let slept = || place.get().is_some_and(sleeps);
            let slept = std::iter::repeat_with(slept).find(|slept| *slept || Instant::now() > end);
            unlock(&held); // in any case: the scope waits for the thread
            slept
        });
        assert_eq!(slept, Some(true), "it spins for ever");
    }
}
