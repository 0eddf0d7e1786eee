//! Wakes a loop that first sleeps in its thread's park, and later elsewhere.
//!
//! A loop parks its thread until it needs timers or I/O; from then on it waits
//! in a reactor, which only the reactor's own notifier can end. The move happens
//! once, while other threads may be calling at any moment.
//!
//! # Protocol
//! | caller                     | loop, moving            | loop, before each sleep  |
//! |----------------------------|-------------------------|--------------------------|
//! | 1. `called` = true         | 1. publish the new place | `take_call`; if it says |
//! | 2. full fence              | 2. full fence           | yes, do not sleep        |
//! | 3. look for the new place: ring there, or unpark | |                          |
//!
//! The loop asks `take_call` after it has moved and before it sleeps. Either the
//! caller sees the new place and rings there, or the loop sees `called`: the two
//! fences leave no third way. A ring or an unpark that came too early is kept by
//! the place, and by the thread's token; one too many is a look for nothing.

use std::{sync::OnceLock, task::Wake};

use arborio_base::sync::{
    atomic::{AtomicBool, Ordering, fence},
    thread::{self, Thread},
};
use arborio_task::Notify;

/// Ends the sleep of a loop at some place, also if it is called before.
///
/// # Examples
/// ```
/// use arborio_executor::Ring;
/// use std::sync::mpsc::SyncSender;
/// struct Bell(SyncSender<()>);
/// impl Ring for Bell {
///     fn ring(&self) {
///         let _ = self.0.try_send(()); // a second ring adds nothing
///     }
/// }
/// let (bell, door) = std::sync::mpsc::sync_channel(1);
/// Bell(bell).ring();
/// door.recv().unwrap();
/// ```
pub trait Ring: Send + Sync {
    /// Called from any thread, any number of times.
    fn ring(&self);
}

/// See the head of this file.
///
/// # Examples
/// ```
/// use arborio_executor::{Doorbell, Ring};
/// use std::sync::Arc;
/// struct Nowhere;
/// impl Ring for Nowhere {
///     fn ring(&self) {}
/// }
/// let bell = Arc::new(Doorbell::<Nowhere>::new());
/// let caller = Arc::clone(&bell);
/// std::thread::spawn(move || caller.call()).join().unwrap();
/// assert!(bell.take_call());
/// assert!(!bell.take_call(), "once for all calls so far");
/// ```
#[derive(Debug)]
pub struct Doorbell<R> {
    /// Somebody called since the loop last looked.
    called: AtomicBool,
    /// `place` is set.
    moved: AtomicBool,
    /// What ends the sleep at the new place.
    place: OnceLock<R>,
    /// What ends the sleep at the old one.
    thread: Thread,
}

impl<R: Ring> Doorbell<R> {
    /// For a loop that will run on this thread, and sleeps in its park.
    ///
    /// # Examples
    /// See [`Doorbell`].
    #[expect(clippy::new_without_default, reason = "it belongs to this very thread")]
    pub fn new() -> Self {
        Self {
            called: AtomicBool::new(false),
            moved: AtomicBool::new(false),
            place: OnceLock::new(),
            thread: thread::current(),
        }
    }

    /// From now on the loop sleeps where `place` rings. Before it does so for
    /// the first time it asks [`take_call`](Self::take_call). A second move is
    /// ignored.
    ///
    /// # Examples
    /// ```
    /// # use arborio_executor::{Doorbell, Ring};
    /// # struct Nowhere;
    /// # impl Ring for Nowhere { fn ring(&self) {} }
    /// let bell = Doorbell::new();
    /// bell.call();
    /// bell.move_to(Nowhere);
    /// assert!(bell.take_call(), "so the loop does not sleep");
    /// ```
    pub fn move_to(&self, place: R) {
        if self.place.set(place).is_ok() {
            // Release: who sees it also sees the place.
            self.moved.store(true, Ordering::Release);
            fence(Ordering::SeqCst); // see the head of this file
        }
    }

    /// Whether somebody called since the last time this was asked.
    ///
    /// # Examples
    /// See [`Doorbell`].
    pub fn take_call(&self) -> bool {
        self.called.load(Ordering::Acquire) && self.called.swap(false, Ordering::AcqRel)
    }

    /// Ends the loop's sleep, or keeps it from the next one.
    ///
    /// # Examples
    /// See [`Doorbell`].
    pub fn call(&self) {
        self.called.store(true, Ordering::Release);
        fence(Ordering::SeqCst); // see the head of this file
        let moved = self.moved.load(Ordering::Acquire);
        match self.place.get().filter(|_| moved) {
            Some(place) => place.ring(),
            None => self.thread.unpark(),
        }
    }
}

impl<R: Ring> Notify for Doorbell<R> {
    fn notify(&self) {
        self.call();
    }
}

impl<R: Ring + 'static> Wake for Doorbell<R> {
    fn wake(self: std::sync::Arc<Self>) {
        self.call();
    }

    fn wake_by_ref(self: &std::sync::Arc<Self>) {
        self.call();
    }
}
