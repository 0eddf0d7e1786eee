//! Waiting for a promise, by reference or by a handle.

use std::{
    future::Future,
    pin::Pin,
    task::{Context, Poll},
};

use pin_project_lite::pin_project;

use super::pledge::{Kind, Outcome, Pledge, Taking, Waiting};
use crate::{
    flavour::Flavour,
    guarded::Guarded,
    line::{Answer, Line, Place, Reach},
};

/// What leads to a pledge: a reference to it, or a counted owner.
///
/// # Safety
/// Always to the same one, and it does not move.
unsafe trait LeadsToPledge {
    type Value;
    type Flavour: Flavour;

    fn pledge(&self) -> &Pledge<Self::Value, Self::Flavour>;
}

// SAFETY: a shared reference, so it does not move while it lives.
unsafe impl<T, F: Flavour> LeadsToPledge for &Pledge<T, F> {
    type Value = T;
    type Flavour = F;

    #[inline(always)]
    fn pledge(&self) -> &Pledge<T, F> {
        self
    }
}

/// A counted owner.
struct Owner<T, F: Flavour>(F::Counted<Pledge<T, F>>);

// SAFETY: a counted owner is of one value, which does not move.
unsafe impl<T, F: Flavour> LeadsToPledge for Owner<T, F> {
    type Value = T;
    type Flavour = F;

    #[inline(always)]
    fn pledge(&self) -> &Pledge<T, F> {
        &self.0
    }
}

/// The way from a waiting future to the line.
struct InLine<W>(W);

// SAFETY: always the same pledge, says `LeadsToPledge`, and it has one line.
unsafe impl<W: LeadsToPledge> Reach for InLine<W> {
    type Flavour = W::Flavour;
    type State = Waiting<W::Value, W::Flavour>;

    fn guarded(&self) -> &Guarded<W::Flavour, Self::State> {
        self.0.pledge().guarded()
    }

    fn line(waiting: &mut Self::State) -> &mut Line {
        &mut waiting.line
    }

    fn left(&self, _answer: Option<Answer>, _want: usize) {
        // Everybody in line is told the same: nothing is to be passed on.
    }
}

/// Waits until the outcome is there, and clones it.
fn poll_read<W: LeadsToPledge>(
    mut place: Pin<&mut Place<InLine<W>>>,
    cx: &mut Context<'_>,
) -> Poll<Outcome<W::Value>>
where
    W::Value: Clone,
{
    if let Some(Poll::Pending) = place.as_mut().poll_answer(cx) {
        return Poll::Pending;
    }
    if let Some(outcome) = place.reach().0.pledge().read(Outcome::clone) {
        return Poll::Ready(outcome);
    }
    let joined = place
        .as_mut()
        .poll_join(cx, |way, waiting| match way.0.pledge().kind() {
            Kind::Pending => Err(waiting.round),
            Kind::Value | Kind::Failed | Kind::Cancelled => Ok(()),
        });
    // The clone is foreign code: not under the lock.
    joined.map(|()| {
        let outcome = place.reach().0.pledge().read(Outcome::clone);
        outcome.expect("it never becomes pending again")
    })
}

pin_project! {
    /// Waits for a promise; made by [`Promise::wait`](super::Promise::wait).
    #[must_use = "futures do nothing unless awaited"]
    pub struct PromiseWait<'a, T, F: Flavour> {
        #[pin]
        place: Place<InLine<&'a Pledge<T, F>>>,
    }
}

impl<'a, T, F: Flavour> PromiseWait<'a, T, F> {
    pub(super) fn new(pledge: &'a Pledge<T, F>) -> Self {
        Self {
            place: Place::new(InLine(pledge)),
        }
    }
}

impl<T: Clone, F: Flavour> Future for PromiseWait<'_, T, F> {
    type Output = Outcome<T>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Outcome<T>> {
        poll_read(self.project().place, cx)
    }
}

pin_project! {
    /// Waits for a promise, and is a handle to it; made by awaiting a
    /// [`Promise`](super::Promise) itself.
    #[must_use = "futures do nothing unless awaited"]
    pub struct PromiseFuture<T, F: Flavour> {
        #[pin]
        place: Place<InLine<Owner<T, F>>>,
    }
}

impl<T, F: Flavour> PromiseFuture<T, F> {
    pub(super) fn new(pledge: F::Counted<Pledge<T, F>>) -> Self {
        Self {
            place: Place::new(InLine(Owner(pledge))),
        }
    }
}

impl<T: Clone, F: Flavour> Future for PromiseFuture<T, F> {
    type Output = Outcome<T>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Outcome<T>> {
        poll_read(self.project().place, cx)
    }
}

pin_project! {
    /// Moves the value out of a promise; made by
    /// [`Promise::take`](super::Promise::take).
    #[must_use = "futures do nothing unless awaited"]
    pub struct PromiseTake<'a, T, F: Flavour> {
        #[pin]
        place: Place<InLine<&'a Pledge<T, F>>>,
    }
}

impl<'a, T, F: Flavour> PromiseTake<'a, T, F> {
    pub(super) fn new(pledge: &'a Pledge<T, F>) -> Self {
        Self {
            place: Place::new(InLine(pledge)),
        }
    }
}

impl<T, F: Flavour> Future for PromiseTake<'_, T, F> {
    type Output = Outcome<T>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Outcome<T>> {
        let mut place = self.project().place;
        if let Some(Poll::Pending) = place.as_mut().poll_answer(cx) {
            return Poll::Pending;
        }
        if let Taking::There(outcome) = place.reach().0.try_take() {
            return Poll::Ready(outcome);
        }
        place.poll_join(cx, |way, waiting| match way.0.take_or_announce() {
            Taking::There(outcome) => Ok(outcome),
            Taking::NotNow => Err(waiting.round),
        })
    }
}
