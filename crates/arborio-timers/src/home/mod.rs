//! Where armed sleeps live: the *homes*, one for each [`Timers`](crate::Timers).
//!
//! A home has two parts. Its [`LocalHome`] belongs to the thread that runs the
//! loop and is touched with plain accesses. Its [`SharedHome`] is for every
//! other thread. A sleep keeps no pointer to either: it holds the home's
//! number, and asks "is this the home that runs on my thread?", which costs one
//! comparison. All else goes through the directory in this file.
//!
//! # Who may do what
//! | who                              | sleep is in the local wheel       | sleep is in the shared wheel |
//! |----------------------------------|-----------------------------------|------------------------------|
//! | the thread that runs the home    | plain access                      | under the home's lock        |
//! | another thread, polling          | takes leave, arms the sleep anew  | under the home's lock        |
//! | another thread, dropping         | takes leave                       | under the home's lock        |
//! | anybody, after the home's end    | nothing is left to do             | nothing is left to do        |
//!
//! To *take leave* is to put the sleep's key on a list under the home's lock;
//! the owner clears the slots on its next pass.
//!
//! The timers of a worker of a pool have a [helper](crate::TimersHelper): their wheel stands behind a lock, for the time in
//! which a task holds their thread. Nothing else changes: only the helper takes that lock from elsewhere.
//!
//! # Why no model
//! Everything that two threads share is under one mutex: the directory, or the
//! shared part of a home. The one atomic beside it, `attention`, is written
//! under that mutex only and tells the owner that locking is worth the while. An
//! owner that reads it too early does on a later pass what it would have done
//! now; whoever needs the owner sooner raises the home's alarm after unlocking.
//! A home's number is never used again, and a key never matches a later entry
//! of its wheel, so whoever is late finds nothing.
//!
//! # Foreign code
//! Wakers are cloned, called and dropped only while neither a lock nor a
//! `RefCell` is held, for they may come back and create or drop sleeps.

mod local;
mod own;
mod shared;

use std::{
    cell::RefCell,
    collections::BTreeMap,
    rc::Rc,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
    task::Waker,
    time::Duration,
};

use crate::{
    clock::{Clock, ClockId},
    fallback,
    helper::TimersHelper,
    instant::Instant,
    wheel::{Key, Wheel},
};

pub(crate) use local::LocalHome;
use own::OwnWheel;
pub(crate) use shared::{Alarm, SharedHome, SharedPart};

/// Locks `mutex` and takes the data even if a thread panicked while it held the lock: no
/// foreign code runs under these locks. They are the standard library's in the models of
/// other crates, too, which do not look into timers.
pub(crate) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// The number of a home. Never used again in one process.
pub(crate) type HomeId = u64;

/// No home has this number.
pub(crate) const NOBODY: HomeId = 0;

/// The home of the background thread.
pub(crate) const FALLBACK: HomeId = 1;

/// What a poll of an armed sleep found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[must_use]
pub(crate) enum Armed {
    /// The slot is gone: the sleep has fired.
    Fired,
    /// The slot waits and will wake the waker that was shown.
    Waiting,
    /// The slot waits, and holds another waker.
    OtherWaker,
}

thread_local! {
    /// The home whose loop runs on this thread now.
    static CURRENT: RefCell<Option<Rc<LocalHome>>> = const { RefCell::new(None) };
}

/// Every home that another thread might have to find.
static DIRECTORY: Mutex<BTreeMap<HomeId, Arc<SharedHome>>> = Mutex::new(BTreeMap::new());

/// A number for a new home.
fn fresh_id() -> HomeId {
    static NEXT: AtomicU64 = AtomicU64::new(FALLBACK + 1);
    // Relaxed: only the counter itself matters.
    NEXT.fetch_add(1, Ordering::Relaxed)
}

/// Runs `f` with the home of the loop on this thread, if there is one that has
/// not ended. `f` must call no foreign code. During the destruction of a
/// thread's locals there is none.
#[inline]
pub(crate) fn with_current<R>(f: impl FnOnce(&LocalHome) -> R) -> Option<R> {
    CURRENT
        .try_with(|current| match &*current.borrow() {
            Some(home) if !home.has_ended() => Some(f(home)),
            _ => None,
        })
        .ok()
        .flatten()
}

/// Runs `f` with the home `id` if its loop runs on this thread.
#[inline]
pub(crate) fn with_current_if<R>(id: HomeId, f: impl FnOnce(&LocalHome) -> R) -> Option<R> {
    with_current(|home| (home.id() == id).then(|| f(home))).flatten()
}

/// Makes `home` the current one and returns the one before.
pub(crate) fn set_current(home: Option<Rc<LocalHome>>) -> Option<Rc<LocalHome>> {
    CURRENT
        .try_with(|current| current.replace(home))
        .ok()
        .flatten()
}

/// Runs `f` with the shared part of the home `id`, unless that has ended.
pub(crate) fn with_shared<R>(id: HomeId, f: impl FnOnce(&SharedHome) -> R) -> Option<R> {
    if id == FALLBACK {
        return Some(f(fallback::home()));
    }
    let home = lock(&DIRECTORY).get(&id).cloned();
    home.map(|home| f(&home))
}

/// Some home on the clock `clock`.
fn any_shared_on(clock: ClockId) -> Option<Arc<SharedHome>> {
    let homes = lock(&DIRECTORY);
    homes
        .values()
        .find(|home| home.clock().id() == clock)
        .cloned()
}

/// Raises the alarm of all homes on the clock `clock`, except the home `except`.
pub(crate) fn notify_all_on(clock: ClockId, except: HomeId) {
    let homes: Vec<_> = lock(&DIRECTORY)
        .values()
        .filter(|home| home.clock().id() == clock && home.id() != except)
        .cloned()
        .collect();
    homes.iter().for_each(|home| home.alarm());
}

/// Whether another home than `except` is on the clock `clock`.
pub(crate) fn others_on(clock: ClockId, except: HomeId) -> bool {
    let homes = lock(&DIRECTORY);
    homes
        .values()
        .any(|home| home.clock().id() == clock && home.id() != except)
}

/// The present on the clock `clock`, or `None` if it is a simulated clock on
/// which no loop is left.
pub(crate) fn now_on(clock: ClockId) -> Option<Instant> {
    if clock == ClockId::REAL {
        return Some(Instant::now_real());
    }
    let own = with_current(|home| (home.clock().id() == clock).then(|| home.clock().now()));
    match own.flatten() {
        Some(now) => Some(now),
        None => any_shared_on(clock).map(|home| home.clock().now()),
    }
}

/// Where a sleep was armed.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Berth {
    /// The home that has its slot.
    pub(crate) home: HomeId,
    /// Its slot.
    pub(crate) key: Key,
    /// Whether the slot is in the home's local wheel.
    pub(crate) local: bool,
}

/// Arms a sleep for `deadline` on the clock `clock`: with the home on this
/// thread if it is on that clock, else where other threads may.
///
/// # Panics
/// If `clock` is a simulated clock on which no loop is left, or if the
/// background thread for the real clock cannot be started.
#[inline]
pub(crate) fn arm(clock: ClockId, deadline: Instant, waker: Waker) -> Berth {
    let mut waker = Some(waker);
    let local = with_current(|home| {
        let serves = home.clock().id() == clock;
        serves.then(|| home.arm(deadline, waker.take()))
    });
    match (local.flatten(), waker) {
        (Some(berth), _) => berth,
        (None, Some(waker)) => arm_abroad(clock, deadline, waker),
        (None, None) => unreachable!("only an armed sleep takes the waker"),
    }
}

/// Arms a sleep that ends `duration` from now, on the clock of this thread.
/// Also returns that clock and the deadline.
///
/// # Panics
/// If there is no loop and the background thread cannot be started.
#[inline]
pub(crate) fn arm_after(duration: Duration, waker: Waker) -> (ClockId, Instant, Berth) {
    let mut waker = Some(waker);
    let local = with_current(|home| {
        let deadline = home.clock().now() + duration;
        (
            home.clock().id(),
            deadline,
            home.arm(deadline, waker.take()),
        )
    });
    match (local, waker) {
        (Some(armed), _) => armed,
        (None, Some(waker)) => {
            let deadline = Instant::now_real() + duration;
            let berth = arm_abroad(ClockId::REAL, deadline, waker);
            (ClockId::REAL, deadline, berth)
        }
        (None, None) => unreachable!("only an armed sleep takes the waker"),
    }
}

/// The slow half of [`arm`]: no loop on this thread serves the clock.
#[cold]
fn arm_abroad(clock: ClockId, deadline: Instant, waker: Waker) -> Berth {
    if clock == ClockId::REAL {
        return Berth {
            home: FALLBACK,
            key: fallback::arm(deadline, waker),
            local: false,
        };
    }
    let mut waker = waker;
    // Each round finds a home that has ended since the directory was read.
    while let Some(home) = any_shared_on(clock) {
        match home.arm(deadline, waker) {
            Ok(key) => {
                return Berth {
                    home: home.id(),
                    key,
                    local: false,
                };
            }
            Err(returned) => waker = returned,
        }
    }
    panic!("a sleep was polled whose simulated clock has no loop any more, so it would never end");
}

/// Removes the slot of a sleep that is dropped, or moves house.
#[inline]
pub(crate) fn disarm(berth: Berth) {
    let here = berth.local.then_some(berth.home);
    match here.and_then(|id| with_current_if(id, |home| home.remove(berth.key))) {
        Some(Some(waker)) => arborio_base::drop_contained(waker),
        Some(None) => {}
        None => disarm_abroad(berth),
    }
}

/// The slow half of [`disarm`]: the slot is in a shared wheel, or its home does
/// not run on this thread.
#[cold]
fn disarm_abroad(berth: Berth) {
    if berth.local {
        with_shared(berth.home, |home| home.take_leave(berth.key));
    } else {
        let waker = with_shared(berth.home, |home| home.remove(berth.key));
        arborio_base::drop_contained(waker);
    }
}

/// Polls an armed sleep. `None` if it has to be armed anew: its home has ended,
/// or has it in the local wheel and runs elsewhere.
#[inline]
pub(crate) fn poll_armed(berth: Berth, waker: &Waker) -> Option<Armed> {
    let found = if berth.local {
        with_current_if(berth.home, |home| home.look_at(berth.key, waker))
    } else {
        with_shared(berth.home, |home| home.look_at(berth.key, waker)).flatten()
    };
    if found != Some(Armed::OtherWaker) {
        return found;
    }
    // Cloned while nothing is held; the slot is looked up again afterwards.
    let mut replacement = Some(waker.clone());
    let found = if berth.local {
        with_current_if(berth.home, |home| {
            home.replace_waker(berth.key, &mut replacement)
        })
    } else {
        with_shared(berth.home, |home| {
            home.replace_waker(berth.key, &mut replacement)
        })
        .flatten()
    };
    arborio_base::drop_contained(replacement);
    found
}

/// Gives an armed sleep another deadline in place. Returns false if the sleep
/// has fired, or cannot be reached from here.
pub(crate) fn reset(berth: Berth, deadline: Instant) -> bool {
    let done = if berth.local {
        with_current_if(berth.home, |home| home.reset(berth.key, deadline))
    } else {
        with_shared(berth.home, |home| home.reset(berth.key, deadline))
    };
    done.unwrap_or(false)
}

/// Makes `home` findable for other threads.
fn publish(home: &Arc<SharedHome>) {
    lock(&DIRECTORY).insert(home.id(), Arc::clone(home));
}

/// Removes the home `id` from the directory.
fn withdraw(id: HomeId) {
    let home = lock(&DIRECTORY).remove(&id);
    // Dropped here, outside of the lock: it may own the loop's notifier.
    drop(home);
}

/// A home that goes by `clock`, for `Timers`.
pub(crate) fn new_local(clock: Clock, notify: Waker) -> Rc<LocalHome> {
    let started = clock.now();
    let wheel = OwnWheel::Kept(RefCell::new(Wheel::new(started.as_nanos())));
    let home = LocalHome::new(fresh_id(), clock, notify, started, wheel);
    Rc::new(home)
}

/// The same with a wheel that a helper may fire.
pub(crate) fn new_lent(clock: Clock, notify: Waker) -> (Rc<LocalHome>, TimersHelper) {
    let started = clock.now();
    let wheel = Arc::new(Mutex::new(Wheel::new(started.as_nanos())));
    let helper = TimersHelper::new(Arc::clone(&wheel), clock.clone());
    let home = LocalHome::new(fresh_id(), clock, notify, started, OwnWheel::Lent(wheel));
    (Rc::new(home), helper)
}
