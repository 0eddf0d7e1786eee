//! What a thread knows of the loop that runs on it: whether there is one, whether it
//! was stopped, how many passes it has made, who waits for the next, and of which panics its
//! observer is to be told.
//!
//! A thread runs at most one loop at a time, so these are thread-locals. The
//! cells without destructor can be read at any time of the thread's life.

use std::{
    cell::{Cell, RefCell},
    sync::atomic::{AtomicU64, Ordering},
    task::Waker,
};

use arborio_base::{contain, drop_contained, sync::thread_local};
use arborio_task::Payload;

thread_local! {
    /// Whether a loop runs on this thread.
    static RUNS: Cell<bool> = const { Cell::new(false) };
    /// Passes that loops have made on this thread, over its whole life.
    static PASSES: Cell<u64> = const { Cell::new(0) };
    /// The number of this thread, or 0 if nobody has asked.
    static THREAD: Cell<u64> = const { Cell::new(0) };
    /// How many wakers `AFTER_PASS` holds.
    static WAITING: Cell<usize> = const { Cell::new(0) };
    /// Somebody has stopped the loop.
    static STOP: Cell<bool> = const { Cell::new(false) };
    /// Who is woken after the next pass, in this order.
    static AFTER_PASS: RefCell<Vec<Waker>> = const { RefCell::new(Vec::new()) };
    /// How many panics `UNTAKEN` holds.
    static REPORTED: Cell<usize> = const { Cell::new(0) };
    /// Panics that the observer of the loop is to be told of, oldest first.
    static UNTAKEN: RefCell<Vec<Payload>> = const { RefCell::new(Vec::new()) };
}

/// The loop runs on this thread as long as this lives.
pub(crate) struct Here {
    /// Not to be sent: it speaks of one thread.
    _not_send: std::marker::PhantomData<*const ()>,
}

impl Here {
    /// `None` if a loop runs on this thread already.
    pub(crate) fn enter() -> Option<Self> {
        let nested = RUNS.replace(true);
        // Made only if it is given out: its drop ends the loop that runs.
        (!nested).then(|| Self {
            _not_send: std::marker::PhantomData,
        })
    }
}

impl Drop for Here {
    fn drop(&mut self) {
        // The next loop owes them nothing. They are woken all the same: a waker
        // may be that of another executor, which polls the future elsewhere.
        RUNS.set(false);
        STOP.set(false);
        WAITING.set(0);
        let left = AFTER_PASS
            .try_with(|wakers| wakers.take())
            .unwrap_or_default();
        for waker in left {
            contain(|| waker.wake());
        }
        drop_contained(take_reported()); // the observer is gone
    }
}

/// Tells the observer of the loop that runs on this thread of a panic that nobody will take.
/// False if no loop runs here; nobody is told then.
///
/// For what keeps a panic for somebody, who is gone. The observer is told when the loop next has
/// something to decide, or has nothing to do.
///
/// # Examples
/// ```
/// use arborio_executor::{Payload, report_panic};
/// let panic = Payload::new(Box::new("left over"));
/// assert!(!report_panic(panic), "no loop runs here");
/// ```
pub fn report_panic(panic: Payload) -> bool {
    let kept = runs()
        && UNTAKEN
            .try_with(|panics| panics.borrow_mut().push(panic))
            .is_ok();
    if kept {
        REPORTED.set(REPORTED.get() + 1);
    }
    kept
}

/// The panics that were reported since the last call.
pub(crate) fn take_reported() -> Vec<Payload> {
    if REPORTED.replace(0) == 0 {
        return Vec::new();
    }
    UNTAKEN.try_with(RefCell::take).unwrap_or_default()
}

/// Whether a loop runs on this thread.
pub(crate) fn runs() -> bool {
    RUNS.get()
}

/// Ends the loop that runs on this thread, when it next has something to decide.
pub(crate) fn ask_stop() {
    STOP.set(runs());
}

/// Whether the loop was stopped since [`take_stop`] was last called.
pub(crate) fn stop_asked() -> bool {
    STOP.get()
}

/// The same, and answers it.
pub(crate) fn take_stop() -> bool {
    STOP.replace(false)
}

/// The number of this thread, which no other one has or had.
pub(crate) fn thread() -> u64 {
    static LAST: AtomicU64 = AtomicU64::new(0);
    if THREAD.get() == 0 {
        THREAD.set(LAST.fetch_add(1, Ordering::Relaxed) + 1);
    }
    THREAD.get()
}

/// The number of passes so far.
pub(crate) fn passes() -> u64 {
    PASSES.get()
}

/// Wakes `waker` after the next pass, behind the I/O that it finds. False if
/// the thread is too far in its end to remember it.
#[must_use]
pub(crate) fn after_pass(waker: Waker) -> bool {
    let kept = AFTER_PASS
        .try_with(|wakers| wakers.borrow_mut().push(waker))
        .is_ok();
    if kept {
        WAITING.set(WAITING.get() + 1);
    }
    kept
}

/// Whether somebody waits for the next pass.
pub(crate) fn somebody_waits() -> bool {
    WAITING.get() != 0
}

/// A pass was made: wakes who waited for it.
pub(crate) fn pass_made() {
    PASSES.set(PASSES.get() + 1);
    if WAITING.replace(0) == 0 {
        return;
    }
    let waiting = AFTER_PASS
        .try_with(|wakers| wakers.take())
        .unwrap_or_default();
    for waker in waiting {
        contain(|| waker.wake());
    }
}
