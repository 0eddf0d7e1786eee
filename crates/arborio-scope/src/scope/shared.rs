//! What the body, the tasks and the handles of a scope share.

use std::{
    borrow::Cow,
    collections::BTreeMap,
    panic::Location,
    sync::{Arc, Weak},
    task::Waker,
    time::Duration,
};

use arborio_base::{contain, drop_contained};
use arborio_task::{Branch, Interrupt, Payload, Reason, ReasonKind, ScopeInfo};
use arborio_timers::Instant;

use super::{
    child::Kept,
    current::{Erased, current_state},
    describe::{self, Life},
    failure::{Failure, Later},
    note::{AsAny, Observer, ScopeNote},
    signs::{Locked, Signed, SignedLock, Signs},
};

/// What a scope begins with.
pub(crate) struct Beginning<E> {
    pub(crate) name: Option<Cow<'static, str>>,
    pub(crate) opened_at: &'static Location<'static>,
    pub(crate) observer: Option<Observer>,
    /// The scope around it.
    pub(crate) above: Option<Weak<dyn Erased>>,
    pub(crate) deadline: Option<Instant>,
    pub(crate) grace: Duration,
    /// Where later errors are kept, if they are to be reported.
    pub(crate) later: Option<Later<E>>,
    /// Has the scope polled, if that is known.
    pub(crate) waker: Option<Waker>,
}

/// The state of one scope.
pub(crate) struct ScopeState<E> {
    pub(crate) name: Option<Cow<'static, str>>,
    pub(crate) opened_at: &'static Location<'static>,
    /// When it was opened, for its age.
    pub(super) opened: Instant,
    /// How far its future is.
    pub(super) life: Life,
    pub(crate) observer: Option<Observer>,
    /// For the observer.
    pub(super) as_any: AsAny<E>,
    /// Its place in the tree; `None` if it was closed from the start.
    branch: Option<Arc<Branch>>,
    /// The scope around it.
    above: Option<Weak<dyn Erased>>,
    /// How long those who are asked to end may take.
    pub(crate) grace: Duration,
    progress: SignedLock<Progress<E>>,
}

/// What changes.
pub(crate) struct Progress<E> {
    /// The first failure, until the scope's end takes it.
    pub(crate) failure: Option<Failure<E>>,
    /// There is, or was, a reason to end.
    pub(crate) failing: bool,
    /// Nothing is waited for but those who are pending: a master has ended.
    pub(crate) finished: bool,
    /// The scope has ended, and takes no errors any more.
    pub(crate) over: bool,
    /// A free scope: it ends when its tasks have.
    pub(crate) finalized: bool,
    /// A free scope: somebody was given how it has ended.
    claimed: bool,
    /// Errors that wait for the handle of their task, by number.
    kept: BTreeMap<u64, E>,
    next_kept: u64,
    pub(crate) deadline: Option<Instant>,
    /// The limit around it in its task, and whether the scope around it counts.
    outside: (Option<u64>, bool),
    /// Scopes that end with this one although no task of it polls them.
    forks: Vec<Weak<dyn Erased>>,
    /// Errors after the first, if they are to be reported.
    pub(crate) later: Option<Later<E>>,
    /// Has the scope polled.
    waker: Option<Waker>,
}

impl<E> Signed for Progress<E> {
    #[inline]
    fn signs(&self) -> Signs {
        let ending = self.failing || self.finished || self.failure.is_some();
        Signs::of([
            (Signs::ENDING, ending),
            (Signs::TIMED, self.deadline.is_some()),
            (Signs::KEPT, !self.kept.is_empty()),
            (Signs::WAITING, self.waker.is_some()),
            (Signs::FORKED, !self.forks.is_empty()),
        ])
    }
}

impl<E: 'static> ScopeState<E> {
    /// A scope that begins so, and has this place in the tree.
    pub(crate) fn new(begin: Beginning<E>, branch: Option<Arc<Branch>>) -> Self {
        Self {
            name: begin.name,
            opened_at: begin.opened_at,
            opened: Instant::recent(),
            life: Life::new(),
            observer: begin.observer,
            as_any: |error| error,
            branch,
            above: begin.above,
            grace: begin.grace,
            progress: SignedLock::new(Progress {
                failure: None,
                failing: false,
                finished: false,
                over: false,
                finalized: false,
                claimed: false,
                kept: BTreeMap::new(),
                next_kept: 0,
                deadline: begin.deadline,
                outside: (None, true),
                forks: Vec::new(),
                later: begin.later,
                waker: begin.waker,
            }),
        }
    }
}

impl<E> ScopeState<E> {
    pub(crate) fn progress(&self) -> Locked<'_, Progress<E>> {
        self.progress.lock()
    }

    /// Whether `progress` has something of that kind, without the lock.
    #[inline]
    pub(crate) fn shows(&self, sign: Signs) -> bool {
        self.progress.shows(sign)
    }

    /// When it ends at the latest, by itself.
    pub(crate) fn deadline(&self) -> Option<Instant> {
        self.shows(Signs::TIMED)
            .then(|| self.progress().deadline)
            .flatten()
    }

    pub(crate) fn branch(&self) -> Option<&Arc<Branch>> {
        self.branch.as_ref()
    }

    /// Has the scope polled by `waker` when something happens.
    #[cold]
    pub(crate) fn set_waker(&self, waker: &Waker) {
        let fresh = waker.clone(); // foreign code: not under the lock
        let old = self.progress().waker.replace(fresh);
        drop_contained(old);
    }

    pub(crate) fn wake(&self) {
        let waker = self.progress().waker.take();
        contain(|| waker.map(Waker::wake));
    }

    /// Something failed. The first failure is kept; of a later one the observer is told.
    pub(crate) fn fail(&self, failure: Failure<E>) {
        self.note_failure(failure);
        self.wake();
    }

    /// The same in the scope's own poll, which looks afterwards.
    pub(crate) fn note_failure(&self, failure: Failure<E>) {
        let late = {
            let mut progress = self.progress();
            // A real failure wins over a cancellation that is still in force.
            let replaceable =
                matches!(progress.failure, None | Some(Failure::Cancelled(_))) && !progress.over;
            let real = !matches!(failure, Failure::Cancelled(_));
            if replaceable && (real || progress.failure.is_none()) {
                progress.failing = true;
                progress.failure.replace(failure)
            } else {
                Some(failure)
            }
        };
        if let Some(late) = late {
            self.tell_late(late);
        }
    }

    fn tell_late(&self, late: Failure<E>) {
        match late {
            Failure::Cancelled(_) => {}
            Failure::Panic(payload) => self.tell(&ScopeNote::LaterPanic(payload)),
            Failure::Error(error) => {
                self.tell_of_error(&error, |error| ScopeNote::LaterError(error));
                let unkept = match &mut self.progress().later {
                    Some(later) => later.add(error),
                    None => Some(error),
                };
                drop_contained(unkept);
            }
        }
    }

    /// Keeps an error for the handle of its task.
    pub(crate) fn keep(&self, error: E) -> u64 {
        let mut progress = self.progress();
        let number = progress.next_kept;
        progress.next_kept += 1;
        progress.kept.insert(number, error);
        number
    }

    /// The error that was kept, unless the scope has ended meanwhile.
    pub(crate) fn take_kept(&self, number: u64) -> Option<E> {
        self.progress().kept.remove(&number)
    }

    /// Puts back what `take_kept` took.
    pub(crate) fn keep_again(&self, number: u64, error: E) {
        self.progress().kept.insert(number, error);
    }

    /// Errors that nobody will take from their handles: the scope, which is ending, fails.
    pub(crate) fn fail_with_kept(&self) {
        if !self.shows(Signs::KEPT) {
            return;
        }
        let kept = std::mem::take(&mut self.progress().kept);
        for error in kept.into_values() {
            self.note_failure(Failure::Error(error));
        }
    }

    /// Notes the limit around the scope in its task, and whether the scope around it counts.
    #[cold]
    pub(crate) fn note_limits(&self, outside: (Option<u64>, bool)) {
        self.progress().outside = outside;
    }

    /// Asks the scopes to end that were forked from this one.
    pub(crate) fn end_forks(&self, end: &Interrupt) {
        if !self.shows(Signs::FORKED) {
            return;
        }
        let forks = std::mem::take(&mut self.progress().forks);
        for fork in forks.iter().filter_map(Weak::upgrade) {
            fork.end_with(end.clone());
        }
    }

    /// The same, because the scope has ended but for those who are asked now.
    pub(crate) fn end_forks_of_ended(&self) {
        if self.shows(Signs::FORKED) {
            let reason = Reason::new(ReasonKind::ScopeEnded);
            self.end_forks(&Interrupt::Cancelled(reason));
        }
    }

    /// Somebody who awaits a free scope was given how it has ended.
    pub(crate) fn claim(&self) {
        self.progress().claimed = true;
    }

    /// Whether anybody was given how a free scope has ended.
    pub(crate) fn is_claimed(&self) -> bool {
        self.progress().claimed
    }

    /// A panic that is the reason to end.
    pub(crate) fn take_first_panic(&self) -> Option<Payload> {
        let mut progress = self.progress();
        match progress.failure.take() {
            Some(Failure::Panic(payload)) => Some(payload),
            other => {
                progress.failure = other;
                None
            }
        }
    }

    /// The scope has ended, and nobody will be given how.
    pub(crate) fn end_unheard(&self) {
        let failure = {
            let mut progress = self.progress();
            progress.over = true;
            progress.failure.take()
        };
        if let Some(failure) = failure {
            self.tell_late(failure);
        }
    }

    /// A master has ended: those who are left are asked to end, and that is no failure.
    pub(crate) fn finish(&self) {
        self.progress().finished = true;
        self.wake();
    }
}

impl<E> Erased for ScopeState<E>
where
    E: Send + 'static,
{
    fn name(&self) -> Option<&str> {
        self.name.as_deref()
    }

    fn opened_at(&self) -> &'static Location<'static> {
        self.opened_at
    }

    fn branch(&self) -> Option<&Arc<Branch>> {
        self.branch.as_ref()
    }

    fn limits(&self) -> (Option<u64>, Option<Weak<dyn Erased>>) {
        let progress = self.progress();
        let (outside, to_root) = progress.outside;
        let own = progress.deadline.map(|deadline| deadline.as_nanos());
        let limit = own.into_iter().chain(outside).min();
        let above = to_root.then(|| self.above.clone()).flatten();
        (limit, above)
    }

    fn grace(&self) -> Duration {
        self.grace
    }

    fn end_with(&self, end: Interrupt) {
        self.fail(Failure::Cancelled(end));
    }

    fn observer(&self) -> Option<&Observer> {
        self.observer.as_ref()
    }

    fn info(&self) -> ScopeInfo {
        describe::info(self)
    }

    fn add_fork(&self, fork: Weak<dyn Erased>) {
        let mut progress = self.progress();
        if progress.forks.len() == progress.forks.capacity() {
            progress.forks.retain(|fork| fork.strong_count() > 0);
        }
        progress.forks.push(fork);
    }
}

/// Where an error of a task that is being polled is to go.
pub(crate) fn place_error<E: Send + 'static>(error: E) -> Kept<E> {
    let Some(state) = current_state::<E>() else {
        return Kept::Own(Some(error));
    };
    if arborio_task::is_taken_over() {
        return Kept::Own(Some(error));
    }
    if arborio_task::is_observed() {
        let number = state.keep(error);
        return Kept::InScope { state, number };
    }
    state.fail(Failure::Error(error));
    Kept::Bubbled
}

/// Panics came up from tasks, says the branch in the scope's own poll.
pub(crate) fn fail_with_panics<E>(state: &ScopeState<E>, panics: Vec<Payload>) {
    for panic in panics {
        state.note_failure(Failure::Panic(panic));
    }
}
