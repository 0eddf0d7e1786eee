//! The receiving side of a channel with any number of receivers: a line.
//!
//! # Messages
//! Whoever waits in line is *promised* a message when one comes. The message stays
//! in the channel until its future is polled; others see only those that nobody
//! was promised. A future that is dropped passes the promise on. So nobody is
//! promised a certain message: each who receives gets the oldest that is there.
//!
//! # Invariants
//! - N1 (C3 of the channel): whenever the lock is released, at most as many
//!   messages are promised as there are; and either nobody waits, or all of them
//!   are promised, or somebody is inside `settle` and will look again.
//! - N2: those who wait are told the end once no message is left, promised ones
//!   included: a promise may yet be passed on to them.

use std::{
    pin::Pin,
    task::{Context, Poll, Waker, ready},
};

use crate::{
    channel::{Channel, Found, Kind, LeadsToChannel, Locked, Receiving, RecvError, State, wake},
    flavour::Flavour,
    guarded::Guarded,
    line::{Answer, Line, Place, Reach},
};

/// Any number of receivers: a [`Kind`] of channel.
pub struct ManyReceivers {
    /// Who waits for a message.
    line: Line,
    /// How many messages are for those who were answered and have not been polled.
    promised: usize,
}

impl ManyReceivers {
    /// Nobody waits.
    pub(crate) fn new() -> Self {
        Self {
            line: Line::new(),
            promised: 0,
        }
    }
}

impl Receiving for ManyReceivers {
    #[inline(always)]
    fn waits(&self) -> bool {
        !self.line.is_empty()
    }

    #[inline(always)]
    fn next(&mut self, messages: usize) -> Option<Waker> {
        if self.line.is_empty() || messages <= self.promised {
            return None;
        }
        self.promised += 1;
        self.line.answer_first(Answer::Granted)
    }

    fn next_in_vain(&mut self) -> Option<Waker> {
        self.line.answer_first(Answer::Closed)
    }

    fn gone(&mut self) -> Option<Waker> {
        // Whoever waits has a receiver. What futures that were leaked had been
        // promised goes unheeded: no message comes any more.
        None
    }
}

impl Kind for ManyReceivers {}

impl<T, F: Flavour> Channel<T, F, ManyReceivers> {
    /// Receives the oldest message that nobody was promised.
    #[inline(always)]
    pub(super) fn receive_unpromised(&self, state: Locked<'_, T, F, ManyReceivers>) -> Found<T> {
        let promised = state.receiving.promised;
        if promised > 0 && state.len() == promised {
            return Found::Nothing; // N2: not the end either
        }
        self.receive(state)
    }

    /// Receives the message that the caller was promised.
    #[inline(never)]
    fn receive_promised(&self) -> T {
        let mut state = self.lock();
        state.receiving.promised -= 1;
        let message = state.pop().expect("a promised message stays (N1)");
        if state.is_over() {
            self.settle(state); // N2
        } else {
            self.vacated(state);
        }
        message
    }

    /// A promise that was not kept goes to the next.
    fn pass_promise_on(&self) {
        let mut state = self.lock();
        state.receiving.promised -= 1;
        self.settle(state);
    }
}

/// The way from a future to the line of those who wait for messages.
pub(crate) struct ToMessage<W>(pub(super) W);

// SAFETY: always the same channel, says `LeadsToChannel`, and this line of it.
unsafe impl<W: LeadsToChannel<Kind = ManyReceivers>> Reach for ToMessage<W> {
    type Flavour = W::Flavour;
    type State = State<W::Message, ManyReceivers>;

    fn guarded(&self) -> &Guarded<W::Flavour, Self::State> {
        self.0.channel().guarded()
    }

    fn line(state: &mut Self::State) -> &mut Line {
        &mut state.receiving.line
    }

    fn left(&self, answer: Option<Answer>, _want: usize) {
        match answer {
            Some(Answer::Granted) => self.0.channel().pass_promise_on(),
            // Everybody wants one message: who stood behind wants no less.
            Some(Answer::Closed | Answer::Retry) | None => {}
        }
    }
}

/// Receives a message, or waits for one in line.
#[inline(always)]
pub(super) fn poll_receive<W: LeadsToChannel<Kind = ManyReceivers>>(
    mut place: Pin<&mut Place<ToMessage<W>>>,
    cx: &mut Context<'_>,
) -> Poll<Result<W::Message, RecvError>> {
    match place.as_mut().poll_answer(cx) {
        Some(Poll::Pending) => return Poll::Pending,
        Some(Poll::Ready(Answer::Granted)) => {
            return Poll::Ready(Ok(place.reach().0.channel().receive_promised()));
        }
        Some(Poll::Ready(Answer::Closed | Answer::Retry)) => return Poll::Ready(Err(RecvError)),
        None => {}
    }
    let channel = place.reach().0.channel();
    match channel.receive_unpromised(channel.lock()) {
        Found::Message(message) => Poll::Ready(Ok(message)),
        Found::TheEnd => Poll::Ready(Err(RecvError)),
        Found::Nothing => wait(place, cx),
    }
}

/// Joins the line, unless a message came in between.
#[inline(never)]
fn wait<W: LeadsToChannel<Kind = ManyReceivers>>(
    place: Pin<&mut Place<ToMessage<W>>>,
    cx: &mut Context<'_>,
) -> Poll<Result<W::Message, RecvError>> {
    let joined = place.poll_join(cx, |way, state| {
        let capacity = way.0.channel().capacity;
        if state.len() > state.receiving.promised {
            let message = state.pop();
            return Ok(message.map(|message| (message, state.grant_one(capacity))));
        }
        if state.is_over() { Ok(None) } else { Err(1) }
    });
    Poll::Ready(match ready!(joined) {
        Some((message, sender)) => {
            wake(sender);
            Ok(message)
        }
        None => Err(RecvError),
    })
}
