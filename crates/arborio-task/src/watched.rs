//! What a thread that watches a loop may see: whether it is in the same poll as before, and of which task.
//!
//! The loop says which task it polls with a plain store, as it does for itself, and counts its slices of polls. Who
//! sees the same twice only knows an address. To read the task's name it has to keep the loop from ending the
//! poll, and with it perhaps the task, for that long.
//!
//! # Protocol
//! | the loop, after a poll               | who watches                                      |
//! |--------------------------------------|--------------------------------------------------|
//! | 1. `polled` = nobody                 | 1. `frozen` = true                               |
//! | (a fence, which the other one makes) | 2. a fence on all threads                        |
//! | 2. `frozen`? then waits until it is not | 3. `polled` is the same? then reads the name  |
//! | 3. goes on with the task             | 4. `frozen` = false                              |
//!
//! One of the two sees the other. Where the system makes no [such fence](crate::fences) nothing is read.

use std::{
    borrow::Cow,
    fmt,
    panic::Location,
    ptr,
    // Not the models' own: the owner's stores and loads are plain ones, and models do not watch.
    sync::atomic::{AtomicBool, AtomicPtr, AtomicUsize, Ordering, compiler_fence},
};

use crate::{
    cell::{Header, TaskRef},
    fences,
    hub::Hub,
    side,
    tree::write_name,
};

/// Which task a loop polls, and what who watches needs to know of it.
pub(crate) struct Polled {
    task: AtomicPtr<Header>,
    frozen: AtomicBool,
    /// The poll has woken its own task, which is queued when the worker has its hub again: for that it need not take it back.
    /// The owner's alone.
    woken: AtomicBool,
    /// How many slices of polls were begun.
    slices: AtomicUsize,
    /// How many [`Watched`] there are.
    watchers: AtomicUsize,
}

impl Polled {
    pub(crate) fn new() -> Self {
        Self {
            task: AtomicPtr::new(ptr::null_mut()),
            frozen: AtomicBool::new(false),
            woken: AtomicBool::new(false),
            slices: AtomicUsize::new(0),
            watchers: AtomicUsize::new(0),
        }
    }

    #[inline(always)]
    pub(crate) fn get(&self) -> Option<TaskRef> {
        // Relaxed: the owner reads what it wrote.
        TaskRef::from_ptr(self.task.load(Ordering::Relaxed))
    }

    /// A poll of `task` begins.
    #[inline(always)]
    pub(crate) fn set(&self, task: TaskRef) {
        // Release: the name was written before.
        self.task.store(task.as_ptr(), Ordering::Release);
    }

    /// The poll is over. What follows may free the task.
    #[inline(always)]
    pub(crate) fn clear(&self) {
        self.task.store(ptr::null_mut(), Ordering::Relaxed);
        compiler_fence(Ordering::SeqCst);
        if self.frozen.load(Ordering::Relaxed) {
            self.wait();
        }
    }

    /// The task that is being polled is to be woken after that.
    #[inline(always)]
    pub(crate) fn wake_after(&self) {
        self.woken.store(true, Ordering::Relaxed);
    }

    /// Whether it is.
    #[inline(always)]
    pub(crate) fn take_woken(&self) -> bool {
        let woken = self.woken.load(Ordering::Relaxed);
        if woken {
            self.woken.store(false, Ordering::Relaxed);
        }
        woken
    }

    #[cold]
    fn wait(&self) {
        while self.frozen.load(Ordering::Acquire) {
            std::thread::yield_now();
        }
    }

    /// A slice of polls begins.
    #[inline(always)]
    pub(crate) fn begin_slice(&self) {
        let slices = self.slices.load(Ordering::Relaxed);
        self.slices.store(slices.wrapping_add(1), Ordering::Relaxed);
    }

    pub(crate) fn watchers(&self) -> usize {
        self.watchers.load(Ordering::Relaxed)
    }
}

/// A loop, for a thread that watches it.
///
/// # Examples
/// ```
/// use arborio_task::{NoNotify, Tasks};
/// use std::sync::mpsc::channel;
/// let tasks = Tasks::new(std::sync::Arc::new(NoNotify));
/// let watched = tasks.watched();
/// assert!(!watched.look().is_polling());
/// let (seen, when_seen) = channel();
/// let main = async move { when_seen.recv().unwrap() }; // a poll that takes long
/// let watch = std::thread::spawn(move || {
///     let look = loop {
///         let look = watched.look();
///         if look.is_polling() {
///             break look;
///         }
///         std::thread::yield_now();
///     };
///     let name = watched.name(look).map(|task| task.to_string());
///     seen.send(()).unwrap();
///     name
/// });
/// tasks.run_main(main, |running| while running.run_some(1) > 0 {}).1.unwrap();
/// if let Some(name) = watch.join().unwrap() {
///     assert!(name.starts_with("task `main` "));
/// }
/// ```
pub struct Watched {
    /// One counted reference.
    hub: *const Hub,
}

// SAFETY: of the hub, `polled` is touched, which is made for all threads.
unsafe impl Send for Watched {}
// SAFETY: as above.
unsafe impl Sync for Watched {}

/// What was seen at one moment; see [`Watched`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Look {
    task: *mut Header,
    slices: usize,
}

// SAFETY: the pointer is only compared.
unsafe impl Send for Look {}

impl Look {
    /// Whether a task was being polled.
    pub fn is_polling(self) -> bool {
        !self.task.is_null()
    }
}

/// The task of a poll that takes long.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct PolledTask {
    /// Its name, if it has one.
    pub name: Option<Cow<'static, str>>,
    /// Where in the source it was spawned.
    pub spawned_at: &'static Location<'static>,
}

impl fmt::Display for PolledTask {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("task ")?;
        write_name(f, self.name.as_deref())?;
        write!(f, "{}", self.spawned_at)
    }
}

impl Watched {
    /// The caller has a reference to the hub.
    pub(crate) fn new(hub: &Hub) -> Self {
        hub.refs
            .fetch_add(1, arborio_base::sync::atomic::Ordering::Relaxed);
        hub.polling.watchers.fetch_add(1, Ordering::Relaxed);
        Self { hub: hub.address() }
    }

    fn polled(&self) -> &Polled {
        // SAFETY: our reference keeps the hub alive.
        unsafe { &(*self.hub).polling }
    }

    /// What the loop is at. Who sees the same twice has seen one poll, or several of one task that followed each
    /// other.
    pub fn look(&self) -> Look {
        let polled = self.polled();
        Look {
            task: polled.task.load(Ordering::Relaxed),
            slices: polled.slices.load(Ordering::Relaxed),
        }
    }

    /// The task of that poll. `None` if it is over, or the system does not help.
    pub fn name(&self, look: Look) -> Option<PolledTask> {
        let polled = self.polled();
        if !look.is_polling() || !fences::has_one_for_all() {
            return None;
        }
        if polled.frozen.swap(true, Ordering::AcqRel) {
            return None; // somebody else reads
        }
        let task = (fences::fence_all() && self.look() == look)
            .then(|| TaskRef::from_ptr(look.task))
            .flatten();
        let named = task.map(|task| PolledTask {
            name: side::name(task),
            spawned_at: task.spawned_at,
        });
        polled.frozen.store(false, Ordering::Release);
        named
    }
}

impl Drop for Watched {
    fn drop(&mut self) {
        self.polled().watchers.fetch_sub(1, Ordering::Relaxed);
        // SAFETY: one reference is ours.
        unsafe { Hub::release(self.hub) };
    }
}

impl fmt::Debug for Watched {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Watched")
            .field("look", &self.look())
            .finish()
    }
}

#[cfg(all(test, not(loom)))]
mod tests {
    use std::{future::poll_fn, sync::Arc, task::Poll, thread};

    use super::*;
    use crate::{NoNotify, Running, Tasks};

    fn run(running: &Running<'_>) {
        while running.run_until(1, |_| false) > 0 {}
    }

    #[test]
    fn who_watches_sees_a_poll_and_another_one_after_it() {
        let tasks = Tasks::new(Arc::new(NoNotify));
        let watched = tasks.watched();
        let idle = watched.look();
        assert!(!idle.is_polling() && watched.name(idle).is_none());
        let look = || {
            let look = watched.look();
            // Whether the system helps is its own affair.
            let name = watched.name(look).map(|task| task.to_string());
            assert_eq!(name.is_some(), fences::has_one_for_all());
            assert!(name.is_none_or(|name| name.starts_with("task `main` ")));
            assert!(look.is_polling());
            look
        };
        let mut first = None;
        let twice = poll_fn(|cx| {
            let seen = look();
            assert_eq!(seen, look(), "the same poll");
            let Some(before) = first.replace(seen) else {
                cx.waker().wake_by_ref();
                return Poll::Pending;
            };
            assert_ne!(seen, before);
            assert!(watched.name(before).is_none(), "that poll is over");
            Poll::Ready(())
        });
        tasks.run_main(twice, run).1.unwrap();
        assert!(!watched.look().is_polling());
    }

    #[test]
    fn a_name_is_not_read_by_two_at_once_nor_in_another_poll() {
        let tasks = Tasks::new(Arc::new(NoNotify));
        let watched = tasks.watched();
        let main = async {
            let look = watched.look();
            watched.polled().frozen.store(true, Ordering::Relaxed);
            assert!(watched.name(look).is_none(), "somebody else reads");
            watched.polled().frozen.store(false, Ordering::Relaxed);
            let other = Look {
                slices: look.slices.wrapping_add(1),
                ..look
            };
            assert!(watched.name(other).is_none());
            assert!(!watched.polled().frozen.load(Ordering::Relaxed));
        };
        tasks.run_main(main, run).1.unwrap();
    }

    #[test]
    fn those_who_watch_are_counted() {
        let tasks = Tasks::new(Arc::new(NoNotify));
        let watchers = || tasks.hub().polling.watchers();
        assert_eq!(watchers(), 0);
        let both = (tasks.watched(), tasks.watched());
        assert_eq!(watchers(), 2);
        drop(both);
        assert_eq!(watchers(), 0);
        assert!(format!("{:?}", tasks.watched()).starts_with("Watched { look: Look {"));
    }

    #[test]
    fn a_poll_does_not_end_before_its_name_was_read() {
        let polled = Polled::new();
        polled.frozen.store(true, Ordering::Relaxed);
        let read = AtomicBool::new(false);
        thread::scope(|scope| {
            scope.spawn(|| {
                (0..1000).for_each(|_| thread::yield_now());
                read.store(true, Ordering::Relaxed);
                polled.frozen.store(false, Ordering::Release);
            });
            polled.clear();
            assert!(read.load(Ordering::Relaxed));
        });
    }
}
