//! Where cells lie: small blocks that a thread keeps for the next ones.
//!
//! Branches come and go by the dozen, and a block is taken up again by a few
//! instructions, where the allocator takes a dozen nanoseconds for both ways. A block
//! may come back on another thread than it was taken on.
//!
//! # Invariants
//! - M1: a block in the list of class `n` has `n * STEP` bytes, was allocated with the
//!   layout of that class, and belongs to the list alone. Its first word is the link.

use std::{
    alloc::{Layout, alloc, dealloc, handle_alloc_error},
    cell::Cell,
    ptr::{self, NonNull},
};

/// Sizes of blocks differ by this.
const STEP: usize = 32;
/// Larger cells are the allocator's.
const CLASSES: usize = 9;
/// Of every block.
const ALIGN: usize = 16;
/// How many bytes a thread keeps at most: a thousand small branches.
const KEEPS: usize = 128 * 1024;

/// The blocks that a thread keeps.
struct Shelf {
    /// By class; that of zero bytes stays empty.
    first: [Cell<*mut u8>; CLASSES],
    /// In all.
    bytes: Cell<usize>,
}

thread_local! {
    static SHELF: Shelf = const {
        Shelf { first: [const { Cell::new(ptr::null_mut()) }; CLASSES], bytes: Cell::new(0) }
    };
}

/// Of a cell with this layout, unless the allocator has it.
#[inline]
fn class_of(layout: Layout) -> Option<usize> {
    let class = layout.size().div_ceil(STEP);
    let is_kept = class != 0 && class < CLASSES && layout.align() <= ALIGN;
    // A checker of memory is to see each cell as a block of its own.
    (is_kept && !cfg!(any(loom, miri, arborio_no_cell_cache))).then_some(class)
}

/// What the allocator is asked for.
#[inline]
fn layout_of(layout: Layout) -> Layout {
    match class_of(layout) {
        Some(class) => Layout::from_size_align(class * STEP, ALIGN).expect("blocks are small"),
        None => layout,
    }
}

/// A block for a cell with this layout, which has at least a word.
#[inline]
pub(super) fn take(layout: Layout) -> NonNull<u8> {
    class_of(layout)
        .and_then(|class| SHELF.try_with(|shelf| shelf.take(class)).ok().flatten())
        .unwrap_or_else(|| fresh(layout))
}

#[cold]
fn fresh(layout: Layout) -> NonNull<u8> {
    let layout = layout_of(layout);
    // SAFETY: it has a size: cells have, and so have the classes from one on.
    let block = unsafe { alloc(layout) };
    NonNull::new(block).unwrap_or_else(|| handle_alloc_error(layout))
}

/// Gives a block back.
///
/// # Safety
/// It came from [`take`] with the same layout, and nobody uses it any more.
#[inline]
pub(super) unsafe fn give(block: NonNull<u8>, layout: Layout) {
    let kept = class_of(layout).is_some_and(|class| {
        // SAFETY: `take` asked for the layout of this class, and it is the caller's (M1).
        let give = |shelf: &Shelf| unsafe { shelf.give(class, block) };
        SHELF.try_with(give).unwrap_or(false) // the thread ends
    });
    if !kept {
        // SAFETY: it was allocated with this very layout, and is the caller's.
        unsafe { dealloc(block.as_ptr(), layout_of(layout)) }
    }
}

impl Shelf {
    #[inline]
    fn take(&self, class: usize) -> Option<NonNull<u8>> {
        let block = NonNull::new(self.first[class].get())?;
        // SAFETY: a block of the list begins with its link (M1), and is aligned for it.
        let next = unsafe { block.cast::<*mut u8>().read() };
        self.first[class].set(next);
        self.bytes.set(self.bytes.get() - class * STEP);
        Some(block)
    }

    /// False: there are enough, and it is the caller's as before.
    ///
    /// # Safety
    /// It is the caller's, and was allocated with the layout of `class`.
    #[inline]
    unsafe fn give(&self, class: usize, block: NonNull<u8>) -> bool {
        let bytes = self.bytes.get() + class * STEP;
        if bytes > KEEPS {
            return false;
        }
        // SAFETY: a block has room for a word, is aligned for it, and is the caller's.
        unsafe { block.cast::<*mut u8>().write(self.first[class].get()) };
        self.first[class].set(block.as_ptr());
        self.bytes.set(bytes);
        true
    }
}

impl Drop for Shelf {
    fn drop(&mut self) {
        for class in 1..CLASSES {
            let layout = Layout::from_size_align(class * STEP, ALIGN).expect("blocks are small");
            while let Some(block) = self.take(class) {
                // SAFETY: a block of this list has this layout, and belonged to it (M1).
                unsafe { dealloc(block.as_ptr(), layout) }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Blocks are kept where no checker of memory looks on.
    const KEEPS_BLOCKS: bool = !cfg!(any(loom, miri, arborio_no_cell_cache));

    fn kept() -> usize {
        SHELF.with(|shelf| shelf.bytes.get())
    }

    #[test]
    fn a_block_that_was_given_back_is_taken_next_and_too_many_are_not_kept() {
        let layout = Layout::from_size_align(100, 8).unwrap();
        assert_eq!(class_of(layout), KEEPS_BLOCKS.then_some(4));
        let blocks: Vec<_> = (0..2 * KEEPS / 128).map(|_| take(layout)).collect();
        for &block in &blocks {
            // SAFETY: it came from `take`, and nobody uses it.
            unsafe { give(block, layout) };
        }
        if KEEPS_BLOCKS {
            assert_eq!((kept(), blocks.len()), (KEEPS, 2 * KEEPS / 128));
            let last = blocks[blocks.len() / 2 - 1];
            assert_eq!(take(layout), last);
            assert_eq!(kept(), KEEPS - 128, "there is room for another one");
            // SAFETY: as above.
            unsafe { give(last, layout) };
            assert_eq!(kept(), KEEPS);
        }
    }

    #[test]
    fn large_and_strictly_aligned_cells_are_the_allocators() {
        for (size, align) in [(4096, 8), (64, 64)] {
            let layout = Layout::from_size_align(size, align).unwrap();
            assert_eq!(class_of(layout), None);
            let block = take(layout);
            assert!(block.addr().get().is_multiple_of(align));
            // SAFETY: it came from `take`, and nobody uses it.
            unsafe { give(block, layout) };
        }
    }
}
