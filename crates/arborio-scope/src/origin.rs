//! Where a request is made: what all origins have in common.
//!
//! # States
//! | state     | meaning                                       | next                              |
//! |-----------|-----------------------------------------------|-----------------------------------|
//! | Quiet     | nobody asked the inside to end                | InForce, or the end: `demand`     |
//! | InForce   | handlers were asked, the grace runs           | Quiet: all swallowed; the end     |
//! | the end   | the inside has given its value, or is dropped |                                   |
//!
//! The inside is dropped in exactly three cases: no handler was there to be asked;
//! all were asked, and one has passed the request on; the grace is over.

use std::{
    future::Future,
    pin::Pin,
    task::{Context, Poll},
    time::Duration,
};

use arborio_task::frames::{Frame, Inside, Next};
use arborio_timers::{Instant, Sleep, sleep_until};

/// How long handlers may take, unless something else is said.
pub(crate) const GRACE: Duration = Duration::from_secs(1);

/// Handlers that answer at once are asked so often in one poll; then the task is
/// woken and the others have their turn.
const ROUNDS_PER_POLL: u32 = 32;

#[derive(Debug)]
enum State {
    Quiet,
    /// Boxed, because it is rare and would be most of an origin's size.
    InForce(Box<Grace>),
}

/// How long handlers have, once they were asked.
#[derive(Debug)]
struct Grace {
    since: Instant,
    /// Rings when the grace is over; `None` if it never is.
    timer: Option<Sleep>,
}

/// How the inside of an origin has ended.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Ended<T> {
    /// By itself.
    Value(T),
    /// It was dropped, because of the request.
    Dropped,
}

/// What an origin wants to know of whoever may make the request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Moment {
    /// Before a poll of the inside: is there a request?
    Before,
    /// The inside is pending: is there a request now? If not, the task of the context
    /// is to be woken when that changes.
    After,
    /// The request was swallowed, and does not count any more. As `After`.
    Withdrawn,
}

pin_project_lite::pin_project! {
    /// A frame that makes requests, and the future inside of it.
    pub(crate) struct Origin<F> {
        frame: Frame,
        grace: Duration,
        // Its requests may not be swallowed.
        firm: bool,
        state: State,
        #[pin]
        inside: Option<F>,
    }
}

impl<F: Future> Origin<F> {
    /// Nobody asks `inside` to end yet.
    pub(crate) const fn new(inside: F) -> Self {
        Self {
            frame: Frame::origin(),
            grace: GRACE,
            firm: false,
            state: State::Quiet,
            inside: Some(inside),
        }
    }

    /// How long handlers may take to answer a request of this origin.
    pub(crate) fn set_grace(&mut self, grace: Duration) {
        self.grace = grace;
    }

    /// Requests of this origin may not be swallowed from now on.
    pub(crate) fn set_firm(&mut self) {
        self.firm = true;
    }

    /// Drops the inside, whatever it does.
    pub(crate) fn drop_inside(self: Pin<&mut Self>) {
        self.project().inside.set(None);
    }

    /// The inside, unless it was dropped.
    pub(crate) fn inside(self: Pin<&mut Self>) -> Option<Pin<&mut F>> {
        self.project().inside.as_pin_mut()
    }

    /// As `set_grace`, also while the grace runs: it counts from the request.
    pub(crate) fn change_grace(self: Pin<&mut Self>, grace: Duration) {
        let origin = self.project();
        if std::mem::replace(origin.grace, grace) == grace {
            return;
        }
        if let State::InForce(running) = origin.state {
            running.timer = grace_timer(running.since, grace);
        }
    }

    /// Polls the inside, and asks it to end when `request` says so: it is asked at
    /// each [`Moment`], unless a request is in force.
    #[inline]
    pub(crate) fn poll(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        request: impl FnMut(Moment, &Inside<'_>, &mut Context<'_>) -> bool,
    ) -> Poll<Ended<F::Output>> {
        self.poll_limited(cx, &|| None, request)
    }

    /// The same for one that goes by the time: `limit` tells when it will ask.
    #[inline]
    pub(crate) fn poll_limited(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        limit: &dyn Fn() -> Option<u64>,
        mut request: impl FnMut(Moment, &Inside<'_>, &mut Context<'_>) -> bool,
    ) -> Poll<Ended<F::Output>> {
        let origin = self.project();
        let (state, grace, mut future) = (origin.state, *origin.grace, origin.inside);
        let may_swallow = !*origin.firm;
        origin.frame.poll_limited(cx, limit, |cx, inside| {
            if matches!(state, State::Quiet)
                && request(Moment::Before, inside, cx)
                && demand(state, grace, inside) == Next::Drop
            {
                return dropped(future);
            }
            let Some(running) = future.as_mut().as_pin_mut() else {
                panic!("a cancellation scope was polled after it had ended");
            };
            if let Poll::Ready(value) = running.poll(cx) {
                return Poll::Ready(Ended::Value(value));
            }
            if matches!(state, State::Quiet) && !request(Moment::After, inside, cx) {
                return Poll::Pending;
            }
            poll_asked(cx, inside, future, (state, grace, may_swallow), request)
        })
    }
}

/// The inside is pending, and there is cause to ask it, or it was asked.
#[cold]
fn poll_asked<F: Future>(
    cx: &mut Context<'_>,
    inside: &Inside<'_>,
    mut future: Pin<&mut Option<F>>,
    (state, grace, may_swallow): (&mut State, Duration, bool),
    mut request: impl FnMut(Moment, &Inside<'_>, &mut Context<'_>) -> bool,
) -> Poll<Ended<F::Output>> {
    for _ in 0..ROUNDS_PER_POLL {
        let next = match state {
            State::Quiet => demand(state, grace, inside),
            State::InForce(_) => inside.settle(may_swallow),
        };
        match next {
            Next::Poll => {}
            Next::Drop => return dropped(future),
            Next::Withdraw => {
                *state = State::Quiet;
                if !request(Moment::Withdrawn, inside, cx) {
                    return Poll::Pending;
                }
                continue;
            }
            Next::Wait if grace_is_over(state, cx) => return dropped(future),
            Next::Wait => return Poll::Pending,
        }
        let running = future.as_mut().as_pin_mut().expect("not dropped yet");
        if let Poll::Ready(value) = running.poll(cx) {
            return Poll::Ready(Ended::Value(value));
        }
    }
    cx.waker().wake_by_ref();
    Poll::Pending
}

/// Asks the handlers, and starts the grace if there are any.
fn demand(state: &mut State, grace: Duration, inside: &Inside<'_>) -> Next {
    let next = inside.request();
    if next != Next::Drop {
        let since = Instant::now();
        let timer = grace_timer(since, grace);
        *state = State::InForce(Box::new(Grace { since, timer }));
    }
    next
}

fn grace_timer(since: Instant, grace: Duration) -> Option<Sleep> {
    (grace != Duration::MAX).then(|| sleep_until(since.saturating_add(grace)))
}

fn grace_is_over(state: &mut State, cx: &mut Context<'_>) -> bool {
    match state {
        State::InForce(grace) => {
            let timer = grace.timer.as_mut();
            timer.is_some_and(|timer| Pin::new(timer).poll(cx).is_ready())
        }
        State::Quiet => false,
    }
}

/// Drops the inside, still within the poll of its frame.
fn dropped<F: Future>(mut inside: Pin<&mut Option<F>>) -> Poll<Ended<F::Output>> {
    inside.set(None);
    Poll::Ready(Ended::Dropped)
}
