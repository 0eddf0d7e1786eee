//! The tasks of a branch: those of its own loop, those that come from other threads, and those of other loops
//! that it waits for.

use std::sync::Arc;

use arborio_base::{drop_contained, sync::atomic::Ordering};

use super::Branch;
use crate::{
    current::{Own, own_current},
    guests,
    handle::Task,
    hub::Hub,
    interrupt::Interrupt,
    life_cycle::{self, SpawnOptions},
    moving,
    node::Node,
};

impl Branch {
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
