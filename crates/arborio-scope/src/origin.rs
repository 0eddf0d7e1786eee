//! Where a request is made: what all origins have in common.
//!
//! # States
//! | state     | meaning                                       | next                              |
//! |-----------|-----------------------------------------------|-----------------------------------|
//! | Quiet     | nobody asked the inside to end                | Asked, or the end: `demand`       |
//! | Asked     | handlers were asked, the grace runs           | Quiet: all swallowed; the end     |
//! | the end   | the inside has given its value, or is dropped |                                   |
//!
//! Asked is [`Until::Asked`]; everything else is Quiet. An origin is laid, polled once and
//! dropped around futures that are ready at once, so its fields are few words, its rare
//! paths are calls, and one word says what dropping it has to do.
//!
//! The inside is dropped in exactly three cases: no handler was there to be asked;
//! all were asked, and one has passed the request on; the grace is over.

use std::{
    cell::Cell,
    fmt,
    future::Future,
    pin::Pin,
    task::{Context, Poll},
    time::Duration,
};

use arborio_task::frames::{Frame, Inside, Next, Terms, grace};
use arborio_timers::Instant;

use crate::limit::{Alarm, Until, deadline};

/// How long handlers may take, unless something else is said.
pub(crate) const GRACE: Duration = Duration::from_secs(1);

/// Handlers that answer at once are asked so often in one poll; then the task is
/// woken and the others have their turn.
const ROUNDS_PER_POLL: u32 = 32;

/// How the inside of an origin has ended.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Ended<T> {
    /// By itself.
    Value(T),
    /// It was dropped, because of the request.
    Dropped,
}

/// What an origin wants to know of whoever may make the request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Moment {
    /// Before a poll of the inside: is there a request?
    Before,
    /// The inside is pending: is there a request now? If not, the task of the context
    /// is to be woken when that changes.
    After,
    /// The request was swallowed, and does not count any more. As `After`.
    Withdrawn,
}

/// What an origin tells those inside who ask.
#[derive(Debug)]
pub(crate) struct OwnTerms {
    /// When it asks by itself.
    pub(crate) until: Cell<Until>,
    /// How long handlers may take: nanoseconds, and one; zero if the origin has not said
    /// it, so that what is around it says. One word, because origins lie in many futures.
    grace: u64,
}

impl OwnTerms {
    /// Half a millennium, and what is above, is for ever.
    fn set_grace(&mut self, grace: Duration) {
        let nanos = u64::try_from(grace.as_nanos()).unwrap_or(u64::MAX);
        self.grace = nanos.saturating_add(1);
    }
}

impl Terms for OwnTerms {
    fn limit(&self) -> Option<u64> {
        deadline(&self.until).map(Instant::as_nanos)
    }

    fn grace(&self) -> Option<u64> {
        self.grace.checked_sub(1)
    }
}

/// How long the handlers of the origin that asks may take: what it has said itself, or
/// the origin around it, or the scope around that.
fn effective_grace() -> Duration {
    match grace() {
        Some(nanos) if nanos >= u64::MAX - 1 => Duration::MAX,
        Some(nanos) => Duration::from_nanos(nanos),
        None => crate::scope::grace_around().unwrap_or(GRACE),
    }
}

pin_project_lite::pin_project! {
    /// A frame that makes requests, and the future inside of it.
    pub(crate) struct Origin<F> {
        frame: Frame,
        terms: OwnTerms,
        // The grace runs on it, too: an origin that has asked does not wait for its time.
        alarm: Alarm,
        #[pin]
        inside: Option<F>,
    }
}

impl<F: Future> Origin<F> {
    /// Nobody asks `inside` to end yet.
    #[inline(always)]
    pub(crate) const fn new(inside: F) -> Self {
        Self::limited(Until::Forever, inside)
    }

    /// The same for one that goes by the time: it tells those inside that it asks then.
    #[inline(always)]
    pub(crate) const fn limited(until: Until, inside: F) -> Self {
        Self {
            frame: Frame::origin(),
            terms: OwnTerms {
                until: Cell::new(until),
                grace: 0,
            },
            alarm: Alarm::off(),
            inside: Some(inside),
        }
    }

    /// How long handlers may take to answer a request of this origin.
    pub(crate) fn set_grace(&mut self, grace: Duration) {
        self.terms.set_grace(grace);
    }

    /// Requests of this origin may not be swallowed from now on.
    pub(crate) fn set_firm(&mut self) {
        self.frame.set_firm();
    }

    /// Drops the inside, whatever it does.
    pub(crate) fn drop_inside(self: Pin<&mut Self>) {
        self.project().inside.set(None);
    }

    /// The inside, unless it was dropped.
    pub(crate) fn inside(self: Pin<&mut Self>) -> Option<Pin<&mut F>> {
        self.project().inside.as_pin_mut()
    }

    /// As `set_grace`, also while the grace runs: it counts from the request.
    pub(crate) fn change_grace(self: Pin<&mut Self>, grace: Duration) {
        let origin = self.project();
        let before = origin.terms.grace;
        origin.terms.set_grace(grace);
        if origin.terms.grace == before {
            return;
        }
        if let Until::Asked(since) = origin.terms.until.get() {
            origin.alarm.ring_after(since, grace);
        }
    }

    /// Polls the inside, and asks it to end when `request` says so: it is asked at
    /// each [`Moment`], unless a request is in force.
    #[inline]
    pub(crate) fn poll(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        mut request: impl FnMut(Moment, &mut Context<'_>) -> bool,
    ) -> Poll<Ended<F::Output>> {
        let origin = self.project();
        let terms = &*origin.terms;
        let parts = (origin.alarm, &terms.until, origin.inside);
        poll_as(origin.frame, terms, parts, cx, |moment, _, _, cx| {
            request(moment, cx)
        })
    }

    /// The same for one that goes by a time of its own: `limit` tells when it will ask. How long handlers
    /// may take is what is said around it.
    #[inline]
    pub(crate) fn poll_limited(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        limit: &dyn Fn() -> Option<u64>,
        mut request: impl FnMut(Moment, &mut Context<'_>) -> bool,
    ) -> Poll<Ended<F::Output>> {
        let origin = self.project();
        let parts = (origin.alarm, &origin.terms.until, origin.inside);
        poll_as(origin.frame, &limit, parts, cx, |moment, _, _, cx| {
            request(moment, cx)
        })
    }

    /// The same for one that asks when its time is up. A value wins over the time.
    #[inline]
    pub(crate) fn poll_timed(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Ended<F::Output>> {
        let origin = self.project();
        let terms = &*origin.terms;
        let parts = (origin.alarm, &terms.until, origin.inside);
        poll_as(
            origin.frame,
            terms,
            parts,
            cx,
            |moment, alarm, until, cx| moment == Moment::After && alarm.poll(until, cx).is_ready(),
        )
    }
}

/// Polls the inside of an origin; see [`Origin::poll`].
#[inline]
fn poll_as<F: Future>(
    frame: &mut Frame,
    terms: &dyn Terms,
    (alarm, until, mut future): (&mut Alarm, &Cell<Until>, Pin<&mut Option<F>>),
    cx: &mut Context<'_>,
    mut request: impl FnMut(Moment, &mut Alarm, &Cell<Until>, &mut Context<'_>) -> bool,
) -> Poll<Ended<F::Output>> {
    let is_quiet = || !matches!(until.get(), Until::Asked(_));
    frame.poll_limited(cx, terms, |cx, inside| {
        if is_quiet()
            && request(Moment::Before, alarm, until, cx)
            && demand(alarm, until, inside) == Next::Drop
        {
            return dropped(future);
        }
        let Some(running) = future.as_mut().as_pin_mut() else {
            panic!("a cancellation scope was polled after it had ended");
        };
        if let Poll::Ready(value) = running.poll(cx) {
            return Poll::Ready(Ended::Value(value));
        }
        if is_quiet() && !request(Moment::After, alarm, until, cx) {
            return Poll::Pending;
        }
        poll_asked(cx, inside, future, (alarm, until), request)
    })
}

impl<F> Origin<F> {
    /// As a part of what is called `name`.
    pub(crate) fn fmt_as(&self, name: &str, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct(name)
            .field("until", &self.terms.until.get())
            .field("grace", &self.terms.grace().map(Duration::from_nanos))
            .finish_non_exhaustive()
    }
}

/// The inside is pending, and there is cause to ask it, or it was asked.
#[cold]
fn poll_asked<F: Future>(
    cx: &mut Context<'_>,
    inside: &Inside<'_>,
    mut future: Pin<&mut Option<F>>,
    (alarm, until): (&mut Alarm, &Cell<Until>),
    mut request: impl FnMut(Moment, &mut Alarm, &Cell<Until>, &mut Context<'_>) -> bool,
) -> Poll<Ended<F::Output>> {
    for _ in 0..ROUNDS_PER_POLL {
        let next = match until.get() {
            Until::Asked(_) => inside.settle(),
            _ => demand(alarm, until, inside),
        };
        match next {
            Next::Poll => {}
            Next::Drop => return dropped(future),
            Next::Withdraw => {
                alarm.switch_off(until);
                if !request(Moment::Withdrawn, alarm, until, cx) {
                    return Poll::Pending;
                }
                continue;
            }
            Next::Wait if alarm.poll(until, cx).is_ready() => {
                crate::scope::tell_of_stubborn_here();
                return dropped(future);
            }
            Next::Wait => return Poll::Pending,
        }
        let running = future.as_mut().as_pin_mut().expect("not dropped yet");
        if let Poll::Ready(value) = running.poll(cx) {
            return Poll::Ready(Ended::Value(value));
        }
    }
    cx.waker().wake_by_ref();
    Poll::Pending
}

/// Asks the handlers, and starts the grace if there are any.
#[cold]
fn demand(alarm: &mut Alarm, until: &Cell<Until>, inside: &Inside<'_>) -> Next {
    let next = inside.request();
    if next != Next::Drop {
        let since = Instant::now();
        until.set(Until::Asked(since));
        alarm.ring_after(since, effective_grace());
    }
    next
}

/// Drops the inside, still within the poll of its frame.
fn dropped<F: Future>(mut inside: Pin<&mut Option<F>>) -> Poll<Ended<F::Output>> {
    inside.set(None);
    Poll::Ready(Ended::Dropped)
}
