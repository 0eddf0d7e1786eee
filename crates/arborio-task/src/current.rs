//! Which loop runs on this thread now: the owner test.
//!
//! The address of a hub is its identity. It is never used again while a task
//! with that hub exists, so a nested loop, the next loop of the same thread, or
//! a new thread simply compares as foreign. The thread-locals have no destructor:
//! they can be read at any time of a thread's life, and say "no loop" in the end.
//!
//! # Loops that can be helped
//! A loop that is alone owns its hub as long as it runs. The loop of a *worker* holds it, and lets go of it
//! while it polls: if the poll takes long, another worker may [rescue](crate::moving::rescue) what is
//! ready behind it. Code in the poll that wakes, spawns or drops something takes the hub back for as
//! long as that takes ([`Own`]). That the poll has woken its own task is
//! written down beside the hub, and heeded when that is taken back.
//!
//! | `CURRENT` | `WORKER` | on this thread                                                  |
//! |-----------|----------|------------------------------------------------------------------|
//! | null      | null     | no loop runs                                                     |
//! | a hub     | any      | its loop runs, and holds it                                      |
//! | null      | a hub    | its loop polls, and has let go of it                             |
//!
//! # Protocol
//! | worker, taking the hub back | who rescues            |
//! |-----------------------------|------------------------|
//! | 1. `held` = true            | 1. `revoked` = true    |
//! | 2. fence                    | 2. fence, or one [on all threads](crate::fences), which spares the other |
//! | 3. `revoked`? then `held` = false, wait, and again from 1 | 3. `held`? then `revoked` = false, and give up |
//!
//! - O1: of the two at least one sees the other, so never both have the hub. Each acquires what the other
//!   released when it gave the hub up.
//! - O2: whoever rescues runs no foreign code, so a worker waits for a bounded time.

use std::{ops::Deref, ptr, sync::atomic::compiler_fence};

use arborio_base::sync::atomic::{AtomicBool, Ordering, fence};
#[cfg(not(loom))]
use arborio_base::sync::thread_local;

use crate::{fences, hub::Hub, life_cycle};

#[cfg(not(loom))]
thread_local! {
    static CURRENT: std::cell::Cell<*const Hub> = const { std::cell::Cell::new(ptr::null()) };
    static WORKER: std::cell::Cell<*const Hub> = const { std::cell::Cell::new(ptr::null()) };
}

#[cfg(loom)]
loom::thread_local! {
    static CURRENT: std::cell::Cell<*const Hub> = std::cell::Cell::new(ptr::null());
    static WORKER: std::cell::Cell<*const Hub> = std::cell::Cell::new(ptr::null());
}

/// The hub that this thread holds, or null.
#[inline(always)]
fn held_address() -> *const Hub {
    CURRENT.with(|current| current.get())
}

/// The hub of the loop that runs on this thread, or null. A worker may have let go of it: whoever touches
/// what a rescue touches takes it back first ([`own`]).
#[inline(always)]
pub(crate) fn current() -> *const Hub {
    let held = held_address();
    if held.is_null() {
        return WORKER.with(|worker| worker.get());
    }
    held
}

/// Sets which hub is held and returns the previous one.
pub(crate) fn set_current(hub: *const Hub) -> *const Hub {
    CURRENT.with(|current| current.replace(hub))
}

/// The hub at `hub`, if this thread holds it already: then nothing is to be taken or let go.
#[inline(always)]
pub(crate) fn held<'a>(hub: *const Hub) -> Option<&'a Hub> {
    if hub.is_null() || !ptr::eq(hub, held_address()) {
        return None;
    }
    // SAFETY: the current hub is alive: its loop is running.
    let hub = unsafe { &*hub };
    #[cfg(loom)]
    hub.check_life();
    Some(hub)
}

/// The hub that this thread holds.
#[inline(always)]
pub(crate) fn held_current<'a>() -> Option<&'a Hub> {
    // SAFETY: the current hub is alive: its loop is running.
    unsafe { held_address().as_ref() }
}

/// The hub at `hub` if its loop runs on this thread, held as long as this lives.
#[inline(always)]
pub(crate) fn own<'a>(hub: *const Hub) -> Option<Own<'a>> {
    if ptr::eq(hub, held_address()) {
        if hub.is_null() {
            return None;
        }
        // SAFETY: the current hub is alive: its loop is running.
        let hub = unsafe { &*hub };
        return Some(Own { hub, taken: false });
    }
    own_as_worker(hub)
}

/// The hub of the loop that runs on this thread, held as long as this lives.
#[inline(always)]
pub(crate) fn own_current<'a>() -> Option<Own<'a>> {
    let held = held_address();
    if held.is_null() {
        return own_as_worker(WORKER.with(|worker| worker.get()));
    }
    // SAFETY: the current hub is alive: its loop is running.
    let hub = unsafe { &*held };
    Some(Own { hub, taken: false })
}

/// The same for the worker that polls, out of the way of loops that are alone.
#[inline(never)]
fn own_as_worker<'a>(hub: *const Hub) -> Option<Own<'a>> {
    own_polling(hub)
}

/// The hub at `hub` if it is that of the worker that polls on this thread, and has let go of it.
#[inline(always)]
pub(crate) fn own_polling<'a>(hub: *const Hub) -> Option<Own<'a>> {
    let_go_of(hub).map(own_again)
}

/// `hub`, which the worker on this thread has [let go of](let_go_of), held as long as this lives.
#[inline(always)]
pub(crate) fn own_again(hub: &Hub) -> Own<'_> {
    take_back(hub);
    if hub.polling.take_woken()
        && let Some(task) = hub.polling.get()
    {
        life_cycle::wake(hub, task); // before whatever is woken or spawned now
    }
    Own { hub, taken: true }
}

/// The hub at `hub` under the same condition, without taking it back: only what no rescue touches may be looked at.
#[inline(always)]
pub(crate) fn let_go_of<'a>(hub: *const Hub) -> Option<&'a Hub> {
    if hub.is_null()
        || !ptr::eq(hub, WORKER.with(|worker| worker.get()))
        || !held_address().is_null()
    {
        return None;
    }
    // SAFETY: the worker's hub is alive: its loop is running.
    Some(unsafe { &*hub })
}

/// The hub of the loop that runs on this thread, which holds it.
pub(crate) struct Own<'a> {
    hub: &'a Hub,
    /// Whether it is let go again.
    taken: bool,
}

impl Own<'_> {
    /// Whether the loop had let go of it.
    #[inline(always)]
    pub(crate) fn is_taken(&self) -> bool {
        self.taken
    }
}

impl Deref for Own<'_> {
    type Target = Hub;

    #[inline(always)]
    fn deref(&self) -> &Hub {
        self.hub
    }
}

impl Drop for Own<'_> {
    #[inline(always)]
    fn drop(&mut self) {
        if self.taken {
            let_go(self.hub);
        }
    }
}

/// Who has the hub of a worker.
pub(crate) struct Tenure {
    /// Its worker has.
    held: AtomicBool,
    /// Somebody else has, or wants to have.
    revoked: AtomicBool,
    /// Whether who rescues makes the fence on all threads. Written before the hub is known to any.
    one_for_all: AtomicBool,
}

impl Tenure {
    /// The loop that makes it has it.
    pub(crate) fn new() -> Self {
        Self {
            held: AtomicBool::new(true),
            revoked: AtomicBool::new(false),
            one_for_all: AtomicBool::new(false),
        }
    }

    /// Has who rescues make the fence on all threads, if the system can.
    pub(crate) fn cheapen(&self) {
        (self.one_for_all).store(fences::has_one_for_all(), Ordering::Relaxed);
        // Pairs with the fence of `borrow`: who rescues sees this, or the worker sees it coming.
        fence(Ordering::SeqCst);
    }

    /// Has the hub if its worker has let go of it, and runs `code`. `None` if it has not, or
    /// somebody else is here already.
    pub(crate) fn borrow<R>(&self, code: impl FnOnce() -> R) -> Option<R> {
        if self.revoked.swap(true, Ordering::AcqRel) {
            return None;
        }
        fence(Ordering::SeqCst);
        let fenced = !self.one_for_all.load(Ordering::Relaxed) || fences::fence_all();
        let free = fenced && !self.held.load(Ordering::Acquire); // O1
        let did = free.then(code);
        self.revoked.store(false, Ordering::Release);
        did
    }

    /// The worker has let go of it.
    #[inline(always)]
    fn release(&self) {
        self.held.store(false, Ordering::Release);
    }

    /// The worker takes it back.
    #[inline(always)]
    fn take_back(&self) {
        self.set_held();
        if self.revoked.load(Ordering::Acquire) {
            self.take_back_slowly();
        }
    }

    /// Steps 1 and 2 of the protocol.
    #[inline(always)]
    fn set_held(&self) {
        if self.one_for_all.load(Ordering::Relaxed) {
            self.held.store(true, Ordering::Relaxed);
            compiler_fence(Ordering::SeqCst);
        } else {
            // An exchange and no store: where it is a fence by itself, the next one is free.
            self.held.swap(true, Ordering::AcqRel);
            full_fence();
        }
    }

    #[cold]
    fn take_back_slowly(&self) {
        let mut tries = 0_u32;
        loop {
            self.held.store(false, Ordering::Release);
            while self.revoked.load(Ordering::Acquire) {
                tries += 1;
                wait_a_little(tries);
            }
            self.set_held();
            if !self.revoked.load(Ordering::Acquire) {
                return;
            }
        }
    }
}

/// A fence behind an exchange, which on x86 is one already.
#[inline(always)]
fn full_fence() {
    if cfg!(loom) || !cfg!(any(target_arch = "x86", target_arch = "x86_64")) {
        fence(Ordering::SeqCst);
    } else {
        compiler_fence(Ordering::SeqCst);
    }
}

/// Whoever has the hub runs a few hundred instructions, unless the system has stopped it (O2).
fn wait_a_little(tries: u32) {
    if tries < 100 && !cfg!(any(loom, shuttle)) {
        std::hint::spin_loop();
    } else {
        arborio_base::sync::thread::yield_now();
    }
}

/// The worker takes its hub back: after a poll, or inside of one.
#[inline(always)]
pub(crate) fn take_back(hub: &Hub) {
    hub.tenure.take_back();
    set_current(hub.address());
}

/// The worker lets go of its hub, to poll.
#[inline(always)]
pub(crate) fn let_go(hub: &Hub) {
    set_current(ptr::null());
    hub.tenure.release();
}

/// As long as this lives the loop of `hub`, which is current, runs as a worker.
pub(crate) struct AtWork {
    outer: *const Hub,
}

impl AtWork {
    pub(crate) fn new(hub: &Hub) -> Self {
        Self {
            outer: WORKER.with(|worker| worker.replace(hub.address())),
        }
    }
}

impl Drop for AtWork {
    fn drop(&mut self) {
        WORKER.with(|worker| worker.set(self.outer));
    }
}

#[cfg(all(test, not(loom)))]
mod tests {
    use std::{
        sync::{Arc, mpsc::channel},
        time::Duration,
    };

    use super::*;
    use crate::{NoNotify, Tasks};

    #[test]
    fn a_loop_that_prepares_for_rescues_leaves_the_fence_to_who_rescues() {
        let tasks = Tasks::new(Arc::new(NoNotify));
        let spared = || tasks.hub().tenure.one_for_all.load(Ordering::Relaxed);
        assert!(!spared());
        tasks.prepare_for_rescue();
        assert_eq!(spared(), fences::has_one_for_all(), "if the system helps");
    }

    #[test]
    fn a_worker_takes_its_hub_back_once_nobody_else_has_it() {
        let tenure = Tenure::new();
        assert!(tenure.borrow(|| ()).is_none(), "its worker has it");
        tenure.release();
        let inner = tenure.borrow(|| tenure.borrow(|| ()));
        assert_eq!(inner, Some(None), "one at a time");
        assert!(tenure.borrow(|| ()).is_some());
        tenure.take_back();
        assert!(tenure.held.load(Ordering::Relaxed));
        assert!(tenure.borrow(|| ()).is_none(), "it has it again");
    }

    #[test]
    fn a_worker_waits_for_its_hub_until_nobody_else_has_it() {
        let tenure = Arc::new(Tenure::new());
        tenure.revoked.store(true, Ordering::SeqCst); // somebody has it
        let worker = Arc::clone(&tenure);
        let (tell, told) = channel();
        std::thread::spawn(move || {
            worker.take_back();
            tell.send(worker.held.load(Ordering::SeqCst)).unwrap();
        });
        // It gives way, and this is the only place where it does.
        while tenure.held.load(Ordering::SeqCst) {
            assert!(told.try_recv().is_err(), "it has not waited");
            std::thread::yield_now();
        }
        tenure.revoked.store(false, Ordering::SeqCst);
        let held = told.recv_timeout(Duration::from_secs(20));
        assert_eq!(held, Ok(true), "it has it again");
    }

    #[test]
    fn a_worker_is_one_only_as_long_as_it_is_at_work() {
        let tasks = Tasks::new(Arc::new(NoNotify));
        let hub = tasks.hub();
        assert!(let_go_of(hub.address()).is_none());
        let at_work = AtWork::new(hub);
        assert!(let_go_of(hub.address()).is_some());
        {
            let held = own(hub.address()).expect("its worker is this thread");
            assert!(held.is_taken() && held_current().is_some());
            let again = own(hub.address()).expect("it is held");
            assert!(!again.is_taken());
            drop(again);
            assert!(held_current().is_some());
        }
        assert!(held_current().is_none());
        drop(at_work);
        assert!(let_go_of(hub.address()).is_none() && current().is_null());
    }
}
