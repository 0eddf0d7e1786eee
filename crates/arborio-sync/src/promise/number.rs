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
        // Relaxed: a number that publishes nothing.
        number = BLOCKS.fetch_add(BLOCK, Ordering::Relaxed);
    }
    NEXT.set(number + 1);
    number
}

#[cfg(all(test, not(loom)))]
mod tests {
    use std::{collections::HashSet, thread};

    use super::*;

    /// Some numbers of this thread, the last one of its block among them.
    fn some() -> Vec<u64> {
        let mut numbers = vec![next(), next()];
        NEXT.set(NEXT.get().next_multiple_of(BLOCK) - 1);
        numbers.extend((0..3).map(|_| next()));
        numbers
    }

    #[test]
    fn no_number_is_given_out_twice() {
        let threads: Vec<_> = (0..3).map(|_| thread::spawn(some)).collect();
        let numbers = threads.into_iter().map(|thread| thread.join().unwrap());
        let numbers: Vec<u64> = numbers.flatten().collect();
        let different: HashSet<&u64> = numbers.iter().collect();
        assert_eq!(different.len(), 15, "{numbers:?}");
    }

    #[test]
    fn a_thread_counts_through_its_block() {
        let first = next();
        let numbers: Vec<u64> = (1..4).map(|_| next()).collect();
        assert_eq!(numbers, [first + 1, first + 2, first + 3]);
    }
}
