//! Waiting for the next version of a watched value.

use std::{
    future::Future,
    pin::Pin,
    task::{Context, Poll},
};

use futures_core::Stream;
use pin_project_lite::pin_project;

use super::{
    RecvError,
    ends::{Current, Ends, Version},
    receiver::Receiver,
    snapshot::Snapshot,
};
use crate::{
    channel::poll_charged,
    flavour::Flavour,
    guarded::Guarded,
    line::{Answer, Line, Place, Reach},
};

/// What leads to a receiver: an exclusive reference to it, or itself.
///
/// # Safety
/// Always to the same ends, and those do not move.
pub(super) unsafe trait LeadsToReceiver {
    type Value;
    type Flavour: Flavour;

    fn receiver(&self) -> &Receiver<Self::Value, Self::Flavour>;
    /// To mark a version as seen. The caller leaves its ends alone.
    fn receiver_mut(&mut self) -> &mut Receiver<Self::Value, Self::Flavour>;
}

// SAFETY: a receiver owns a count of its ends, and never leads to others.
unsafe impl<T, F: Flavour> LeadsToReceiver for Receiver<T, F> {
    type Value = T;
    type Flavour = F;

    fn receiver(&self) -> &Self {
        self
    }

    fn receiver_mut(&mut self) -> &mut Self {
        self
    }
}

// SAFETY: it is borrowed exclusively, so nobody puts another receiver there.
unsafe impl<T, F: Flavour> LeadsToReceiver for &mut Receiver<T, F> {
    type Value = T;
    type Flavour = F;

    fn receiver(&self) -> &Receiver<T, F> {
        self
    }

    fn receiver_mut(&mut self) -> &mut Receiver<T, F> {
        self
    }
}

/// The way from a waiting future to the line.
pub(super) struct ToChange<W>(W);

// SAFETY: always the same ends, says `LeadsToReceiver`, and this line of them.
unsafe impl<W: LeadsToReceiver> Reach for ToChange<W> {
    type Flavour = W::Flavour;
    type State = Current<W::Value, W::Flavour>;

    fn guarded(&self) -> &Guarded<W::Flavour, Self::State> {
        self.ends().guarded()
    }

    fn line(current: &mut Self::State) -> &mut Line {
        &mut current.changes
    }

    fn left(&self, _answer: Option<Answer>, _want: usize) {
        // Everybody in line is told the same: nothing is to be passed on.
    }
}

impl<W: LeadsToReceiver> ToChange<W> {
    pub(super) fn new(way: W) -> Self {
        Self(way)
    }

    pub(super) fn ends(&self) -> &Ends<W::Value, W::Flavour> {
        &self.0.receiver().ends
    }

    fn seen(&self) -> Version {
        self.0.receiver().seen
    }

    pub(super) fn mark_seen(&mut self, version: Version) {
        self.0.receiver_mut().seen = version;
    }
}

/// Waits until there is something new since version `seen`.
pub(super) fn poll_news<W: LeadsToReceiver>(
    mut place: Pin<&mut Place<ToChange<W>>>,
    cx: &mut Context<'_>,
    seen: Version,
) -> Poll<Result<Version, RecvError>> {
    if let Some(Poll::Pending) = place.as_mut().poll_answer(cx) {
        return Poll::Pending;
    }
    if let Some(news) = place.reach().ends().news(seen) {
        return Poll::Ready(news);
    }
    // Nothing is new, so the version seen is the present one (W2).
    place.poll_join(cx, |way, _| way.ends().news(seen).ok_or(seen))
}

/// Waits for a version that was not seen, and marks it.
fn poll_changed<W: LeadsToReceiver>(
    mut place: Pin<&mut Place<ToChange<W>>>,
    cx: &mut Context<'_>,
) -> Poll<Result<(), RecvError>> {
    let seen = place.reach().seen();
    let news = poll_charged(cx, |cx| poll_news(place.as_mut(), cx, seen));
    news.map_ok(|version| place.reach_mut().mark_seen(version))
}

/// Waits for a value that was not seen, and marks it.
fn poll_value<W: LeadsToReceiver>(
    mut place: Pin<&mut Place<ToChange<W>>>,
    cx: &mut Context<'_>,
) -> Poll<Option<Snapshot<W::Value, W::Flavour>>> {
    poll_changed(place.as_mut(), cx).map(|changed| {
        let way = place.reach_mut();
        changed.ok().map(|()| way.0.receiver_mut().get_and_update())
    })
}

pin_project! {
    /// Waits for a change; made by [`Receiver::changed`](super::receiver::Receiver::changed).
    #[must_use = "futures do nothing unless awaited"]
    pub struct Changed<'a, T, F: Flavour> {
        #[pin]
        place: Place<ToChange<&'a mut Receiver<T, F>>>,
    }
}

impl<'a, T, F: Flavour> Changed<'a, T, F> {
    pub(super) fn new(receiver: &'a mut Receiver<T, F>) -> Self {
        Self {
            place: Place::new(ToChange(receiver)),
        }
    }
}

impl<T, F: Flavour> Future for Changed<'_, T, F> {
    type Output = Result<(), RecvError>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        poll_changed(self.project().place, cx)
    }
}

pin_project! {
    /// The values of a receiver; made by
    /// [`Receiver::stream`](super::receiver::Receiver::stream).
    #[must_use = "streams do nothing unless polled"]
    pub struct WatchStream<'a, T, F: Flavour> {
        #[pin]
        place: Place<ToChange<&'a mut Receiver<T, F>>>,
    }
}

impl<'a, T, F: Flavour> WatchStream<'a, T, F> {
    pub(super) fn new(receiver: &'a mut Receiver<T, F>) -> Self {
        Self {
            place: Place::new(ToChange(receiver)),
        }
    }
}

impl<T, F: Flavour> Stream for WatchStream<'_, T, F> {
    type Item = Snapshot<T, F>;

    fn poll_next(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        poll_value(self.project().place, cx)
    }
}

pin_project! {
    /// The values of a receiver that it owns; made by
    /// [`Receiver::into_stream`](super::receiver::Receiver::into_stream).
    #[must_use = "streams do nothing unless polled"]
    pub struct IntoStream<T, F: Flavour> {
        // It leaves the line before the receiver in it is dropped.
        #[pin]
        place: Place<ToChange<Receiver<T, F>>>,
    }
}

impl<T, F: Flavour> IntoStream<T, F> {
    pub(super) fn new(receiver: Receiver<T, F>) -> Self {
        Self {
            place: Place::new(ToChange(receiver)),
        }
    }
}

impl<T, F: Flavour> Stream for IntoStream<T, F> {
    type Item = Snapshot<T, F>;

    fn poll_next(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        poll_value(self.project().place, cx)
    }
}
