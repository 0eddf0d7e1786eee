//! A branch of the task tree: a node below the root, for whoever builds scopes.
//!
//! # States
//! | state  | meaning                                  | next                         |
//! |--------|------------------------------------------|------------------------------|
//! | open   | in the tree; tasks may be spawned on it  | closed: `close`              |
//! | closed | in the tree; its tasks end               | gone: `leave`, or the loop's end |
//! | gone   | not in the tree; `home` is null          | -                            |
//!
//! # Invariants
//! - R1: a branch that is not gone is counted by the hub's registry, so the node
//!   stays where it is as long as a task hangs on it.
//! - R2: the node, and every field but `home`, is touched by the owner only: by
//!   whoever finds `home` to be the loop that runs on this thread. `home` becomes
//!   null before the hub is freed, so a new hub at the same address is not taken
//!   for it.
//! - R3: pending tasks are counted by the nearest node above that is not gone when
//!   the first of them comes; that one stays until the last has ended, because
//!   a branch with pending tasks does not leave.
//! - R4: what `inside` of the hub points to is borrowed by a call of `within` that is
//!   running.
//! - R5: a branch that is not gone has a reference to the task that entered it.

use std::{collections::HashMap, ptr, sync::Arc, task::Waker, time::Duration};

use arborio_base::{
    Plain, contain, drop_contained, prefetch,
    sync::atomic::{AtomicBool, AtomicPtr, Ordering},
};

use crate::{
    abroad,
    around::{MetScope, ScopeKey},
    cell::{Header, TaskRef},
    current::{Own, current, own, own_current},
    door::{Door, Visitor},
    guests,
    handle::Task,
    hub::Hub,
    interrupt::{Interrupt, Payload},
    life_cycle::{self, SpawnOptions},
    local::Flags,
    moving,
    node::Node,
    side::Manner,
    tasks,
    tree::{Describe, Tree, walk},
};

/// A node of the task tree below the root. See the head of this file.
///
/// # Examples
/// ```
/// use arborio_task::{Branch, NoNotify, SpawnOptions, Tasks};
/// let tasks = Tasks::new(std::sync::Arc::new(NoNotify));
/// let main = async {
///     let branch = Branch::enter(std::sync::Arc::new(())).expect("a loop runs");
///     let task = branch.try_spawn(async { 6 }, SpawnOptions::new()).ok().unwrap();
///     assert_eq!(branch.pending(), 1);
///     assert_eq!(task.await.unwrap(), 6);
///     assert_eq!(branch.pending(), 0);
///     branch.leave();
/// };
/// tasks.run_main(main, |running| while running.run_next() {}).1.unwrap();
/// ```
pub struct Branch {
    node: Node,
    /// The hub of the loop; null once the branch is gone.
    home: AtomicPtr<Hub>,
    /// What it hangs on; `None` is the root.
    parent: Option<Arc<Self>>,
    /// What builds on it, which the registry counts; `None` before and after that. Beside the owner, a task
    /// of the branch reads it that is [away](crate::guests).
    owner: Plain<Option<*const dyn Describe>>,
    /// Written by the owner; others may be told a little late.
    closed: AtomicBool,
    /// Its tasks are dropped, and so is what comes below it from now on. As `closed`.
    forced: AtomicBool,
    /// Everything below is dropped when this much time is over, which has begun to run.
    grace: Plain<Option<Duration>>,
    /// Whether somebody waits for it, however far above. Others read it once a task hangs on it.
    awaited: Plain<bool>,
    /// Where to bring it from another thread.
    door: Arc<Door>,
    /// Where in the registry it is.
    place: Plain<usize>,
    /// How many branches of this loop were entered before it.
    number: Plain<u64>,
    /// The task that entered it, counted once more until the branch is gone: the tree
    /// is printed so, and takes no other task at that address for it.
    entered_by: Plain<Option<TaskRef>>,
}

// SAFETY: only the owner touches what is not made for all threads (R2); the
// wakers and payloads in the node may be dropped anywhere.
unsafe impl Send for Branch {}
// SAFETY: as above.
unsafe impl Sync for Branch {}

impl Branch {
    /// A new branch below the task that is being polled: on the branch that this task
    /// hangs on. `None` if no loop runs on this thread, or if it is ending.
    ///
    /// `owner` is what builds on the branch: its tasks reach it with
    /// [`current_owner`](Self::current_owner) until the branch leaves, and a
    /// [`Tree`](crate::Tree) asks it what is known of the branch.
    pub fn enter(owner: Arc<dyn Describe>) -> Option<Arc<Self>> {
        Self::enter_on(Self::current(), owner)
    }

    /// A new branch below this one. `None` if this one is closed, or belongs to
    /// another thread.
    pub fn enter_below(self: &Arc<Self>, owner: Arc<dyn Describe>) -> Option<Arc<Self>> {
        if self.is_closed() {
            return None;
        }
        Self::enter_on(Some(Arc::clone(self)), owner)
    }

    fn enter_on(parent: Option<Arc<Self>>, owner: Arc<dyn Describe>) -> Option<Arc<Self>> {
        // SAFETY: a current hub is alive, and this thread is its owner.
        let hub = unsafe { current().as_ref() }?;
        if hub.closing.get() {
            return None;
        }
        let branch = Self::outside(hub, parent);
        Self::take_place(&branch, hub, owner);
        Some(branch)
    }

    /// As [`enter`](Self::enter), for an owner that knows its branch from the start: `make`
    /// makes it. It gets `None` where `enter` gives that.
    ///
    /// Until `make` returns, the branch is not in the tree, and takes no tasks.
    ///
    /// # Examples
    /// ```
    /// use arborio_task::{Branch, Describe, NoNotify, ScopeInfo, Tasks};
    /// use std::{panic::Location, sync::Arc};
    /// struct Kitchen(Option<Arc<Branch>>);
    /// impl Describe for Kitchen {
    ///     fn describe(&self) -> ScopeInfo {
    ///         ScopeInfo::new(Location::caller())
    ///     }
    /// }
    /// let tasks = Tasks::new(Arc::new(NoNotify));
    /// let main = async {
    ///     let kitchen = Branch::enter_with(|branch| Arc::new(Kitchen(branch)));
    ///     let branch = kitchen.0.as_ref().expect("a loop runs");
    ///     assert!(branch.is_here());
    ///     branch.leave();
    /// };
    /// tasks.run_main(main, |running| while running.run_next() {}).1.unwrap();
    /// assert!(Branch::enter_with(|branch| Arc::new(Kitchen(branch))).0.is_none());
    /// ```
    pub fn enter_with<O: Describe>(make: impl FnOnce(Option<Arc<Self>>) -> Arc<O>) -> Arc<O> {
        // SAFETY: a current hub is alive, and this thread is its owner.
        let hub = unsafe { current().as_ref() };
        Self::enter_as(hub, Self::current, make)
    }

    /// As [`enter_below`](Self::enter_below), for an owner that knows its branch from the start;
    /// see [`enter_with`](Self::enter_with).
    pub fn enter_below_with<O: Describe>(
        self: &Arc<Self>,
        make: impl FnOnce(Option<Arc<Self>>) -> Arc<O>,
    ) -> Arc<O> {
        // SAFETY: a current hub is alive, and this thread is its owner.
        let guests_hub = || unsafe { current().as_ref() }.filter(|_| self.around().is_some());
        let hub = self.here().or_else(guests_hub);
        let hub = hub.filter(|_| !self.is_closed());
        Self::enter_as(hub, || Some(Arc::clone(self)), make)
    }

    fn enter_as<O: Describe>(
        hub: Option<&Hub>,
        parent: impl FnOnce() -> Option<Arc<Self>>,
        make: impl FnOnce(Option<Arc<Self>>) -> Arc<O>,
    ) -> Arc<O> {
        let Some(hub) = hub.filter(|hub| !hub.closing.get()) else {
            return make(None);
        };
        let branch = Self::outside(hub, parent());
        let owner = make(Some(Arc::clone(&branch)));
        Self::take_place(&branch, hub, Arc::clone(&owner) as _);
        owner
    }

    /// A branch that is not in the tree yet: the memory of one that is gone, or new memory.
    fn outside(hub: &Hub, parent: Option<Arc<Self>>) -> Arc<Self> {
        let new = |parent| Self {
            node: Node::new(),
            home: AtomicPtr::new(ptr::null_mut()),
            parent,
            owner: Plain::new(None),
            closed: AtomicBool::new(false),
            forced: AtomicBool::new(false),
            grace: Plain::new(None),
            awaited: Plain::new(true),
            door: hub.door(),
            place: Plain::new(0),
            number: Plain::new(0),
            entered_by: Plain::new(None),
        };
        let spare = hub.spares.take(parent);
        spare.unwrap_or_else(|parent| Arc::new(new(parent)))
    }

    /// One that is gone, and to which nobody refers, is to be one that is not in the tree yet.
    pub(crate) fn begin_again(&mut self, parent: Option<Arc<Self>>) {
        self.node = Node::new();
        let before = std::mem::replace(&mut self.parent, parent);
        Self::drop_chain(before);
    }

    /// `branch`, which is new, becomes part of the tree.
    fn take_place(branch: &Arc<Self>, hub: &Hub, owner: Arc<dyn Describe>) {
        let forced =
            (branch.parent.as_ref()).is_some_and(|above| above.forced.load(Ordering::Relaxed));
        branch.closed.store(forced, Ordering::Relaxed);
        branch.forced.store(forced, Ordering::Relaxed);
        branch.grace.set(None);
        branch
            .number
            .set(hub.entered.replace(hub.entered.get() + 1));
        branch.entered_by.set(tasks::current_task());
        if let Some(task) = branch.entered_by.get() {
            task.local.add_reference(); // R5
            moving::bind(Some(task));
        }
        branch.owner.set(Some(Arc::as_ptr(&owner)));
        branch.node.children.prepare();
        branch.node.set_branch(Arc::as_ptr(branch));
        // Relaxed: only this thread takes it for its own hub, and nobody else asks more.
        let home = hub.address().cast_mut();
        branch.home.store(home, Ordering::Relaxed); // R2
        let silent = branch.is_of_a_daemon();
        if silent {
            branch.node.set_silent();
        }
        let above = branch.parent.as_ref();
        let awaited = !silent && above.is_none_or(|above| above.awaited.get());
        branch.awaited.set(awaited);
        if let Some(above) = branch.above_elsewhere(hub) {
            hub.guests.enter(branch, above);
        }
        let mut registry = hub.branches.borrow_mut();
        branch.place.set(registry.len());
        registry.push((Arc::clone(branch), owner)); // R1
    }

    /// Whether a task that nobody waits for has just entered it, right below the node that
    /// the task hangs on. Then that node does not wait for what is on the branch, either.
    fn is_of_a_daemon(&self) -> bool {
        let daemon = tasks::current_task().filter(|task| task.local.seen().any(Flags::DAEMON));
        daemon.is_some_and(|task| {
            // SAFETY: the node of a task that has not ended is alive, and this thread is
            // the owner.
            let node = unsafe { &*task.parent.get() };
            let above = self.parent.as_ref().map_or(ptr::null(), Arc::as_ptr);
            ptr::eq(node.branch(), above)
        })
    }

    /// The branch of the code that is running: the one that it is [within](Self::within),
    /// or that its task hangs on. `None` if that is the root, or if no task is being
    /// polled on this thread.
    pub fn current() -> Option<Arc<Self>> {
        // SAFETY: a current hub is alive, and this thread is its owner.
        let inside = unsafe { current().as_ref() }?.inside.get();
        let task = tasks::current_task();
        let branch = match inside {
            Some((whose, branch)) if whose == task => branch,
            // SAFETY: the node of a task that has not ended is alive, and this thread
            // is the owner.
            _ => unsafe { &*task?.parent.get() }.branch(),
        };
        if branch.is_null() {
            return None;
        }
        // SAFETY: every branch lies in an `Arc`, and this one is counted (R1, R4).
        unsafe { Arc::increment_strong_count(branch) };
        // SAFETY: counted just now.
        Some(unsafe { Arc::from_raw(branch) })
    }

    /// What builds on the branch of the task that is being polled, if it
    /// [gives](Describe::give) itself as a `T`.
    pub fn current_owner<T: 'static>() -> Option<T> {
        let owner = Self::current()?.owner()?;
        let mut slot: Option<T> = None;
        owner.give(&mut slot);
        slot
    }

    /// The branch of the task that is being polled, and those above it, as far as this thread may know them.
    pub(crate) fn described_around() -> Vec<MetScope> {
        let mut met = Vec::new();
        let mut next = Self::current();
        while let Some(branch) = next {
            if let Some(owner) = branch.owner()
                && let Some(info) = contain(|| owner.describe())
            {
                met.push(MetScope {
                    key: ScopeKey {
                        address: Arc::as_ptr(&owner).addr(),
                        number: branch.number.get(),
                    },
                    name: info.name,
                    opened_at: info.opened_at,
                });
            }
            next = branch.parent.clone();
        }
        met
    }

    /// What builds on it, for the owner of the branch, and for a task of it that is away.
    fn owner(&self) -> Option<Arc<dyn Describe>> {
        if self.here().is_none() && !self.is_of_guest() {
            return None;
        }
        let owner = self.owner.get()?;
        // SAFETY: the registry counts it. A branch leaves that only on this thread, or when the
        // task that is away here has come home.
        unsafe { Arc::increment_strong_count(owner) };
        // SAFETY: counted just now, and made by `Arc::as_ptr`.
        Some(unsafe { Arc::from_raw(owner) })
    }

    /// Whether the task that is being polled here is one of this branch, whose loop is another one.
    fn is_of_guest(&self) -> bool {
        tasks::current_task().is_some_and(|task| {
            // SAFETY: the node of a task that has not ended is alive; which branch it lies in
            // never changes.
            let hangs_on = || unsafe { &*task.parent.get() }.branch();
            task.local.seen().any(Flags::AWAY) && ptr::eq(hangs_on(), self)
        })
    }

    /// This branch, if the code that is running belongs to it, or to one below. Then it stays in the tree as long as
    /// the task is waited for, wherever its loop is.
    fn around(&self) -> Option<Arc<Self>> {
        let current = Self::current();
        let mut next = current.as_ref();
        while let Some(branch) = next {
            if ptr::eq(Arc::as_ptr(branch), self) {
                return Some(Arc::clone(branch));
            }
            next = branch.parent.as_ref();
        }
        None
    }

    /// The branch of another loop that what is pending here is for, unless there is one of this loop, `hub`, between.
    pub(crate) fn above_elsewhere(&self, hub: &Hub) -> Option<Arc<Self>> {
        let mut above = self.parent.as_ref();
        while let Some(branch) = above {
            let home = branch.home();
            if !home.is_null() {
                return (!ptr::eq(home, hub)).then(|| Arc::clone(branch));
            }
            above = branch.parent.as_ref();
        }
        None
    }

    /// Whether somebody waits for it, however far above.
    pub(crate) fn is_awaited(&self) -> bool {
        self.awaited.get()
    }

    /// The door of its loop.
    pub(crate) fn door(&self) -> &Door {
        &self.door
    }

    /// Runs `code`, a part of the task that is being polled, as belonging to this
    /// branch: branches that it enters are below this one.
    pub fn within<R>(self: &Arc<Self>, code: impl FnOnce() -> R) -> R {
        let Some(hub) = self.here() else {
            return code();
        };
        let task = tasks::current_task();
        let outer = hub.inside.replace(Some((task, Arc::as_ptr(self)))); // R4
        let _restore = PutBack { hub, outer };
        code()
    }

    /// The hub, if its loop runs on this thread now (R2). For what a [rescue](crate::moving) keeps from: this
    /// branch, and what else is the owner's alone.
    fn here(&self) -> Option<&Hub> {
        // Acquire: pairs with the store of `vanish`.
        let home = self.home.load(Ordering::Acquire);
        if home.is_null() || !ptr::eq(home, current()) {
            return None;
        }
        // SAFETY: the current hub is alive.
        Some(unsafe { &*home })
    }

    /// The same, and the loop holds it as long as this lives: for the queue, the root and the other tasks.
    fn own_hub(&self) -> Option<Own<'_>> {
        // Acquire: pairs with the store of `vanish`.
        own(self.home.load(Ordering::Acquire))
    }

    /// Whether it takes tasks that are not `Send`: it is [here](Self::is_here), and its loop stays
    /// on this thread.
    pub fn is_local(&self) -> bool {
        self.here().is_some_and(|hub| !hub.migrates.get())
    }

    /// Whether its loop runs on this thread now, and it is still in the tree.
    pub fn is_here(&self) -> bool {
        self.here().is_some()
    }

    /// The node that counts the pending ones of this branch (R3). The owner asks.
    pub(crate) fn node_above(&self) -> Option<&Node> {
        let hub = self.here()?;
        let mut above = self.parent.as_deref();
        while let Some(branch) = above {
            if branch.here().is_some() {
                return Some(&branch.node);
            }
            above = branch.parent.as_deref();
        }
        Some(&hub.root)
    }

    /// Spawns `future` as a task of this branch.
    ///
    /// # Errors
    /// The future, if the branch is closed, belongs to another thread, or lies in a loop that moves
    /// between threads ([`try_spawn_sent`](Self::try_spawn_sent) takes it there).
    #[inline]
    pub fn try_spawn<F>(&self, future: F, options: SpawnOptions) -> Result<Task<F::Output>, F>
    where
        F: Future + 'static,
        F::Output: 'static,
    {
        match self.own_hub() {
            Some(hub) if !hub.migrates.get() => self.spawn_if_open(&hub, future, options),
            Some(_) => Err(future),
            None => self.try_spawn_of_guest(future, options),
        }
    }

    /// The same for a task below this branch whose loop is another one: what it spawns there runs there, and the branch
    /// waits for it, asks it to end and forces it. A panic that nobody observes is that loop's.
    #[cold]
    fn try_spawn_of_guest<F>(&self, future: F, options: SpawnOptions) -> Result<Task<F::Output>, F>
    where
        F: Future + 'static,
        F::Output: 'static,
    {
        match self.to_lean_on().filter(|_| !self.is_closed()) {
            // SAFETY: this thread is the owner.
            Some((hub, branch)) => Ok(unsafe { branch.spawn_elsewhere(&hub, future, options) }),
            None => Err(future),
        }
    }

    /// The loop of the code that is running, if it may spawn tasks there that this branch, which is on another
    /// one, waits for.
    fn to_lean_on(&self) -> Option<(Own<'static>, Arc<Self>)> {
        let stays =
            |hub: &Own<'_>| !(hub.closing.get() || hub.migrates.get() || hub.embedded.get());
        let branch = self.around().filter(|branch| !branch.home().is_null())?;
        Some((own_current().filter(stays)?, branch))
    }

    /// As [`try_spawn`](Self::try_spawn), on every loop.
    ///
    /// # Errors
    /// The future, if the branch is closed, or lies in a loop that moves between threads and is on another one.
    #[inline]
    pub fn try_spawn_sent<F>(
        self: &Arc<Self>,
        future: F,
        options: SpawnOptions,
    ) -> Result<Task<F::Output>, F>
    where
        F: Future + Send + 'static,
        F::Output: Send + 'static,
    {
        match self.own_hub() {
            Some(hub) => self.spawn_if_open(&hub, future, options.roving()),
            None => self.try_spawn_abroad(future, options.roving()),
        }
    }

    /// The same on a thread that is not the loop's.
    #[cold]
    fn try_spawn_abroad<F>(
        self: &Arc<Self>,
        future: F,
        options: SpawnOptions,
    ) -> Result<Task<F::Output>, F>
    where
        F: Future + Send + 'static,
        F::Output: Send + 'static,
    {
        // Acquire: pairs with the store of `vanish`. If it goes just now, the task ends as one of a closed branch.
        let gone = self.home.load(Ordering::Acquire).is_null();
        if gone || self.closed.load(Ordering::Relaxed) {
            return Err(future);
        }
        let make = |future| life_cycle::make_abroad(moving::TRANSIT, future, options);
        let task = self.door.bring_new(future, Arc::clone(self), make)?;
        // SAFETY: the future's output is an `F::Output`.
        Ok(unsafe { Task::new(task) })
    }

    #[inline]
    fn spawn_if_open<F>(
        &self,
        hub: &Hub,
        future: F,
        options: SpawnOptions,
    ) -> Result<Task<F::Output>, F>
    where
        F: Future + 'static,
        F::Output: 'static,
    {
        if self.closed.load(Ordering::Relaxed) || hub.closing.get() {
            return Err(future);
        }
        // SAFETY: this thread is the owner.
        Ok(unsafe { spawn_below(hub, &self.node, future, options) })
    }

    /// As [`try_spawn`](Self::try_spawn), also when the branch is closed: for what has
    /// to be cleaned up.
    ///
    /// # Errors
    /// The future, if the branch is being forced, is gone, belongs to another thread, or lies in a
    /// loop that moves between threads.
    pub fn try_spawn_late<F>(&self, future: F, options: SpawnOptions) -> Result<Task<F::Output>, F>
    where
        F: Future + 'static,
        F::Output: 'static,
    {
        let may = |hub: &Own<'_>| !hub.closing.get() && !hub.migrates.get();
        if self.forced.load(Ordering::Relaxed) {
            return Err(future);
        }
        if let Some(hub) = self.own_hub() {
            if !may(&hub) {
                return Err(future);
            }
            // SAFETY: this thread is the owner.
            return Ok(unsafe { spawn_below(&hub, &self.node, future, options) });
        }
        match self.to_lean_on() {
            // SAFETY: this thread is the owner.
            Some((hub, branch)) => Ok(unsafe { branch.spawn_elsewhere(&hub, future, options) }),
            None => Err(future),
        }
    }

    /// Spawns `future` on the root of `hub`, which is not that of this branch, but the branch waits for it.
    ///
    /// # Safety
    /// This thread is the owner of `hub`.
    unsafe fn spawn_elsewhere<F>(
        self: &Arc<Self>,
        hub: &Hub,
        future: F,
        options: SpawnOptions,
    ) -> Task<F::Output>
    where
        F: Future + 'static,
        F::Output: 'static,
    {
        let held = options.awaited;
        let options = options.awaited(held && self.awaited.get());
        // SAFETY: this thread is the owner, says the caller.
        let task = unsafe { spawn_below(hub, &hub.root, future, options) };
        if held && let Some(task) = task.reference() {
            guests::hold_for(hub, task, Arc::clone(self));
        }
        task
    }

    /// Spawns `future` as a task of what counts this branch's tasks: the branch above,
    /// or the root.
    ///
    /// # Errors
    /// The future, if the loop is ending, or belongs to another thread.
    pub fn try_spawn_above<F>(&self, future: F, options: SpawnOptions) -> Result<Task<F::Output>, F>
    where
        F: Future + Send + 'static,
        F::Output: Send + 'static,
    {
        let (Some(hub), Some(above)) = (self.own_hub(), self.node_above()) else {
            return Err(future);
        };
        if hub.closing.get() {
            return Err(future);
        }
        if let Some(above) = self.above_elsewhere(&hub) {
            // SAFETY: this thread is the owner.
            return Ok(unsafe { above.spawn_elsewhere(&hub, future, options) });
        }
        // SAFETY: this thread is the owner.
        Ok(unsafe { spawn_below(&hub, above, future, options) })
    }

    /// A task that has ended before it began, as the branch is closed. `None` if no
    /// loop runs on this thread.
    pub fn spawn_ended<F>(
        future: F,
        options: SpawnOptions,
        end: Interrupt,
    ) -> Option<Task<F::Output>>
    where
        F: Future + 'static,
        F::Output: 'static,
    {
        let hub = own_current()?;
        drop_contained(future);
        let task = life_cycle::spawn_ended::<F>(&hub, options, end);
        // SAFETY: the future's output is an `F::Output`.
        Some(unsafe { Task::new(task) })
    }

    /// How many tasks of the branch, and branches below it, are waited for. 0 on
    /// another thread.
    pub fn pending(&self) -> usize {
        self.here().map_or(0, |_| self.node.pending())
    }

    /// How many tasks of the branch have not ended that nobody waits for. 0 on
    /// another thread.
    pub fn daemons(&self) -> usize {
        self.here().map_or(0, |_| self.node.daemons())
    }

    /// Nothing is spawned here any more.
    pub fn close(&self) {
        if self.here().is_some() {
            self.closed.store(true, Ordering::Relaxed);
        }
    }

    /// Whether nothing can be spawned here any more.
    pub fn is_closed(&self) -> bool {
        // Acquire: pairs with the store of `vanish`.
        self.home.load(Ordering::Acquire).is_null() || self.closed.load(Ordering::Relaxed)
    }

    /// `waker` is called when nothing is pending here any more, when the last task that
    /// nobody waits for has ended, and when a panic comes up.
    pub fn wake_on_change(&self, waker: &Waker) {
        if self.here().is_some() {
            self.node.set_waiter(waker);
        }
    }

    /// Whether there are panics to [take](Self::take_panics).
    #[inline]
    pub fn has_panics(&self) -> bool {
        self.here().is_some_and(|_| self.node.has_panics())
    }

    /// Panics of tasks that nobody observes, oldest first.
    #[inline]
    pub fn take_panics(&self) -> Vec<Payload> {
        self.here()
            .map_or_else(Vec::new, |_| self.node.take_panics())
    }

    /// Asks every task of the branch to end, with `end` as the outcome.
    pub fn cancel_all(&self, end: Interrupt) {
        if let Some(hub) = self.own_hub() {
            self.foresee(&hub);
            hub.guests.ask_held(self, &end);
            life_cycle::cancel_all(&hub, &self.node, end, None);
        }
    }

    /// Its tasks are asked to end, and they will ask in turn. In a tree that is larger than the
    /// caches each of them would wait for its memory: has that of branches fetched which were
    /// entered soon after this one. They mostly lie below, and in this order.
    fn foresee(&self, hub: &Hub) {
        let registry = hub.branches.borrow();
        let after = |steps| registry.get(self.place.get() + steps);
        if let Some((branch, owner)) = after(3) {
            prefetch(Arc::as_ptr(branch).cast(), size_of::<Self>());
            prefetch(Arc::as_ptr(owner).cast(), size_of_val(&**owner));
        }
        // What is read of this one was fetched when it was one step further away.
        if let Some(task) = after(2).and_then(|(branch, _)| branch.entered_by.get()) {
            prefetch(task.as_ptr().cast(), size_of::<Header>());
        }
    }

    /// Ends every task of the branch, and of those below it, without asking, and returns
    /// how they are called. All these branches are closed and [forced](Self::is_forced).
    pub fn force(&self, end: &Interrupt) -> Vec<crate::TaskInfo> {
        let Some(hub) = self.own_hub() else {
            return Vec::new();
        };
        let living = self.mark_forced(&hub);
        let infos = living
            .iter()
            .filter_map(|&task| crate::TaskInfo::of(&hub, task));
        let infos = infos.collect();
        hub.guests.force_held(end);
        for task in living {
            if guests::is_away(task) {
                abroad::end(task, end.clone(), Manner::Force);
                abroad::release(task);
            } else {
                life_cycle::abort(&hub, task, end.clone()); // user code
                life_cycle::release(&hub, task);
            }
        }
        infos
    }

    /// Its tasks were asked to end, and after `grace` the caller will [force](Self::force) them, or somebody
    /// forces a branch above it.
    pub fn begin_grace(&self, grace: Duration) {
        if self.here().is_some() {
            self.grace.set(Some(grace));
        }
    }

    /// The grace of the nearest branch above, if it has [begun](Self::begin_grace): when it is over everything below
    /// is forced, this branch included. A longer one that begins now will not be needed.
    pub fn grace_above(&self) -> Option<Duration> {
        let above = self.parent.as_deref()?;
        above.here()?;
        above.grace.get()
    }

    /// Whether whoever waits above does not wait for what is on this branch: a task
    /// that nobody waits for has entered it.
    pub fn is_silent(&self) -> bool {
        self.here().is_some_and(|_| self.node.is_silent())
    }

    /// Whether its tasks are dropped without being asked: what builds on it has no
    /// time to clean up any more.
    pub fn is_forced(&self) -> bool {
        self.here()
            .is_some_and(|_| self.forced.load(Ordering::Relaxed))
    }

    /// Whether that is so for what it hangs on at another loop, so that nobody has seen to this one.
    pub fn is_forced_elsewhere(&self) -> bool {
        let above = self.here().and_then(|hub| self.above_elsewhere(hub));
        above.is_some_and(|above| above.forced.load(Ordering::Relaxed))
    }

    /// Closes this branch and all below it; returns their tasks, each counted once more.
    fn mark_forced(&self, hub: &Hub) -> Vec<TaskRef> {
        let mut living = Vec::new();
        let registry = hub.branches.borrow();
        let mut known = HashMap::from([(ptr::from_ref(self), true)]);
        for (branch, _) in registry.iter() {
            if branch.is_below(&mut known) {
                branch.closed.store(true, Ordering::Relaxed);
                branch.forced.store(true, Ordering::Relaxed);
                branch.add_living(&mut living);
            }
        }
        living
    }

    /// Whether it is, or hangs on, one that is known to be below.
    fn is_below(&self, known: &mut HashMap<*const Self, bool>) -> bool {
        let mut path = Vec::new();
        let mut next = Some(self);
        let mut found = false;
        while let Some(branch) = next {
            if let Some(&answer) = known.get(&ptr::from_ref(branch)) {
                found = answer;
                break;
            }
            path.push(ptr::from_ref(branch));
            next = branch.parent.as_deref();
        }
        known.extend(path.into_iter().map(|branch| (branch, found)));
        found
    }

    /// For another thread: whoever saw to the branch is gone. The loop calls `owner`'s
    /// [`left_abroad`](Describe::left_abroad) on its own thread; if it has
    /// ended, `owner` is dropped.
    pub fn leave_abroad(&self, owner: Arc<dyn Describe>) {
        self.door.bring(Visitor::Left(owner));
    }

    /// Adds the tasks that have not ended, each counted once more.
    fn add_living(&self, living: &mut Vec<TaskRef>) {
        let mut next = self.node.children.first();
        while let Some(links) = next {
            let task = TaskRef::from_links(links);
            if !task.local.seen().any(Flags::DONE) {
                if guests::is_away(task) {
                    task.shared.clone_abroad();
                } else {
                    task.local.add_reference();
                }
                living.push(task);
            }
            // SAFETY: in this list: nothing runs meanwhile.
            next = unsafe { self.node.children.after(links) };
        }
    }

    /// Calls `seen` with those of its tasks that are [away](crate::guests). It runs no user code.
    pub(crate) fn for_each_away(&self, mut seen: impl FnMut(TaskRef)) {
        let mut next = self.node.children.first();
        while let Some(links) = next {
            let task = TaskRef::from_links(links);
            // SAFETY: in this list: nothing runs meanwhile.
            next = unsafe { self.node.children.after(links) };
            if guests::is_away(task) {
                seen(task);
            }
        }
    }

    /// The hub of its loop. Whoever asks knows that the branch is not gone.
    pub(crate) fn home(&self) -> *const Hub {
        self.home.load(Ordering::Acquire)
    }

    /// A panic that nobody here can take comes up in the branch above, or in the loop.
    pub fn bubble_above(&self, panic: Payload) {
        let _held = self.own_hub();
        match self.node_above() {
            Some(above) => above.bubble(panic),
            None => drop_contained(panic), // there is no loop to tell
        }
    }

    /// Takes the branch out of the tree, and returns the panics that nobody has taken. One
    /// that waits in the handle of a task goes to the loop if the handle is dropped.
    ///
    /// # Panics
    /// If a task of the branch has not ended.
    pub fn leave(&self) -> Vec<Payload> {
        let Some(hub) = self.own_hub() else {
            return Vec::new();
        };
        let left = self.node.pending() + self.node.daemons();
        assert_eq!(
            left, 0,
            "a branch leaves the tree when its tasks have ended"
        );
        while let Some(links) = self.node.children.first() {
            life_cycle::leave_behind(&hub, TaskRef::from_links(links));
        }
        let panics = self.node.take_panics();
        self.vanish(&hub);
        panics
    }

    /// Leaves the registry; `home` is null from then on.
    fn vanish(&self, hub: &Hub) {
        let ours = {
            let mut registry = hub.branches.borrow_mut();
            let ours = registry.swap_remove(self.place.get());
            if let Some((moved, _)) = registry.get(self.place.get()) {
                moved.place.set(self.place.get());
            }
            ours
        };
        self.home.store(ptr::null_mut(), Ordering::Release); // R2
        self.owner.set(None);
        self.forget_task(hub);
        let foreign = self.node.clear_out();
        let (branch, owner) = ours;
        hub.spares.keep(branch);
        drop_contained(foreign);
        drop_contained(owner); // it may be the last of its kind
    }

    /// The loop is ending: drops what is foreign. False if there was nothing.
    pub(crate) fn clear(&self) -> bool {
        let panics = self.node.take_panics();
        let waiter = self.node.take_waiter();
        let did = waiter.is_some() || !panics.is_empty();
        drop_contained(panics);
        drop_contained(waiter);
        did
    }

    /// The loop is over, and every task has ended. [`forget_task`](Self::forget_task)
    /// must follow.
    pub(crate) fn orphan(&self) {
        self.owner.set(None);
        self.home.store(ptr::null_mut(), Ordering::Release); // R2
    }

    /// The branch is gone: the task that entered it is not counted for it any more.
    pub(crate) fn forget_task(&self, hub: &Hub) {
        let entered_by = self.entered_by.replace(None);
        hub.guests.left(self, entered_by);
        // R5
        match entered_by {
            Some(task) if ptr::eq(task.hub(), hub.address()) => life_cycle::release(hub, task),
            Some(task) => abroad::release(task), // it has gone home
            None => {}
        }
    }

    /// How many branches of this loop were entered before this one.
    pub(crate) fn number(&self) -> u64 {
        self.number.get()
    }

    /// Where in the registry it is. The owner asks, and it is not gone.
    pub(crate) fn place(&self) -> usize {
        self.place.get()
    }

    /// The task that entered it, which may have ended. The owner asks.
    pub(crate) fn entered_by(&self) -> Option<TaskRef> {
        self.entered_by.get()
    }

    /// Everything that hangs on this branch, which is the first entry. Empty if the
    /// branch is gone, or belongs to another thread.
    ///
    /// # Examples
    /// ```
    /// # use arborio_task::{Branch, SpawnOptions, Tasks};
    /// # let tasks = Tasks::new(std::sync::Arc::new(arborio_task::NoNotify));
    /// # let main = async {
    /// let branch = Branch::enter(std::sync::Arc::new(())).expect("a loop runs");
    /// let task = branch.try_spawn(async {}, SpawnOptions::new()).ok().unwrap();
    /// assert_eq!(branch.tree().tasks().count(), 1);
    /// task.await.unwrap();
    /// assert_eq!(branch.tree().tasks().count(), 0);
    /// # };
    /// # tasks.run_main(main, |running| while running.run_next() {}).1.unwrap();
    /// ```
    pub fn tree(&self) -> Tree {
        self.own_hub()
            .map_or_else(Tree::default, |hub| walk::from_branch(&hub, self))
    }

    /// Drops a chain of parents one after the other, however long it is.
    pub(crate) fn drop_chain(first: Option<Arc<Self>>) {
        let mut next = first;
        while let Some(parent) = next {
            next = Arc::into_inner(parent).and_then(|mut branch| branch.parent.take());
        }
    }

    /// Takes the branch above out of one that is gone, and to which nobody else refers.
    pub(crate) fn take_parent(&mut self) -> Option<Arc<Self>> {
        self.parent.take()
    }

    /// The node, for the owner.
    pub(crate) fn node(&self) -> &Node {
        &self.node
    }
}

/// A new task of `node`, which is the root's or that of a branch in the tree.
///
/// # Safety
/// This thread is the owner.
#[inline]
unsafe fn spawn_below<F>(
    hub: &Hub,
    node: &Node,
    future: F,
    options: SpawnOptions,
) -> Task<F::Output>
where
    F: Future + 'static,
    F::Output: 'static,
{
    // SAFETY: this thread is the owner, says the caller, the future borrows nothing, and the
    // node outlives the task's end (R1).
    let task = unsafe { life_cycle::spawn_on(hub, node, future, options) };
    // SAFETY: the future's output is an `F::Output`.
    unsafe { Task::new(task) }
}

/// Puts back which branch the code belonged to before.
struct PutBack<'a> {
    hub: &'a Hub,
    outer: Option<(Option<TaskRef>, *const Branch)>,
}

impl Drop for PutBack<'_> {
    fn drop(&mut self) {
        self.hub.inside.set(self.outer);
    }
}

impl Drop for Branch {
    fn drop(&mut self) {
        Self::drop_chain(self.parent.take());
    }
}

impl std::fmt::Debug for Branch {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Branch")
            .field("is_here", &self.is_here())
            .finish_non_exhaustive()
    }
}
