//! The tasks of a scope whose future was dropped: they are asked to end, by a task
//! of the enclosing scope that waits for them.

use std::{
    pin::Pin,
    sync::Arc,
    task::{Context, Poll, ready},
};

use arborio_task::{Branch, SpawnOptions};

use super::{
    failure::Failure,
    run::Watch,
    shared::{ScopeState, fail_with_panics},
};

/// Sees to the tasks of a scope that nobody polls any more.
pub(crate) fn adopt<E: Send + 'static>(state: &Arc<ScopeState<E>>) {
    let Some(branch) = state.branch() else { return };
    if !branch.is_here() {
        return; // dropped abroad: its tasks end by themselves, and their loop waits
    }
    branch.close();
    let orphans = Orphans {
        state: Arc::clone(state),
        branch: Arc::clone(branch),
        watch: Watch::default(),
    };
    if branch.pending() + branch.daemons() == 0 {
        orphans.leave();
        return;
    }
    let options = SpawnOptions::new().name("tasks of a dropped scope");
    if let Ok(task) = branch.try_spawn_above(orphans, options) {
        drop(task); // detached: whoever waits for the branch above waits for it
    }
    // Otherwise the loop is ending, and ends them itself.
}

struct Orphans<E> {
    state: Arc<ScopeState<E>>,
    branch: Arc<Branch>,
    watch: Watch,
}

impl<E> Orphans<E> {
    /// Every task has ended.
    fn leave(&self) {
        let state = &self.state;
        state.fail_with_kept();
        let panics = self.branch.leave();
        let mut first = panics.into_iter();
        let resumed = first.next();
        fail_with_panics(state, first.collect());
        let failure = {
            let mut progress = state.progress();
            progress.over = true;
            progress.failure.take()
        };
        if let Some(Failure::Error(_)) = failure {
            state.tell(&super::ScopeNote::LaterError);
        }
        if let Some(panic) = resumed {
            panic.resume(); // it comes up in the branch above
        }
    }
}

impl<E> Future for Orphans<E> {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        let this = &mut *self;
        ready!(this.watch.poll_orphan(&this.state, &this.branch, cx));
        this.leave();
        Poll::Ready(())
    }
}
