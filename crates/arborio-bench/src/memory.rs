//! A counting global allocator and the kernel's view of this process's memory.
//!
//! Counting is off unless a scenario of memory asks for it: the scenarios of speed pay one relaxed
//! load of a flag that never changes. Requested bytes are counted, not what malloc adds to them.

use std::alloc::{GlobalAlloc, Layout, System};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

/// The system's allocator, with a count of live bytes when asked for.
struct Counting;

#[global_allocator]
static ALLOCATOR: Counting = Counting;

/// Whether to count. Relaxed: set once, before the threads that matter are started.
static ON: AtomicBool = AtomicBool::new(false);
/// Live bytes. Wraps below zero when memory from before counting is freed: only differences count.
static LIVE: AtomicUsize = AtomicUsize::new(0);
/// The largest `LIVE` since counting began.
static PEAK: AtomicUsize = AtomicUsize::new(0);

// SAFETY: every call is handed to `System` unchanged, and what `System` returns is returned
// unchanged; the counters never allocate.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        grown(layout.size());
        // SAFETY: the caller's promise about `layout` is passed on as it is.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, pointer: *mut u8, layout: Layout) {
        shrunk(layout.size());
        // SAFETY: `pointer` came from `System` through this allocator, with this `layout`.
        unsafe { System.dealloc(pointer, layout) }
    }

    unsafe fn alloc_zeroed(&self, layout: Layout) -> *mut u8 {
        grown(layout.size());
        // SAFETY: the caller's promise about `layout` is passed on as it is.
        unsafe { System.alloc_zeroed(layout) }
    }

    unsafe fn realloc(&self, pointer: *mut u8, layout: Layout, new_size: usize) -> *mut u8 {
        // Both blocks may exist at once while the contents are copied: that is a second copy.
        grown(new_size);
        shrunk(layout.size());
        // SAFETY: `pointer` came from `System` through this allocator, with this `layout`.
        unsafe { System.realloc(pointer, layout, new_size) }
    }
}

#[inline]
fn grown(bytes: usize) {
    if ON.load(Ordering::Relaxed) {
        let live = LIVE.fetch_add(bytes, Ordering::Relaxed).wrapping_add(bytes);
        // A live count that has wrapped below zero is no peak.
        if live < usize::MAX / 2 {
            PEAK.fetch_max(live, Ordering::Relaxed);
        }
    }
}

#[inline]
fn shrunk(bytes: usize) {
    if ON.load(Ordering::Relaxed) {
        LIVE.fetch_sub(bytes, Ordering::Relaxed);
    }
}

/// Starts to count, from zero.
pub(crate) fn count() {
    ON.store(true, Ordering::Relaxed);
}

/// Live bytes since [`count`], less those that were freed.
pub(crate) fn live() -> i64 {
    LIVE.load(Ordering::Relaxed) as i64
}

/// The most bytes that were live at once since [`count`].
pub(crate) fn peak() -> i64 {
    PEAK.load(Ordering::Relaxed) as i64
}

/// A field of `/proc/self/status` that is given in kB, in bytes: `VmRSS`, `VmHWM`.
pub(crate) fn status_bytes(field: &str) -> f64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let kilobytes = status
        .lines()
        .find_map(|line| line.strip_prefix(field)?.strip_prefix(':'))
        .and_then(|rest| rest.split_whitespace().next())
        .and_then(|number| number.parse::<f64>().ok());
    kilobytes.unwrap_or(0.0) * 1024.0
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_boxed_kilobyte_is_counted_while_it_lives() {
        count();
        let before = live();
        let held = vec![0_u8; 1 << 20];
        assert!(live() - before >= 1 << 20);
        drop(held);
        assert!(live() - before < 1 << 20);
        assert!(peak() >= 1 << 20);
    }

    #[test]
    fn the_kernel_reports_resident_memory() {
        assert!(status_bytes("VmRSS") > 0.0);
        assert!(status_bytes("VmHWM") > 0.0);
        assert_eq!(status_bytes("VmNothing"), 0.0);
    }
}
