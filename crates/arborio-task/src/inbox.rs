//! The inbox of a loop: tasks that threads abroad have something to say about.
//!
//! One atomic word, the head of a linked list of pinned tasks. It also says
//! whether the loop sleeps, so that a push and the decision to sleep cannot
//! miss each other.
//!
//! # States
//! | head   | meaning                                       |
//! |--------|-----------------------------------------------|
//! | EMPTY  | nothing came, the loop is awake               |
//! | SLEEP  | nothing came, the loop waits to be notified   |
//! | a task | tasks came, newest first                      |
//! | CLOSED | the loop has ended, for ever                  |
//!
//! # Invariants
//! - B1: whoever replaces SLEEP by a task notifies, exactly once; nobody else
//!   does. So a loop is notified at most once each time it sleeps.
//! - B2: a task is in the list at most once (its PIN, [`crate::shared`] S1).
//! - B3: after the exchange that pushes a task, the pusher touches neither the
//!   task nor the hub: it may hold no reference any more. It notifies through
//!   a notifier that it cloned before.
//!
//! Push releases and take acquires: the links, and what the pusher wrote.
//! A push and a take-all list has no ABA problem.

use std::{ptr, sync::Arc};

use arborio_base::{
    contain,
    sync::atomic::{AtomicPtr, Ordering},
};

use crate::cell::{Header, TaskRef};

/// Wakes the thread of a sleeping loop.
///
/// The loop's owner says how: an eventfd, a thread's unpark, a flag.
///
/// # Examples
/// ```
/// use arborio_task::Notify;
/// struct Unpark(std::thread::Thread);
/// impl Notify for Unpark {
///     fn notify(&self) {
///         self.0.unpark();
///     }
/// }
/// Unpark(std::thread::current()).notify();
/// std::thread::park(); // returns at once
/// ```
pub trait Notify: Send + Sync {
    /// Called from any thread: at most once each time the loop sleeps, once more
    /// when the last [`Submitter`](crate::Submitter) is dropped, and possibly
    /// after the loop has ended.
    fn notify(&self);
}

const EMPTY: *mut Header = ptr::null_mut();
const SLEEP: *mut Header = ptr::without_provenance_mut(1);
const CLOSED: *mut Header = ptr::without_provenance_mut(2);

/// What became of a push.
#[must_use]
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Pushed {
    /// The owner will settle the task.
    Yes,
    /// The loop has ended: the caller still holds PIN and must unpin.
    Closed,
}

/// See the head of this file.
pub(crate) struct Inbox {
    head: AtomicPtr<Header>,
    notifier: Arc<dyn Notify>,
    /// The life of the hub, which fails a model that uses it after its end. It
    /// lies here, in the part that all threads touch.
    #[cfg(loom)]
    pub(crate) life: crate::life::Life,
}

impl Inbox {
    pub(crate) fn new(notifier: Arc<dyn Notify>) -> Self {
        Self {
            head: AtomicPtr::new(EMPTY),
            notifier,
            #[cfg(loom)]
            life: crate::life::Life::new(&crate::life::HUBS),
        }
    }

    /// Brings `task`, whose PIN the caller has set, to the owner.
    ///
    /// # Safety
    /// `inbox` is alive until the push has succeeded; it may be freed then,
    /// which is why this takes a pointer (B3).
    pub(crate) unsafe fn push(inbox: *const Self, task: TaskRef) -> Pushed {
        // SAFETY: alive, says the caller; a model makes sure.
        #[cfg(loom)]
        unsafe { &(*inbox).life }.check();
        // SAFETY: alive, says the caller.
        let word = unsafe { &raw const (*inbox).head };
        // SAFETY: as above. Acquire: a closed inbox shows that the owner has
        // ended every task.
        let mut head = unsafe { &*word }.load(Ordering::Acquire);
        loop {
            if head == CLOSED {
                return Pushed::Closed;
            }
            let sleeps = head == SLEEP;
            task.link
                .set(TaskRef::from_ptr(if sleeps { EMPTY } else { head }));
            // SAFETY: not pushed yet, so the inbox is alive (B3).
            let token = sleeps.then(|| unsafe { &*inbox }.notifier());
            // SAFETY: as above.
            let exchange = unsafe { &*word }.compare_exchange(
                head,
                task.as_ptr(),
                Ordering::Release,
                Ordering::Acquire,
            );
            match exchange {
                Ok(_) => {
                    if let Some(notifier) = token {
                        contain(|| notifier.notify()); // B1
                    }
                    return Pushed::Yes;
                }
                Err(seen) => head = seen,
            }
        }
    }

    /// A notifier of the loop's thread, for whoever has something to say
    /// without a task.
    pub(crate) fn notifier(&self) -> Arc<dyn Notify> {
        #[cfg(loom)]
        self.life.check();
        Arc::clone(&self.notifier)
    }

    /// Whether something came. A plain load, for the owner.
    #[inline(always)]
    pub(crate) fn has_mail(&self) -> bool {
        // Relaxed: `take` acquires.
        !self.head.load(Ordering::Relaxed).is_null()
    }

    /// Takes what came, oldest first. For the owner, while it is awake.
    pub(crate) fn take(&self) -> Mail {
        if !self.has_mail() {
            return Mail { next: None };
        }
        Mail::in_order_of_arrival(self.head.swap(EMPTY, Ordering::Acquire))
    }

    /// The owner wants to sleep; false if something came first.
    #[must_use]
    pub(crate) fn try_sleep(&self) -> bool {
        self.head
            .compare_exchange(EMPTY, SLEEP, Ordering::AcqRel, Ordering::Relaxed)
            .is_ok()
    }

    /// The owner woke up. Returns what came meanwhile.
    pub(crate) fn wake_up(&self) -> Mail {
        Mail::in_order_of_arrival(self.head.swap(EMPTY, Ordering::Acquire))
    }

    /// The loop ends. Returns what came last.
    pub(crate) fn close(&self) -> Mail {
        // AcqRel: the release shows a pusher that every task has ended.
        Mail::in_order_of_arrival(self.head.swap(CLOSED, Ordering::AcqRel))
    }

    pub(crate) fn is_closed(&self) -> bool {
        #[cfg(loom)]
        self.life.check();
        self.head.load(Ordering::Acquire) == CLOSED
    }
}

/// Tasks taken out of the inbox, pinned until each is settled.
#[must_use]
pub(crate) struct Mail {
    next: Option<TaskRef>,
}

impl Mail {
    /// The list is newest first; submissions of one thread must start in order.
    fn in_order_of_arrival(head: *mut Header) -> Self {
        let mut rest = if head == SLEEP {
            None
        } else {
            TaskRef::from_ptr(head)
        };
        let mut ordered = None;
        while let Some(task) = rest {
            rest = task.link.replace(ordered);
            ordered = Some(task);
        }
        Self { next: ordered }
    }
}

impl Iterator for Mail {
    type Item = TaskRef;

    /// The link is read before the task is handed out: settling may free it.
    fn next(&mut self) -> Option<TaskRef> {
        let task = self.next?;
        self.next = task.link.get();
        Some(task)
    }
}
