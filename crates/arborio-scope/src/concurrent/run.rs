//! The run: the body and the branches as one future.
//!
//! One poll of it is a *turn*: the body if it was woken, the branches that were woken,
//! and the body once more if a branch has woken it. Then the run lies down, or asks
//! for the next turn if there is something to do already.
//!
//! | state   | meaning                                     | next                     |
//! |---------|---------------------------------------------|--------------------------|
//! | Both    | body and branches may go on                 | the body ends; a request |
//! | Waiting | the body's value is kept; branches go on    | the last one ends        |
//! | Alone   | the branches were dropped; the body goes on | it ends                  |
//! | ended   | nothing is left; the place is closed        |                          |
//!
//! A panic, of the body or of a branch, ends everything at once: the rest is dropped,
//! and the panic goes on.

use std::{
    future::Future,
    panic::{AssertUnwindSafe, catch_unwind},
    pin::Pin,
    task::{Context, Poll, Waker},
};

use arborio_base::contain;
use arborio_task::Payload;

use super::{
    branches::Branches,
    spawner::{Bell, Kind, Spawner},
    wakes::BODY,
};
use crate::{
    Sent,
    origin::{Ended, Moment, Origin},
};

pin_project_lite::pin_project! {
    /// The future of [`Concurrent::run`](super::Concurrent::run).
    #[must_use = "futures do nothing unless awaited"]
    pub struct Run<'a, 'env, F: Future, K: Kind = Sent> {
        spawner: &'a Spawner<'env, K>,
        #[pin]
        body: Option<F>,
        // The body has ended with it, and branches have not.
        value: Option<F::Output>,
        // Somebody else has the waker of the body.
        bell: Option<Bell>,
        // The body is to be polled in the next turn.
        body_is_due: bool,
        // Holds the branches; `None` inside of it after the end.
        #[pin]
        origin: Origin<Branches<'a, 'env, K>>,
        // The branches were dropped.
        is_alone: bool,
        // The request that there is was made.
        was_asked: bool,
        // It has lain down, and not risen since.
        lies: bool,
        // Of the poll before, while nobody else has it.
        parent: Option<Waker>,
    }

    impl<'a, 'env, F: Future, K: Kind> PinnedDrop for Run<'a, 'env, F, K> {
        fn drop(this: Pin<&mut Self>) {
            this.end();
        }
    }
}

impl<'a, 'env, F: Future, K: Kind> Run<'a, 'env, F, K> {
    pub(crate) fn new(spawner: &'a Spawner<'env, K>, body: F) -> Self {
        Self {
            spawner,
            body: Some(body),
            value: None,
            bell: None,
            body_is_due: true,
            origin: Origin::new(Branches::new(&spawner.place)),
            is_alone: false,
            was_asked: false,
            lies: false,
            parent: None,
        }
    }

    /// Polls the body, if it was woken.
    fn poll_body(self: Pin<&mut Self>, is_due: bool) {
        let mut run = self.project();
        let Some(body) = run.body.as_mut().as_pin_mut().filter(|_| is_due) else {
            return;
        };
        let bell = match (run.bell.take(), run.origin.as_mut().inside()) {
            (Some(bell), _) => {
                bell.hold();
                bell
            }
            (None, Some(branches)) => branches.get_mut().bell(),
            (None, None) => Bell::new(run.spawner.place.wakes()),
        };
        let polled = body.poll(&mut Context::from_waker(bell.waker()));
        let is_unshared = bell.is_unshared();
        let was_woken = match is_unshared {
            true => bell.take_woken(),
            false => polled.is_pending() && bell.release(BODY),
        };
        match polled {
            Poll::Pending => *run.body_is_due = was_woken,
            Poll::Ready(value) => {
                *run.value = Some(value);
                run.body.set(None);
            }
        }
        if !is_unshared {
            *run.bell = Some(bell);
        } else if let Some(branches) = run.origin.as_mut().inside() {
            branches.get_mut().keep(bell);
        }
        if let (None, Some(branches)) = (&*run.body, run.origin.inside()) {
            branches.get_mut().body_has_ended();
        }
    }

    /// Goes on with the turn of the branches. Ready: there are none any more.
    fn poll_branches(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        let run = self.project();
        if *run.is_alone {
            return Poll::Ready(());
        }
        let place = &run.spawner.place;
        let ended = run.origin.poll(cx, |moment, _| {
            let asks = moment != Moment::Withdrawn && !*run.was_asked && place.is_asked();
            *run.was_asked |= asks;
            asks
        });
        ended.map(|ended| *run.is_alone = ended == Ended::Dropped)
    }

    fn turn(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<F::Output> {
        self.as_mut().begin();
        let mut is_due = std::mem::take(self.as_mut().project().body_is_due);
        for _ in 0..2 {
            is_due |= self.spawner.place.wakes().take_body();
            self.as_mut().poll_body(is_due);
            let branches = self.as_mut().poll_branches(cx);
            if self.body.is_none() && branches.is_ready() {
                let value = self.project().value.take();
                return Poll::Ready(value.expect("a run was polled after it had ended"));
            }
            is_due = false;
        }
        self.lie_down(cx);
        Poll::Pending
    }

    fn begin(self: Pin<&mut Self>) {
        let run = self.project();
        let mut numbers = Vec::new();
        if std::mem::take(run.lies) {
            let waker = run.spawner.place.wakes().rise(&mut numbers);
            *run.parent = waker.or(run.parent.take());
        }
        if let Some(branches) = run.origin.inside() {
            branches.get_mut().begin(&mut numbers);
        }
    }

    /// The turn is over.
    fn lie_down(self: Pin<&mut Self>, cx: &mut Context<'_>) {
        let run = self.project();
        let place = &run.spawner.place;
        let has_more = (run.origin.inside()).is_some_and(|branches| branches.has_more());
        if *run.body_is_due || has_more {
            cx.waker().wake_by_ref();
            return;
        }
        let kept = run.parent.take();
        let kept = kept.filter(|waker| waker.will_wake(cx.waker()));
        let waker = kept.unwrap_or_else(|| cx.waker().clone());
        *run.parent = place.wakes().lie_down(waker).err();
        *run.lies = run.parent.is_none();
        if !*run.lies || !place.sleep(*run.was_asked) {
            cx.waker().wake_by_ref();
        }
    }

    /// Drops the body, and then the branches, in their order. Nothing is spawned from
    /// now on.
    fn end(self: Pin<&mut Self>) {
        let mut run = self.project();
        if let Some(branches) = run.origin.as_mut().inside() {
            branches.get_mut().close();
        }
        contain(|| run.body.set(None));
        run.origin.drop_inside();
        // The parent's waker must not stay where leaked wakers of branches lead to.
        if std::mem::take(run.lies) {
            let waker = run.spawner.place.wakes().rise(&mut Vec::new());
            contain(|| drop(waker));
        }
    }
}

impl<F: Future, K: Kind> Future for Run<'_, '_, F, K> {
    type Output = F::Output;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<F::Output> {
        let turn = AssertUnwindSafe(|| self.as_mut().turn(cx));
        match catch_unwind(turn) {
            Ok(polled) => polled,
            Err(raised) => {
                let payload = Payload::new(raised);
                if let Some(branches) = self.as_mut().project().origin.inside() {
                    branches.get_mut().panicked(payload.clone());
                }
                self.end();
                payload.resume()
            }
        }
    }
}
