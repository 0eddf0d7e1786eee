//! How much memory of finished tasks a loop keeps for the next ones, if they came from elsewhere.

use std::{
    alloc::{GlobalAlloc, Layout, System},
    pin::Pin,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    task::{Context, Poll},
};

use arborio_task::{Running, SpawnOptions, Submitter, Task, try_spawn_sent};

use crate::{
    fork_meanwhile,
    moving::Other,
    support::{settle, tasks, turn},
};

/// What the cells of each test are in size, in bytes. With [`ALIGNED`] no other block of this program is like them, whatever
/// tests run meanwhile.
const SIZES: [usize; 2] = [928, 864];
const ALIGNED: usize = 16;

const SUBMITTED: usize = 0;
const MOVED: usize = 1;

/// How many blocks of each of these sizes are alive, whatever threads have allocated and freed them.
static ALIVE: [AtomicUsize; 2] = [const { AtomicUsize::new(0) }; 2];

fn count_of(layout: Layout) -> Option<&'static AtomicUsize> {
    let place = SIZES.iter().position(|&size| size == layout.size());
    let place = place.filter(|_| layout.align() == ALIGNED);
    place.map(|place| &ALIVE[place])
}

/// The system's allocator, with the counts above, and a place to stop for a fork.
struct Counting;

#[global_allocator]
static ALLOCATOR: Counting = Counting;

// SAFETY: every call is passed on unchanged to the system's allocator, which keeps the contract; counting touches plain
// numbers. What is not written here goes through these two.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        fork_meanwhile::at_allocation();
        if let Some(count) = count_of(layout) {
            count.fetch_add(1, Ordering::Relaxed);
        }
        // SAFETY: the caller keeps the contract of `alloc`.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, pointer: *mut u8, layout: Layout) {
        if let Some(count) = count_of(layout) {
            count.fetch_sub(1, Ordering::Relaxed);
        }
        // SAFETY: the pointer came from `alloc` above, so from the system.
        unsafe { System.dealloc(pointer, layout) }
    }
}

/// Ready at its second poll. With `BALLAST` bytes its cell has one of the sizes above.
#[repr(align(16))]
struct Work<const BALLAST: usize> {
    done: Arc<AtomicUsize>,
    polled: bool,
    _ballast: [u8; BALLAST],
}

impl<const BALLAST: usize> Work<BALLAST> {
    fn new(done: &Arc<AtomicUsize>) -> Self {
        Self {
            done: Arc::clone(done),
            polled: false,
            _ballast: [1; BALLAST],
        }
    }
}

impl<const BALLAST: usize> Future for Work<BALLAST> {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        if self.polled {
            self.done.fetch_add(1, Ordering::Release);
            return Poll::Ready(());
        }
        self.polled = true;
        cx.waker().wake_by_ref();
        Poll::Pending
    }
}

/// The ballast for a cell of the size `SIZES[which]`, which is rounded up to 32 bytes.
const fn ballast(which: usize) -> usize {
    SIZES[which] - 112
}

/// How many cells of `which` size are alive when `inbox` has done all that was sent to it before.
async fn alive_behind(inbox: &Submitter, which: usize) -> usize {
    let count = async move { ALIVE[which].load(Ordering::Relaxed) };
    inbox.spawn(count, SpawnOptions::new()).await.unwrap()
}

/// So many come at once. A loop keeps as many, and a few more; in all there come many times as many.
const BOUND: usize = 32;

#[test]
fn tasks_made_on_other_threads_leave_no_memory_behind() {
    let other = Other::start();
    let main = async {
        let done = Arc::default();
        for _ in 0..20 {
            let tasks: Vec<Task<()>> = (0..BOUND)
                .map(|_| {
                    let work = Work::<{ ballast(SUBMITTED) }>::new(&done);
                    other.inbox().spawn(work, SpawnOptions::new())
                })
                .collect();
            let alive = ALIVE[SUBMITTED].load(Ordering::Relaxed);
            assert!(alive >= BOUND, "the cells have another size");
            for task in tasks {
                task.await.unwrap();
            }
        }
        alive_behind(other.inbox(), SUBMITTED).await
    };
    let alive = tasks().run_main(main, settle).1.unwrap();
    assert!(alive <= 2 * BOUND, "{alive} cells are kept");
}

/// Drives a loop that gives away all that it may.
fn settle_elsewhere(running: &Running<'_>, to: &Submitter) {
    while running.pending() > 0 {
        running.take_mail();
        running.give_all(to, usize::MAX);
        running.run_next();
    }
}

#[test]
fn tasks_that_moved_leave_no_memory_behind() {
    let other = Other::start();
    let main = async {
        let done = Arc::<AtomicUsize>::default();
        for batch in 1..=20 {
            for _ in 0..BOUND {
                let work = Work::<{ ballast(MOVED) }>::new(&done);
                let spawned = try_spawn_sent(work, SpawnOptions::new());
                drop(spawned.ok().expect("a loop runs on this thread"));
            }
            let alive = ALIVE[MOVED].load(Ordering::Relaxed);
            assert!(alive >= BOUND, "the cells have another size");
            while done.load(Ordering::Acquire) < batch * BOUND {
                turn().await;
            }
        }
        alive_behind(other.inbox(), MOVED).await
    };
    let drive = |running: &Running<'_>| settle_elsewhere(running, other.inbox());
    let alive = tasks().run_main(main, drive).1.unwrap();
    assert!(alive <= 2 * BOUND, "{alive} cells are kept");
}
