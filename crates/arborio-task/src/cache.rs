//! Memory of finished tasks, kept for the next ones: a free list by size.
//!
//! A loop takes the list of its thread when it starts and gives it back when it
//! ends, so the hot path needs no thread-local. Only the owner touches it.
//! Large, over-aligned and surplus cells go to the allocator at once. With
//! `--cfg arborio_no_cell_cache` all do, so that a sanitizer sees every use
//! after free.
//!
//! # What comes from elsewhere
//! A task that another thread has made, or that has moved here, brings a cell that was not taken from this list, and
//! leaves it here when it ends. Where work always goes one way (a thread that submits, a worker that gives) the list of
//! who gets it would grow up to its limit, with cells that nobody takes out again. So for each one that comes, one
//! goes: [`CellCache::make_way`].
//!
//! - B1: of each class, the cells in the list and those of tasks that are here are never more than [`FEW`] and the most
//!   tasks of the class that were here at once. For the sum rises only if a cell comes while at most `FEW` are in
//!   the list, or is taken from the allocator while none is.

use std::{
    alloc::{Layout, alloc, dealloc, handle_alloc_error},
    cell::{Cell, RefCell},
    ptr::NonNull,
};

use arborio_base::sync::thread_local;

/// Sizes are rounded up to a multiple of this.
const STEP: usize = 32;
/// The number of size classes; the largest cell that is kept has 1 KiB.
const CLASSES: usize = 32;
/// What malloc gives on 64-bit platforms.
const MAX_ALIGN: usize = 16;
/// Bytes kept in each class: 8192 of the smallest tasks, 1024 of the largest.
const KEPT: usize = 1 << 20;

/// So many in each class do not make way: where as many go as come, most of them need no allocator.
const FEW: u32 = 16;

const BYPASS: bool = cfg!(any(loom, arborio_no_cell_cache));

thread_local! {
    /// The list between two loops of this thread.
    static SPARE: RefCell<Option<Box<CellCache>>> = const { RefCell::new(None) };
}

/// Free memory of one size.
struct Class {
    first: Cell<Option<NonNull<FreeCell>>>,
    /// How many more are kept: counted downwards, so that no limit has to be worked out
    /// when a cell comes back.
    room: Cell<u32>,
}

/// What stands in the memory of a free cell.
struct FreeCell {
    next: Option<NonNull<FreeCell>>,
}

/// See the head of this file.
pub(crate) struct CellCache {
    classes: [Class; CLASSES],
}

impl CellCache {
    /// This thread's list, or a new one.
    pub(crate) fn take_from_thread() -> Box<Self> {
        let spare = SPARE.try_with(|spare| spare.borrow_mut().take());
        spare.ok().flatten().unwrap_or_else(|| {
            let class = |index| Class {
                first: Cell::new(None),
                room: Cell::new(MOST_KEPT[index]),
            };
            Box::new(Self {
                classes: std::array::from_fn(class),
            })
        })
    }

    /// Keeps the list for the next loop of this thread.
    pub(crate) fn give_back(self: Box<Self>) {
        // While the thread is being torn down there is no next loop.
        let _ = SPARE.try_with(|spare| spare.borrow_mut().replace(self));
    }

    /// Memory for a cell of `layout`.
    #[inline]
    pub(crate) fn allocate(&self, layout: Layout) -> NonNull<u8> {
        let Some(class) = class_of(layout) else {
            return allocate(layout);
        };
        let class = &self.classes[class];
        let Some(free) = class.first.get() else {
            return allocate(layout);
        };
        // SAFETY: a cell in the list holds a `FreeCell`, and is ours.
        let next = unsafe { free.as_ref() }.next;
        class.first.set(next);
        class.room.set(class.room.get() + 1);
        free.cast()
    }

    /// A task has come from elsewhere that will leave a cell of `layout` here: one that is free goes to the allocator, if
    /// there are more than [`FEW`] (B1).
    pub(crate) fn make_way(&self, layout: Layout) {
        let Some(index) = class_of(layout) else {
            return;
        };
        let class = &self.classes[index];
        if class.room.get() + FEW >= MOST_KEPT[index] {
            return;
        }
        let spare = self.allocate(layout); // more than FEW are in the list, so it is one of them
        // SAFETY: it was taken out with this layout, and nobody uses it.
        unsafe { free(spare, layout) };
    }

    /// Takes the memory of a cell back.
    ///
    /// # Safety
    /// It came from `allocate` here or at the top of this file with the same
    /// layout, and nobody uses it any more.
    #[inline]
    pub(crate) unsafe fn free(&self, memory: NonNull<u8>, layout: Layout) {
        let class = class_of(layout).map(|index| &self.classes[index]);
        match class {
            Some(class) if class.room.get() > 0 => {
                let free = memory.cast::<FreeCell>();
                // SAFETY: a cell is larger than a `FreeCell`, and unused.
                unsafe {
                    free.write(FreeCell {
                        next: class.first.get(),
                    })
                };
                class.first.set(Some(free));
                class.room.set(class.room.get() - 1);
            }
            // SAFETY: passed on to the caller.
            _ => unsafe { free(memory, layout) },
        }
    }
}

impl Drop for CellCache {
    fn drop(&mut self) {
        for (index, class) in self.classes.iter().enumerate() {
            let layout = class_layout(index);
            while let Some(memory) = class.first.get() {
                // SAFETY: a cell in the list holds a `FreeCell`, and is ours.
                class.first.set(unsafe { memory.as_ref() }.next);
                // SAFETY: it was allocated with the layout of its class.
                unsafe { dealloc(memory.as_ptr().cast(), layout) };
            }
        }
    }
}

/// Memory for a cell that is made without a cache.
pub(crate) fn allocate(layout: Layout) -> NonNull<u8> {
    let real = real_layout(layout);
    // SAFETY: a cell is never empty.
    let memory = unsafe { alloc(real) };
    NonNull::new(memory).unwrap_or_else(|| handle_alloc_error(real))
}

/// Gives the memory of a cell to the allocator.
///
/// # Safety
/// It came from [`allocate`] or [`CellCache::allocate`] with the same layout,
/// and nobody uses it any more.
pub(crate) unsafe fn free(memory: NonNull<u8>, layout: Layout) {
    if cfg!(loom) {
        return; // a model looks at the life flag of freed cells
    }
    // SAFETY: passed on to the caller; both allocate with the real layout.
    unsafe { dealloc(memory.as_ptr(), real_layout(layout)) };
}

/// The class of a cell that may be kept.
#[inline(always)]
fn class_of(layout: Layout) -> Option<usize> {
    let keep = !BYPASS && layout.size() <= STEP * CLASSES && layout.align() <= MAX_ALIGN;
    keep.then(|| (layout.size() - 1) / STEP)
}

/// How many cells of each class are kept at most.
const MOST_KEPT: [u32; CLASSES] = {
    let mut most = [0; CLASSES];
    let mut class = 0;
    while class < CLASSES {
        most[class] = (KEPT / ((class + 1) * STEP)) as u32;
        class += 1;
    }
    most
};

fn class_layout(class: usize) -> Layout {
    const { assert!(MAX_ALIGN.is_power_of_two()) };
    Layout::from_size_align((class + 1) * STEP, MAX_ALIGN).expect("at most 1 KiB")
}

/// What is asked of the allocator: every cell of a class is interchangeable.
fn real_layout(layout: Layout) -> Layout {
    class_of(layout).map_or(layout, class_layout)
}

#[cfg(not(arborio_no_cell_cache))]
#[cfg(all(test, not(loom)))]
mod tests {
    use super::*;

    fn layout(size: usize) -> Layout {
        Layout::from_size_align(size, 8).unwrap()
    }

    #[test]
    fn sizes_have_classes_up_to_a_kibibyte() {
        let classes = [1, 32, 33, 64, 65, 1024, 1025].map(|size| class_of(layout(size)));
        let expected = [0, 0, 1, 1, 2, 31].map(Some);
        assert_eq!(classes[..6], expected);
        assert_eq!(classes[6], None);
        let wide = Layout::from_size_align(64, 2 * MAX_ALIGN).unwrap();
        assert_eq!(class_of(wide), None);
    }

    #[test]
    fn room_is_counted_and_cells_make_way_while_there_are_more_than_a_few() {
        let cache = CellCache::take_from_thread(); // no loop has run here: it is empty
        let layout = layout(100);
        let class = class_of(layout).unwrap();
        let kept = || MOST_KEPT[class] - cache.classes[class].room.get();
        let cells: Vec<_> = (0..FEW + 3).map(|_| cache.allocate(layout)).collect();
        assert_eq!(kept(), 0);
        for cell in cells {
            // SAFETY: allocated above with this layout, and unused.
            unsafe { cache.free(cell, layout) };
        }
        assert_eq!(kept(), FEW + 3);
        let again = cache.allocate(layout);
        assert_eq!(kept(), FEW + 2);
        // SAFETY: as above.
        unsafe { cache.free(again, layout) };
        let after = [0; 5].map(|_| {
            cache.make_way(layout);
            kept()
        });
        assert_eq!(after, [FEW + 2, FEW + 1, FEW, FEW, FEW]);
    }
}
