//! What is done when a task ends: callbacks that want to know, and things that are kept
//! until then.
//!
//! They wait in the side record, oldest first; WATCHED says that there are some. They run
//! on the owner's thread and see the outcome where it lies, so nobody may take it
//! meanwhile.
//!
//! # States
//! | flags                   | meaning                              | the outcome           |
//! |-------------------------|--------------------------------------|-----------------------|
//! | WATCHED                 | the task has not ended               | is not there          |
//! | WATCHED + ENDING        | it has; they run, DONE comes next    | nobody knows of it    |
//! | DONE + WATCHED          | came later; they wait for a turn     | nobody takes it       |
//! | DONE + WATCHED + ENDING | they run in that turn                | nobody takes it       |
//!
//! Whoever wants the outcome of a task that is DONE and WATCHED has them run first, if
//! this is the owner's thread; elsewhere, or while they run, he waits.
//!
//! # Callbacks that are ordered abroad
//! A thread that has the handle, and not the loop, leaves an [`Order`] in the side record, which
//! counts it, and sends ABORT.
//!
//! | the loop             | who carries it out                     | where it is called             |
//! |----------------------|----------------------------------------|--------------------------------|
//! | goes on              | the owner, when it settles the task, or before it gives the outcome to somebody or drops it | as above: at the end, or in a late turn |
//! | has closed its inbox | the owner, before it orphans the task  | there                          |
//! | is over: ORPHAN      | who has ordered it, or another one who has the handle | there           |
//!
//! - E1: the count goes up before ABORT is sent, and down when the callback is in the list and WATCHED
//!   is set, or when it was called. So from the call of `on_done` until the callback was called the task is
//!   counted, WATCHED, or both; there is no gap.
//! - E2: who takes the outcome has the handle to himself, so every order of it comes before. Abroad he looks at the
//!   count first, and then at the flags: if the count is zero, he sees WATCHED, or what came after it. On the
//!   owner's thread he sees ABORT, or the owner has read it: then the owner carries the orders out before he goes on.
//!   The same holds for the owner who drops the outcome of a handle that is gone.
//! - E3: callbacks are carried out before anything else that a settled task was asked: that runs foreign code,
//!   which may have the handle.
//! - E4: who waits abroad and finds the count above zero, or WATCHED, leaves his waker first; he is woken after the last
//!   callback, also if the inbox is closed. The count goes down under the lock of the wakers.
//! - E5: an ORPHAN has no owner, and its outcome belongs to the handle. So whoever calls `on_done` may look at
//!   it. ABORT never comes after ORPHAN, and `orphan` reads it before DETACH.

use arborio_base::{contain, drop_contained};

use crate::{
    abroad,
    cell::TaskRef,
    guests,
    handle::{Task, ask_to_end, is_lost},
    hub::Hub,
    interrupt::Interrupt,
    life_cycle,
    local::Flags,
    side,
    waker::{self, own_hub},
};

/// Is called once, with whether the task was interrupted, while the outcome is there. It is
/// `Send` if the hub may go to another thread.
pub(crate) type Ending = Box<dyn FnOnce(TaskRef, bool)>;

/// What another thread wants to attach.
type Attaching = Box<dyn FnOnce(&Hub, TaskRef) + Send>;

/// Something that another thread wants to be done on the owner's.
pub(crate) enum Order {
    /// Is called there, unless the task has ended.
    Attach(Attaching),
    /// Is called when the task has ended, in any case.
    Watch(Box<dyn FnOnce(TaskRef, bool) + Send>),
}

/// The task has just ended, and is not DONE yet: runs what waited for that.
#[cold]
pub(crate) fn run(task: TaskRef, interrupted: bool) {
    task.local.set(Flags::ENDING); // it is nobody's to end any more
    while let Some(ending) = side::next_ending(task) {
        contain(|| ending(task, interrupted));
    }
}

/// The task is DONE and WATCHED, and they do not run yet: runs them.
#[cold]
pub(crate) fn run_late(hub: &Hub, task: TaskRef) {
    run(task, task.local.seen().any(Flags::INTERRUPTED));
    task.local.clear(Flags::ENDING.and(Flags::WATCHED));
    task.awaiter.wake(hub);
    side::wake_waiters(task);
}

/// Whether the outcome of a task that is DONE and WATCHED is to be had now: what waits
/// for it is run, unless it is running, or too much is under way inside each other: then
/// the task's turn runs it.
#[cold]
pub(crate) fn hurry(hub: &Hub, task: TaskRef) -> bool {
    let depth = hub.drop_depth.get();
    if task.local.seen().any(Flags::ENDING) || depth >= life_cycle::MAX_DROP_DEPTH {
        return false;
    }
    task.local.add_reference(); // they may drop the handle
    hub.drop_depth.set(depth + 1); // they may ask for the outcome of another one
    run_late(hub, task);
    hub.drop_depth.set(depth);
    life_cycle::release(hub, task);
    true
}

/// Carries out what was ordered abroad. The owner calls.
#[cold]
pub(crate) fn carry_out(hub: &Hub, task: TaskRef) {
    let mut rest = Vec::new();
    for order in side::take_orders(task) {
        match order {
            Order::Watch(ending) => {
                side::silence(task);
                watch(hub, task, ending);
                side::callback_is_listed(task); // E1
            }
            Order::Attach(make) => rest.push(make),
        }
    }
    for make in rest {
        if task.local.seen().any(Flags::DONE) {
            drop_contained(make);
        } else {
            contain(|| make(hub, task));
        }
    }
}

/// The same for a task that is DONE, and whose loop is over: by its last owner, or by who has
/// the handle once it is ORPHAN (E5).
#[cold]
pub(crate) fn carry_out_alone(task: TaskRef) {
    let seen = task.local.seen_abroad();
    debug_assert!(seen.any(Flags::DONE), "a closed loop has ended its tasks");
    for order in side::take_orders(task) {
        match order {
            Order::Watch(ending) => {
                contain(|| ending(task, seen.any(Flags::INTERRUPTED)));
                side::callback_was_called(task); // E1
            }
            Order::Attach(make) => drop_contained(make), // it may hold what holds the task
        }
    }
}

/// Whether nothing is left to be done for a task that is DONE, and nobody has ordered anything. The
/// owner calls.
#[inline(always)]
pub(crate) fn none_is_left(hub: &Hub, task: TaskRef) -> bool {
    if task.shared.is_asked() {
        carry_out(hub, task); // E2
    }
    !task.local.seen().any(Flags::WATCHED)
}

/// Has `ending` called when the task ends; if it has, at its next turn.
fn watch(hub: &Hub, task: TaskRef, ending: Ending) {
    side::add_ending(task, ending);
    task.local.set(Flags::WATCHED);
    if task.local.seen().any(Flags::DONE) {
        life_cycle::queue_done(hub, task);
    }
}

/// Keeps `kept`, which may be dropped on any thread, until `task` has ended. The owner calls.
pub(crate) fn keep<A: Send + 'static>(hub: &Hub, task: TaskRef, kept: A) {
    watch(hub, task, Box::new(move |_, _| drop(kept)));
}

/// Why a callback is refused.
const TAKEN: &str = "a callback needs an outcome that was not taken";

/// Why one that is not `Send` is.
const MISPLACED: &str =
    "a callback needs the thread of the task's loop, and an outcome that was not taken";

impl<T> Task<T> {
    /// Calls `callback` with the outcome when the task has ended, on the thread of its
    /// loop, before anybody who awaits the task has it.
    ///
    /// Callbacks are called in the order in which they were registered, and a panic in one
    /// is contained and counted. If the task has ended already, `callback` is called in a
    /// cycle of ready tasks, or before that when somebody asks for the outcome; never in
    /// this call. It is called also if the handle is dropped, and if the loop ends the
    /// task.
    ///
    /// This may be called on any thread: `callback` goes to that of the loop, which looks at it when it
    /// looks at its inbox. Only if the loop is over is it called here, and in this call.
    ///
    /// Whoever registers a callback looks after the outcome: a panic of the task is told
    /// to the callback and to the handle, and to nobody else.
    ///
    /// # Panics
    /// If the outcome was taken, or if this is the child of a fork and the loop is one of
    /// the parent. [`try_on_done`](Self::try_on_done) gives the callback back instead.
    ///
    /// # Examples
    /// ```
    /// # use arborio_task::{SpawnOptions, Tasks, try_spawn};
    /// use std::sync::{Arc, atomic::{AtomicU32, Ordering}};
    /// # let tasks = Tasks::new(std::sync::Arc::new(arborio_task::NoNotify));
    /// # let main = async {
    /// let seen = Arc::new(AtomicU32::new(0));
    /// let note = Arc::clone(&seen);
    /// let task = try_spawn(async { 6 }, SpawnOptions::new()).ok().unwrap();
    /// task.on_done(move |outcome| note.store(*outcome.unwrap(), Ordering::Relaxed));
    /// assert_eq!(task.await.unwrap(), 6);
    /// assert_eq!(seen.load(Ordering::Relaxed), 6);
    /// # };
    /// # tasks.run_main(main, |running| while running.run_next() {}).1.unwrap();
    /// ```
    #[track_caller]
    pub fn on_done<F>(&self, callback: F)
    where
        F: FnOnce(Result<&T, &Interrupt>) + Send + 'static,
        T: 'static,
    {
        assert!(self.try_on_done(callback).is_ok(), "{TAKEN}");
    }

    /// As [`on_done`](Self::on_done), for a callback that need not be `Send`.
    ///
    /// # Panics
    /// As `on_done`, and if this is not the thread of the task's loop, or if the task may go to another thread, as those of a scope under
    /// another executor do, and those of a scope that another worker of a pool polls than the one that
    /// has entered it.
    ///
    /// # Examples
    /// ```
    /// # use arborio_task::{SpawnOptions, Tasks, try_spawn};
    /// use std::{cell::Cell, rc::Rc};
    /// # let tasks = Tasks::new(std::sync::Arc::new(arborio_task::NoNotify));
    /// # let main = async {
    /// let seen = Rc::new(Cell::new(0));
    /// let note = Rc::clone(&seen);
    /// let task = try_spawn(async { 6 }, SpawnOptions::new()).ok().unwrap();
    /// task.on_done_local(move |outcome| note.set(*outcome.unwrap()));
    /// assert_eq!(task.await.unwrap(), 6);
    /// assert_eq!(seen.get(), 6);
    /// # };
    /// # tasks.run_main(main, |running| while running.run_next() {}).1.unwrap();
    /// ```
    #[track_caller]
    pub fn on_done_local<F>(&self, callback: F)
    where
        F: FnOnce(Result<&T, &Interrupt>) + 'static,
        T: 'static,
    {
        let is_away = || self.reference().is_some_and(guests::is_away); // it ends at home
        let stays = |hub: &Hub| !hub.migrates.get() && !is_away();
        let hub = self.reference().and_then(own_hub);
        let (Some(task), Some(hub)) = (self.reference(), hub.filter(|hub| stays(hub))) else {
            panic!("{MISPLACED}");
        };
        register(&hub, task, Box::new(ending_of(callback)));
    }

    /// As [`on_done`](Self::on_done), but does not panic.
    ///
    /// # Errors
    /// The callback, if the outcome was taken, or if this is the child of a fork and the
    /// loop is one of the parent.
    ///
    /// # Examples
    /// ```
    /// # use arborio_task::{NoNotify, SpawnOptions, Tasks};
    /// let submitter = Tasks::new(std::sync::Arc::new(NoNotify)).submitter();
    /// let mut task = submitter.spawn(async {}, SpawnOptions::new());
    /// assert!(task.try_on_done(|ended| assert!(ended.is_err())).is_ok(), "its loop is over");
    /// assert!(task.try_take().unwrap().is_err());
    /// assert!(task.try_on_done(|_| ()).is_err(), "its outcome was taken");
    /// ```
    pub fn try_on_done<F>(&self, callback: F) -> Result<(), F>
    where
        F: FnOnce(Result<&T, &Interrupt>) + Send + 'static,
        T: 'static,
    {
        let Some(task) = self.reference() else {
            return Err(callback);
        };
        if let Some(hub) = own_hub(task) {
            register(&hub, task, Box::new(ending_of(callback)));
        } else if is_lost(task) {
            return Err(callback);
        } else {
            abroad::order(task, Order::Watch(Box::new(ending_of(callback))));
        }
        Ok(())
    }

    /// Keeps what `make` makes until the task has ended, and drops it then, on the thread
    /// of its loop. False if the task has ended.
    ///
    /// `make` is called on that thread, too: now, if this is it, and otherwise when the
    /// loop looks at its inbox; if the task has ended by then, not at all. It gets the
    /// means to ask the task to end.
    ///
    /// # Examples
    /// ```
    /// # use arborio_task::{Interrupt, SpawnOptions, Tasks, try_spawn};
    /// # let tasks = Tasks::new(std::sync::Arc::new(arborio_task::NoNotify));
    /// # let main = async {
    /// let task = try_spawn(std::future::pending::<()>(), SpawnOptions::new()).ok().unwrap();
    /// assert!(task.attach(|canceller| assert!(canceller.cancel_with(Interrupt::TimedOut))));
    /// assert!(matches!((&task).await, Err(Interrupt::TimedOut)));
    /// assert!(!task.attach(|_| ()));
    /// # };
    /// # tasks.run_main(main, |running| while running.run_next() {}).1.unwrap();
    /// ```
    pub fn attach<A, F>(&self, make: F) -> bool
    where
        A: Send + 'static,
        F: FnOnce(Canceller) -> A + Send + 'static,
    {
        let Some(task) = self.reference() else {
            return false;
        };
        if self.is_finished() {
            return false;
        }
        match own_hub(task) {
            Some(hub) => attach(&hub, task, make),
            None => {
                let order = Box::new(|hub: &Hub, task| attach(hub, task, make));
                abroad::order(task, Order::Attach(order));
            }
        }
        true
    }
}

/// What calls `callback` with the outcome of a task whose output is a `T`.
fn ending_of<T: 'static, F>(callback: F) -> impl FnOnce(TaskRef, bool) + 'static
where
    F: FnOnce(Result<&T, &Interrupt>) + 'static,
{
    move |task: TaskRef, interrupted: bool| {
        if task.local.seen_abroad().any(Flags::BUBBLED) {
            return callback(Err(&Interrupt::ScopeFailed));
        }
        // SAFETY: endings are called by the owner while an outcome is there that nobody takes
        // (see the states above), or on a thread that has the handle of an ORPHAN (E5); `T` is
        // that of the handle.
        callback(unsafe { task.outcome::<T>(interrupted) });
    }
}

/// Has the callback in `ending` called when the task ends. The owner calls.
fn register(hub: &Hub, task: TaskRef, ending: Ending) {
    if task.shared.is_asked() {
        carry_out(hub, task); // what was registered before this is called before
    }
    side::silence(task);
    watch(hub, task, ending);
}

/// Keeps what `make` makes until the task ends. The owner calls.
fn attach<A: 'static>(hub: &Hub, task: TaskRef, make: impl FnOnce(Canceller) -> A) {
    task.local.add_reference();
    let kept = make(Canceller(waker::from_counted(task)));
    if task.local.seen().any(Flags::DONE) {
        return; // meanwhile
    }
    watch(hub, task, Box::new(move |_, _| drop(kept)));
}

/// Asks a task to end, from wherever; keeps its memory, and nothing else, alive. Made by
/// [`Task::attach`].
///
/// # Examples
/// See [`Task::attach`].
#[derive(Clone, Debug)]
pub struct Canceller(std::task::Waker);

impl Canceller {
    /// For `task`; `None` if its outcome was given out.
    pub(crate) fn of<T>(task: &Task<T>) -> Option<Self> {
        let borrowed = waker::borrowed(task.reference()?);
        Some(Self((*borrowed).clone()))
    }

    /// As [`Task::cancel_with`].
    ///
    /// # Examples
    /// See [`Task::attach`].
    pub fn cancel_with(&self, end: Interrupt) -> bool {
        waker::task_of(&self.0).is_some_and(|task| ask_to_end(task, end))
    }
}
