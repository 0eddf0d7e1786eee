//! The receiving side of a channel with one receiver: the waker of its task.
//!
//! # Invariants
//! - O1: only the receiver puts a waker in, by exclusive reference, and only when
//!   it found no message. Whoever pushes the next one takes it out.

use std::task::{Context, Poll, Waker};

use arborio_base::drop_contained;

use crate::{
    channel::{Channel, Kind, Locked, Receiving, State},
    flavour::Flavour,
};

/// One receiver: a [`Kind`] of channel. It is the side that waits alone.
pub struct OneReceiver {
    /// Set while the receiver waits; it may have been dropped or forgotten the
    /// future since.
    waker: Option<Waker>,
}

impl OneReceiver {
    /// It does not wait.
    pub(crate) fn new() -> Self {
        Self { waker: None }
    }
}

impl Receiving for OneReceiver {
    #[inline(always)]
    fn waits(&self) -> bool {
        self.waker.is_some()
    }

    #[inline(always)]
    fn next(&mut self, messages: usize) -> Option<Waker> {
        if messages == 0 {
            return None;
        }
        self.waker.take()
    }

    fn next_in_vain(&mut self) -> Option<Waker> {
        self.waker.take()
    }

    fn gone(&mut self) -> Option<Waker> {
        self.waker.take()
    }
}

impl Kind for OneReceiver {}

impl<T, F: Flavour> Channel<T, F, OneReceiver> {
    /// The receiver found nothing in `state`: comes to the end (`None`), or waits
    /// until `take` finds something. For the receiver only (O1). `take` runs under
    /// the lock: no foreign code.
    #[inline(always)]
    pub(super) fn poll_nothing<V>(
        &self,
        state: Locked<'_, T, F, OneReceiver>,
        cx: &mut Context<'_>,
        take: impl FnOnce(&mut State<T, OneReceiver>) -> Option<V>,
    ) -> Poll<Option<V>> {
        if state.is_over() {
            return Poll::Ready(None);
        }
        let known = state.receiving.waker.as_ref();
        if known.is_some_and(|waker| waker.will_wake(cx.waker())) {
            return Poll::Pending;
        }
        drop(state);
        let mut waker = Some(cx.waker().clone()); // foreign code: between the locks
        let mut state = self.lock();
        let taken = take(&mut state);
        let polled = if taken.is_some() || state.is_over() {
            Poll::Ready(taken)
        } else {
            std::mem::swap(&mut state.receiving.waker, &mut waker);
            Poll::Pending
        };
        drop(state);
        if waker.is_some() {
            drop_contained(waker);
        }
        polled
    }
}
