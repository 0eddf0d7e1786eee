//! One job: the closure, then its outcome, shared by the pool and by the handle.
//!
//! # Stages
//! | stage   | the closure        | the outcome  | left by                                    |
//! |---------|--------------------|--------------|--------------------------------------------|
//! | Queued  | waits in the job   | -            | `run` (Running), `end` (Ended), `abandon`  |
//! | Running | on a pool thread   | -            | `run`, `end` (both Ended), `abandon`       |
//! | Ended   | gone, or runs on   | in the job   | the handle, which takes it (Over)          |
//! | Over    | gone, or runs on   | gone         | nobody                                     |
//!
//! # Invariants
//! * J1: whoever moves a job to Ended calls the waker that it took out in the same turn of the
//!   lock. So a handle that left its waker before is called, and one that comes later sees Ended.
//! * J2: a job is given one outcome. What a closure returns to a job that has ended already is
//!   dropped on the thread that ran it.
//! * J3: foreign code (closures, wakers, destructors) never runs while the lock is held.
//! * J4: the hold is let go after the waker was called: who looks for work when nothing is held
//!   any more finds what the job has woken.

use std::{
    mem,
    panic::{AssertUnwindSafe, catch_unwind},
    sync::Arc,
    task::{Context, Poll, Waker},
};

use arborio_base::{
    contain, drop_contained,
    sync::{
        Mutex,
        atomic::{AtomicBool, Ordering},
        lock,
    },
};
use arborio_task::{Interrupt, Payload};

use super::{hold::Hold, token::JobToken};

/// A job as the pool sees it.
pub(super) trait Order: Send + Sync {
    /// Runs the closure on this thread, if nobody has ended the job before.
    fn run(self: Arc<Self>);
    /// Ends the job with `interrupt` and sets the token. A closure that runs goes on. False if
    /// the job had ended already.
    fn end(&self, interrupt: Interrupt) -> bool;
    /// The pool closes: a job that has not begun ends, one that runs has its token set.
    fn close(&self);
}

/// A job as the handle sees it.
pub(super) trait Outcome<T>: Order {
    /// Takes the outcome if there is one; otherwise the waker of `cx` is called later.
    fn poll_take(&self, cx: &mut Context<'_>) -> Poll<Result<T, Interrupt>>;
    /// Takes the outcome if there is one.
    fn try_take(&self) -> Option<Result<T, Interrupt>>;
    /// Whether there is an outcome, or was.
    fn is_finished(&self) -> bool;
    /// Nobody wants the outcome: a closure that was not begun is dropped, and the token is set.
    fn abandon(&self);
    /// Nobody wants the outcome, and the job goes on all the same.
    fn detach(&self);
}

/// What a token looks at.
pub(super) trait Flag: Send + Sync {
    /// Whether nobody waits for the job any more.
    fn is_set(&self) -> bool;
}

/// See the head of this file.
pub(super) struct Job<F, T> {
    /// What the token says. Never cleared.
    unwanted: AtomicBool,
    progress: Mutex<Progress<F, T>>,
}

struct Progress<F, T> {
    stage: Stage<F, T>,
    /// Of who polled the handle last. `None` once the job has ended.
    waker: Option<Waker>,
    /// Kept until the job has ended.
    hold: Option<Hold>,
    /// Nobody will take the outcome: it is dropped when it comes.
    detached: bool,
}

enum Stage<F, T> {
    Queued(F),
    Running,
    Ended(Result<T, Interrupt>),
    Over,
}

/// What the turn of the lock in which a job ended leaves to be done without it.
#[must_use]
struct Aftermath<F, T> {
    waker: Option<Waker>,
    hold: Option<Hold>,
    /// The closure that never ran, or an outcome that nobody takes.
    left: Stage<F, T>,
}

impl<F, T> Aftermath<F, T> {
    fn settle(self) {
        let Self { waker, hold, left } = self;
        if let Some(waker) = waker {
            contain(|| waker.wake());
        }
        drop_contained(hold); // J4
        drop_contained(left);
    }
}

impl<F, T> Progress<F, T> {
    fn has_ended(&self) -> bool {
        matches!(self.stage, Stage::Ended(_) | Stage::Over)
    }

    /// Moves to `next`, and takes out all that foreign code may be in.
    fn leave_for(&mut self, next: Stage<F, T>) -> Aftermath<F, T> {
        Aftermath {
            waker: self.waker.take(),
            hold: self.hold.take(),
            left: mem::replace(&mut self.stage, next),
        }
    }

    /// Takes the outcome out.
    fn take(&mut self) -> Option<Result<T, Interrupt>> {
        if !matches!(self.stage, Stage::Ended(_)) {
            return None;
        }
        match mem::replace(&mut self.stage, Stage::Over) {
            Stage::Ended(outcome) => Some(outcome),
            _ => unreachable!("the stage was looked at under the same lock"),
        }
    }
}

impl<F, T> Job<F, T>
where
    F: FnOnce(JobToken) -> T + Send + 'static,
    T: Send + 'static,
{
    pub(super) fn new(closure: F, hold: Option<Hold>) -> Self {
        Self {
            unwanted: AtomicBool::new(false),
            progress: Mutex::new(Progress {
                stage: Stage::Queued(closure),
                waker: None,
                hold,
                detached: false,
            }),
        }
    }

    /// Takes the closure out, if the job has not ended before it began.
    fn begin(&self) -> Option<F> {
        let mut progress = lock(&self.progress);
        if !matches!(progress.stage, Stage::Queued(_)) {
            return None;
        }
        match mem::replace(&mut progress.stage, Stage::Running) {
            Stage::Queued(closure) => Some(closure),
            _ => unreachable!("the stage was looked at under the same lock"),
        }
    }

    /// The closure has returned.
    fn finish(&self, outcome: Result<T, Interrupt>) {
        let mut progress = lock(&self.progress);
        if progress.has_ended() {
            drop(progress);
            drop_contained(outcome); // J2
            return;
        }
        let (next, left) = if progress.detached {
            (Stage::Over, Some(outcome))
        } else {
            (Stage::Ended(outcome), None)
        };
        let aftermath = progress.leave_for(next);
        drop(progress);
        aftermath.settle();
        drop_contained(left);
    }

    /// Sets the token.
    fn set_unwanted(&self) {
        // Relaxed: the token publishes nothing but itself.
        self.unwanted.store(true, Ordering::Relaxed);
    }
}

impl<F, T> Order for Job<F, T>
where
    F: FnOnce(JobToken) -> T + Send + 'static,
    T: Send + 'static,
{
    fn run(self: Arc<Self>) {
        let Some(closure) = self.begin() else { return };
        let token = JobToken::new(Arc::clone(&self) as Arc<dyn Flag>);
        let returned = catch_unwind(AssertUnwindSafe(|| closure(token)));
        self.finish(returned.map_err(|raised| Interrupt::Panicked(Payload::new(raised))));
    }

    fn end(&self, interrupt: Interrupt) -> bool {
        let mut progress = lock(&self.progress);
        if progress.has_ended() {
            drop(progress);
            drop_contained(interrupt);
            return false;
        }
        self.set_unwanted();
        let aftermath = progress.leave_for(Stage::Ended(Err(interrupt)));
        drop(progress);
        aftermath.settle();
        true
    }

    fn close(&self) {
        self.set_unwanted();
        let mut progress = lock(&self.progress);
        if !matches!(progress.stage, Stage::Queued(_)) {
            return;
        }
        let aftermath = progress.leave_for(Stage::Ended(Err(Interrupt::Closed)));
        drop(progress);
        aftermath.settle();
    }
}

impl<F, T> Outcome<T> for Job<F, T>
where
    F: FnOnce(JobToken) -> T + Send + 'static,
    T: Send + 'static,
{
    fn poll_take(&self, cx: &mut Context<'_>) -> Poll<Result<T, Interrupt>> {
        if let Some(outcome) = self.try_take() {
            return Poll::Ready(outcome);
        }
        let waker = cx.waker().clone(); // J3: before the lock
        let mut progress = lock(&self.progress);
        if let Some(outcome) = progress.take() {
            drop(progress);
            drop_contained(waker);
            return Poll::Ready(outcome);
        }
        let former = progress.waker.replace(waker);
        drop(progress);
        drop_contained(former);
        Poll::Pending
    }

    fn try_take(&self) -> Option<Result<T, Interrupt>> {
        lock(&self.progress).take()
    }

    fn is_finished(&self) -> bool {
        lock(&self.progress).has_ended()
    }

    fn abandon(&self) {
        let mut progress = lock(&self.progress);
        if !progress.has_ended() {
            self.set_unwanted();
        }
        let mut aftermath = progress.leave_for(Stage::Over);
        drop(progress);
        // Who gives the job up has no use for being told of its end.
        drop_contained(aftermath.waker.take());
        aftermath.settle();
    }

    fn detach(&self) {
        let mut progress = lock(&self.progress);
        progress.detached = true;
        let waker = progress.waker.take();
        let outcome = progress.take();
        drop(progress);
        drop_contained(waker);
        drop_contained(outcome);
    }
}

impl<F: Send, T: Send> Flag for Job<F, T> {
    fn is_set(&self) -> bool {
        // Relaxed: partner of `set_unwanted`, which publishes nothing else.
        self.unwanted.load(Ordering::Relaxed)
    }
}
