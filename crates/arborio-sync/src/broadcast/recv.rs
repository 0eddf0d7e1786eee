//! Waiting for the next message of a broadcast.

use std::{
    future::Future,
    pin::Pin,
    task::{Context, Poll},
};

use futures_core::Stream;
use pin_project_lite::pin_project;

use super::{
    Lagged, RecvError,
    ends::Counted,
    receiver::{Receiver, value_of},
    ring::{Found, Ring},
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
/// Always to the same channel, and that does not move.
unsafe trait LeadsToReceiver {
    type Message;
    type Flavour: Flavour;

    fn receiver(&self) -> &Receiver<Self::Message, Self::Flavour>;
    /// To move it on. The caller leaves its channel alone.
    fn receiver_mut(&mut self) -> &mut Receiver<Self::Message, Self::Flavour>;
}

// SAFETY: a receiver owns a count of its channel, and never leads to another one.
unsafe impl<T, F: Flavour> LeadsToReceiver for Receiver<T, F> {
    type Message = T;
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
    type Message = T;
    type Flavour = F;

    fn receiver(&self) -> &Receiver<T, F> {
        self
    }

    fn receiver_mut(&mut self) -> &mut Receiver<T, F> {
        self
    }
}

/// The way from a waiting future to the line.
struct ToMessage<W>(W);

// SAFETY: always the same channel, says `LeadsToReceiver`, and it has one line.
unsafe impl<W: LeadsToReceiver> Reach for ToMessage<W> {
    type Flavour = W::Flavour;
    type State = Ring<Counted<W::Message, W::Flavour>>;

    fn guarded(&self) -> &Guarded<W::Flavour, Self::State> {
        &self.0.receiver().ends.ring
    }

    fn line(ring: &mut Self::State) -> &mut Line {
        &mut ring.line
    }

    fn left(&self, _answer: Option<Answer>, _want: usize) {
        // Everybody in line is told the same: nothing is to be passed on.
    }
}

/// What a poll came to, and where its receiver is then.
type Moved<W> = (
    Found<Counted<<W as LeadsToReceiver>::Message, <W as LeadsToReceiver>::Flavour>>,
    u64,
);

/// What a receiver finds; an error is what it waits for instead.
fn look<W: LeadsToReceiver>(
    way: &W,
    ring: &mut Ring<Counted<W::Message, W::Flavour>>,
) -> Result<Moved<W>, usize> {
    let mut position = way.receiver().position;
    match ring.receive(&mut position) {
        Found::Nothing => Err(ring.round()),
        found => Ok((found, position)),
    }
}

/// Waits for the next message.
fn poll_receive<W: LeadsToReceiver>(
    mut place: Pin<&mut Place<ToMessage<W>>>,
    cx: &mut Context<'_>,
) -> Poll<Result<W::Message, RecvError>>
where
    W::Message: Clone,
{
    if let Some(Poll::Pending) = place.as_mut().poll_answer(cx) {
        return Poll::Pending;
    }
    let looked = {
        let way = place.reach();
        let mut ring = way.guarded().lock();
        look(&way.0, &mut ring)
    };
    let moved = match looked {
        Ok(moved) => Poll::Ready(moved),
        Err(_) => place.as_mut().poll_join(cx, |way, ring| look(&way.0, ring)),
    };
    moved.map(|(found, position)| {
        place.reach_mut().0.receiver_mut().position = position;
        match found {
            Found::Message(message) => Ok(value_of::<_, W::Flavour>(message)),
            Found::Lagged(missed) => Err(RecvError::Lagged(missed)),
            Found::TheEnd => Err(RecvError::Closed),
            Found::Nothing => unreachable!("then it waits"),
        }
    })
}

/// The same for a stream, which ends instead of an error that it is closed.
fn poll_item<W: LeadsToReceiver>(
    place: Pin<&mut Place<ToMessage<W>>>,
    cx: &mut Context<'_>,
) -> Poll<Option<Result<W::Message, Lagged>>>
where
    W::Message: Clone,
{
    poll_charged(cx, |cx| poll_receive(place, cx)).map(|received| match received {
        Ok(message) => Some(Ok(message)),
        Err(RecvError::Lagged(missed)) => Some(Err(Lagged(missed))),
        Err(RecvError::Closed) => None,
    })
}

pin_project! {
    /// Waits for the next message; made by
    /// [`Receiver::recv`](super::receiver::Receiver::recv).
    #[must_use = "futures do nothing unless awaited"]
    pub struct Recv<'a, T, F: Flavour> {
        #[pin]
        place: Place<ToMessage<&'a mut Receiver<T, F>>>,
    }
}

impl<'a, T, F: Flavour> Recv<'a, T, F> {
    pub(super) fn new(receiver: &'a mut Receiver<T, F>) -> Self {
        Self {
            place: Place::new(ToMessage(receiver)),
        }
    }
}

impl<T: Clone, F: Flavour> Future for Recv<'_, T, F> {
    type Output = Result<T, RecvError>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let place = self.project().place;
        poll_charged(cx, |cx| poll_receive(place, cx))
    }
}

pin_project! {
    /// The messages of a receiver; made by
    /// [`Receiver::stream`](super::receiver::Receiver::stream).
    #[must_use = "streams do nothing unless polled"]
    pub struct RecvStream<'a, T, F: Flavour> {
        #[pin]
        place: Place<ToMessage<&'a mut Receiver<T, F>>>,
    }
}

impl<'a, T, F: Flavour> RecvStream<'a, T, F> {
    pub(super) fn new(receiver: &'a mut Receiver<T, F>) -> Self {
        Self {
            place: Place::new(ToMessage(receiver)),
        }
    }
}

impl<T: Clone, F: Flavour> Stream for RecvStream<'_, T, F> {
    type Item = Result<T, Lagged>;

    fn poll_next(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        poll_item(self.project().place, cx)
    }
}

pin_project! {
    /// The messages of a receiver that it owns; made by
    /// [`Receiver::into_stream`](super::receiver::Receiver::into_stream).
    #[must_use = "streams do nothing unless polled"]
    pub struct IntoStream<T, F: Flavour> {
        // It leaves the line before the receiver in it is dropped.
        #[pin]
        place: Place<ToMessage<Receiver<T, F>>>,
    }
}

impl<T, F: Flavour> IntoStream<T, F> {
    pub(super) fn new(receiver: Receiver<T, F>) -> Self {
        Self {
            place: Place::new(ToMessage(receiver)),
        }
    }
}

impl<T: Clone, F: Flavour> Stream for IntoStream<T, F> {
    type Item = Result<T, Lagged>;

    fn poll_next(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        poll_item(self.project().place, cx)
    }
}
