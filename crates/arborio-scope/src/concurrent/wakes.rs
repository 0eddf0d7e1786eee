//! How a wake reaches a branch: counted headers, and the list of those that were woken.
//!
//! A waker of a branch is a counted [`Header`]. It knows a number, and the list that
//! the number is put on; it neither owns nor reaches the branch. So it may be kept for
//! ever, and used from any thread.
//!
//! # States of a header
//! | WOKEN | HELD | meaning                                     | a wake                          |
//! |-------|------|---------------------------------------------|---------------------------------|
//! | –     | –    | asleep: its branch waits                    | sets WOKEN, puts it on the list |
//! | yes   | –    | its number is on the list, or in the queue  | changes nothing                 |
//! | –     | yes  | its branch is being polled, or has ended    | sets WOKEN                      |
//! | yes   | yes  | woken while it was polled, or after the end | changes nothing                 |
//!
//! # Invariants
//! - W1: who finds a header asleep and sets WOKEN puts its number on the list, and
//!   nobody else does: a number is there once.
//! - W2: only the run sets and clears HELD, and clears WOKEN. After the end of a branch
//!   HELD stays for ever, unless the run alone has the header (W4).
//! - W3: a wake is a read-modify-write that releases, also when it changes nothing, and
//!   the run acquires when it takes the mark away: what was written before a wake is
//!   seen by the poll that it leads to.
//! - W4: a header that only the run has (`is_unshared`) cannot be woken and cannot
//!   become shared but through the run. It may be given to another branch.
//! - W5: while the run sleeps, its waker lies beside the list. Who puts something on the
//!   list takes it and calls it after the lock; the run looks at the list under the same
//!   lock before it lies down. So no wake is lost, and one sleep is ended once.

use std::{
    mem,
    sync::Arc,
    task::{Wake, Waker},
};

use arborio_base::sync::{
    Mutex,
    atomic::{AtomicBool, AtomicU8, AtomicU32, Ordering, fence},
    lock,
};

/// Somebody has woken the branch, and it was not polled since.
const WOKEN: u8 = 1;
/// A wake has nothing to put on the list.
const HELD: u8 = 2;

/// The number of the body.
pub(crate) const BODY: u32 = u32::MAX;

/// Whom to poll next, and who is to be told about it.
#[derive(Debug)]
pub(crate) struct Wakes<X> {
    list: Mutex<List>,
    /// Whether something is on the list: what the thread of the run has put there it
    /// sees, and the rest when it looks under the lock.
    any: AtomicBool,
    /// Whether the body was woken; written under the lock.
    body: AtomicBool,
    /// What else lies in this allocation. No wake touches it.
    pub(crate) beside: X,
}

#[derive(Debug, Default)]
struct List {
    numbers: Vec<u32>,
    /// Polls the run, while that sleeps (W5).
    sleeper: Option<Waker>,
}

impl<X> Wakes<X> {
    pub(crate) fn new(beside: X) -> Arc<Self> {
        Arc::new(Self {
            list: Mutex::new(List::default()),
            any: AtomicBool::new(false),
            body: AtomicBool::new(false),
            beside,
        })
    }

    /// W1, W5.
    fn put(&self, number: u32) {
        let mut list = lock(&self.list);
        if number == BODY {
            // Release: pairs with `take_body`, which does without the lock.
            self.body.store(true, Ordering::Release);
        } else {
            list.numbers.push(number);
            // Relaxed: a hint for the thread that wrote it.
            self.any.store(true, Ordering::Relaxed);
        }
        let sleeper = list.sleeper.take();
        drop(list);
        if let Some(waker) = sleeper {
            waker.wake();
        }
    }

    /// Has the run polled, if it sleeps.
    pub(crate) fn wake_run(&self) {
        let sleeper = lock(&self.list).sleeper.take();
        if let Some(waker) = sleeper {
            waker.wake();
        }
    }

    /// The run does not sleep any more. Gives its waker back, if nobody has used it.
    pub(crate) fn rise(&self, numbers: &mut Vec<u32>) -> Option<Waker> {
        let mut list = lock(&self.list);
        self.take(&mut list, numbers);
        list.sleeper.take()
    }

    /// Whether something is on the list, as far as this thread knows of it.
    pub(crate) fn has_any(&self) -> bool {
        self.any.load(Ordering::Relaxed)
    }

    /// Takes what is on the list. Swaps, so that two buffers are used by turns; `numbers`
    /// must be empty.
    pub(crate) fn collect(&self, numbers: &mut Vec<u32>) {
        self.take(&mut lock(&self.list), numbers);
    }

    /// Whether the body was woken, since the last call.
    pub(crate) fn take_body(&self) -> bool {
        self.body.load(Ordering::Relaxed) && self.body.swap(false, Ordering::Acquire)
    }

    fn take(&self, list: &mut List, numbers: &mut Vec<u32>) {
        debug_assert!(numbers.is_empty());
        mem::swap(&mut list.numbers, numbers);
        self.any.store(false, Ordering::Relaxed);
    }

    /// The run lies down, unless something is on the list: then it gets its waker back.
    pub(crate) fn lie_down(&self, waker: Waker) -> Result<(), Waker> {
        let mut list = lock(&self.list);
        // Relaxed: it is written under the lock.
        if !list.numbers.is_empty() || self.body.load(Ordering::Relaxed) {
            return Err(waker);
        }
        let old = list.sleeper.replace(waker);
        drop(list);
        drop(old);
        Ok(())
    }
}

/// What a waker of a branch points at.
#[derive(Debug)]
pub(crate) struct Header<X> {
    state: AtomicU8,
    /// Set by the run while HELD, read by who finds the header asleep.
    number: AtomicU32,
    wakes: Arc<Wakes<X>>,
}

impl<X: Send + Sync + 'static> Wake for Header<X> {
    fn wake(self: Arc<Self>) {
        self.wake_by_ref();
    }

    fn wake_by_ref(self: &Arc<Self>) {
        // Acquire pairs with `release`, which wrote the number; release: W3.
        if self.state.fetch_or(WOKEN, Ordering::AcqRel) == 0 {
            self.wakes.put(self.number.load(Ordering::Relaxed));
        }
    }
}

/// A header as the run has it. It is held until the first `release`.
#[derive(Debug)]
pub(crate) struct Bell<X> {
    header: Arc<Header<X>>,
    /// Of the header; kept, because each poll needs one.
    waker: Waker,
}

/// How many counts of a header the run has.
const OWN: usize = 2;

impl<X: Send + Sync + 'static> Bell<X> {
    pub(crate) fn new(wakes: &Arc<Wakes<X>>) -> Self {
        let header = Arc::new(Header {
            state: AtomicU8::new(HELD),
            number: AtomicU32::new(0),
            wakes: Arc::clone(wakes),
        });
        let waker = Waker::from(Arc::clone(&header));
        Self { header, waker }
    }

    pub(crate) fn waker(&self) -> &Waker {
        &self.waker
    }

    /// Before a poll of a branch whose number came from the list (W2).
    pub(crate) fn hold(&self) {
        // Acquire: W3.
        self.header.state.swap(HELD, Ordering::Acquire);
    }

    /// Whether the run alone has it (W4).
    pub(crate) fn is_unshared(&self) -> bool {
        if Arc::strong_count(&self.header) != OWN {
            return false;
        }
        // Pairs with the release of whoever dropped the last other count: its wake is
        // over for this thread, too.
        fence(Ordering::Acquire);
        true
    }

    /// After a poll, of one that is unshared: has it been woken? It is held again.
    pub(crate) fn take_woken(&self) -> bool {
        // Relaxed: nobody else has it (W4), and the fence there was the acquire.
        let was_woken = self.header.state.load(Ordering::Relaxed) & WOKEN != 0;
        if was_woken {
            self.header.state.store(HELD, Ordering::Relaxed);
        }
        was_woken
    }

    /// After a poll that was pending: from now on a wake puts `number` on the list.
    /// True if it was woken meanwhile; then its number is the run's to put somewhere.
    pub(crate) fn release(&self, number: u32) -> bool {
        // Relaxed: published by what follows.
        self.header.number.store(number, Ordering::Relaxed);
        let before = self.header.state.fetch_and(!HELD, Ordering::AcqRel);
        before & WOKEN != 0
    }
}
