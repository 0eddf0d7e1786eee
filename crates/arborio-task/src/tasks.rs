//! The tasks of one loop, and the three faces that the rest of the runtime
//! sees: [`Tasks`] (before the loop runs), [`Running`] (what drives it) and
//! [`Submitter`] (how other threads reach it).

use std::{fmt, marker::PhantomData, ptr::NonNull, sync::Arc};

use arborio_base::{
    budget, contain, drop_contained,
    sync::{self, atomic::Ordering},
};

use crate::{
    abroad,
    around::AroundPolls,
    cell::TaskRef,
    current::{AtWork, current, held_current, own, own_current, set_current},
    handle::Task,
    hub::Hub,
    inbox::{Notify, Pushed},
    interrupt::{Interrupt, Payload, Reason, Requester},
    life_cycle::{self, SpawnOptions},
    local::Flags,
    locals,
    meter::{self, WorkerMetrics},
    moving, side,
    tree::{TaskInfo, Tree, walk},
    watched::Watched,
};

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
        let options = SpawnOptions::new().name("main").observed(true);
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

/// The running loop, in the hands of what drives it.
///
/// # Examples
/// ```
/// use arborio_task::{NoNotify, SpawnOptions, Tasks, try_spawn};
/// let tasks = Tasks::new(std::sync::Arc::new(NoNotify));
/// let main = async {
///     drop(try_spawn(async {}, SpawnOptions::new()));
/// };
/// let (polls, _) = tasks.run_main(main, |running| {
///     let mut polls = 0;
///     while running.run_next() {
///         polls += 1;
///     }
///     assert_eq!(running.pending(), 0);
///     polls
/// });
/// assert_eq!(polls, 2);
/// ```
pub struct Running<'a> {
    hub: &'a Hub,
    /// Kept alive by the handle in `run_main`.
    main: TaskRef,
}

impl fmt::Debug for Running<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Running")
            .field("pending", &self.pending())
            .finish_non_exhaustive()
    }
}

impl Running<'_> {
    /// Polls the task that has been ready longest; false if none is ready.
    #[inline(always)]
    pub fn run_next(&self) -> bool {
        life_cycle::run_next(self.hub)
    }

    /// Polls ready tasks, oldest first, until none is left, `limit` were polled,
    /// or there is something to decide ([`take_attention`](Self::take_attention)).
    /// Returns how many polls that took.
    pub fn run_some(&self, limit: u32) -> u32 {
        match self.hub.around.get() {
            None => life_cycle::run_some(self.hub, limit),
            Some(_) => life_cycle::run_some_around(self.hub, limit),
        }
    }

    /// As [`run_some`](Self::run_some), and only until `stop` says so, which is asked after each poll. As long as
    /// a poll goes on, others may [`rescue`](Self::rescue) what is ready behind it.
    #[inline]
    pub fn run_until(&self, limit: u32, stop: impl Fn(&Self) -> bool) -> u32 {
        let _at_work = AtWork::new(self.hub);
        self.hub.polling.begin_slice();
        match self.hub.around.get() {
            None => self.run_until_with(limit, stop, life_cycle::run_next_as_worker),
            Some(_) => self.run_until_with(limit, stop, life_cycle::run_next_around_as_worker),
        }
    }

    #[inline(always)]
    fn run_until_with(
        &self,
        limit: u32,
        stop: impl Fn(&Self) -> bool,
        run_next: impl Fn(&Hub) -> bool,
    ) -> u32 {
        let mut polls = 0;
        while polls < limit && run_next(self.hub) {
            polls += 1;
            if self.hub.root.wants_attention() || stop(self) {
                break;
            }
        }
        self.hub.meter.add_polls(polls);
        polls
    }

    /// Whether two tasks are ready.
    #[inline(always)]
    pub fn has_two_ready(&self) -> bool {
        self.hub.queue.has_two()
    }

    /// Sends the newer half of the ready tasks, and not more than `most`, to the loop
    /// of `to`, and returns how many went. Those stay that something binds to this loop: they were not
    /// spawned as `Send` ([`try_spawn_sent`], [`Submitter::spawn`]), hang on a branch, have entered one, have
    /// task-locals, frames or callbacks, were asked to end, or are awaited here.
    ///
    /// # Examples
    /// ```
    /// use arborio_task::{NoNotify, SpawnOptions, Tasks, try_spawn_sent};
    /// let other = Tasks::new(std::sync::Arc::new(NoNotify));
    /// let here = Tasks::new(std::sync::Arc::new(NoNotify));
    /// let to = other.submitter();
    /// let main = async {
    ///     let task = || try_spawn_sent(async { 5 }, SpawnOptions::new()).ok().unwrap();
    ///     (task(), task())
    /// };
    /// let (given, both) = here.run_main(main, |running| {
    ///     running.run_next();
    ///     let given = running.give(&to, 10);
    ///     while running.run_next() {}
    ///     given
    /// });
    /// let (stayed, mut went) = both.unwrap();
    /// assert!(given == 1 && stayed.is_finished() && !went.is_finished());
    /// other.run_main(async {}, |running| while running.take_mail() > 0 || running.run_next() {});
    /// assert_eq!(went.try_take().unwrap().unwrap(), 5);
    /// ```
    pub fn give(&self, to: &Submitter, most: usize) -> usize {
        if std::ptr::eq(to.hub, self.hub) {
            return 0;
        }
        // SAFETY: this thread is the owner, and nobody drives the loop from inside of a poll; the
        // submitter keeps the other hub alive.
        let given = unsafe { moving::give(self.hub, to.hub, most) };
        self.hub.meter.add_given(given);
        given
    }

    /// A turn begins. Whoever drives the loop tells how many timers are armed, and how many descriptors are registered;
    /// the rest of its [figures](Submitter::figures) is counted here.
    ///
    /// # Examples
    /// See [`WorkerMetrics`].
    pub fn publish(&self, timers: usize, descriptors: usize) {
        meter::publish(self.hub, timers, descriptors);
    }

    /// Sends all ready tasks, and not more than `most`, to the loop of `to`, but those that [`give`](Self::give) would keep.
    /// Returns how many went.
    pub fn give_all(&self, to: &Submitter, most: usize) -> usize {
        if std::ptr::eq(to.hub, self.hub) {
            return 0;
        }
        // SAFETY: as in `give`.
        let given = unsafe { moving::give_all(self.hub, to.hub, most) };
        self.hub.meter.add_given(given);
        given
    }

    /// How many tasks are ready; `most` if there are more.
    pub fn count_ready(&self, most: usize) -> usize {
        self.hub.queue.count_up_to(most)
    }

    /// Whether the thread of the loop of `other` was the last one that sent or woke something here since this loop was about
    /// to sleep. A guess: a sender may be missed, or be a little late.
    pub fn was_called_by(&self, other: &Submitter) -> bool {
        let by = (self.hub.pushed_by).load(core::sync::atomic::Ordering::Relaxed);
        by == other.hub.addr()
    }

    /// Whether other threads have sent something that was not taken yet.
    #[inline(always)]
    pub fn has_mail(&self) -> bool {
        self.hub.has_mail()
    }

    /// How many polls this loop has begun that were made by [`run_until`](Self::run_until).
    #[inline]
    pub fn polls(&self) -> usize {
        self.hub.polls.load(Ordering::Relaxed)
    }

    /// How many polls the loop of `other` has begun that were made by [`run_until`](Self::run_until). If it
    /// stands still the loop has nothing to do, or is in a long poll.
    pub fn polls_of(&self, other: &Submitter) -> usize {
        // SAFETY: the submitter keeps the hub alive.
        let polls = unsafe { &(*other.hub).polls };
        polls.load(Ordering::Relaxed)
    }

    /// If the loop of `other` is in the middle of a poll, takes up to `most` tasks that are ready behind it and could be
    /// [given](Self::give), and returns how many, without those that somebody was giving to that loop. They come with the mail.
    ///
    /// # Examples
    /// ```
    /// use arborio_task::{NoNotify, SpawnOptions, Tasks, try_spawn_sent};
    /// use std::sync::mpsc::channel;
    /// let tasks = Tasks::new(std::sync::Arc::new(NoNotify));
    /// let stuck = tasks.submitter();
    /// let (done, when_done) = channel();
    /// let main = async {
    ///     drop(try_spawn_sent(async move { done.send(()).unwrap() }, SpawnOptions::new()));
    ///     let rescuer = std::thread::spawn(move || {
    ///         let tasks = Tasks::new(std::sync::Arc::new(NoNotify));
    ///         tasks.run_main(async {}, |running| {
    ///             assert_eq!(running.rescue(&stuck, 10), 1);
    ///             while running.take_mail() > 0 || running.run_next() {}
    ///         }).1.unwrap();
    ///     });
    ///     when_done.recv().unwrap(); // blocks its loop until the task behind it has run
    ///     rescuer.join().unwrap();
    /// };
    /// tasks.run_main(main, |running| while running.run_until(1, |_| true) > 0 {}).1.unwrap();
    /// ```
    pub fn rescue(&self, other: &Submitter, most: usize) -> usize {
        if std::ptr::eq(other.hub, self.hub) {
            return 0;
        }
        // SAFETY: the submitter keeps the hub alive.
        let stuck = unsafe { &*other.hub };
        let rescued = stuck.tenure.borrow(|| {
            // SAFETY: we have the hub instead of its owner, who is in a poll; our own hub is alive.
            unsafe { moving::rescue(stuck, self.hub, most) }
        });
        let rescued = rescued.unwrap_or(0);
        self.hub.meter.add_rescued(rescued);
        rescued
    }

    /// How many tasks have come from other loops since the last call, by [`give`](Self::give), or were sent and
    /// [counted](Submitter::count_sent).
    pub fn take_arrivals(&self) -> usize {
        self.hub.arrived.replace(0)
    }

    /// Whether a task is ready.
    #[inline(always)]
    pub fn has_ready(&self) -> bool {
        !self.hub.queue.is_empty()
    }

    /// Does what other threads asked for since the last call (wakes, new
    /// tasks, aborts), and returns how many tasks that concerned.
    #[inline]
    pub fn take_mail(&self) -> usize {
        let mail = self.hub.inbox.take(); // before the door: O4 of `door`
        let visitors = self.hub.answer_door();
        visitors + self.settle_set_aside() + life_cycle::settle_all(self.hub, mail)
    }

    /// Settles what came before all that is in the inbox.
    #[inline]
    fn settle_set_aside(&self) -> usize {
        if !self.hub.has_set_aside.get() {
            return 0;
        }
        life_cycle::settle_all(self.hub, self.hub.take_set_aside())
    }

    /// As [`take_mail`](Self::take_mail), but in another order: `random(n)`
    /// gives a number below `n`. Tasks that were sent keep their order, since
    /// what one thread sends must start in order; wakes have none to keep.
    pub fn take_mail_permuted(&self, random: &mut dyn FnMut(usize) -> usize) -> usize {
        let mail = self.hub.inbox.take(); // before the door: O4 of `door`
        let visitors = self.hub.answer_door();
        let set_aside = self.settle_set_aside();
        visitors + set_aside + life_cycle::settle_permuted(self.hub, mail, random)
    }

    /// As [`wake_up`](Self::wake_up), in the order of
    /// [`take_mail_permuted`](Self::take_mail_permuted).
    pub fn wake_up_permuted(&self, random: &mut dyn FnMut(usize) -> usize) -> usize {
        let mail = self.hub.inbox.wake_up(); // before the door: O4 of `door`
        let visitors = self.hub.answer_door();
        visitors + life_cycle::settle_permuted(self.hub, mail, random)
    }

    /// Announces that the thread will sleep. From now on the first wake from
    /// another thread calls the notifier. False if mail came first: do not
    /// sleep. After true, [`wake_up`](Self::wake_up) must follow.
    #[must_use]
    pub fn try_sleep(&self) -> bool {
        self.hub
            .pushed_by
            .store(0, core::sync::atomic::Ordering::Relaxed);
        !self.hub.has_set_aside.get() && self.hub.inbox.try_sleep()
    }

    /// The thread is awake again; does what others asked for meanwhile, and
    /// returns how many tasks that concerned.
    pub fn wake_up(&self) -> usize {
        let mail = self.hub.inbox.wake_up(); // before the door: O4 of `door`
        let visitors = self.hub.answer_door();
        visitors + life_cycle::settle_all(self.hub, mail)
    }

    /// Whether there may be something to decide since the last call: nothing
    /// is pending any more, `main` has ended, a panic came up that nobody
    /// observed, or a task ended without an output.
    #[inline(always)]
    pub fn take_attention(&self) -> bool {
        self.hub.root.take_attention()
    }

    /// Whether `main` has ended, in whatever way.
    pub fn main_ended(&self) -> bool {
        self.main.local.seen().any(Flags::DONE)
    }

    /// Whether `main` was ended without an output: it panicked.
    pub fn main_interrupted(&self) -> bool {
        self.main.local.seen().any(Flags::INTERRUPTED)
    }

    /// How many tasks that the loop waits for have not ended.
    pub fn pending(&self) -> usize {
        self.hub.root.pending()
    }

    /// How many tasks of the root have not ended that the loop does not wait for.
    pub fn daemons(&self) -> usize {
        self.hub.root.daemons()
    }

    /// Asks every task of the root but `spared` to end, with `end` as the outcome; scopes
    /// in them pass it on.
    pub fn ask_all(&self, end: &Interrupt, spared: Option<&Task<()>>) {
        let spared = spared.and_then(Task::reference);
        life_cycle::cancel_all(self.hub, &self.hub.root, end.clone(), spared);
    }

    /// From now on the tasks that other threads send end as [`Interrupt::Stopped`], unpolled.
    pub fn refuse_arrivals(&self) {
        self.hub.refusing.set(true);
    }

    /// Whether a task has swallowed a request since the last call.
    pub fn take_withdrawals(&self) -> bool {
        self.hub.withdrawn.replace(false)
    }

    /// The panics that nobody observed since the last call, oldest first.
    pub fn take_panics(&self) -> Vec<Payload> {
        self.hub.root.take_panics()
    }

    /// Whether a [`Submitter`] exists: somebody may still send tasks.
    pub fn has_submitters(&self) -> bool {
        self.hub.refs.load(Ordering::Acquire) > 1 + self.hub.polling.watchers()
    }

    /// The tasks that have not ended: those of the root first, and of each node in the
    /// order in which they were spawned.
    pub fn snapshot(&self) -> Vec<TaskInfo> {
        walk::tasks(self.hub)
    }

    /// The whole tree, scopes included.
    pub fn tree(&self) -> Tree {
        walk::from_root(self.hub)
    }
}

/// The tree of the loop that runs on this thread: its scopes, and the tasks that have
/// not ended. Empty if no loop runs here; see [`Tree`] for what can be asked of it.
///
/// # Examples
/// ```
/// assert!(arborio_task::tree().is_empty(), "no loop runs here");
/// ```
pub fn tree() -> Tree {
    own_current().map_or_else(Tree::default, |hub| walk::from_root(&hub))
}

/// Whether a loop runs on this thread, be it one that is [embedded](crate::embedded) in a future.
///
/// # Examples
/// ```
/// assert!(!arborio_task::is_running());
/// ```
pub fn is_running() -> bool {
    !current().is_null()
}

/// How many tasks the loop that runs on this thread still waits for, this one
/// included; `None` if no loop does.
///
/// # Examples
/// ```
/// assert!(arborio_task::pending().is_none(), "no loop runs here");
/// ```
pub fn pending() -> Option<usize> {
    own_current().map(|hub| hub.root.pending())
}

/// How any thread spawns tasks on a loop.
///
/// # Examples
/// ```
/// use arborio_task::{Interrupt, NoNotify, SpawnOptions, Tasks};
/// let tasks = Tasks::new(std::sync::Arc::new(NoNotify));
/// let submitter = tasks.submitter();
/// let mut sent = submitter.spawn(async { 3 }, SpawnOptions::new());
/// tasks.run_main(async {}, |running| while running.take_mail() > 0 || running.run_next() {});
/// assert_eq!(sent.try_take().unwrap().unwrap(), 3);
///
/// let mut late = submitter.spawn(async { 4 }, SpawnOptions::new());
/// assert!(matches!(late.try_take().unwrap(), Err(Interrupt::Stopped)));
/// ```
pub struct Submitter {
    /// One counted reference.
    hub: *const Hub,
}

// SAFETY: of the hub, a submitter touches what is made for all threads; the
// rest only where `own_hub` says that this thread is the owner.
unsafe impl Send for Submitter {}
// SAFETY: as above.
unsafe impl Sync for Submitter {}

impl Submitter {
    /// Counts one more reference to `hub`, to which the caller has one.
    fn new(hub: *const Hub) -> Self {
        // SAFETY: the caller's reference keeps the hub alive.
        let refs = unsafe { &(*hub).refs };
        // SAFETY: as above.
        #[cfg(loom)]
        unsafe { &*hub }.check_life();
        refs.fetch_add(1, Ordering::Relaxed);
        Self { hub }
    }

    /// For the loop that runs on this thread, if one does.
    ///
    /// # Examples
    /// ```
    /// assert!(arborio_task::Submitter::current().is_none());
    /// ```
    pub fn current() -> Option<Self> {
        // SAFETY: a current hub is alive, and this thread is its owner.
        let hub = unsafe { current().as_ref() }?;
        (!hub.embedded.get()).then(|| Self::new(hub.address()))
    }

    /// Whether the loop has ended; also if it is one of the parent of this forked process.
    ///
    /// # Examples
    /// ```
    /// let tasks = arborio_task::Tasks::new(std::sync::Arc::new(arborio_task::NoNotify));
    /// assert!(!tasks.submitter().is_closed());
    /// ```
    pub fn is_closed(&self) -> bool {
        // SAFETY: our reference keeps the hub alive.
        unsafe { &(*self.hub).inbox }.is_closed() || self.is_forked()
    }

    /// Whether the loop is one of the parent of this process, and not that of the thread that has forked.
    fn is_forked(&self) -> bool {
        // SAFETY: our reference keeps the hub alive.
        unsafe { &*self.hub }.is_forked() && !self.is_here()
    }

    /// Whether the loop runs on this thread now.
    ///
    /// # Examples
    /// ```
    /// let tasks = arborio_task::Tasks::new(std::sync::Arc::new(arborio_task::NoNotify));
    /// assert!(!tasks.submitter().is_here());
    /// ```
    pub fn is_here(&self) -> bool {
        std::ptr::eq(self.hub, current())
    }

    /// Spawns `future` on the loop. Tasks that one thread sends start in the
    /// order in which they were sent. If the loop has ended, the future is
    /// dropped here and the task ends with [`Interrupt::Stopped`].
    ///
    /// # Examples
    /// ```
    /// # use arborio_task::{NoNotify, SpawnOptions, Tasks};
    /// let submitter = Tasks::new(std::sync::Arc::new(NoNotify)).submitter();
    /// assert!(submitter.spawn(async {}, SpawnOptions::new()).is_finished());
    /// ```
    pub fn spawn<F>(&self, future: F, options: SpawnOptions) -> Task<F::Output>
    where
        F: Future + Send + 'static,
        F::Output: Send + 'static,
    {
        self.spawn_fixed(future, options.roving())
    }

    /// The same for a task that stays on the loop once it is there.
    pub(crate) fn spawn_fixed<F>(&self, future: F, options: SpawnOptions) -> Task<F::Output>
    where
        F: Future + Send + 'static,
        F::Output: Send + 'static,
    {
        if let Some(hub) = own(self.hub) {
            return spawn(&hub, future, options);
        }
        // SAFETY: the future borrows nothing.
        unsafe { self.send(future, options) }
    }

    /// Brings `future` to the loop, which is that of another thread.
    ///
    /// # Safety
    /// What `future` and its output borrow outlives the end of the task, and the last use of its
    /// handle.
    pub(crate) unsafe fn send<F>(&self, future: F, options: SpawnOptions) -> Task<F::Output>
    where
        F: Future + Send,
        F::Output: Send,
    {
        // Who would be refused is not brought there: many senders could hold the end up.
        let hub = if self.stop_is_noted() || self.is_forked() {
            ended_loop().hub
        } else {
            self.hub
        };
        let task = life_cycle::make_abroad(hub, future, options);
        // SAFETY: our reference keeps the hub alive, or that of `ended_loop` does.
        let sent = unsafe { &(*hub).sent }.get();
        if let Some(sent) = sent {
            sent.fetch_add(1, Ordering::Relaxed); // the push releases it
        }
        // SAFETY: as above.
        if unsafe { Hub::push(hub, task) } == Pushed::Closed {
            if let Some(sent) = sent {
                sent.fetch_sub(1, Ordering::Relaxed);
            }
            abroad::end_unseen(task, Interrupt::Stopped);
        }
        // SAFETY: the future's output is an `F::Output`.
        unsafe { Task::new(task) }
    }

    /// From now on `count` counts the tasks that are sent to the loop, until it has taken them and tells so with
    /// [`Running::take_arrivals`]. Once, before there are other submitters.
    ///
    /// # Examples
    /// ```
    /// use arborio_base::sync::{Arc, atomic::{AtomicUsize, Ordering}};
    /// use arborio_task::{NoNotify, SpawnOptions, Tasks};
    /// let tasks = Tasks::new(std::sync::Arc::new(NoNotify));
    /// let count = Arc::new(AtomicUsize::new(0));
    /// tasks.submitter().count_sent(Arc::clone(&count));
    /// drop(tasks.submitter().spawn(async {}, SpawnOptions::new()));
    /// assert_eq!(count.load(Ordering::Relaxed), 1);
    /// tasks.run_main(async {}, |running| {
    ///     assert_eq!((running.take_mail(), running.take_arrivals()), (1, 1));
    /// }).1.unwrap_err();
    /// ```
    pub fn count_sent(&self, count: sync::Arc<sync::atomic::AtomicUsize>) {
        // SAFETY: our reference keeps the hub alive.
        let first = unsafe { &(*self.hub).sent }.set(count).is_ok();
        debug_assert!(first, "what is sent to a loop is counted once");
    }

    /// Spawns `future` on the loop that runs on this thread if that is `here`: then it is the
    /// submitter's own, or one of the same pool. Otherwise brings it to the submitter's.
    ///
    /// # Safety
    /// What `future` and its output borrow outlives them, wherever they are dropped.
    pub(crate) unsafe fn lend<F>(
        &self,
        future: F,
        options: SpawnOptions,
        here: bool,
    ) -> Task<F::Output>
    where
        F: Future + Send,
        F::Output: Send,
    {
        let own = if here { own_current() } else { None };
        let Some(hub) = own.filter(|hub| !hub.embedded.get()) else {
            // SAFETY: passed on to the caller.
            return unsafe { self.send(future, options) };
        };
        if hub.closing.get() {
            return spawn_stopped(&hub, future, options);
        }
        // SAFETY: this thread is the owner, and the caller says that what is borrowed lives long enough.
        let task = unsafe { life_cycle::spawn(&hub, future, options) };
        // SAFETY: the future's output is an `F::Output`.
        unsafe { Task::new(task) }
    }

    /// What the loop has done, and what it had at its last turn.
    ///
    /// # Examples
    /// See [`WorkerMetrics`].
    pub fn figures(&self) -> WorkerMetrics {
        // SAFETY: our reference keeps the hub alive.
        unsafe { &(*self.hub).meter }.read()
    }

    /// The loop is one of those that `team` names, as long as they run. Once; it must not keep a submitter.
    ///
    /// # Examples
    /// See [`team`](Self::team).
    pub fn know_team(&self, team: impl Fn() -> Vec<Self> + Send + Sync + 'static) {
        // SAFETY: our reference keeps the hub alive.
        let _ = unsafe { &(*self.hub).team }.set(Box::new(team)); // the first one stays
    }

    /// The loops of the pool that the loop is one of; itself, if it is alone.
    ///
    /// # Examples
    /// ```
    /// use arborio_task::{NoNotify, Tasks};
    /// let tasks = Tasks::new(std::sync::Arc::new(NoNotify));
    /// assert_eq!(tasks.submitter().team(), [tasks.submitter()]);
    /// ```
    pub fn team(&self) -> Vec<Self> {
        // SAFETY: our reference keeps the hub alive.
        let team = unsafe { &(*self.hub).team }.get();
        let team = team.map(|team| team()).unwrap_or_default();
        if team.is_empty() {
            return vec![self.clone()];
        }
        team
    }

    fn stop_is_noted(&self) -> bool {
        // SAFETY: our reference keeps the hub alive. Acquire: pairs with `note_stop`.
        unsafe { &(*self.hub).stopping }.load(Ordering::Acquire)
    }

    /// Notes that somebody wants the loop to end: what other threads send from now on is dropped
    /// where it is sent, and ends as [`Interrupt::Stopped`]. Whoever drives the loop has to be told,
    /// too.
    ///
    /// # Examples
    /// ```
    /// let tasks = arborio_task::Tasks::new(std::sync::Arc::new(arborio_task::NoNotify));
    /// let submitter = tasks.submitter();
    /// assert!(!submitter.is_stopping());
    /// submitter.note_stop();
    /// assert!(tasks.submitter().is_stopping());
    /// ```
    pub fn note_stop(&self) {
        // SAFETY: our reference keeps the hub alive. Release: pairs with `stop_is_noted`.
        unsafe { &(*self.hub).stopping }.store(true, Ordering::Release);
    }

    /// Says why somebody wants the loop to end. The first reason stays. To be called before the stop itself
    /// is on its way, so that whoever is asked to end finds it.
    ///
    /// # Examples
    /// ```
    /// use arborio_task::{NoNotify, Reason, ReasonKind, Tasks};
    /// let submitter = Tasks::new(std::sync::Arc::new(NoNotify)).submitter();
    /// assert!(submitter.stop_reason().is_none());
    /// submitter.give_stop_reason(Reason::new(ReasonKind::CtrlC));
    /// submitter.give_stop_reason(Reason::new(ReasonKind::Stop));
    /// assert_eq!(submitter.stop_reason().unwrap().kind(), ReasonKind::CtrlC);
    /// ```
    pub fn give_stop_reason(&self, reason: Reason) {
        // SAFETY: our reference keeps the hub alive.
        let _ = unsafe { &(*self.hub).stop_reason }.set(reason); // one was there: it stays
    }

    /// Why somebody wants the loop to end, or wanted it, if anybody did and has said so.
    ///
    /// # Examples
    /// See [`give_stop_reason`](Self::give_stop_reason).
    pub fn stop_reason(&self) -> Option<Reason> {
        // SAFETY: our reference keeps the hub alive.
        unsafe { &(*self.hub).stop_reason }.get().cloned()
    }

    /// Whether somebody wants the loop to end ([`note_stop`](Self::note_stop)), or it has ended.
    ///
    /// # Examples
    /// ```
    /// let tasks = arborio_task::Tasks::new(std::sync::Arc::new(arborio_task::NoNotify));
    /// let submitter = tasks.submitter();
    /// drop(tasks);
    /// assert!(submitter.is_stopping());
    /// ```
    pub fn is_stopping(&self) -> bool {
        self.is_closed() || self.stop_is_noted()
    }
}

/// A loop that has ended, and is nobody's: the home of tasks that are sent to a loop which is
/// stopping. Their handles are abroad everywhere, also on the thread of that loop.
fn ended_loop() -> &'static Submitter {
    static ENDED: std::sync::OnceLock<Submitter> = std::sync::OnceLock::new();
    ENDED.get_or_init(|| Tasks::new(Arc::new(NoNotify)).submitter())
}

/// Two submitters are equal if they send to the same loop.
impl PartialEq for Submitter {
    fn eq(&self, other: &Self) -> bool {
        std::ptr::eq(self.hub, other.hub)
    }
}

impl Eq for Submitter {}

impl Clone for Submitter {
    fn clone(&self) -> Self {
        Self::new(self.hub)
    }
}

impl Drop for Submitter {
    /// The last one to go tells the loop, which may be waiting for it.
    fn drop(&mut self) {
        // SAFETY: our reference keeps the hub alive until it is given up.
        let hub = unsafe { &*self.hub };
        let notifier = hub.inbox.notifier();
        let others = 1 + hub.polling.watchers(); // the loop itself, and who only watches
        // SAFETY: one reference is ours.
        let left = unsafe { Hub::release(self.hub) };
        // Nobody is left to tell if there is no reference at all.
        if (1..=others).contains(&left) {
            contain(|| notifier.notify());
        }
    }
}

impl fmt::Debug for Submitter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Submitter")
            .field("is_closed", &self.is_closed())
            .finish_non_exhaustive()
    }
}

/// Spawns `future` on the loop that runs on this thread, or gives it back if
/// none does, or only one that is [embedded](crate::embedded) in a future.
///
/// The body starts when the caller has suspended, in the order of spawning. If
/// the loop is ending, the future is dropped and the task ends with
/// [`Interrupt::Stopped`].
///
/// # Errors
/// The future, if no loop runs on this thread.
///
/// # Examples
/// ```
/// let future = arborio_task::try_spawn(async {}, arborio_task::SpawnOptions::new());
/// assert!(future.is_err(), "no loop runs here");
/// ```
#[inline(always)]
pub fn try_spawn<F>(future: F, options: SpawnOptions) -> Result<Task<F::Output>, F>
where
    F: Future + 'static,
    F::Output: 'static,
{
    match held_current() {
        Some(hub) if !hub.embedded.get() => Ok(spawn(hub, future, options)),
        Some(_) => Err(future),
        None => try_spawn_as_worker(future, options),
    }
}

/// The same where no loop holds its hub: a worker may have let go of its own, and is never embedded.
#[inline(never)]
fn try_spawn_as_worker<F>(future: F, options: SpawnOptions) -> Result<Task<F::Output>, F>
where
    F: Future + 'static,
    F::Output: 'static,
{
    match own_current() {
        Some(hub) => Ok(spawn(&hub, future, options)),
        None => Err(future),
    }
}

/// As [`try_spawn`], for a future that is `Send`: its task may move to another loop of a pool
/// ([`Running::give`]).
///
/// # Errors
/// The future, if no loop runs on this thread.
///
/// # Examples
/// ```
/// let future = arborio_task::try_spawn_sent(async {}, arborio_task::SpawnOptions::new());
/// assert!(future.is_err(), "no loop runs here");
/// ```
#[inline(always)]
pub fn try_spawn_sent<F>(future: F, options: SpawnOptions) -> Result<Task<F::Output>, F>
where
    F: Future + Send + 'static,
    F::Output: Send + 'static,
{
    try_spawn(future, options.roving())
}

/// Spawns on the current loop, which holds `hub`. Always inlined: a future that is passed on is
/// copied, and spawning is little else.
#[inline(always)]
fn spawn<F>(hub: &Hub, future: F, options: SpawnOptions) -> Task<F::Output>
where
    F: Future + 'static,
    F::Output: 'static,
{
    if hub.closing.get() {
        return spawn_stopped(hub, future, options);
    }
    // SAFETY: this thread is the owner, and the future borrows nothing.
    let task = unsafe { life_cycle::spawn(hub, future, options) };
    // SAFETY: the future's output is an `F::Output`.
    unsafe { Task::new(task) }
}

/// The same on a loop that is ending.
#[cold]
fn spawn_stopped<F: Future>(hub: &Hub, future: F, options: SpawnOptions) -> Task<F::Output> {
    drop_contained(future);
    let task = life_cycle::spawn_ended::<F>(hub, options, Interrupt::Stopped);
    // SAFETY: the future's output is an `F::Output`.
    unsafe { Task::new(task) }
}

/// The task that runs on this thread, as the author of a request.
pub(crate) fn running_task() -> Option<Requester> {
    let task = current_task()?;
    Some(Requester::Task {
        name: side::name(task),
        spawned_at: task.spawned_at,
    })
}

/// Whether somebody looks after the outcome of the task that is being polled: its
/// handle is polled, or it was spawned [observed](SpawnOptions::observed).
pub fn is_observed() -> bool {
    let observed = |task: TaskRef| {
        task.local.seen().any(Flags::OBSERVED) || task.shared.is_subscribed() // in this poll
    };
    current_task().is_some_and(observed)
}

/// Whether a callback looks after the outcome of the task that is being polled
/// ([`Task::on_done`]): then it is nobody else's.
pub fn is_taken_over() -> bool {
    current_task().is_some_and(side::is_silent)
}

/// What is known of the task whose code runs on this thread. `None` outside of every
/// task.
pub fn current_info() -> Option<TaskInfo> {
    let task = current_task()?;
    TaskInfo::of(&*own_current()?, task)
}

/// Whether the code that runs on this thread belongs to a task whose future is being
/// dropped before it was ready.
pub fn is_dropping() -> bool {
    // SAFETY: a current hub is alive, and this thread is its owner.
    unsafe { current().as_ref() }.is_some_and(|hub| hub.ending.get().is_some())
}

/// The task whose code runs on this thread: the innermost one whose future is
/// being dropped by request, or the one that is being polled.
#[inline]
pub(crate) fn current_task() -> Option<TaskRef> {
    let hub = current();
    // SAFETY: a current hub is alive, and this thread is its owner.
    let hub = unsafe { hub.as_ref() }?;
    hub.ending.get().or(hub.polling.get())
}
