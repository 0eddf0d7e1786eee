//! The messages of an mpmc channel as streams.

use std::{
    pin::Pin,
    task::{Context, Poll, ready},
};

use arborio_base::budget;
use futures_core::Stream;
use pin_project_lite::pin_project;

use super::{
    many::{ManyReceivers, ToMessage, poll_receive},
    receiver::Receiver,
};
use crate::{
    channel::{Channel, LeadsToChannel, refund_unless_ready},
    flavour::Flavour,
    line::Place,
};

pin_project! {
    /// The messages of a receiver; made by [`Receiver::stream`].
    #[must_use = "streams do nothing unless polled"]
    pub struct RecvStream<'a, T, F: Flavour> {
        #[pin]
        place: Place<ToMessage<&'a Channel<T, F, ManyReceivers>>>,
    }
}

impl<'a, T, F: Flavour> RecvStream<'a, T, F> {
    pub(super) fn new(receiver: &'a Receiver<T, F>) -> Self {
        Self {
            place: Place::new(ToMessage(receiver.channel())),
        }
    }
}

impl<T, F: Flavour> Stream for RecvStream<'_, T, F> {
    type Item = T;

    fn poll_next(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<T>> {
        ready!(budget::poll_charge(cx));
        refund_unless_ready(poll_receive(self.project().place, cx)).map(Result::ok)
    }
}

pin_project! {
    /// The messages of a receiver that it owns; made by [`Receiver::into_stream`].
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

impl<T, F: Flavour> Stream for IntoStream<T, F> {
    type Item = T;

    fn poll_next(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<T>> {
        ready!(budget::poll_charge(cx));
        refund_unless_ready(poll_receive(self.project().place, cx)).map(Result::ok)
    }
}
