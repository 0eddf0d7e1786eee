//! Which frame is being polled on this thread, and how a frame finds its place.
//!
//! Each poll of a frame lays an *entry* on the stack, linked to the entry of the
//! frame around it. An entry is provisional: a handler gets a slot in the table
//! only when its poll is pending, an origin only when a handler inside of it needs a
//! parent: one that has no handlers inside has nobody to ask. So a deadline around
//! a future without handlers, or one that is ready at its first poll, costs the entry.
//!
//! # Invariants
//! - E1: CURRENT is null, or points to an entry of a poll that is running on this
//!   thread: who sets it puts the outer one back, also when the poll panics.
//! - E2: an entry belongs to the task that was being polled when it was laid. If
//!   another task, or none, is being polled now, the chain does not count: the
//!   poll is the outermost one of its tree.
//! - E3: `tree` of an entry, once set, is the table of the tree that is being
//!   polled; it lives as long as the entry, because the root of the tree holds it.
//! - E4: a frame with a place has a slot in that place's table (B4).

use std::{
    cell::Cell,
    fmt, ptr,
    sync::Arc,
    task::{Context, Poll, Waker},
};

use arborio_base::{contain, drop_contained};

use super::{
    slots::{Answer, Asker, HandlerState, Key, Kind, Next, Slots},
    table::Table,
};
use crate::{cell::TaskRef, local::Flags, side, tasks};

#[cfg(not(loom))]
thread_local! {
    static CURRENT: Cell<*const Entry<'static>> = const { Cell::new(ptr::null()) };
}

#[cfg(loom)]
loom::thread_local! {
    static CURRENT: Cell<*const Entry<'static>> = Cell::new(ptr::null());
}

/// Tells when the time of an origin is over, in any unit that all origins share.
/// Asking for it may fix it.
type Limit<'e> = &'e dyn Fn() -> Option<u64>;

/// One poll of a frame that is running.
struct Entry<'e> {
    /// The frame around it, or null (E1).
    outer: *const Entry<'static>,
    /// The task that is being polled (E2).
    task: Option<TaskRef>,
    /// The table of the tree, once it was looked for and there is one (E3).
    tree: Cell<*const Table>,
    frame: &'e Frame,
    /// What has the frame polled.
    waker: &'e Waker,
    limit: Option<Limit<'e>>,
}

/// Puts the outer entry back.
struct Restore(*const Entry<'static>);

impl Drop for Restore {
    #[inline]
    fn drop(&mut self) {
        CURRENT.with(|current| current.set(self.0));
    }
}

/// The entry of the innermost frame that is being polled, if it counts (E2) now
/// that `task` is being polled.
#[inline]
fn current<'a>(task: Option<TaskRef>) -> Option<&'a Entry<'a>> {
    let entry: *const Entry<'a> = CURRENT.with(Cell::get).cast();
    // SAFETY: E1: it is on this thread's stack, below the caller.
    let entry = unsafe { entry.as_ref() }?;
    (entry.task == task).then_some(entry)
}

/// The table of a task that is being polled, or whose future is being dropped.
fn table_of(task: Option<TaskRef>) -> *const Table {
    task.map_or(ptr::null(), side::frames)
}

/// Whether this thread is inside the tree of `table` (B1).
fn is_inside(table: *const Table) -> bool {
    let task = tasks::current_task();
    match current(task) {
        Some(entry) => ptr::eq(entry.tree(), table),
        None => ptr::eq(table_of(task), table),
    }
}

impl Entry<'_> {
    /// The table of the tree that is being polled, or null.
    fn tree(&self) -> *const Table {
        if self.tree.get().is_null() {
            self.tree.set(match self.outer() {
                Some(outer) => outer.tree(),
                None => table_of(self.task),
            });
        }
        self.tree.get()
    }

    #[inline]
    fn outer(&self) -> Option<&Entry<'_>> {
        // SAFETY: E1: the entries around this one are further down the stack.
        let outer = unsafe { self.outer.as_ref() }?;
        (outer.task == self.task).then_some(outer)
    }

    /// Touches the frames of the tree.
    fn with<R>(&self, touch: impl FnOnce(&mut Slots) -> R) -> Option<R> {
        // SAFETY: E3.
        let table = unsafe { self.tree().as_ref() }?;
        // SAFETY: the entry is that of a poll inside the tree (B1, E3).
        Some(unsafe { table.with(touch) })
    }

    fn with_key<R>(&self, touch: impl FnOnce(&mut Slots, Key) -> R) -> Option<R> {
        let key = self.frame.key()?;
        self.with(|slots| touch(slots, key))
    }

    /// Gives the frame a slot, and those around it first.
    #[inline(never)]
    fn settle_down(&self) -> Key {
        match self.frame.key() {
            Some(key) => key,
            None => self.take_place(),
        }
    }

    fn take_place(&self) -> Key {
        let parent = self.outer().map(Entry::settle_down);
        let is_root = parent.is_none();
        if is_root && self.tree().is_null() {
            self.tree.set(self.make_table());
        }
        let waker = self.waker.clone(); // foreign code: before the table (B3)
        let kind = self.frame.kind.get();
        let inserted = self.with(|slots| slots.insert(kind, parent, waker));
        let key = inserted.expect("the tree has a table by now");
        self.frame.place.set(Some(Place {
            table: self.tree(),
            key,
            owns_tree: is_root && self.task.is_none(),
        }));
        key
    }

    /// The tree's first table. The task holds it; that of a foreign tree is held by
    /// the place of its outermost frame, which is this one.
    #[cold]
    fn make_table(&self) -> *const Table {
        match self.task {
            Some(task) => {
                task.local.set(Flags::FRAMED);
                side::frames_or_make(task, || Table::of_task(task))
            }
            None => Arc::into_raw(Table::foreign(self.waker.clone())),
        }
    }
}

/// A frame's slot (E4).
#[derive(Clone, Copy)]
struct Place {
    table: *const Table,
    key: Key,
    /// The frame is the outermost one of its tree, under a foreign executor, and
    /// holds the root's count of the table.
    owns_tree: bool,
}

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
    kind: Cell<Kind>,
    place: Cell<Option<Place>>,
}

// SAFETY: a place may be used on any thread: slots are touched only where B1 allows
// it, and everything else of a table is made for all.
unsafe impl Send for Frame {}

impl Frame {
    const fn new(kind: Kind) -> Self {
        Self {
            kind: Cell::new(kind),
            place: Cell::new(None),
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
    ///     assert_eq!(inside.settle(true), Next::Drop);
    ///     Poll::Ready(())
    /// });
    /// ```
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
    pub const fn gate() -> Self {
        Self::new(Kind::Gate)
    }

    #[inline]
    fn key(&self) -> Option<Key> {
        self.place.get().map(|place| place.key)
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

    /// The same for an origin whose time is limited: `limit` tells when it is over,
    /// in a unit that all origins share. It is called when [`limit`](self::limit) is.
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
        limit: &dyn Fn() -> Option<u64>,
        poll: impl FnOnce(&mut Context<'_>, &Inside<'_>) -> Poll<R>,
    ) -> Poll<R> {
        self.poll_as(cx, Some(limit), poll)
    }

    #[inline]
    fn poll_as<R>(
        &mut self,
        cx: &mut Context<'_>,
        limit: Option<Limit<'_>>,
        poll: impl FnOnce(&mut Context<'_>, &Inside<'_>) -> Poll<R>,
    ) -> Poll<R> {
        let task = tasks::current_task();
        let entry = Entry {
            outer: current(task).map_or(ptr::null(), ptr::from_ref).cast(),
            task,
            tree: Cell::new(ptr::null()),
            frame: self,
            waker: cx.waker(),
            limit,
        };
        if let Some(place) = entry.frame.place.get() {
            entry.arrive(place);
        }
        let restore = Restore(CURRENT.with(|current| current.replace((&raw const entry).cast())));
        let polled = poll(cx, &Inside { entry: &entry });
        drop(restore);
        match (&polled, entry.frame.place.get()) {
            (Poll::Pending, None) if entry.frame.kind.get() != Kind::Origin => {
                entry.settle_down();
            }
            (Poll::Ready(_), Some(_)) => entry.depart(),
            _ => {}
        }
        polled
    }

    /// Leaves the tree, with `answer` if somebody had asked.
    fn leave(&self, answer: Answer) {
        let Some(place) = self.place.take() else {
            return;
        };
        if place.owns_tree {
            // SAFETY: the outermost frame of a foreign tree is borrowed by its own
            // poll or drop, and nobody is inside but for that; it held the count.
            unsafe { end_foreign(place) };
        } else if is_inside(place.table) {
            // SAFETY: the tree is being polled or dropped, so its root holds it.
            let table = unsafe { &*place.table };
            // SAFETY: inside the tree (B1).
            let waker = unsafe {
                table.with(|slots| {
                    slots.answer(place.key, answer);
                    slots.remove(place.key)
                })
            };
            drop_contained(waker);
        } else {
            // SAFETY: E4, and the place was taken.
            unsafe { Table::note(place.table, place.key, answer) };
        }
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
/// B1; `place` owns its tree, and is not used any more.
#[cold]
unsafe fn end_foreign(place: Place) {
    // SAFETY: the place held the root's count.
    let table = unsafe { Arc::from_raw(place.table) };
    // SAFETY: B1, says the caller.
    let waker = unsafe { table.with(|slots| slots.remove(place.key)) };
    drop_contained(waker);
    // SAFETY: B1, and nobody else ends this tree.
    unsafe { Table::end(&table) };
    Table::give_up(table);
}

impl Drop for Frame {
    #[inline]
    fn drop(&mut self) {
        if self.place.get().is_some() {
            self.leave(Answer::Passed);
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

impl Entry<'_> {
    /// A frame that has a place is polled again: is it still the right one?
    fn arrive(&self, place: Place) {
        let outermost = self.outer().is_none();
        if place.owns_tree && outermost && self.task.is_none() {
            self.tree.set(place.table); // it brings the table along
        }
        if !ptr::eq(self.tree(), place.table) {
            return self.frame.leave(Answer::Passed); // it was moved to another tree
        }
        let parent = self.outer().map(Entry::settle_down);
        let known = self.with(|slots| {
            slots.move_to(place.key, parent);
            slots.is_woken_by(place.key, self.waker)
        });
        if known != Some(true) {
            self.refresh(place);
        }
    }

    /// Sees to it that a request reaches the frame by the waker of this poll.
    fn refresh(&self, place: Place) {
        if place.owns_tree {
            // SAFETY: the place holds it.
            unsafe { &*place.table }.set_root(self.waker.clone());
        }
        let fresh = self.waker.clone(); // foreign code: before the table (B3)
        let old = self.with(|slots| slots.set_waker(place.key, fresh));
        drop_contained(old);
    }

    /// The inside is ready.
    fn depart(&self) {
        let state = self.with_key(|slots, key| slots.handler(key));
        if state != Some(HandlerState::Busy) {
            self.frame.leave(Answer::Passed);
        }
    }
}

/// A poll of a frame that is running, and what the frame may do in it.
///
/// # Examples
/// See [`Frame::origin`] and [`Frame::handler`].
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

impl Inside<'_> {
    /// Puts a request of this origin in force and asks the innermost handlers
    /// inside: what next? [`Next::Drop`] if there is none.
    ///
    /// # Examples
    /// See [`Frame::origin`] and [`Frame::handler`].
    #[must_use]
    pub fn request(&self) -> Next {
        self.ask(Slots::request)
    }

    /// The inside of this origin, whose request is in force, is pending: what next?
    /// A request that may not be swallowed is asked again.
    ///
    /// # Examples
    /// See [`Frame::handler`].
    #[must_use]
    pub fn settle(&self, may_swallow: bool) -> Next {
        self.ask(|slots, asker| slots.settle(asker, may_swallow))
    }

    fn ask(&self, ask: impl FnOnce(&mut Slots, Asker) -> (Next, Vec<Waker>)) -> Next {
        let ask = |slots: &mut Slots, key| ask(slots, Asker::Slot(key));
        let asked = self.entry.with_key(ask);
        let (next, wakers) = asked.unwrap_or((Next::Drop, Vec::new()));
        for waker in wakers {
            contain(|| waker.wake());
        }
        next
    }

    /// Whether this handler was asked, and has not answered.
    ///
    /// # Examples
    /// See [`Frame::handler`].
    pub fn is_asked(&self) -> bool {
        let state = self.entry.with_key(|slots, key| slots.handler(key));
        matches!(state, Some(HandlerState::Asked | HandlerState::Busy))
    }

    /// This handler has begun to act on what it was asked. Its frame stays in the
    /// tree, also when its poll is ready, until it is [finished](Frame::finish) or
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
    ///     assert_eq!(inside.settle(true), Next::Wait);
    ///     handler.finish(Answer::Swallowed);
    ///     assert_eq!(inside.settle(true), Next::Withdraw);
    ///     Poll::Ready(())
    /// });
    /// ```
    pub fn set_busy(&self) {
        self.entry.with_key(Slots::set_busy);
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
        self.entry.frame.kind.set(Kind::Shield);
        self.entry.with_key(Slots::set_opaque);
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
        self.entry.frame.kind.set(kind);
        self.entry.with_key(|slots, key| slots.set_shield(key, on));
    }

    /// This handler answers.
    ///
    /// # Examples
    /// See [`Frame::handler`].
    pub fn answer(&self, answer: Answer) {
        self.entry.with_key(|slots, key| slots.answer(key, answer));
    }
}

impl fmt::Debug for Inside<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Inside").finish_non_exhaustive()
    }
}

/// The frames around the code that asks, from the innermost to the first where
/// `visit` says that one sees no further; whether that leads to the root of the tree.
fn outward(mut visit: impl FnMut(&Entry<'_>) -> bool) -> bool {
    let mut next = current(tasks::current_task());
    while let Some(entry) = next {
        if !visit(entry) {
            return false;
        }
        next = entry.outer();
    }
    true
}

/// Whether a request is in force that reaches the code that asks: that of its
/// task, or of an origin around it.
///
/// # Examples
/// ```
/// assert!(!arborio_task::frames::is_cancelling());
/// ```
pub fn is_cancelling() -> bool {
    let mut found = false;
    let to_root = outward(|entry| {
        let in_force = entry.with_key(|slots, key| slots.is_in_force(Asker::Slot(key)));
        found |= in_force == Some(true);
        !matches!(entry.frame.kind.get(), Kind::Shield | Kind::Gate)
    });
    let asked = |task: TaskRef| task.local.seen().any(Flags::ABORT);
    found || to_root && tasks::current_task().is_some_and(asked)
}

/// The earliest limit of the frames around the code that asks
/// ([`Frame::poll_limited`]).
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
        let limit = entry.limit.and_then(|limit| limit());
        earliest = earliest.into_iter().chain(limit).min();
        entry.frame.kind.get() != Kind::Shield
    });
    (earliest, to_root)
}
