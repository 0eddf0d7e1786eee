//! The tasks of a scope whose future was dropped: they are asked to end, by a task
//! of the enclosing scope that waits for them.

use std::{
    pin::Pin,
    sync::Arc,
    task::{Context, Poll, ready},
};

use arborio_task::{Branch, Interrupt, Reason, ReasonKind, SpawnOptions, TaskInfo};

use super::{
    describe::Stage,
    note::ScopeNote,
    run::{Watch, is_deserted},
    shared::{ScopeState, fail_with_panics},
};
use crate::handlers::shield;

/// Sees to the tasks of a scope that nobody polls any more.
pub(crate) fn adopt<E: Send + 'static>(state: &Arc<ScopeState<E>>) {
    let Some(branch) = state.branch() else { return };
    if !branch.is_here() {
        return branch.leave_abroad(Arc::clone(state) as _);
    }
    branch.close();
    state.life.set(Stage::Orphaned);
    let mut watch = Watch::default();
    if branch.is_forced() {
        watch.ask_nobody(); // whoever forces it sees to its tasks, too
        state.end_forks_of_ended();
    } else if branch.is_forced_elsewhere() {
        branch.force(&forced()); // whoever has forced it knows nothing of its tasks
        watch.ask_nobody();
        state.end_forks_of_ended();
    }
    let orphans = Orphans {
        state: Arc::clone(state),
        branch: Arc::clone(branch),
        watch,
    };
    if !orphans.leave_if_none_is_left() {
        orphans.settle_above();
    }
}

/// Whether this is a task that [waits](Orphans) for others. Who tells what had to be forced names those, and not this one.
pub(super) fn is_helper(task: &TaskInfo) -> bool {
    task.spawned_at.file() == file!() // nothing else is spawned in this file
}

fn forced() -> Interrupt {
    Interrupt::Cancelled(Reason::new(ReasonKind::Abort))
}

struct Orphans<E: Send + 'static> {
    state: Arc<ScopeState<E>>,
    branch: Arc<Branch>,
    watch: Watch,
}

impl<E: Send + 'static> Orphans<E> {
    /// Becomes a task of whoever waits for the branch. It is shielded: when that is asked
    /// to end, these tasks have been asked already.
    fn settle_above(self) {
        let (branch, state) = (Arc::clone(&self.branch), Arc::clone(&self.state));
        let options = SpawnOptions::new().name("tasks of a dropped scope");
        match branch.try_spawn_above(shield(self), options) {
            Ok(task) => task.begin_anyway(), // detached: whoever waits above waits for it
            Err(refused) => {
                state.end_unheard(); // the loop is ending, and ends them
                drop(refused);
            }
        }
    }

    /// The scope ends, if every task has. False if some have not.
    fn leave_if_none_is_left(&self) -> bool {
        if !is_deserted(&self.state, &self.branch) {
            return false;
        }
        if self.branch.is_here() {
            self.leave();
        }
        true
    }

    fn leave(&self) {
        let state = &self.state;
        // Those of its own tasks have ended: a task is asked before its fork is, or it would
        // take that for an error of the fork.
        state.end_forks_of_ended();
        for panic in state
            .take_first_panic()
            .into_iter()
            .chain(self.branch.take_panics())
        {
            self.branch.bubble_above(panic);
        }
        fail_with_panics(state, self.branch.leave());
        state.tell_all(ScopeNote::Closed);
        state.end_unheard();
    }
}

impl<E: Send + 'static> Future for Orphans<E> {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        let this = &mut *self;
        ready!(this.watch.poll_orphan(&this.state, &this.branch, cx));
        this.leave_if_none_is_left();
        Poll::Ready(())
    }
}

impl<E: Send + 'static> Drop for Orphans<E> {
    /// It was forced before every task had ended, and so were they: another one waits
    /// for those whose end was put off.
    fn drop(&mut self) {
        let over = self.state.progress().over;
        if over || !self.branch.is_here() {
            return;
        }
        if !self.branch.is_forced() {
            self.branch.force(&forced());
        }
        if self.leave_if_none_is_left() {
            return;
        }
        let mut watch = Watch::default();
        watch.ask_nobody();
        let next = Self {
            state: Arc::clone(&self.state),
            branch: Arc::clone(&self.branch),
            watch,
        };
        next.settle_above();
    }
}
