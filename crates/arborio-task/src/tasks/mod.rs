//! The tasks of one loop, and the faces of them that the rest of the runtime sees.
//!
//! | file             | who has it                                                            |
//! |------------------|-----------------------------------------------------------------------|
//! | this one         | [`Tasks`]: the owner, before the loop runs; it runs it, and ends it   |
//! | `running.rs`     | [`Running`]: what drives the loop while it runs                       |
//! | `submitter.rs`   | [`Submitter`]: any thread that sends tasks to it                      |
//! | `spawn.rs`       | code on the thread of the loop, which spawns there                    |
//! | `this_thread.rs` | code on the thread of the loop, which asks about itself               |

mod running;
mod spawn;
mod submitter;
mod this_thread;

use std::{fmt, marker::PhantomData, panic::Location, ptr::NonNull, sync::Arc};

use arborio_base::budget;

use crate::{
    around::AroundPolls,
    current::set_current,
    handle::Task,
    hub::Hub,
    inbox::Notify,
    interrupt::Interrupt,
    life_cycle::{self, SpawnOptions},
    local::Flags,
    locals,
    watched::Watched,
};

pub use running::Running;
pub use spawn::{try_spawn, try_spawn_sent};
pub use submitter::Submitter;
pub use this_thread::{
    current_info, is_dropping, is_observed, is_running, is_taken_over, pending, tree, tree_around,
};

pub(crate) use this_thread::{current_task, running_task};

/// A notifier for a loop that never sleeps.
///
/// # Examples
/// ```
/// let tasks = arborio_task::Tasks::new(std::sync::Arc::new(arborio_task::NoNotify));
/// let ((), seven) = tasks.run_main(async { 7 }, |running| while running.run_next() {});
/// assert_eq!(seven.unwrap(), 7);
/// ```
#[derive(Clone, Copy, Debug)]
pub struct NoNotify;

impl Notify for NoNotify {
    fn notify(&self) {}
}

/// The tasks of one loop that is not running yet.
///
/// # Examples
/// A loop in one line: it polls what is ready, and ends when nothing is.
/// ```
/// use arborio_task::{NoNotify, Tasks};
/// let tasks = Tasks::new(std::sync::Arc::new(NoNotify));
/// let ((), outcome) = tasks.run_main(async { "done" }, |running| while running.run_next() {});
/// assert_eq!(outcome.unwrap(), "done");
/// ```
pub struct Tasks {
    /// One counted reference.
    hub: NonNull<Hub>,
    /// Where `main` comes from, if somebody has said so.
    main_place: Option<&'static Location<'static>>,
    /// The owner is one thread.
    not_send: PhantomData<*const ()>,
}

impl fmt::Debug for Tasks {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Tasks").finish_non_exhaustive()
    }
}

impl Tasks {
    /// No tasks; `notifier` is what wakes the loop's thread once it sleeps.
    ///
    /// # Examples
    /// ```
    /// let tasks = arborio_task::Tasks::new(std::sync::Arc::new(arborio_task::NoNotify));
    /// assert!(!tasks.submitter().is_closed());
    /// ```
    pub fn new(notifier: Arc<dyn Notify>) -> Self {
        Self {
            hub: Hub::new(notifier),
            main_place: None,
            not_send: PhantomData,
        }
    }

    /// A handle with which any thread spawns tasks here.
    ///
    /// # Examples
    /// ```
    /// let tasks = arborio_task::Tasks::new(std::sync::Arc::new(arborio_task::NoNotify));
    /// let submitter = tasks.submitter();
    /// drop(tasks);
    /// assert!(submitter.is_closed());
    /// ```
    pub fn submitter(&self) -> Submitter {
        Submitter::new(self.hub.as_ptr())
    }

    /// The loop will run as a worker ([`Running::run_until`]): has the system prepare what makes its polls
    /// cheaper and a [rescue](Running::rescue) dearer, if it can. Before a submitter is given to others; the first
    /// call in a process may take milliseconds.
    ///
    /// # Examples
    /// ```
    /// let tasks = arborio_task::Tasks::new(std::sync::Arc::new(arborio_task::NoNotify));
    /// tasks.prepare_for_rescue();
    /// tasks.run_main(async {}, |running| while running.run_until(1, |_| true) > 0 {}).1.unwrap();
    /// ```
    pub fn prepare_for_rescue(&self) {
        self.hub().tenure.cheapen();
    }

    /// The loop, for a thread that watches it.
    ///
    /// # Examples
    /// See [`Watched`].
    pub fn watched(&self) -> Watched {
        Watched::new(self.hub())
    }

    /// Has `around` stand around all polls of the loop. Once, before it runs; the first one stays.
    ///
    /// # Examples
    /// See [`AroundPolls`].
    pub fn stand_around(&self, around: Arc<dyn AroundPolls>) {
        let _ = self.hub().around.set(around); // a second one is dropped here
    }

    /// Where `main` comes from, if that is not where [`run_main`](Self::run_main) is called: another thread may have
    /// started the loop.
    ///
    /// # Examples
    /// ```
    /// use arborio_task::{NoNotify, Tasks, current_info};
    /// let place = std::panic::Location::caller();
    /// let mut tasks = Tasks::new(std::sync::Arc::new(NoNotify));
    /// tasks.set_main_place(place);
    /// let info = async { current_info().unwrap() };
    /// let ((), info) = tasks.run_main(info, |running| while running.run_next() {});
    /// assert_eq!(info.unwrap().spawned_at, place);
    /// ```
    pub fn set_main_place(&mut self, place: &'static Location<'static>) {
        self.main_place = Some(place);
    }

    /// The hub, for the owner.
    pub(crate) fn hub(&self) -> &Hub {
        // SAFETY: not released before `self` is dropped.
        unsafe { self.hub.as_ref() }
    }

    /// The loop lies in a future; whether that may move between threads.
    pub(crate) fn set_embedded(&self, migrates: bool) {
        self.hub().embedded.set(true);
        self.hub().migrates.set(migrates);
    }

    /// Spawns `main` and lets `drive` run the tasks on this thread.
    ///
    /// When `drive` returns or panics, every task is ended: its future is
    /// dropped here and now, so `main` may borrow. Returns what `drive`
    /// returned, and how `main` ended ([`Interrupt::Stopped`] if it had not).
    ///
    /// # Examples
    /// ```
    /// use arborio_task::{Interrupt, NoNotify, Tasks};
    /// let word = String::from("borrowed");
    /// let tasks = Tasks::new(std::sync::Arc::new(NoNotify));
    /// let ((), length) = tasks.run_main(async { word.len() }, |running| {
    ///     while running.run_next() {}
    /// });
    /// assert_eq!(length.unwrap(), 8);
    ///
    /// let tasks = Tasks::new(std::sync::Arc::new(NoNotify));
    /// let ((), outcome) = tasks.run_main(std::future::pending::<()>(), |_| {});
    /// assert!(matches!(outcome, Err(Interrupt::Stopped)));
    /// ```
    #[track_caller]
    pub fn run_main<F: Future, R>(
        self,
        main: F,
        drive: impl FnOnce(&Running<'_>) -> R,
    ) -> (R, Result<F::Output, Interrupt>) {
        let mut options = SpawnOptions::new().name("main").observed(true);
        if let Some(place) = self.main_place {
            options.spawned_at = place;
        }
        let entered = Entered::new(self);
        let hub = entered.hub();
        // SAFETY: this thread owns the loop while `entered` lives, and
        // `entered` ends every task before this function returns.
        let task = unsafe { life_cycle::spawn(hub, main, options) };
        task.local.set(Flags::MAIN);
        // SAFETY: the future's output is an `F::Output`.
        let mut main = unsafe { Task::<F::Output>::new(task) };
        // Of the tasks only `main` has the task-locals of the caller.
        let driven = locals::outside(move || {
            let driven = drive(&Running { hub, main: task });
            drop(entered);
            driven
        });
        let outcome = main.try_take().unwrap_or(Err(Interrupt::Stopped));
        (driven, outcome)
    }
}

impl Drop for Tasks {
    fn drop(&mut self) {
        // SAFETY: not released yet; the fields of the owner are ours.
        let hub = unsafe { self.hub.as_ref() };
        let outer = set_current(self.hub.as_ptr());
        life_cycle::end_tasks(hub);
        set_current(outer);
        life_cycle::orphan_tasks(hub);
        // SAFETY: the last use of the cache.
        unsafe { hub.end_cache() };
        // SAFETY: the reference that `new` got.
        unsafe { Hub::release(self.hub.as_ptr()) };
    }
}

/// The loop is the current one of this thread; dropping it ends the loop.
struct Entered {
    /// Ends every task when dropped, after `outer` was put back by it.
    tasks: Tasks,
    /// The loop that was current before.
    outer: *const Hub,
    /// What the poll may still do in which this loop runs.
    budget: budget::Saved,
}

impl Entered {
    fn new(tasks: Tasks) -> Self {
        let outer = set_current(tasks.hub.as_ptr());
        let budget = budget::save();
        Self {
            tasks,
            outer,
            budget,
        }
    }

    fn hub<'a>(&self) -> &'a Hub {
        // SAFETY: alive until `tasks` is dropped, after the last use in
        // `run_main`.
        unsafe { self.tasks.hub.as_ref() }
    }
}

impl Drop for Entered {
    fn drop(&mut self) {
        set_current(self.outer);
        budget::restore(self.budget);
    }
}
