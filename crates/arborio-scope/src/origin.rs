//! Where a request is made: what all origins have in common.
//!
//! # States
//! | state     | meaning                                    | next                                   |
//! |-----------|--------------------------------------------|----------------------------------------|
//! | Quiet     | nobody asked the inside to end             | InForce, or the end: `request`         |
//! | InForce   | handlers were asked, the grace runs        | Withdrawn: all swallowed; the end      |
//! | Withdrawn | the request was swallowed                  | the value of the inside                |
//! | the end   | the inside has given its value, or is dropped |                                     |
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
use arborio_timers::Sleep;

/// How long handlers may take, unless something else is said.
pub(crate) const GRACE: Duration = Duration::from_secs(1);

/// Handlers that answer at once are asked so often in one poll; then the task is
/// woken and the others have their turn.
const ROUNDS_PER_POLL: u32 = 32;

#[derive(Debug)]
enum State {
    Quiet,
    /// With the timer of the grace.
    InForce(Option<Sleep>),
    Withdrawn,
}

/// How the inside of an origin has ended.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Ended<T> {
    /// By itself.
    Value(T),
    /// It was dropped, because of the request.
    Dropped,
}

pin_project_lite::pin_project! {
    /// A frame that makes requests, and the future inside of it.
    pub(crate) struct Origin<F> {
        frame: Frame,
        grace: Duration,
        state: State,
        #[pin]
        inside: Option<F>,
    }
}

impl<F: Future> Origin<F> {
    /// Nobody asks `inside` to end yet.
    pub(crate) fn new(inside: F) -> Self {
        Self {
            frame: Frame::origin(),
            grace: GRACE,
            state: State::Quiet,
            inside: Some(inside),
        }
    }

    /// How long handlers may take to answer a request of this origin.
    pub(crate) fn set_grace(&mut self, grace: Duration) {
        self.grace = grace;
    }

    /// Polls the inside. `request` is asked before (`Moment::Before`) and, if the
    /// inside is pending, after (`Moment::After`) its poll whether there is a reason to
    /// end it, until it has said so once.
    pub(crate) fn poll(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        mut request: impl FnMut(Moment, &Inside<'_>, &mut Context<'_>) -> bool,
    ) -> Poll<Ended<F::Output>> {
        let origin = self.project();
        let (state, grace, mut future) = (origin.state, *origin.grace, origin.inside);
        origin.frame.poll(cx, |cx, inside| {
            let quiet = matches!(state, State::Quiet);
            if quiet
                && request(Moment::Before, inside, cx)
                && demand(state, grace, inside) == Next::Drop
            {
                return dropped(future);
            }
            for _ in 0..ROUNDS_PER_POLL {
                let Some(running) = future.as_mut().as_pin_mut() else {
                    panic!("a cancellation scope was polled after it had ended");
                };
                if let Poll::Ready(value) = running.poll(cx) {
                    return Poll::Ready(Ended::Value(value));
                }
                let next = match state {
                    State::Quiet if request(Moment::After, inside, cx) => {
                        demand(state, grace, inside)
                    }
                    State::Quiet | State::Withdrawn => return Poll::Pending,
                    State::InForce(_) => inside.settle(true),
                };
                match next {
                    Next::Poll => {}
                    Next::Drop => return dropped(future),
                    Next::Withdraw => *state = State::Withdrawn,
                    Next::Wait if poll_grace(state, cx) => return dropped(future),
                    Next::Wait => return Poll::Pending,
                }
            }
            cx.waker().wake_by_ref();
            Poll::Pending
        })
    }
}

/// When a reason to end the inside is looked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Moment {
    Before,
    After,
}

/// Asks the handlers, and starts the grace.
fn demand(state: &mut State, grace: Duration, inside: &Inside<'_>) -> Next {
    let timer = (grace != Duration::MAX).then(|| arborio_timers::sleep(grace));
    *state = State::InForce(timer);
    inside.request()
}

/// Whether the grace is over.
fn poll_grace(state: &mut State, cx: &mut Context<'_>) -> bool {
    match state {
        State::InForce(Some(timer)) => Pin::new(timer).poll(cx).is_ready(),
        _ => false,
    }
}

/// Drops the inside, still within the poll of its frame.
fn dropped<F: Future>(mut inside: Pin<&mut Option<F>>) -> Poll<Ended<F::Output>> {
    inside.set(None);
    Poll::Ready(Ended::Dropped)
}
