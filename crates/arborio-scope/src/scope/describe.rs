//! What is known of a scope, for the tree.

use std::sync::atomic::{AtomicU8, Ordering};

use arborio_task::{Interrupt, ScopeInfo, ScopeStage};
use arborio_timers::Instant;

use super::{failure::Failure, shared::ScopeState};

/// What has become of the future of a scope. Only the one that polls or drops it
/// writes; only the tree reads.
pub(super) struct Life(AtomicU8);

/// See [`Life`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub(super) enum Stage {
    BodyRuns,
    BodyEnded,
    Orphaned,
}

impl Life {
    pub(super) const fn new() -> Self {
        Self(AtomicU8::new(Stage::BodyRuns as u8))
    }

    pub(super) fn set(&self, stage: Stage) {
        // Relaxed: it is shown to people, and publishes nothing.
        self.0.store(stage as u8, Ordering::Relaxed);
    }

    fn is(&self, stage: Stage) -> bool {
        self.0.load(Ordering::Relaxed) == stage as u8
    }
}

/// As it is now. How many tasks there are, is not known here.
pub(super) fn info<E>(state: &ScopeState<E>) -> ScopeInfo {
    let closed = state.branch().is_some_and(|branch| branch.is_closed());
    let mut info = ScopeInfo::new(state.opened_at);
    info.name.clone_from(&state.name);
    info.age = Some(state.opened.elapsed());
    let progress = state.progress();
    info.remaining = progress
        .deadline
        .map(|deadline| deadline.duration_since(Instant::now()));
    info.asked = progress.failure.as_ref().map(asked);
    info.stage = if state.life.is(Stage::Orphaned) {
        ScopeStage::Orphaned
    } else if progress.failing {
        ScopeStage::Ending
    } else if closed || progress.finished {
        ScopeStage::Closing
    } else if state.life.is(Stage::BodyEnded) {
        ScopeStage::Finishing
    } else {
        ScopeStage::Running
    };
    info
}

fn asked<E>(failure: &Failure<E>) -> Interrupt {
    match failure {
        Failure::Error(_) => Interrupt::ScopeFailed,
        Failure::Panic(payload) => Interrupt::Panicked(payload.clone()),
        Failure::Cancelled(end) => end.clone(),
    }
}
