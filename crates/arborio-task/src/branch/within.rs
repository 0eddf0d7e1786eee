//! Which branch the running code belongs to: the one that it is within, or that its task hangs on.

use std::{ptr, sync::Arc};

use arborio_base::contain;

use super::Branch;
use crate::{
    around::{MetScope, ScopeKey},
    cell::TaskRef,
    current::current,
    hub::Hub,
    local::Flags,
    tasks,
    tree::Describe,
};

impl Branch {
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
    pub(super) fn around(&self) -> Option<Arc<Self>> {
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
