//! What lies under the lock of a channel for one message.
//!
//! # States
//! | `open`   | `message` | meaning                                               |
//! |----------|-----------|-------------------------------------------------------|
//! | Both     | none      | the sender may send                                   |
//! | Sender   | none      | `close()`, or the receiver is gone: a send is refused |
//! | Neither  | some      | sent, not received                                    |
//! | Neither  | none      | received, or the sender was dropped                   |
//!
//! # Invariants
//! - S1: there is a message only if `open` is Neither, and never again once it was
//!   taken out: whoever takes it out, under the lock, is the one who drops it or
//!   hands it over.
//! - S2: each end puts its own waker in, and the other end takes it out. What is
//!   left of both is taken out by the end that owns it as it goes.

use std::task::{Context, Poll, Waker};

use arborio_base::drop_contained;

use crate::{
    channel::{Found, wake},
    flavour::Flavour,
    guarded::Guarded,
};

/// Who may still act on the message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Open {
    /// It can be sent and will be received.
    Both,
    /// It would be refused.
    Sender,
    /// The sender is done.
    Neither,
}

/// See the table.
pub(super) struct State<T> {
    open: Open,
    message: Option<T>,
    /// Of the receiver, while it waits for the message.
    receiver: Option<Waker>,
    /// Of the sender, while it waits for the receiver to go.
    sender: Option<Waker>,
}

/// What the ends of the channel share.
pub(crate) struct OneMessage<T, F> {
    state: Guarded<F, State<T>>,
}

impl<T> State<T> {
    /// Takes the message, if it is there (S1).
    #[inline(always)]
    fn find(&mut self) -> Found<T> {
        match self.message.take() {
            Some(message) => Found::Message(message),
            None if self.open == Open::Both => Found::Nothing,
            None => Found::TheEnd,
        }
    }
}

impl<T, F: Flavour> OneMessage<T, F> {
    pub(crate) fn new() -> Self {
        Self {
            state: Guarded::new(State {
                open: Open::Both,
                message: None,
                receiver: None,
                sender: None,
            }),
        }
    }

    /// Sends, or gives the message back. The sender is done.
    #[inline]
    pub(super) fn send(&self, message: T) -> Result<(), T> {
        let mut state = self.state.lock();
        let refused = match state.open {
            Open::Both => {
                state.message = Some(message);
                None
            }
            Open::Sender | Open::Neither => Some(message),
        };
        state.open = Open::Neither;
        let own = state.sender.take();
        let receiver = state.receiver.take();
        drop(state);
        wake(receiver);
        discard(own);
        refused.map_or(Ok(()), Err)
    }

    /// The sender is gone without having sent.
    pub(super) fn abandon(&self) {
        let mut state = self.state.lock();
        state.open = Open::Neither;
        let own = state.sender.take();
        let receiver = state.receiver.take();
        drop(state);
        wake(receiver);
        discard(own);
    }

    /// Refuses the message, if it has not been sent.
    pub(super) fn close(&self) {
        let mut state = self.state.lock();
        if state.open == Open::Both {
            state.open = Open::Sender;
        }
        let sender = state.sender.take();
        drop(state);
        wake(sender);
    }

    /// The receiver is gone; so is the message, if it was not received.
    pub(super) fn leave(&self) {
        let mut state = self.state.lock();
        if state.open == Open::Both {
            state.open = Open::Sender;
        }
        let message = state.message.take(); // S1
        let own = state.receiver.take();
        let sender = state.sender.take();
        drop(state);
        wake(sender);
        discard(own);
        discard(message);
    }

    /// Takes the message, if it is there.
    #[inline]
    pub(super) fn find(&self) -> Found<T> {
        self.state.lock().find()
    }

    /// Whether the message would be refused.
    pub(super) fn is_refusing(&self) -> bool {
        self.state.lock().open == Open::Sender
    }

    /// Takes the message, or leaves the waker of `cx` for the sender.
    #[inline]
    pub(super) fn poll_find(&self, cx: &mut Context<'_>) -> Poll<Option<T>> {
        self.poll_either(
            cx,
            |state| match state.find() {
                Found::Message(message) => Some(Some(message)),
                Found::Nothing => None,
                Found::TheEnd => Some(None),
            },
            |state| &mut state.receiver,
        )
    }

    /// Waits, as the sender, until the message would be refused.
    pub(super) fn poll_refusing(&self, cx: &mut Context<'_>) -> Poll<()> {
        self.poll_either(
            cx,
            |state| (state.open == Open::Sender).then_some(()),
            |state| &mut state.sender,
        )
    }

    /// Looks, and if there is nothing, leaves the waker of `cx` in `slot` (S2).
    #[inline(always)]
    fn poll_either<V>(
        &self,
        cx: &mut Context<'_>,
        mut look: impl FnMut(&mut State<T>) -> Option<V>,
        slot: impl Fn(&mut State<T>) -> &mut Option<Waker>,
    ) -> Poll<V> {
        let mut state = self.state.lock();
        if let Some(found) = look(&mut state) {
            return Poll::Ready(found);
        }
        let known = slot(&mut state).as_ref();
        if known.is_some_and(|waker| waker.will_wake(cx.waker())) {
            return Poll::Pending;
        }
        drop(state);
        let mut waker = Some(cx.waker().clone()); // foreign code: between the locks
        let mut state = self.state.lock();
        let found = look(&mut state);
        if found.is_none() {
            std::mem::swap(slot(&mut state), &mut waker);
        }
        drop(state);
        discard(waker);
        found.map_or(Poll::Pending, Poll::Ready)
    }
}

/// Drops what was found under the lock. The lock is released.
#[inline(always)]
fn discard<V>(found: Option<V>) {
    if let Some(found) = found {
        drop_contained(found);
    }
}
