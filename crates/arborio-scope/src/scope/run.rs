//! The future of a scope: runs the body and waits for the tasks.

use std::{
    any::Any,
    panic::{AssertUnwindSafe, catch_unwind},
    pin::Pin,
    sync::Arc,
    task::{Context, Poll, Waker, ready},
    time::Duration,
};

use arborio_task::{
    Branch, Interrupt, Payload, Reason, ReasonKind,
    frames::{Answer, Frame, asked_because, limit_to_root},
};
use arborio_timers::{Instant, Sleep, sleep, sleep_until};

use super::{
    describe::Stage,
    failure::{Failure, told},
    handle::Scope,
    note::{ScopeNote, tell_of_stubborn},
    orphan,
    shared::{ScopeState, fail_with_panics},
    signs::Signs,
};
use crate::origin::{Ended, Origin};

/// See the table at the head of [`super`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Phase {
    Running,
    Finishing,
    Closing,
    Over,
}

pin_project_lite::pin_project! {
    /// See the head of this file.
    pub(crate) struct ScopeRun<'a, B, R, E>
    where
        E: From<Interrupt>,
        E: Send,
        E: 'static,
    {
        scope: &'a Scope<E>,
        // Answers requests from outside: they reach the inside through the scope.
        gate: Frame,
        #[pin]
        body: Origin<B>,
        value: Option<R>,
        // How it ended when it was asked from outside: it waits for its drop.
        passed_on: Option<Interrupt>,
        phase: Phase,
        watch: Watch,
        known: Known,
    }

    impl<B, R, E> PinnedDrop for ScopeRun<'_, B, R, E>
    where
        E: From<Interrupt>,
        E: Send,
        E: 'static,
    {
        fn drop(this: Pin<&mut Self>) {
            let this = this.project();
            if *this.phase != Phase::Over {
                orphan::adopt(&this.scope.0);
            }
        }
    }
}

/// Which waker it is: the addresses of its data and of its functions. While somebody holds a
/// count of it, no other waker has these.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) struct Identity(usize, usize);

impl Identity {
    pub(crate) fn of(waker: &Waker) -> Self {
        let functions = std::ptr::from_ref(waker.vtable());
        Self(waker.data().addr(), functions.addr())
    }
}

/// What the shared state was told in an earlier poll, and need not be told again.
struct Known {
    /// Which waker it has, and counts.
    waker: Option<Identity>,
    /// The limits around the scope.
    outside: (Option<u64>, bool),
}

impl Known {
    /// Notes what is around the scope in this poll.
    fn update<E>(&mut self, state: &ScopeState<E>, waker: &Waker) {
        let outside = limit_to_root();
        if self.outside != outside {
            self.outside = outside;
            state.note_limits(outside);
        }
        let identity = Some(Identity::of(waker));
        if self.waker != identity || !state.shows(Signs::WAITING) {
            self.waker = identity;
            state.set_waker(waker);
        }
    }
}

/// Deadline and grace of a scope, and what its tasks were told.
#[derive(Default)]
pub(crate) struct Watch {
    /// The deadline that the timer is set to.
    deadline: Option<(Instant, Sleep)>,
    timed_out: bool,
    asked_from_outside: bool,
    grace: Option<Sleep>,
    /// A scope around this one forces its tasks in time.
    grace_runs_above: bool,
    /// The tasks were asked to end because the scope fails.
    failing_told: bool,
    /// Those that are not awaited were asked to end because the others have ended.
    ending_told: bool,
}

impl<'a, B, R, E> ScopeRun<'a, B, R, E>
where
    B: Future<Output = Result<R, E>>,
    E: From<Interrupt> + Send + 'static,
{
    /// `waker` is the one that the scope has from the start.
    pub(crate) fn new(scope: &'a Scope<E>, body: B, waker: Option<Identity>) -> Self {
        let mut body = Origin::new(body);
        body.set_grace(scope.0.grace);
        body.set_firm();
        Self {
            scope,
            gate: Frame::gate(),
            body,
            value: None,
            passed_on: None,
            phase: Phase::Running,
            watch: Watch::default(),
            known: Known {
                waker,
                outside: (None, true),
            },
        }
    }
}

impl<B, R, E> Future for ScopeRun<'_, B, R, E>
where
    B: Future<Output = Result<R, E>>,
    E: From<Interrupt> + Send + 'static,
{
    type Output = Result<R, E>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let this = self.project();
        let state = &this.scope.0;
        let (phase, value, watch, mut body) = (this.phase, this.value, this.watch, this.body);
        if let Some(interrupt) = this.passed_on.take() {
            if arborio_task::frames::is_cancelling() {
                *this.passed_on = Some(interrupt);
                return Poll::Pending; // whoever asked will drop it
            }
            return Poll::Ready(Err(E::from(interrupt))); // it was taken elsewhere
        }
        let branch = state.branch().expect("it entered before its body began");
        assert!(branch.is_here(), "{ABROAD}");
        this.known.update(state, cx.waker());
        branch.wake_on_change(cx.waker());
        let passed_on = this.passed_on;
        let limit = || state.deadline().map(Instant::as_nanos);
        this.gate.poll_limited(cx, &limit, |cx, gate| {
            if gate.is_asked() && !watch.asked_from_outside {
                watch.asked_from_outside = true;
                gate.set_busy();
                // The reason of whoever asked, at whatever depth, if it is known.
                let reason = asked_because().unwrap_or_else(|| Reason::new(ReasonKind::Cancel));
                state.note_failure(Failure::Cancelled(Interrupt::Cancelled(reason)));
            }
            if *phase == Phase::Running {
                watch.look(state, branch, cx);
                match branch.within(|| poll_body(body.as_mut(), state, cx)) {
                    Some(given) => {
                        *value = given;
                        *phase = Phase::Finishing;
                        state.life.set(Stage::BodyEnded);
                    }
                    None => {
                        watch.look(state, branch, cx); // it may have failed just now
                        let _ = watch.poll_grace(state, branch, cx);
                        return Poll::Pending;
                    }
                }
            }
            ready!(watch.poll_tasks(state, branch, phase, cx));
            *phase = Phase::Over;
            let ended = conclude(state, branch, value.take());
            gate.answer(Answer::Passed);
            match ended {
                Conclusion::Result(result) => Poll::Ready(result),
                Conclusion::Interrupted(interrupt) if watch.asked_from_outside => {
                    *passed_on = Some(interrupt);
                    Poll::Pending
                }
                Conclusion::Interrupted(interrupt) => Poll::Ready(Err(E::from(interrupt))),
            }
        })
    }
}

/// What is wrong with polling a scope where its tasks are not.
const ABROAD: &str = "a scope was polled on another thread, or in another loop, than the \
    one where it was entered";

/// Polls the body; `None` if it is pending, or else what it gave.
fn poll_body<B, R, E>(
    mut body: Pin<&mut Origin<B>>,
    state: &Arc<ScopeState<E>>,
    cx: &mut Context<'_>,
) -> Option<Option<R>>
where
    B: Future<Output = Result<R, E>>,
{
    let polled = catch_unwind(AssertUnwindSafe(|| {
        body.as_mut().poll(cx, |_, _| state.shows(Signs::ENDING))
    }));
    match polled {
        Ok(Poll::Pending) => None,
        Ok(Poll::Ready(Ended::Dropped)) => Some(None),
        Ok(Poll::Ready(Ended::Value(Ok(value)))) => Some(Some(value)),
        Ok(Poll::Ready(Ended::Value(Err(error)))) => {
            state.note_failure(Failure::Error(error));
            Some(None)
        }
        Err(raised) => {
            arborio_base::contain(|| body.drop_inside());
            state.note_failure(Failure::Panic(payload(raised)));
            Some(None)
        }
    }
}

fn payload(raised: Box<dyn Any + Send>) -> Payload {
    Payload::new(raised)
}

/// Whether no task is left, and no error waits for a handle any more. Foreign code, which
/// is told of errors, may have begun a cleanup: so this comes last before the branch is left.
pub(crate) fn is_deserted<E>(state: &ScopeState<E>, branch: &Branch) -> bool {
    let is_empty = || branch.pending() + branch.daemons() == 0;
    if !is_empty() {
        return false;
    }
    state.fail_with_kept();
    is_empty()
}

/// How a scope ends.
enum Conclusion<R, E> {
    Result(Result<R, E>),
    /// Without a value and without an error of its own.
    Interrupted(Interrupt),
}

/// Everything has ended: the scope leaves the tree, and this is how it ends.
fn conclude<R, E>(state: &ScopeState<E>, branch: &Branch, value: Option<R>) -> Conclusion<R, E> {
    fail_with_panics(state, branch.leave());
    state.tell_all(ScopeNote::Closed);
    let failure = {
        let mut progress = state.progress();
        progress.over = true;
        progress.failure.take()
    };
    match (failure, value) {
        (Some(Failure::Panic(payload)), _) => payload.resume(),
        (Some(Failure::Error(error)), _) => Conclusion::Result(Err(error)),
        (Some(Failure::Cancelled(end @ Interrupt::TimedOut)), _) => Conclusion::Interrupted(end),
        (Some(Failure::Cancelled(_)) | None, Some(value)) => Conclusion::Result(Ok(value)),
        (Some(Failure::Cancelled(end)), None) => Conclusion::Interrupted(end),
        (None, None) => {
            let reason = Reason::new(ReasonKind::ScopeEnded); // a master has ended
            Conclusion::Interrupted(Interrupt::Cancelled(reason))
        }
    }
}

/// Asks the tasks to end, and then the scopes that were forked from this one.
fn ask_all<E>(state: &ScopeState<E>, branch: &Branch, end: Interrupt) {
    let for_forks = state.shows(Signs::FORKED).then(|| end.clone());
    branch.cancel_all(end);
    if let Some(end) = for_forks {
        state.end_forks(&end);
    }
}

impl Watch {
    /// Looks for reasons to end, and tells the tasks.
    fn look<E>(&mut self, state: &ScopeState<E>, branch: &Branch, cx: &mut Context<'_>) {
        if branch.has_panics() {
            fail_with_panics(state, branch.take_panics());
        }
        if self.poll_deadline(state, cx) {
            state.note_failure(Failure::Cancelled(Interrupt::TimedOut));
        }
        if self.failing_told || !state.shows(Signs::ENDING) {
            return;
        }
        let end = {
            let failed = || Reason::new(ReasonKind::ScopeFailed);
            match &state.progress().failure {
                Some(failure) => told(failure, failed),
                // A master has ended.
                None => Interrupt::Cancelled(Reason::new(ReasonKind::ScopeEnded)),
            }
        };
        self.failing_told = true;
        branch.close();
        state.tell_all(ScopeNote::Asked);
        self.begin_grace(branch, state.grace);
        ask_all(state, branch, end);
    }

    /// The tasks are being asked: how long they have, unless that runs already. Who will be forced by a
    /// scope around this one before that needs no timer.
    fn begin_grace(&mut self, branch: &Branch, grace: Duration) {
        if self.grace.is_some() || self.grace_runs_above {
            return;
        }
        match branch.grace_above() {
            Some(above) if above <= grace => {
                self.grace_runs_above = true;
                branch.begin_grace(above);
            }
            _ => {
                self.grace = Some(sleep(grace));
                branch.begin_grace(grace);
            }
        }
    }

    fn poll_deadline<E>(&mut self, state: &ScopeState<E>, cx: &mut Context<'_>) -> bool {
        let wanted = state.deadline();
        if self.timed_out || wanted.is_none() {
            if self.deadline.is_some() {
                self.deadline = None;
            }
            return false;
        }
        let set_to = self.deadline.as_ref().map(|(deadline, _)| *deadline);
        if let Some(deadline) = wanted
            && set_to != wanted
        {
            self.deadline = Some((deadline, sleep_until(deadline)));
        }
        if let Some((_, timer)) = &mut self.deadline {
            self.timed_out = Pin::new(timer).poll(cx).is_ready();
        }
        self.timed_out
    }

    /// The grace is over: drops what is left, and says so. Pending while it runs.
    fn poll_grace<E>(
        &mut self,
        state: &ScopeState<E>,
        branch: &Branch,
        cx: &mut Context<'_>,
    ) -> Poll<()> {
        let Some(timer) = &mut self.grace else {
            return Poll::Pending;
        };
        ready!(Pin::new(timer).poll(cx));
        self.grace = None;
        let reason = Reason::new(ReasonKind::Abort);
        let stubborn = branch.force(&Interrupt::Cancelled(reason));
        for task in stubborn.into_iter().filter(|task| !orphan::is_helper(task)) {
            tell_of_stubborn(state.observer.as_ref(), task);
        }
        Poll::Ready(())
    }

    /// Waits until every task has ended.
    fn poll_tasks<E>(
        &mut self,
        state: &ScopeState<E>,
        branch: &Branch,
        phase: &mut Phase,
        cx: &mut Context<'_>,
    ) -> Poll<()> {
        loop {
            self.look(state, branch, cx);
            if *phase == Phase::Finishing && branch.pending() == 0 {
                *phase = Phase::Closing;
                branch.close();
                state.end_forks_of_ended();
            }
            if *phase == Phase::Closing {
                if is_deserted(state, branch) {
                    return Poll::Ready(());
                }
                self.look(state, branch, cx);
                self.tell_daemons(state, branch);
            }
            ready!(self.poll_grace(state, branch, cx)); // then look again
        }
    }

    fn tell_daemons<E>(&mut self, state: &ScopeState<E>, branch: &Branch) {
        if !self.ending_told && !self.failing_told {
            self.ending_told = true;
            self.begin_grace(branch, state.grace);
            let end = Interrupt::Cancelled(Reason::new(ReasonKind::ScopeEnded));
            ask_all(state, branch, end);
        }
    }

    /// The tasks were, or are being, dropped: nobody is asked any more.
    pub(crate) fn ask_nobody(&mut self) {
        self.ending_told = true;
        self.grace = None;
    }

    /// The scope was dropped: its tasks are asked to end, and waited for.
    pub(crate) fn poll_orphan<E>(
        &mut self,
        state: &ScopeState<E>,
        branch: &Branch,
        cx: &mut Context<'_>,
    ) -> Poll<()> {
        branch.wake_on_change(cx.waker());
        self.tell_daemons(state, branch);
        loop {
            if is_deserted(state, branch) {
                return Poll::Ready(());
            }
            ready!(self.poll_grace(state, branch, cx));
        }
    }
}
