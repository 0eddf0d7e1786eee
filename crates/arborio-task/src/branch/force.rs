//! The tasks of a branch are asked to end, and ended without being asked when the grace is over.

use std::{collections::HashMap, ptr, sync::Arc, time::Duration};

use arborio_base::{prefetch, sync::atomic::Ordering};

use super::Branch;
use crate::{
    abroad,
    cell::{Header, TaskRef},
    guests,
    hub::Hub,
    interrupt::Interrupt,
    life_cycle,
    local::Flags,
    side::Manner,
};

impl Branch {
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
}
