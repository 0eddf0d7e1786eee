//! What must not allocate. The counting allocator counts for each thread
//! separately, so tests that run beside each other do not disturb it.

use std::{
    alloc::{GlobalAlloc, Layout, System},
    cell::Cell,
    future::{Future, ready},
    pin::pin,
    task::{Context, Waker},
    time::Duration,
};

use arborio_timers::{Clock, Wheel, sleep, timeout};

use crate::{
    fork_meanwhile,
    support::{fire, ms, poll, real},
};

thread_local! {
    /// Allocations of this thread. No destructor, so it can be used at any time.
    static ALLOCATIONS: Cell<usize> = const { Cell::new(0) };
}

/// The system's allocator, with a count of its calls, and a place to stop for a fork.
struct Counting;

// SAFETY: every call is passed on unchanged to the system's allocator, which
// keeps the contract; counting touches thread-locals without destructor.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        fork_meanwhile::at_allocation();
        ALLOCATIONS.set(ALLOCATIONS.get() + 1);
        // SAFETY: the caller keeps the contract of `alloc`.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, pointer: *mut u8, layout: Layout) {
        // SAFETY: the pointer came from `alloc` above, so from the system.
        unsafe { System.dealloc(pointer, layout) }
    }

    unsafe fn realloc(&self, pointer: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        fork_meanwhile::at_allocation();
        ALLOCATIONS.set(ALLOCATIONS.get() + 1);
        // SAFETY: the pointer came from `alloc` above, so from the system.
        unsafe { System.realloc(pointer, layout, size) }
    }
}

#[global_allocator]
static ALLOCATOR: Counting = Counting;

/// How often `f` allocates on this thread.
fn allocations_in(f: impl FnOnce()) -> usize {
    let before = ALLOCATIONS.get();
    f();
    ALLOCATIONS.get() - before
}

#[test]
fn the_count_of_allocations_counts() {
    assert_eq!(allocations_in(|| drop(Box::new(1))), 1);
}

#[test]
fn w11_sleeps_that_are_never_polled_cost_nothing() {
    let timers = real();
    let _entered = timers.enter();
    let count = allocations_in(|| {
        for _ in 0..1_000_000 {
            drop(sleep(ms(1)));
        }
    });
    assert_eq!(count, 0);
    assert!(timers.is_idle());
}

#[test]
fn a_timeout_around_a_ready_future_allocates_nothing() {
    let timers = real();
    let _entered = timers.enter();
    let mut cx = Context::from_waker(Waker::noop());
    let count = allocations_in(|| {
        for _ in 0..1_000 {
            assert!(pin!(timeout(ms(1), ready(()))).poll(&mut cx).is_ready());
        }
    });
    assert_eq!(count, 0);
}

#[test]
fn a_wheel_allocates_with_its_first_entry_and_then_uses_its_memory_again() {
    let count = allocations_in(|| drop(Wheel::<u64>::new(0)));
    assert_eq!(count, 0, "an empty wheel has no memory");
    let mut wheel = Wheel::new(0);
    let mut fired = Vec::new();
    let mut round = |now: u64| {
        fired.clear();
        for n in 0..50 {
            wheel.insert(now + 10_000 * n, n);
        }
        wheel.advance(now + 500_000, &mut fired);
        assert_eq!(fired.len(), 50);
    };
    // The first rounds make the levels and grow the lists.
    (0..100).for_each(|n| round(n * 1_000_000));
    assert_eq!(
        allocations_in(|| (100..200).for_each(|n| round(n * 1_000_000))),
        0
    );
}

#[test]
fn a_steady_stream_of_sleeps_allocates_nothing() {
    let timers = real();
    let _entered = timers.enter();
    let far = Duration::from_secs(3600);
    let cycle = || {
        let mut nap = sleep(far);
        assert!(poll(&mut nap, Waker::noop()).is_pending());
        assert_eq!(fire(&timers), 0);
    };
    cycle();
    assert_eq!(allocations_in(|| (0..1_000).for_each(|_| cycle())), 0);
}

#[test]
fn cloning_the_real_clock_allocates_nothing() {
    assert_eq!(allocations_in(|| drop(Clock::real().clone())), 0);
}
