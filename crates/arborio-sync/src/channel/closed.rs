//! Waiting, as a sender, until nobody will receive any more.

use std::{
    future::Future,
    pin::Pin,
    task::{Context, Poll},
};

use pin_project_lite::pin_project;

use super::{Channel, Kind, LeadsToChannel, State};
use crate::{
    flavour::Flavour,
    guarded::Guarded,
    line::{Answer, Line, Place, Reach},
};

/// The way from a future to the line of those who wait for the close.
struct ToClose<W>(W);

// SAFETY: always the same channel, says `LeadsToChannel`, and this line of it.
unsafe impl<W: LeadsToChannel> Reach for ToClose<W> {
    type Flavour = W::Flavour;
    type State = State<W::Message, W::Kind>;

    fn guarded(&self) -> &Guarded<W::Flavour, Self::State> {
        self.0.channel().guarded()
    }

    fn line(state: &mut Self::State) -> &mut Line {
        &mut state.parting
    }

    fn left(&self, _answer: Option<Answer>, _want: usize) {
        // Everybody is told the same: nothing is to be passed on.
    }
}

pin_project! {
    /// Waits until the channel is closed; made by the senders' `closed`.
    #[must_use = "futures do nothing unless awaited"]
    pub struct Closing<'a, T, F: Flavour, K: Kind> {
        #[pin]
        place: Place<ToClose<&'a Channel<T, F, K>>>,
    }
}

impl<'a, T, F: Flavour, K: Kind> Closing<'a, T, F, K> {
    pub(crate) fn new(channel: &'a Channel<T, F, K>) -> Self {
        Self {
            place: Place::new(ToClose(channel)),
        }
    }
}

impl<T, F: Flavour, K: Kind> Future for Closing<'_, T, F, K> {
    type Output = ();

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        let mut place = self.project().place;
        if let Some(answer) = place.as_mut().poll_answer(cx) {
            return answer.map(drop);
        }
        place.poll_join(cx, |_, state| if state.closed { Ok(()) } else { Err(1) })
    }
}
