//! A branch of the task tree: a node below the root, for whoever builds scopes.
//!
//! This file has the branch itself, and what it knows of its loop; `enter.rs` how one comes into the tree,
//! `leave.rs` how it goes, `within.rs` which one the running code belongs to, `spawn.rs` its tasks, and
//! `force.rs` how these are asked to end, and ended. R1 to R5 below hold for all of them.
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

mod enter;
mod force;
mod leave;
mod spawn;
mod within;

use std::{ptr, sync::Arc, task::Waker, time::Duration};

use arborio_base::{
    Plain, drop_contained,
    sync::atomic::{AtomicBool, AtomicPtr, Ordering},
};

use crate::{
    cell::TaskRef,
    current::{Own, current, own},
    door::Door,
    hub::Hub,
    interrupt::Payload,
    node::Node,
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

    /// The hub of its loop. Whoever asks knows that the branch is not gone.
    pub(crate) fn home(&self) -> *const Hub {
        self.home.load(Ordering::Acquire)
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

    /// A panic that nobody here can take comes up in the branch above, or in the loop.
    pub fn bubble_above(&self, panic: Payload) {
        let _held = self.own_hub();
        match self.node_above() {
            Some(above) => above.bubble(panic),
            None => drop_contained(panic), // there is no loop to tell
        }
    }

    /// Whether whoever waits above does not wait for what is on this branch: a task
    /// that nobody waits for has entered it.
    pub fn is_silent(&self) -> bool {
        self.here().is_some_and(|_| self.node.is_silent())
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

    /// The node, for the owner.
    pub(crate) fn node(&self) -> &Node {
        &self.node
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
