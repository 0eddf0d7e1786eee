//! What a frame may do while it is polled, and what code inside of frames may ask.

use std::{fmt, task::Waker};

use arborio_base::contain;

use super::{
    asking::Next,
    entry::{Entry, Terms, outward},
    root,
    slots::{Answer, Asker, HandlerState, Kind, Slots},
};
use crate::{cell::TaskRef, local::Flags, tasks};

/// A poll of a frame that is running, and what the frame may do in it.
///
/// # Examples
/// See [`Frame::origin`](super::Frame::origin) and [`Frame::handler`](super::Frame::handler).
/// ```
/// use arborio_task::frames::{Frame, Inside};
/// use std::task::{Context, Poll, Waker};
/// let mut cx = Context::from_waker(Waker::noop());
/// let look = |_: &mut Context<'_>, inside: &Inside<'_>| Poll::Ready(inside.is_asked());
/// assert_eq!(Frame::handler().poll(&mut cx, look), Poll::Ready(false));
/// ```
pub struct Inside<'a> {
    entry: &'a Entry<'a>,
}

impl<'a> Inside<'a> {
    #[inline(always)]
    pub(super) fn of(entry: &'a Entry<'a>) -> Self {
        Self { entry }
    }

    /// Puts a request of this origin in force and asks the innermost handlers
    /// inside: what next? [`Next::Drop`] if there is none.
    ///
    /// # Examples
    /// See [`Frame::origin`](super::Frame::origin) and [`Frame::handler`](super::Frame::handler).
    #[must_use]
    pub fn request(&self) -> Next {
        self.ask(Slots::request)
    }

    /// The inside of this origin, whose request is in force, is pending: what next?
    /// If the request may not be swallowed ([`Frame::set_firm`](super::Frame::set_firm)), those who have
    /// swallowed it did so in vain.
    ///
    /// # Examples
    /// See [`Frame::handler`](super::Frame::handler).
    #[must_use]
    pub fn settle(&self) -> Next {
        self.ask(Slots::settle)
    }

    fn ask(&self, ask: impl FnOnce(&mut Slots, Asker) -> (Next, Vec<Waker>)) -> Next {
        let ask = |slots: &mut Slots, index| {
            let asker = Asker::Slot(slots.key(index));
            ask(slots, asker)
        };
        let asked = self.entry.with_slot(ask);
        let (next, wakers) = asked.unwrap_or((Next::Drop, Vec::new()));
        for waker in wakers {
            contain(|| waker.wake());
        }
        next
    }

    /// Whether this handler was asked, and has not answered.
    ///
    /// # Examples
    /// See [`Frame::handler`](super::Frame::handler).
    pub fn is_asked(&self) -> bool {
        // SAFETY: inside the poll of the frame (B1).
        let state = self
            .entry
            .with_place(|table, index| unsafe { table.handler(index) });
        matches!(state, Some(HandlerState::Asked | HandlerState::Busy))
    }

    /// This handler has begun to act on what it was asked. Its frame stays in the
    /// tree, also when its poll is ready, until it is [finished](super::Frame::finish) or
    /// dropped.
    ///
    /// # Examples
    /// ```
    /// use arborio_task::frames::{Answer, Frame, Next};
    /// use std::task::{Context, Poll, Waker};
    /// let (mut origin, mut handler) = (Frame::origin(), Frame::handler());
    /// let mut cx = Context::from_waker(Waker::noop());
    /// let _ = origin.poll(&mut cx, |cx, inside| {
    ///     assert!(handler.poll(cx, |_, _| Poll::<()>::Pending).is_pending());
    ///     assert_eq!(inside.request(), Next::Poll);
    ///     let _ = handler.poll(cx, |_, inside| Poll::Ready(inside.set_busy()));
    ///     assert_eq!(inside.settle(), Next::Wait);
    ///     handler.finish(Answer::Swallowed);
    ///     assert_eq!(inside.settle(), Next::Withdraw);
    ///     Poll::Ready(())
    /// });
    /// ```
    pub fn set_busy(&self) {
        // SAFETY: inside the poll of the frame (B1).
        self.entry
            .with_place(|table, index| unsafe { table.set_busy(index) });
    }

    /// What is inside of this frame is not asked by those outside any more.
    ///
    /// # Examples
    /// ```
    /// use arborio_task::frames::{Frame, limit};
    /// use std::task::{Context, Poll, Waker};
    /// let mut cx = Context::from_waker(Waker::noop());
    /// let polled = Frame::origin().poll_limited(&mut cx, &|| Some(7), |cx, _| {
    ///     Frame::handler().poll(cx, |_, inside| {
    ///         inside.set_opaque();
    ///         Poll::Ready(limit())
    ///     })
    /// });
    /// assert_eq!(polled, Poll::Ready(None));
    /// ```
    pub fn set_opaque(&self) {
        self.entry.frame.set_kind(Kind::Shield);
        // SAFETY: inside the poll of the frame (B1).
        self.entry
            .with_place(|table, index| unsafe { table.set_opaque(index) });
    }

    /// Makes this origin into a shield, or a shield into an origin again.
    ///
    /// # Examples
    /// ```
    /// use arborio_task::frames::{Frame, limit};
    /// use std::task::{Context, Poll, Waker};
    /// let mut cx = Context::from_waker(Waker::noop());
    /// let polled = Frame::origin().poll_limited(&mut cx, &|| Some(7), |cx, _| {
    ///     Frame::origin().poll(cx, |_, inside| {
    ///         inside.set_shield(true);
    ///         assert_eq!(limit(), None);
    ///         inside.set_shield(false);
    ///         Poll::Ready(limit())
    ///     })
    /// });
    /// assert_eq!(polled, Poll::Ready(Some(7)));
    /// ```
    pub fn set_shield(&self, on: bool) {
        let kind = if on { Kind::Shield } else { Kind::Origin };
        self.entry.frame.set_kind(kind);
        self.entry
            .with_slot(|slots, index| slots.set_shield(index, on));
    }

    /// This handler answers.
    ///
    /// # Examples
    /// See [`Frame::handler`](super::Frame::handler).
    pub fn answer(&self, answer: Answer) {
        // SAFETY: inside the poll of the frame (B1).
        self.entry
            .with_place(|table, index| unsafe { table.answer(index, answer) });
        if answer == Answer::Swallowed {
            root::swallowed();
        }
    }
}

impl fmt::Debug for Inside<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Inside").finish_non_exhaustive()
    }
}

/// Whether a request is in force that reaches the code that asks: that of its
/// task, or of an origin around it. One that was swallowed is not in force any more.
///
/// # Examples
/// ```
/// assert!(!arborio_task::frames::is_cancelling());
/// ```
pub fn is_cancelling() -> bool {
    let mut found = false;
    let to_root = outward(|entry| {
        // SAFETY: inside the poll of that frame (B1).
        let in_force = entry.with_place(|table, index| unsafe { table.is_felt(index) });
        found |= in_force == Some(true);
        !matches!(entry.frame.kind(), Kind::Shield | Kind::Gate)
    });
    let asked = |task: TaskRef| task.local.seen().any(Flags::ABORT) && !root::is_taken_back(task);
    found || to_root && tasks::current_task().is_some_and(asked)
}

/// The earliest limit of the frames around the code that asks
/// ([`Frame::poll_limited`](super::Frame::poll_limited)).
///
/// # Examples
/// ```
/// assert_eq!(arborio_task::frames::limit(), None);
/// ```
pub fn limit() -> Option<u64> {
    limit_to_root().0
}

/// The same, and whether no shield is between the code that asks and the root of the
/// tree, so that the limits of what is around the task count, too.
///
/// # Examples
/// ```
/// assert_eq!(arborio_task::frames::limit_to_root(), (None, true));
/// ```
pub fn limit_to_root() -> (Option<u64>, bool) {
    let mut earliest = None;
    let to_root = outward(|entry| {
        let limit = entry.terms.and_then(Terms::limit);
        earliest = earliest.into_iter().chain(limit).min();
        entry.frame.kind() != Kind::Shield
    });
    (earliest, to_root)
}

/// How long handlers may take, as the innermost frame around the code that asks says
/// that says it.
///
/// # Examples
/// ```
/// assert_eq!(arborio_task::frames::grace(), None);
/// ```
pub fn grace() -> Option<u64> {
    let mut grace = None;
    outward(|entry| {
        grace = entry.terms.and_then(Terms::grace);
        grace.is_none()
    });
    grace
}
