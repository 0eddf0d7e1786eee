//! Wakers that come back, and wakers that panic.

use std::{
    ptr,
    sync::{
        Arc, Mutex,
        atomic::{AtomicUsize, Ordering},
    },
    task::{RawWaker, RawWakerVTable, Wake, Waker},
    thread,
};

use arborio_base::contained_panics;
use arborio_timers::{Sleep, sleep};
use futures_lite::future::block_on;

use crate::support::{Calls, Counter, ms, pass, poll, simulated};

/// How often a function of [`REENTRANT`] ran on this thread.
mod runs {
    use std::cell::Cell;

    thread_local! {
        static COUNT: Cell<usize> = const { Cell::new(0) };
    }

    /// Notes one more.
    pub(crate) fn note() {
        COUNT.set(COUNT.get() + 1);
    }

    /// How often since the last call.
    pub(crate) fn take() -> usize {
        COUNT.take()
    }
}

/// Arms and drops a sleep, and leaves another armed for ever.
fn use_timers() {
    runs::note();
    let mut nap = sleep(ms(5));
    assert!(poll(&mut nap, Waker::noop()).is_pending());
    drop(nap);
    let mut forgotten = sleep(ms(7));
    assert!(poll(&mut forgotten, Waker::noop()).is_pending());
    std::mem::forget(forgotten);
}

/// Clone, wake and drop use the timers themselves.
static REENTRANT: RawWakerVTable = RawWakerVTable::new(
    |_| {
        use_timers();
        RawWaker::new(ptr::null(), &REENTRANT)
    },
    |_| use_timers(),
    |_| use_timers(),
    |_| use_timers(),
);

/// A waker whose every function uses the timers.
fn reentrant() -> Waker {
    // SAFETY: the functions ignore their argument and touch only thread-safe
    // state, so the contract of a waker holds for any data pointer.
    unsafe { Waker::new(ptr::null(), &REENTRANT) }
}

#[test]
fn wakers_may_use_timers_while_they_are_cloned_woken_and_dropped() {
    let timers = simulated();
    let _entered = timers.enter();
    let waker = reentrant();
    let mut first = sleep(ms(1));
    let mut second = sleep(ms(2));
    assert!(poll(&mut first, &waker).is_pending());
    assert!(poll(&mut second, &waker).is_pending());
    assert_eq!(runs::take(), 2, "two clones");
    // Replaces a re-entrant waker, and is replaced by one.
    assert!(poll(&mut second, Waker::noop()).is_pending());
    assert_eq!(runs::take(), 1, "one drop");
    assert!(poll(&mut second, &waker).is_pending());
    pass(&timers, ms(1));
    assert!(poll(&mut first, &waker).is_ready());
    runs::take();
    drop(second);
    assert_eq!(runs::take(), 1, "one drop");
    let mut third = sleep(ms(1));
    assert!(poll(&mut third, &waker).is_pending());
    drop(waker);
    runs::take();
    timers.end();
    assert_eq!(runs::take(), 1, "the third's");
}

#[test]
fn wakers_may_use_timers_of_the_background_thread() {
    let waker = Calls::waker(|| {
        let mut nap = sleep(ms(1_000));
        assert!(poll(&mut nap, Waker::noop()).is_pending());
    });
    let (_counter, other) = Counter::new();
    let mut nap = sleep(ms(1));
    assert!(poll(&mut nap, &reentrant()).is_pending());
    assert!(poll(&mut nap, &other).is_pending());
    assert!(poll(&mut nap, &waker).is_pending());
    block_on(sleep(ms(5)));
    block_on(&mut nap);
}

/// Panics whenever it is woken.
fn bomb() -> Waker {
    Calls::waker(|| panic!("a waker that panics"))
}

#[cfg(panic = "unwind")]
#[test]
fn a_panicking_waker_keeps_nobody_else_asleep() {
    let timers = simulated();
    let _entered = timers.enter();
    let before = contained_panics();
    let (counter, waker) = Counter::new();
    let mut sleeps: Vec<_> = (0..9).map(|_| sleep(ms(1))).collect();
    for (number, nap) in sleeps.iter_mut().enumerate() {
        let waker = if number % 3 == 0 {
            bomb()
        } else {
            waker.clone()
        };
        assert!(poll(nap, &waker).is_pending());
    }
    assert_eq!(pass(&timers, ms(1)), 9);
    assert_eq!(counter.count(), 6);
    assert!(contained_panics() >= before + 3);
}

#[cfg(panic = "unwind")]
#[test]
fn a_panicking_waker_does_not_end_the_background_thread() {
    let mut bad = sleep(ms(1));
    assert!(poll(&mut bad, &bomb()).is_pending());
    block_on(sleep(ms(2)));
    block_on(bad);
}

/// Panics when its last waker is dropped, unless it was woken.
struct DropBomb;

impl Wake for DropBomb {
    fn wake(self: Arc<Self>) {
        crate::leak::on_purpose(self);
    }
}

impl Drop for DropBomb {
    fn drop(&mut self) {
        panic!("a waker that panics when it is dropped");
    }
}

#[cfg(panic = "unwind")]
#[test]
fn a_waker_that_panics_when_dropped_does_not_spoil_the_drop_of_a_sleep() {
    let timers = simulated();
    let _entered = timers.enter();
    let before = contained_panics();
    let waker = Waker::from(Arc::new(DropBomb));
    let mut nap = sleep(ms(1));
    assert!(poll(&mut nap, &waker).is_pending());
    arborio_base::drop_contained(waker);
    drop(nap);
    assert!(contained_panics() > before);
    assert!(timers.is_idle());
}

#[test]
fn a_waker_may_drop_another_sleep_that_is_due_at_the_same_time() {
    let timers = simulated();
    let _entered = timers.enter();
    let victim: Arc<Mutex<Option<Sleep>>> = Arc::default();
    let woken = Arc::new(AtomicUsize::new(0));
    let mut killer = sleep(ms(1));
    let (reach, count) = (Arc::clone(&victim), Arc::clone(&woken));
    let waker = Calls::waker(move || {
        reach.lock().unwrap().take();
        count.fetch_add(1, Ordering::SeqCst);
    });
    assert!(poll(&mut killer, &waker).is_pending());
    let (counter, other) = Counter::new();
    let mut second = sleep(ms(1));
    assert!(poll(&mut second, &other).is_pending());
    *victim.lock().unwrap() = Some(second);
    assert_eq!(pass(&timers, ms(1)), 2);
    assert_eq!(woken.load(Ordering::SeqCst), 1);
    assert!(victim.lock().unwrap().is_none());
    assert!(counter.count() <= 1);
    assert!(timers.is_idle());
}

/// Notes each clone, and does nothing else.
static COUNTS_CLONES: RawWakerVTable = RawWakerVTable::new(
    |_| {
        runs::note();
        RawWaker::new(ptr::null(), &COUNTS_CLONES)
    },
    |_| {},
    |_| {},
    |_| {},
);

/// Polls `nap` three times with one waker, of which one clone is enough.
fn one_clone_serves_all_polls(mut nap: Sleep) {
    // SAFETY: the functions ignore their argument and touch only thread-safe
    // state, so the contract of a waker holds for any data pointer.
    let waker = unsafe { Waker::new(ptr::null(), &COUNTS_CLONES) };
    runs::take();
    for _ in 0..3 {
        assert!(poll(&mut nap, &waker).is_pending());
    }
    assert_eq!(runs::take(), 1);
}

#[test]
fn a_waker_is_cloned_once_however_often_its_task_is_polled() {
    let timers = simulated();
    let _entered = timers.enter();
    one_clone_serves_all_polls(sleep(ms(1)));
    let abroad = sleep(ms(1));
    thread::spawn(|| one_clone_serves_all_polls(abroad))
        .join()
        .unwrap();
}
