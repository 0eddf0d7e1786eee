//! A branch comes into the tree: below the running task, or below another branch.

use std::{ptr, sync::Arc};

use arborio_base::{
    Plain,
    sync::atomic::{AtomicBool, AtomicPtr, Ordering},
};

use super::Branch;
use crate::{current::current, hub::Hub, local::Flags, moving, node::Node, tasks, tree::Describe};

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
}
