//! Waiting until a watched value is as one wants it.

use std::{
    future::Future,
    pin::Pin,
    task::{Context, Poll, ready},
};

use arborio_base::{budget, drop_contained};
use pin_project_lite::pin_project;

use super::{
    RecvError,
    changed::{ToChange, poll_news},
    ends::Version,
    receiver::Receiver,
    snapshot::Snapshot,
};
use crate::{flavour::Flavour, line::Place};

pin_project! {
    /// Waits for a value that is accepted; made by
    /// [`Receiver::wait_for`](super::receiver::Receiver::wait_for).
    #[must_use = "futures do nothing unless awaited"]
    pub struct WaitFor<'a, T, F: Flavour, P> {
        predicate: P,
        // The version that was refused last.
        refused: Option<Version>,
        #[pin]
        place: Place<ToChange<&'a mut Receiver<T, F>>>,
    }
}

impl<'a, T, F: Flavour, P> WaitFor<'a, T, F, P> {
    pub(super) fn new(receiver: &'a mut Receiver<T, F>, predicate: P) -> Self {
        Self {
            predicate,
            refused: None,
            place: Place::new(ToChange::new(receiver)),
        }
    }
}

impl<T, F: Flavour, P: FnMut(&T) -> bool> Future for WaitFor<'_, T, F, P> {
    type Output = Result<Snapshot<T, F>, RecvError>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let mut wait = self.project();
        loop {
            if let Some(refused) = *wait.refused {
                ready!(poll_news(wait.place.as_mut(), cx, refused))?;
            }
            // For each value, so that an endless row of them lets others run.
            ready!(budget::poll_charge(cx));
            let (snapshot, version) = wait.place.reach().ends().look();
            if (wait.predicate)(&snapshot) {
                wait.place.as_mut().reach_mut().mark_seen(version);
                return Poll::Ready(Ok(snapshot));
            }
            *wait.refused = Some(version);
            drop_contained(snapshot); // its sender may have left it to us
        }
    }
}
