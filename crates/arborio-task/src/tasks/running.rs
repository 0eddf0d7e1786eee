//! The running loop, as whoever drives it has it: polls, mail, sleep, and what is to be decided
//! at the end of a turn.

use std::fmt;

use arborio_base::{between_forks, sync::atomic::Ordering};

use super::Submitter;
use crate::{
    cell::TaskRef,
    current::AtWork,
    handle::Task,
    hub::Hub,
    interrupt::{Interrupt, Payload},
    life_cycle,
    local::Flags,
    meter, moving,
    tree::{TaskInfo, Tree, walk},
};

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
    pub(super) hub: &'a Hub,
    /// Kept alive by the handle in `run_main`.
    pub(super) main: TaskRef,
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
        let hub = self.hub;
        let here = Self { ..*self };
        let mut polls = 0;
        while polls < limit && run_next(hub) {
            polls += 1;
            if hub.root.wants_attention() || stop(&here) {
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
    /// spawned as `Send` ([`try_spawn_sent`](crate::try_spawn_sent), [`Submitter::spawn`]), hang on a branch, have entered one, have
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
    /// See [`WorkerMetrics`](crate::WorkerMetrics).
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
        // Its owner may fork meanwhile, and the child would have half of its tasks, and nobody who gives the hub back.
        let rescued = between_forks(|| {
            stuck.tenure.borrow(|| {
                // SAFETY: we have the hub instead of its owner, who is in a poll; our own hub is alive.
                unsafe { moving::rescue(stuck, self.hub, most) }
            })
        });
        let rescued = rescued.flatten().unwrap_or(0);
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
        walk::from_root(self.hub, None)
    }
}
