//! Numbers of callbacks: no two are the same in a process, so that the number of
//! one can never mean another, of a promise at the same address for example.
//!
//! A thread takes a block of numbers from all and counts through it alone: a
//! promise for one thread pays no atomic read-modify-write for a callback.

use std::{
    cell::Cell,
    sync::atomic::{AtomicU64, Ordering},
};

/// How many numbers a thread takes at once.
const BLOCK: u64 = 1 << 20;

/// The first number of the next block.
static BLOCKS: AtomicU64 = AtomicU64::new(0);

thread_local! {
    /// The number after the last one; a multiple of `BLOCK` if none is left.
    static NEXT: Cell<u64> = const { Cell::new(0) };
}

/// A number that was never given out.
pub(super) fn next() -> u64 {
    let mut number = NEXT.get();
    if number.is_multiple_of(BLOCK) {
        // Relaxed: a number that publishes nothing. The first of each block stays
        // unused: in `NEXT` it means that the block before has ended.
        number = BLOCKS.fetch_add(BLOCK, Ordering::Relaxed) + 1;
    }
    NEXT.set(number + 1);
    number
}
