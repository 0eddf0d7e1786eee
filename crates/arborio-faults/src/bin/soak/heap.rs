//! What is alive on the heap: the system's allocator, which counts what was asked for and not yet given back.
//!
//! The kernel's figures of a process show what the allocator holds: holes in the heaps of several threads, and
//! blocks that it keeps for the next one who asks. These here are exact, as long as nobody else works: a block that is never
//! given back is seen at once.

use std::{
    alloc::{GlobalAlloc, Layout, System},
    fmt::Write,
    sync::atomic::{AtomicUsize, Ordering},
    thread,
    time::{Duration, Instant},
};

/// The system's allocator, with the counts below.
struct Counting;

#[global_allocator]
static ALLOCATOR: Counting = Counting;

/// Blocks up to this size, in bytes, have counts for each size; larger ones for each power of two.
const EXACT: usize = 1024;

/// Sizes that are counted together at the least, in bytes.
const STEP: usize = 8;

/// How many kinds of sizes there are.
const KINDS: usize = EXACT / STEP + usize::BITS as usize;

/// Bytes of all blocks that are alive.
static BYTES: AtomicUsize = AtomicUsize::new(0);

/// The blocks, by [`kind`].
static BLOCKS: [AtomicUsize; KINDS] = [const { AtomicUsize::new(0) }; KINDS];

/// Where blocks of this size are counted.
fn kind(size: usize) -> usize {
    if size <= EXACT {
        return size.div_ceil(STEP).saturating_sub(1);
    }
    EXACT / STEP + (size - 1).ilog2() as usize
}

/// The largest size, in bytes, that is counted there.
fn largest(kind: usize) -> usize {
    if kind < EXACT / STEP {
        return (kind + 1) * STEP;
    }
    2 << (kind - EXACT / STEP)
}

// Relaxed everywhere: these are figures. Who reads them waits until they stand still.
fn grown(size: usize) {
    BYTES.fetch_add(size, Ordering::Relaxed);
    BLOCKS[kind(size)].fetch_add(1, Ordering::Relaxed);
}

fn shrunk(size: usize) {
    BYTES.fetch_sub(size, Ordering::Relaxed);
    BLOCKS[kind(size)].fetch_sub(1, Ordering::Relaxed);
}

// SAFETY: every call is passed on unchanged to the system's allocator, which keeps the contract; what counts does not
// allocate, and cannot unwind: a kind is below `KINDS`, as the logarithm is below the number of bits.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        grown(layout.size());
        // SAFETY: the caller keeps the contract of `alloc`.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, pointer: *mut u8, layout: Layout) {
        shrunk(layout.size());
        // SAFETY: the pointer came from this allocator, so from the system, with this layout.
        unsafe { System.dealloc(pointer, layout) }
    }

    unsafe fn alloc_zeroed(&self, layout: Layout) -> *mut u8 {
        grown(layout.size());
        // SAFETY: the caller keeps the contract of `alloc_zeroed`.
        unsafe { System.alloc_zeroed(layout) }
    }

    unsafe fn realloc(&self, pointer: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        grown(size);
        shrunk(layout.size());
        // SAFETY: the pointer came from this allocator, so from the system, with this layout.
        unsafe { System.realloc(pointer, layout, size) }
    }
}

/// Bytes and blocks that are alive.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) struct Live {
    pub(crate) bytes: usize,
    pub(crate) blocks: usize,
}

fn live() -> Live {
    let count = |blocks: &AtomicUsize| blocks.load(Ordering::Relaxed);
    Live {
        bytes: count(&BYTES),
        blocks: BLOCKS.iter().map(count).fold(0, usize::wrapping_add),
    }
}

/// How long the figures have to stand still.
const STILL: Duration = Duration::from_millis(4);

/// How long we wait for that.
const PATIENCE: Duration = Duration::from_millis(400);

/// What is alive when all threads have done what they still had to do: one that has told of its end may drop
/// something behind that.
pub(crate) fn at_rest() -> Live {
    let start = Instant::now();
    let (mut seen, mut since) = (live(), start);
    while since.elapsed() < STILL && start.elapsed() < PATIENCE {
        thread::sleep(STILL / 4);
        let now = live();
        if now != seen {
            (seen, since) = (now, Instant::now());
        }
    }
    seen
}

/// Has the allocator give pages back that hold nothing, so that what is resident has less of chance in it.
pub(crate) fn trim() {
    #[cfg(target_env = "gnu")]
    // SAFETY: it takes the allocator's own locks, and touches nothing that is alive.
    unsafe {
        libc::malloc_trim(0)
    };
}

/// How many blocks are alive of which size: `16:3 24:1`; each size stands for those down to the one before it.
pub(crate) fn sizes() -> String {
    let mut words = String::new();
    for (kind, blocks) in BLOCKS.iter().enumerate() {
        let blocks = blocks.load(Ordering::Relaxed);
        if blocks > 0 {
            write!(words, " {}:{blocks}", largest(kind)).expect("a string takes everything");
        }
    }
    words
}
