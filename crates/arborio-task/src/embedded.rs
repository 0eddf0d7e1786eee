//! A loop inside of a future, for executors that are not Arborio's: whoever polls the
//! future polls the tasks.
//!
//! # States
//! | state   | current loop of a thread          | inbox                                |
//! |---------|-----------------------------------|--------------------------------------|
//! | asleep  | no                                | the first mail wakes the future      |
//! | running | of the one that polls the future  | looked at when the turn begins       |
//! | gone    | no                                | closed: every task has ended         |
//!
//! # Invariants
//! - M1: the loop is the current one of a thread only while that thread has the future to
//!   itself, to poll or to drop it. So there is one owner at a time.
//! - M2: between two turns a future whose tasks are [`Sent`] may move to another thread. Whoever
//!   moves it orders the turns, so the plain accesses of the one happen before those
//!   of the other; and everything in the hub is `Send`: such a hub
//!   (one that `migrates`) takes no task by a way that does not ask for it, and
//!   its tasks inherit no task-locals, whose bindings stay on their thread.
//! - M3: outside of a turn the inbox is asleep or has mail whose pusher has called the
//!   notifier. So no wake is lost between two turns.

use std::{
    future::Future,
    marker::PhantomData,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll, Waker},
};

use arborio_base::{
    budget, contain, drop_contained,
    sync::{Mutex, lock},
};

use crate::{
    current::{current, set_current},
    hub::Hub,
    inbox::Notify,
    life_cycle,
    tasks::Tasks,
};

/// After so many polls of tasks the executor has its turn.
const POLLS_PER_TURN: u32 = 256;

/// Tasks that may move from thread to thread.
#[derive(Debug)]
pub struct Sent {
    _private: (),
}

/// Tasks that stay on their thread.
#[derive(Debug)]
pub struct Local {
    /// Makes the loop as little `Send` as its tasks.
    _not_send: PhantomData<*const ()>,
}

/// Whether the tasks of an [`Embedded`] loop are `Send`: [`Sent`] or [`Local`].
pub trait Kind: sealed::Sealed {
    #[doc(hidden)]
    const MIGRATES: bool;
}

impl Kind for Sent {
    const MIGRATES: bool = true;
}

impl Kind for Local {
    const MIGRATES: bool = false;
}

/// Whether a loop runs on this thread that takes tasks of this kind.
///
/// # Examples
/// ```
/// use arborio_task::embedded::{Local, Sent, is_around};
/// assert!(!is_around::<Sent>() && !is_around::<Local>(), "no loop runs here");
/// ```
pub fn is_around<K: Kind>() -> bool {
    // SAFETY: a current hub is alive, and this thread is its owner.
    let hub = unsafe { current().as_ref() };
    hub.is_some_and(|hub| K::MIGRATES || !hub.migrates.get())
}

mod sealed {
    pub trait Sealed {}
    impl Sealed for super::Sent {}
    impl Sealed for super::Local {}
}

/// Wakes the future that the loop is in.
struct Bell(Mutex<Option<Waker>>);

impl Notify for Bell {
    fn notify(&self) {
        let waker = lock(&self.0).take();
        contain(|| waker.map(Waker::wake));
    }
}

/// The loop, and its place in the thread that has the future.
struct Island<K> {
    tasks: Tasks,
    bell: Arc<Bell>,
    asleep: bool,
    kind: PhantomData<K>,
}

// SAFETY: M1 and M2: one thread at a time is the owner, and what the hub holds is `Send`,
// because it `migrates`.
unsafe impl Send for Island<Sent> {}

/// `F`, polled with a loop of its own around it; made by [`Embedded::new`].
///
/// Branches that it enters are of this loop, and their tasks are polled when this is.
/// Panics that nobody takes come out of its poll.
///
/// # Cancel safety
/// Dropping it drops `F`, and then every task without asking it.
///
/// # Examples
/// ```
/// use arborio_task::{Branch, SpawnOptions, embedded::{Embedded, Sent}};
/// use std::{future::Future, pin::Pin, sync::Arc, task::{Context, Poll, Waker}};
/// let inside = async {
///     let branch = Branch::enter(Arc::new(())).expect("a loop is around");
///     let task = branch.try_spawn_sent(async { 6 }, SpawnOptions::new()).ok().unwrap();
///     let six = task.await.unwrap();
///     branch.leave();
///     six
/// };
/// let mut future = Embedded::<_, Sent>::new(inside);
/// let mut cx = Context::from_waker(Waker::noop());
/// assert_eq!(Pin::new(&mut future).poll(&mut cx), Poll::Pending);
/// assert_eq!(Pin::new(&mut future).poll(&mut cx), Poll::Ready(6));
/// ```
#[must_use = "futures do nothing unless awaited"]
pub struct Embedded<F, K: Kind> {
    /// Boxed, so that the pin needs no code of its own: this is not the fast way.
    future: Option<Pin<Box<F>>>,
    island: Island<K>,
}

impl<F, K: Kind> Drop for Embedded<F, K> {
    /// The future ends first, with its loop around it.
    fn drop(&mut self) {
        let Self { future, island } = self;
        island.turn(|_| *future = None);
    }
}

impl<F: Future, K: Kind> Embedded<F, K> {
    /// Puts a loop around `future`.
    pub fn new(future: F) -> Self {
        let bell = Arc::new(Bell(Mutex::new(None)));
        let tasks = Tasks::new(Arc::clone(&bell) as Arc<dyn Notify>);
        tasks.set_embedded(K::MIGRATES);
        Self {
            future: Some(Box::pin(future)),
            island: Island {
                tasks,
                bell,
                asleep: false,
                kind: PhantomData,
            },
        }
    }
}

impl<F: Future, K: Kind> Unpin for Embedded<F, K> {}

impl<F: Future, K: Kind> Future for Embedded<F, K> {
    type Output = F::Output;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<F::Output> {
        let Self { future, island } = &mut *self;
        let fresh = cx.waker().clone(); // foreign code: not under the lock
        let old = lock(&island.bell.0).replace(fresh);
        drop_contained(old);
        island.turn(|hub| {
            let polled = future.as_mut().expect(SPENT).as_mut().poll(cx);
            if polled.is_ready() {
                *future = None;
                return polled;
            }
            life_cycle::run_some(hub, POLLS_PER_TURN);
            if let Some(panic) = hub.root.take_panics().into_iter().next() {
                panic.resume();
            }
            let _ = hub.root.take_attention(); // branches wake whoever waits for them
            if !hub.queue.is_empty() {
                cx.waker().wake_by_ref();
            }
            polled
        })
    }
}

const SPENT: &str = "an embedded loop was polled after its future had ended";

impl<K> Island<K> {
    /// Runs `code` while the loop is the current one of this thread.
    fn turn<R>(&mut self, code: impl FnOnce(&Hub) -> R) -> R {
        let turn = Turn::begin(self);
        code(turn.hub)
    }
}

/// While it lives the loop is the current one of this thread (M1).
struct Turn<'a> {
    hub: &'a Hub,
    asleep: &'a mut bool,
    outer: *const Hub,
    budget: budget::Saved,
    bell: &'a Bell,
}

impl<'a> Turn<'a> {
    fn begin<K>(island: &'a mut Island<K>) -> Self {
        let hub = island.tasks.hub();
        let outer = set_current(hub.address());
        let budget = budget::save();
        let turn = Self {
            hub,
            asleep: &mut island.asleep,
            outer,
            budget,
            bell: &island.bell,
        };
        if std::mem::replace(turn.asleep, false) {
            life_cycle::settle_all(hub, hub.inbox.wake_up());
        }
        hub.answer_door();
        turn
    }
}

impl Drop for Turn<'_> {
    /// The loop falls asleep (M3).
    fn drop(&mut self) {
        let mut came = false;
        while !self.hub.inbox.try_sleep() {
            came = true;
            life_cycle::settle_all(self.hub, self.hub.inbox.take());
        }
        *self.asleep = true;
        set_current(self.outer);
        budget::restore(self.budget);
        if came {
            self.bell.notify(); // the next turn polls what the mail has woken
        }
    }
}

impl<F, K: Kind> std::fmt::Debug for Embedded<F, K> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Embedded").finish_non_exhaustive()
    }
}
