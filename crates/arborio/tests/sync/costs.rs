//! What waiting costs: no allocation, and so many bytes in the future that waits.
//! The figures are those of `docs/sync.md`. The counting allocator counts for
//! each thread separately, so tests that run beside each other do not disturb it.

use std::{
    alloc::{GlobalAlloc, Layout, System},
    cell::Cell,
    fs,
    future::Future,
    pin::pin,
    task::{Context, Poll, Waker},
};

use arborio::sync::{
    Barrier, Event, Mutex, Notify, OnceCell, Promise, RwLock, Semaphore, broadcast, local, mpmc,
    mpsc, oneshot, watch,
};

thread_local! {
    /// Allocations of this thread. No destructor, so it can be used at any time.
    static ALLOCATIONS: Cell<usize> = const { Cell::new(0) };
}

/// The system's allocator, with a count of its calls.
struct Counting;

// SAFETY: every call is passed on unchanged to the system's allocator, which
// keeps the contract; counting touches a thread-local without destructor.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        ALLOCATIONS.set(ALLOCATIONS.get() + 1);
        // SAFETY: the caller keeps the contract of `alloc`.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, pointer: *mut u8, layout: Layout) {
        // SAFETY: the pointer came from `alloc` above, so from the system.
        unsafe { System.dealloc(pointer, layout) }
    }

    unsafe fn realloc(&self, pointer: *mut u8, layout: Layout, size: usize) -> *mut u8 {
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

/// Lets `future` wait, calls `go_on`, and expects it to be ready. Returns its
/// output, and how often all that allocated.
fn waits<F: Future>(future: F, go_on: impl FnOnce()) -> (F::Output, usize) {
    let mut output = None;
    let count = allocations_in(|| {
        let mut future = pin!(future);
        let mut cx = Context::from_waker(Waker::noop());
        assert!(future.as_mut().poll(&mut cx).is_pending(), "it waits");
        assert!(future.as_mut().poll(&mut cx).is_pending(), "and again");
        go_on();
        match future.poll(&mut cx) {
            Poll::Ready(ready) => output = Some(ready),
            Poll::Pending => panic!("it may go on"),
        }
    });
    (output.expect("it was ready"), count)
}

#[test]
fn the_count_of_allocations_counts() {
    assert_eq!(allocations_in(|| drop(Box::new(1))), 1);
}

#[test]
fn waiting_for_a_lock_allocates_nothing() {
    let mutex = Mutex::new(());
    let guard = mutex.try_lock().unwrap();
    assert_eq!(waits(mutex.lock(), || drop(guard)).1, 0);
    let lock = RwLock::new(());
    let guard = lock.try_write().unwrap();
    assert_eq!(waits(lock.read(), || drop(guard)).1, 0);
    let guard = lock.try_read().unwrap();
    assert_eq!(waits(lock.write(), || drop(guard)).1, 0);
    let semaphore = Semaphore::new(2);
    let permit = semaphore.try_acquire().unwrap();
    assert_eq!(waits(semaphore.acquire_many(2), || drop(permit)).1, 0);
    let mutex = local::Mutex::new(());
    let guard = mutex.try_lock().unwrap();
    assert_eq!(waits(mutex.lock(), || drop(guard)).1, 0);
}

#[test]
fn waiting_for_a_signal_allocates_nothing() {
    let event = Event::new();
    assert_eq!(waits(event.wait(), || event.set()).1, 0);
    let notify = Notify::new();
    assert_eq!(waits(notify.notified(), || notify.notify_one()).1, 0);
    let barrier = Barrier::new(2);
    let come = || {
        assert!(
            pin!(barrier.wait())
                .poll(&mut Context::from_waker(Waker::noop()))
                .is_ready()
        )
    };
    assert_eq!(waits(barrier.wait(), come).1, 0);
    let cell = OnceCell::new();
    assert_eq!(waits(cell.wait(), || cell.set(1).unwrap()).1, 0);
    let promise = Promise::new();
    assert_eq!(waits(promise.wait(), || promise.set(1).unwrap()).1, 0);
    let (sender, receiver) = oneshot::channel();
    assert_eq!(waits(receiver, || sender.send(1).unwrap()).1, 0);
    let (sender, mut receiver) = watch::channel(0);
    let (changed, count) = waits(receiver.changed(), || sender.send(1).unwrap());
    assert_eq!((changed, count), (Ok(()), 1), "the value itself");
}

/// The queue of a channel grows as it is filled, and is kept.
#[test]
fn waiting_at_a_channel_allocates_nothing() {
    let (sender, mut receiver) = mpsc::channel(1);
    sender.try_send(0).unwrap();
    let (sent, count) = waits(sender.send(1), || assert_eq!(receiver.try_recv(), Ok(0)));
    assert_eq!((sent, count), (Ok(()), 0));
    assert_eq!(receiver.try_recv(), Ok(1));
    let (received, count) = waits(receiver.recv(), || sender.try_send(2).unwrap());
    assert_eq!((received, count), (Some(2), 0));
    let (sender, receiver) = mpmc::channel(1);
    sender.try_send(0).unwrap();
    assert_eq!(receiver.try_recv(), Ok(0));
    let (received, count) = waits(receiver.recv(), || sender.try_send(1).unwrap());
    assert_eq!((received, count), (Ok(1), 0));
    let (sender, mut receiver) = broadcast::channel(1);
    sender.send(0).unwrap();
    assert_eq!(receiver.try_recv(), Ok(0));
    let (received, count) = waits(receiver.recv(), || assert_eq!(sender.send(1), Ok(1)));
    assert_eq!((received, count), (Ok(1), 1), "the message itself");
}

/// What is in `docs/sync.md`, in the column with this number, in the row whose
/// first cell is `primitive`.
fn documented(primitive: &str, column: usize) -> usize {
    let page = concat!(env!("CARGO_MANIFEST_DIR"), "/../../docs/sync.md");
    let page = fs::read_to_string(page).unwrap();
    let row = page
        .lines()
        .find(|line| line.starts_with(&format!("| {primitive} |")));
    let row = row.unwrap_or_else(|| panic!("docs/sync.md has no row of {primitive}"));
    let cell = row.split('|').nth(column).expect("the row is long enough");
    let number = cell.trim().parse();
    number.unwrap_or_else(|_| panic!("{primitive}: `{cell}` is not a number"))
}

/// The bytes of a primitive without its value, and of the future that waits.
#[test]
fn the_page_tells_the_sizes_of_primitives_and_futures() {
    fn check<P, F>(name: &str, primitive: &P, future: &F) {
        let sizes = (size_of_val(primitive), size_of_val(future));
        let told = (documented(name, 2), documented(name, 3));
        assert_eq!(told, sizes, "docs/sync.md on {name}");
    }
    let mutex = Mutex::new(());
    check("`Mutex`", &mutex, &mutex.lock());
    let lock = RwLock::new(());
    check("`RwLock`", &lock, &lock.write());
    let semaphore = Semaphore::new(1);
    check("`Semaphore`", &semaphore, &semaphore.acquire());
    let event = Event::new();
    check("`Event`", &event, &event.wait());
    let notify = Notify::new();
    check("`Notify`", &notify, &notify.notified());
    let barrier = Barrier::new(2);
    check("`Barrier`", &barrier, &barrier.wait());
    let cell = OnceCell::<()>::new();
    check("`OnceCell`", &cell, &cell.wait());
    let promise = Promise::<u64>::new();
    check("`Promise`", &promise, &promise.wait());
    let (sender, receiver) = oneshot::channel::<u64>();
    check("`oneshot`", &sender, &receiver);
    let (sender, mut receiver) = mpsc::channel::<u64>(1);
    check("`mpsc`, to send", &sender, &sender.send(1));
    check("`mpsc`, to receive", &sender, &receiver.recv());
    let (sender, receiver) = mpmc::channel::<u64>(1);
    check("`mpmc`, to receive", &sender, &receiver.recv());
    let (sender, mut receiver) = broadcast::channel::<u64>(1);
    check("`broadcast`, to receive", &sender, &receiver.recv());
    let (sender, mut receiver) = watch::channel(0_u64);
    check("`watch`, to receive", &sender, &receiver.changed());
}
