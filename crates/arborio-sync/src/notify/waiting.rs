//! How somebody waits for a notification: the way to its line, and what a future of it does.

use std::{
    pin::Pin,
    task::{Context, Poll, Waker},
};

use super::Notify;
use crate::{
    flavour::Flavour,
    guarded::Guarded,
    line::{Answer, Line, Place, Reach},
};

/// What leads to a notification: a reference to it, or a counted owner.
///
/// # Safety
/// Always to the same one, and it does not move.
pub(super) unsafe trait LeadsToNotify {
    type Flavour: Flavour;

    fn notify(&self) -> &Notify<Self::Flavour>;
}

// SAFETY: a shared reference, so it does not move while it lives.
unsafe impl<F: Flavour> LeadsToNotify for &Notify<F> {
    type Flavour = F;

    #[inline(always)]
    fn notify(&self) -> &Notify<F> {
        self
    }
}

/// A counted owner.
pub(super) struct Owner<F: Flavour>(pub(super) F::Owner<Notify<F>>);

// SAFETY: the owner never leads to another thing (`Words::Owner`), and what has
// counted owners does not move.
unsafe impl<F: Flavour> LeadsToNotify for Owner<F> {
    type Flavour = F;

    #[inline(always)]
    fn notify(&self) -> &Notify<F> {
        &self.0
    }
}

/// The way from a waiting future to the line.
struct InLine<W>(W);

// SAFETY: always the same notification, says `LeadsToNotify`, and it has one line.
unsafe impl<W: LeadsToNotify> Reach for InLine<W> {
    type Flavour = W::Flavour;
    type State = Line;

    fn guarded(&self) -> &Guarded<W::Flavour, Line> {
        &self.0.notify().line
    }

    fn line(line: &mut Line) -> &mut Line {
        line
    }

    fn left(&self, answer: Option<Answer>, _want: usize) {
        if answer == Some(Answer::Granted) {
            self.0.notify().notify_one();
        }
    }
}

pin_project_lite::pin_project! {
    /// Waits by way of `W`.
    pub(super) struct Waiting<W: LeadsToNotify> {
        // The round in which it was made.
        made: usize,
        // It has seen that it was notified.
        over: bool,
        #[pin]
        place: Place<InLine<W>>,
    }
}

impl<W: LeadsToNotify> Waiting<W> {
    #[inline]
    pub(super) fn new(way: W) -> Self {
        Self {
            // Acquire: who sees the end of a round sees why it ended.
            made: way.notify().round(),
            over: false,
            place: Place::new(InLine(way)),
        }
    }

    /// Polls; once it was ready it stays so.
    pub(super) fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        if self.over {
            return Poll::Ready(());
        }
        let mut waiting = self.project();
        let polled = match waiting.place.as_mut().poll_answer(cx) {
            // Told to look again: the round has ended. Granted: this one was meant.
            Some(answer) => answer.map(drop),
            None if waiting.place.reach().0.notify().round() != *waiting.made => Poll::Ready(()),
            None => join(waiting.place, *waiting.made, cx),
        };
        *waiting.over = polled.is_ready();
        polled
    }

    /// Takes part from now on; whether it is over.
    pub(super) fn enable(mut self: Pin<&mut Self>) -> bool {
        if self.as_mut().project().place.is_queued() {
            return false; // and the waker of the last poll stays
        }
        let mut cx = Context::from_waker(Waker::noop());
        self.poll(&mut cx).is_ready()
    }
}

/// Takes the permit or stands in line, unless the round has ended.
fn join<W: LeadsToNotify>(
    place: Pin<&mut Place<InLine<W>>>,
    made: usize,
    cx: &mut Context<'_>,
) -> Poll<()> {
    if place.reach().0.notify().permit_ends_wait_since(made) {
        return Poll::Ready(());
    }
    place.poll_join(cx, |way, _line| {
        let notify = way.0.notify();
        if notify.ends_wait_since(made) {
            Ok(())
        } else {
            Err(made)
        }
    })
}
