//! The loop as other threads have it: they send tasks there, and note that it shall end.

use std::{fmt, sync::Arc};

use arborio_base::{
    contain,
    sync::{self, atomic::Ordering},
};

use super::{
    NoNotify, Tasks,
    spawn::{spawn, spawn_stopped},
};
use crate::{
    abroad,
    current::{current, own, own_current},
    handle::Task,
    hub::Hub,
    inbox::Pushed,
    interrupt::{Interrupt, Reason},
    life_cycle::{self, SpawnOptions},
    meter::WorkerMetrics,
};

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
    pub(super) hub: *const Hub,
}

// SAFETY: of the hub, a submitter touches what is made for all threads; the
// rest only where `own_hub` says that this thread is the owner.
unsafe impl Send for Submitter {}
// SAFETY: as above.
unsafe impl Sync for Submitter {}

impl Submitter {
    /// Counts one more reference to `hub`, to which the caller has one.
    pub(super) fn new(hub: *const Hub) -> Self {
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
    /// [`Running::take_arrivals`](crate::Running::take_arrivals). Once, before there are other submitters.
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

    /// Notes that those who are asked to end have no time for it any more, and tells who [waits](Self::when_forced) for that.
    ///
    /// # Examples
    /// See [`when_forced`](Self::when_forced).
    pub fn force(&self) {
        // SAFETY: our reference keeps the hub alive.
        unsafe { &(*self.hub).force }.come();
    }

    /// Has `tell` called when somebody [forces](Self::force) the loop, at once if somebody has. One at a time: the last
    /// one is told.
    ///
    /// # Examples
    /// ```
    /// use std::sync::{Arc, atomic::{AtomicBool, Ordering}};
    /// let tasks = arborio_task::Tasks::new(Arc::new(arborio_task::NoNotify));
    /// let told = Arc::new(AtomicBool::new(false));
    /// let tell = Arc::clone(&told);
    /// tasks.submitter().when_forced(move || tell.store(true, Ordering::Relaxed));
    /// assert!(!told.load(Ordering::Relaxed));
    /// tasks.submitter().force();
    /// assert!(told.load(Ordering::Relaxed));
    /// ```
    pub fn when_forced(&self, tell: impl Fn() + Send + Sync + 'static) {
        // SAFETY: our reference keeps the hub alive.
        unsafe { &(*self.hub).force }.when_it_comes(Arc::new(tell));
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
