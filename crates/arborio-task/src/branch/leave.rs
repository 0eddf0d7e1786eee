//! A branch goes out of the tree, by itself or with its loop; and the chain of those that it hung on.

use std::{ptr, sync::Arc};

use arborio_base::{drop_contained, sync::atomic::Ordering};

use super::Branch;
use crate::{
    abroad, cell::TaskRef, door::Visitor, hub::Hub, interrupt::Payload, life_cycle, tree::Describe,
};

impl Branch {
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

    /// For another thread: whoever saw to the branch is gone. The loop calls `owner`'s
    /// [`left_abroad`](Describe::left_abroad) on its own thread; if it has
    /// ended, `owner` is dropped.
    pub fn leave_abroad(&self, owner: Arc<dyn Describe>) {
        self.door.bring(Visitor::Left(owner));
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
}
