//! A frame: the part of a future that takes part in cancellation.

use std::{
    cell::Cell,
    fmt, ptr,
    task::{Context, Poll},
};

use arborio_base::{contain, drop_contained};

use super::{
    counted::Counted,
    entry::{self, Entry, Terms},
    inside::Inside,
    root,
    slots::{Answer, Holds, Index, Kind, NONE},
    table::Table,
};

/// A part of a future that takes part in cancellation: an origin of requests, or
/// a handler that answers those of the origins around it.
///
/// It lies in the future; [`poll`](Frame::poll) stands around each poll of what is
/// inside. Combinators are built from it: an origin makes a
/// [`request`](Inside::request) and [settles](Inside::settle) after each pending
/// poll; a handler looks whether it [was asked](Inside::is_asked) and
/// [answers](Inside::answer).
///
/// # Examples
/// A handler that nobody asks does nothing.
/// ```
/// use arborio_task::frames::Frame;
/// use std::task::{Context, Poll, Waker};
/// let mut frame = Frame::handler();
/// let mut cx = Context::from_waker(Waker::noop());
/// let polled = frame.poll(&mut cx, |_, inside| Poll::Ready(inside.is_asked()));
/// assert_eq!(polled, Poll::Ready(false));
/// ```
pub struct Frame {
    /// Where it has a slot; null if nowhere (E4 of [`super::entry`]).
    table: Cell<*const Table>,
    /// Its slot; means nothing without a table.
    index: Cell<Index>,
    kind: Cell<Kind>,
    /// Means nothing without a table.
    holds: Cell<Holds>,
}

// SAFETY: a place may be used on any thread: slots are touched only where B1 allows
// it, and everything else of a table is made for all.
unsafe impl Send for Frame {}

impl Frame {
    #[inline(always)]
    const fn new(kind: Kind) -> Self {
        Self {
            table: Cell::new(ptr::null()),
            // Not zero: with a word of zeros beside another, copies of it get mixed up with
            // copies of what lies before it, and cost three times as much.
            index: Cell::new(NONE),
            kind: Cell::new(kind),
            holds: Cell::new(Holds::Nothing),
        }
    }

    /// Where requests are made.
    ///
    /// # Examples
    /// Nobody inside can be asked, so there is nothing to wait for.
    /// ```
    /// use arborio_task::frames::{Frame, Next};
    /// use std::task::{Context, Poll, Waker};
    /// let mut origin = Frame::origin();
    /// let mut cx = Context::from_waker(Waker::noop());
    /// let polled = origin.poll(&mut cx, |_, inside| Poll::Ready(inside.request()));
    /// assert_eq!(polled, Poll::Ready(Next::Drop));
    /// ```
    #[inline(always)]
    pub const fn origin() -> Self {
        Self::new(Kind::Origin)
    }

    /// Where requests are answered.
    ///
    /// # Examples
    /// A handler is asked by the origin around it, and answers.
    /// ```
    /// use arborio_task::frames::{Answer, Frame, Next};
    /// use std::task::{Context, Poll, Waker};
    /// let (mut origin, mut handler) = (Frame::origin(), Frame::handler());
    /// let mut cx = Context::from_waker(Waker::noop());
    /// let _ = origin.poll(&mut cx, |cx, inside| {
    ///     let waits = |cx: &mut Context<'_>, handler: &mut Frame| {
    ///         handler.poll(cx, |_, inside| match inside.is_asked() {
    ///             true => Poll::Ready(inside.answer(Answer::Passed)),
    ///             false => Poll::Pending,
    ///         })
    ///     };
    ///     assert!(waits(cx, &mut handler).is_pending());
    ///     assert_eq!(inside.request(), Next::Poll);
    ///     assert!(waits(cx, &mut handler).is_ready());
    ///     assert_eq!(inside.settle(), Next::Drop);
    ///     Poll::Ready(())
    /// });
    /// ```
    #[inline(always)]
    pub const fn handler() -> Self {
        Self::new(Kind::Handler)
    }

    /// A handler that nobody outside sees through.
    ///
    /// # Examples
    /// ```
    /// use arborio_task::frames::{Frame, is_cancelling};
    /// use std::task::{Context, Poll, Waker};
    /// let (mut origin, mut shield) = (Frame::origin(), Frame::shield());
    /// let mut cx = Context::from_waker(Waker::noop());
    /// let _ = origin.poll(&mut cx, |cx, inside| {
    ///     let asks = |cx: &mut Context<'_>, shield: &mut Frame| {
    ///         shield.poll(cx, |_, _| match is_cancelling() {
    ///             true => Poll::Ready(()),
    ///             false => Poll::<()>::Pending,
    ///         })
    ///     };
    ///     assert!(asks(cx, &mut shield).is_pending());
    ///     let _ = inside.request();
    ///     assert!(is_cancelling());
    ///     assert!(asks(cx, &mut shield).is_pending(), "inside it is not");
    ///     Poll::Ready(())
    /// });
    /// ```
    #[inline(always)]
    pub const fn shield() -> Self {
        Self::new(Kind::Shield)
    }

    /// A shield whose inside is asked by its owner in another way, so that the limits
    /// outside count for it.
    ///
    /// # Examples
    /// ```
    /// use arborio_task::frames::{Frame, limit};
    /// use std::task::{Context, Poll, Waker};
    /// let mut cx = Context::from_waker(Waker::noop());
    /// let polled = Frame::origin().poll_limited(&mut cx, &|| Some(7), |cx, _| {
    ///     Frame::gate().poll(cx, |_, _| Poll::Ready(limit()))
    /// });
    /// assert_eq!(polled, Poll::Ready(Some(7)));
    /// ```
    #[inline(always)]
    pub const fn gate() -> Self {
        Self::new(Kind::Gate)
    }

    /// Requests of this origin may not be swallowed. For a frame that was not polled yet.
    ///
    /// # Examples
    /// ```
    /// use arborio_task::frames::{Answer, Frame, Next};
    /// use std::task::{Context, Poll, Waker};
    /// let (mut origin, mut handler) = (Frame::origin(), Frame::handler());
    /// origin.set_firm();
    /// let mut cx = Context::from_waker(Waker::noop());
    /// let _ = origin.poll(&mut cx, |cx, inside| {
    ///     assert!(handler.poll(cx, |_, _| Poll::<()>::Pending).is_pending());
    ///     assert_eq!(inside.request(), Next::Poll);
    ///     handler.finish(Answer::Swallowed);
    ///     assert_eq!(inside.settle(), Next::Drop);
    ///     Poll::Ready(())
    /// });
    /// ```
    pub fn set_firm(&mut self) {
        self.kind.set(Kind::Firm);
    }

    /// Its slot, if it has one.
    pub(super) fn index(&self) -> Option<Index> {
        self.has_slot().then(|| self.index.get())
    }

    #[inline(always)]
    fn has_slot(&self) -> bool {
        !self.table.get().is_null()
    }

    pub(super) fn table(&self) -> *const Table {
        self.table.get()
    }

    pub(super) fn kind(&self) -> Kind {
        self.kind.get()
    }

    pub(super) fn set_kind(&self, kind: Kind) {
        self.kind.set(kind);
    }

    pub(super) fn owns_tree(&self) -> bool {
        self.holds.get() == Holds::Tree
    }

    /// It has a slot from now on.
    pub(super) fn take_place(&self, table: *const Table, index: Index, holds: Holds) {
        self.table.set(table);
        self.index.set(index);
        self.holds.set(holds);
    }

    /// Runs `poll`, which polls what is inside of the frame.
    ///
    /// If it is pending, a handler takes its place in the tree, inside of the frames
    /// around it; if it is ready, the frame leaves the tree, unless it is a handler
    /// that has begun to act ([`Inside::set_busy`]).
    #[inline]
    pub fn poll<R>(
        &mut self,
        cx: &mut Context<'_>,
        poll: impl FnOnce(&mut Context<'_>, &Inside<'_>) -> Poll<R>,
    ) -> Poll<R> {
        self.poll_as(cx, None, poll)
    }

    /// The same for an origin that has something to tell those inside: when its time is
    /// over, and how long handlers may take. It is asked when [`limit`](super::limit)
    /// and [`grace`](super::grace) are.
    ///
    /// # Examples
    /// ```
    /// use arborio_task::frames::{Frame, limit};
    /// use std::task::{Context, Poll, Waker};
    /// let mut cx = Context::from_waker(Waker::noop());
    /// let polled = Frame::origin().poll_limited(&mut cx, &|| Some(7), |cx, _| {
    ///     Frame::origin().poll_limited(cx, &|| Some(9), |_, _| Poll::Ready(limit()))
    /// });
    /// assert_eq!(polled, Poll::Ready(Some(7)));
    /// ```
    #[inline]
    pub fn poll_limited<R>(
        &mut self,
        cx: &mut Context<'_>,
        terms: &dyn Terms,
        poll: impl FnOnce(&mut Context<'_>, &Inside<'_>) -> Poll<R>,
    ) -> Poll<R> {
        self.poll_as(cx, Some(terms), poll)
    }

    #[inline]
    fn poll_as<R>(
        &mut self,
        cx: &mut Context<'_>,
        terms: Option<&dyn Terms>,
        poll: impl FnOnce(&mut Context<'_>, &Inside<'_>) -> Poll<R>,
    ) -> Poll<R> {
        let frame = &*self;
        let entry = Entry::new(frame, cx.waker(), terms);
        if frame.has_slot() {
            entry.arrive();
        }
        let laid = entry.lay();
        let polled = poll(cx, &Inside::of(&entry));
        drop(laid);
        match (polled.is_pending(), frame.has_slot()) {
            (true, false) if !frame.kind.get().is_origin() => {
                entry.settle_down();
            }
            (false, true) => entry.depart(),
            _ => {}
        }
        polled
    }

    /// Leaves the tree, with `answer` if somebody had asked.
    #[inline(never)]
    pub(super) fn leave(&self, answer: Answer) {
        let Some(index) = self.index() else {
            return;
        };
        let table = self.table.replace(ptr::null());
        if self.owns_tree() {
            // SAFETY: the outermost frame of a foreign tree is borrowed by its own
            // poll or drop, and nobody is inside but for that; it held the count.
            unsafe { end_foreign(table, index) };
        } else if entry::is_inside(table) {
            // SAFETY: the tree is being polled or dropped, so its root holds it.
            let table = unsafe { &*table };
            // SAFETY: inside the tree (B1).
            let waker = unsafe { table.remove(index, answer) };
            drop_contained(waker);
            if answer == Answer::Swallowed {
                root::swallowed();
            }
        } else {
            // SAFETY: E4, and it does not refer to the table any more.
            unsafe { Table::note(table, index, answer) };
        }
    }

    /// A dropped frame leaves. What unwinds in that is contained, which lets the glue that
    /// drops frames be inlined.
    #[inline(never)]
    fn drop_slot(&self) {
        contain(|| self.leave(Answer::Passed));
    }

    /// Ends a handler that was asked, with its answer.
    ///
    /// # Examples
    /// ```
    /// use arborio_task::frames::{Answer, Frame};
    /// Frame::handler().finish(Answer::Swallowed); // nobody had asked
    /// ```
    pub fn finish(self, answer: Answer) {
        self.leave(answer);
    }
}

/// The outermost frame of a foreign tree leaves it.
///
/// # Safety
/// B1; the frame in slot `index` owns the tree, and does not refer to it any more.
#[cold]
unsafe fn end_foreign(table: *const Table, index: Index) {
    // SAFETY: the frame held the root's count.
    let table = unsafe { Counted::from_raw(table) };
    // SAFETY: B1, says the caller.
    let waker = unsafe { table.with(|slots| slots.remove(index)) };
    drop_contained(waker);
    // SAFETY: B1, and nobody else ends this tree.
    unsafe { Table::end(&table) };
    Table::give_up(table);
}

impl Drop for Frame {
    #[inline]
    fn drop(&mut self) {
        if self.has_slot() {
            self.drop_slot();
        }
    }
}

impl fmt::Debug for Frame {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Frame")
            .field("kind", &self.kind.get())
            .finish_non_exhaustive()
    }
}

#[cfg(all(test, not(loom)))]
mod tests {
    use std::task::Waker;

    use super::*;

    /// Polls `frame` with `inside` inside, which is pending.
    fn poll(frame: &mut Frame, cx: &mut Context<'_>, inside: impl FnOnce(&mut Context<'_>)) {
        let polled = frame.poll(cx, |cx, _| {
            inside(cx);
            Poll::<()>::Pending
        });
        assert!(polled.is_pending());
    }

    #[test]
    fn an_origin_has_a_slot_when_a_handler_inside_needs_a_parent_and_not_before() {
        let mut cx = Context::from_waker(Waker::noop());
        let (mut origin, mut handler) = (Frame::origin(), Frame::handler());
        poll(&mut origin, &mut cx, |_| ());
        assert!(!origin.has_slot(), "it has nobody to ask");
        poll(&mut origin, &mut cx, |cx| poll(&mut handler, cx, |_| ()));
        assert!(origin.has_slot() && handler.has_slot());
        handler.finish(Answer::Passed);
        let ready = origin.poll(&mut cx, |_, _| Poll::Ready(()));
        assert!(ready.is_ready() && !origin.has_slot());
    }
}
