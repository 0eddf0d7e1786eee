//! Standing in line: first come, first served, with the links in the future
//! that waits.
//!
//! A [`Line`] lies in the guarded state of a primitive. A [`Place`] lies in a
//! future, pinned; it is linked into the line while the future waits. Whoever
//! has something to give answers the first place in the line: under the lock it
//! unlinks the place, takes its waker and writes the answer; after the lock it
//! calls the waker. The future finds the answer at its next poll without any
//! lock. If the future is dropped instead, its place says so to the primitive,
//! which passes on what was given.
//!
//! # States of a place
//! | `joined` | `state`   | meaning                       | who may touch the node     |
//! |----------|-----------|-------------------------------|----------------------------|
//! | false    | (nothing) | away: in no line, no answer   | its future; it is not even written |
//! | true     | QUEUED    | linked into the line          | whoever holds the lock     |
//! | true     | an answer | unlinked, the answer is there | its future                 |
//!
//! away -> QUEUED: `Place::poll_join`, under the lock.
//! QUEUED -> answer: `Line::answer_first`, under the lock.
//! QUEUED -> away: the drop of the place, under the lock.
//! answer -> away: `Place::poll_answer` or the drop, without a lock.
//!
//! `joined` is the future's own. So a future that is ready at its first poll has
//! written two words, the way to its line and this.
//!
//! # Invariants
//! - L1: a place is in the line exactly while it is QUEUED, so a linked place is
//!   alive: its drop unlinks it, and a pinned future that is leaked stays in
//!   its memory for ever.
//! - L2: links, `want` and the waker of a QUEUED place are touched under the
//!   lock only; else by the future only.
//! - L3: the answer is stored last, with Release: from then on the future may be
//!   gone. It pairs with the Acquire loads of `Place::poll_answer` and the drop.
//! - L4: a line has links to its places, and no place links to the line, so the
//!   primitive may move while only leaked futures wait.
//! - L5: a place joins one line only: the one its `Reach` leads to.

use std::{
    cell::{Cell, UnsafeCell},
    marker::PhantomPinned,
    mem::MaybeUninit,
    pin::Pin,
    ptr::NonNull,
    task::{Context, Poll, Waker},
};

use arborio_base::{Plain, drop_contained, sync::atomic::AtomicUsize};

use crate::{flavour::Flavour, guarded::Guarded, words::Words};

/// What somebody in a line is told.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Answer {
    /// What was asked for is yours.
    Granted,
    /// It will never be: the primitive is closed.
    Closed,
    /// It may be there now: try again.
    Retry,
}

const QUEUED: usize = 0;
const GRANTED: usize = 1;
const CLOSED: usize = 2;
const RETRY: usize = 3;

impl Answer {
    fn to_state(self) -> usize {
        match self {
            Self::Granted => GRANTED,
            Self::Closed => CLOSED,
            Self::Retry => RETRY,
        }
    }

    fn of_state(state: usize) -> Option<Self> {
        match state {
            GRANTED => Some(Self::Granted),
            CLOSED => Some(Self::Closed),
            RETRY => Some(Self::Retry),
            _ => None,
        }
    }
}

/// What lies in the future and is linked into the line.
struct Node {
    state: AtomicUsize,
    /// What the place waits for; each primitive gives the number its meaning.
    want: Plain<usize>,
    /// Towards the end of the line.
    next: Plain<Option<NonNull<Node>>>,
    /// Towards the head of the line.
    previous: Plain<Option<NonNull<Node>>>,
    /// Set while QUEUED.
    waker: UnsafeCell<Option<Waker>>,
    /// Nothing; touched by whoever owns the waker, so that a model sees when two
    /// think that they do (L2).
    owned: Plain<()>,
}

impl Node {
    /// The waker, for its owner (L2).
    #[inline(always)]
    fn waker(&self) -> *mut Option<Waker> {
        self.owned.set(());
        self.waker.get()
    }
}

/// Those who wait for one thing, first come first.
pub(crate) struct Line {
    first: Option<NonNull<Node>>,
    last: Option<NonNull<Node>>,
}

// SAFETY: the places of a line are touched under the lock that guards the line
// (L2), and that lock is the flavour's: `OneThread` never leaves its thread.
unsafe impl Send for Line {}

impl Line {
    /// Nobody waits.
    pub(crate) const fn new() -> Self {
        Self {
            first: None,
            last: None,
        }
    }

    /// Whether nobody waits.
    #[inline(always)]
    pub(crate) fn is_empty(&self) -> bool {
        self.first.is_none()
    }

    /// What the first one waits for.
    #[inline]
    pub(crate) fn first_want(&self) -> Option<usize> {
        self.first.map(|first| {
            // SAFETY: a linked place is alive (L1).
            unsafe { first.as_ref() }.want.get()
        })
    }

    /// How many wait. Walks the line.
    pub(crate) fn len(&self) -> usize {
        let (mut count, mut at) = (0, self.first);
        while let Some(node) = at {
            count += 1;
            // SAFETY: a linked place is alive (L1).
            at = unsafe { node.as_ref() }.next.get();
        }
        count
    }

    /// Gives `answer` to the first one and returns its waker, to be called once
    /// the lock is released.
    #[must_use = "somebody waits for this wake"]
    #[inline]
    pub(crate) fn answer_first(&mut self, answer: Answer) -> Option<Waker> {
        let first = self.first?;
        // SAFETY: a linked place is alive (L1).
        let node = unsafe { first.as_ref() };
        self.unlink(node);
        let waker = node.waker();
        // SAFETY: QUEUED, and the caller holds the lock (L2).
        let waker = unsafe { (*waker).take() };
        node.state
            .store(answer.to_state(), std::sync::atomic::Ordering::Release); // L3
        waker
    }

    fn push(&mut self, node: &Node) {
        let place = NonNull::from(node);
        node.previous.set(self.last);
        node.next.set(None);
        match self.last.replace(place) {
            // SAFETY: a linked place is alive (L1).
            Some(last) => unsafe { last.as_ref() }.next.set(Some(place)),
            None => self.first = Some(place),
        }
    }

    #[inline]
    fn unlink(&mut self, node: &Node) {
        let (next, previous) = (node.next.get(), node.previous.get());
        match next {
            // SAFETY: a linked place is alive (L1).
            Some(next) => unsafe { next.as_ref() }.previous.set(previous),
            None => self.last = previous,
        }
        match previous {
            // SAFETY: a linked place is alive (L1).
            Some(previous) => unsafe { previous.as_ref() }.next.set(next),
            None => self.first = next,
        }
    }
}

/// How a place reaches its line, and what its drop means to the primitive.
///
/// # Safety
/// `guarded` leads to the same state each time, and `line` to the same line of
/// it, for as long as the value lives (L5).
pub(crate) unsafe trait Reach {
    /// The flavour of the primitive.
    type Flavour: Flavour;
    /// What the line lies in.
    type State;

    /// The state that the line lies in.
    fn guarded(&self) -> &Guarded<Self::Flavour, Self::State>;

    /// The line within its state.
    fn line(state: &mut Self::State) -> &mut Line;

    /// A future was dropped: while it waited for `want` in the line (`None`), or
    /// with an answer that it will never see. The place is out of the line, and
    /// no lock is held.
    fn left(&self, answer: Option<Answer>, want: usize);
}

/// A future's place in a line.
pub(crate) struct Place<R: Reach> {
    reach: R,
    /// Whether `node` is in the line, or has an answer that was not taken yet.
    joined: Cell<bool>,
    /// Written when the place joins the line.
    node: UnsafeCell<MaybeUninit<Node>>,
    _linked: PhantomPinned,
}

// SAFETY: others reach the node under the lock only (L2), and every method that
// touches it takes the place by exclusive reference. `R` is not `Send` where
// the flavour is `OneThread`, because it reaches a `Guarded`.
unsafe impl<R: Reach + Send> Send for Place<R> {}
// SAFETY: a shared place gives access to its `reach` only.
unsafe impl<R: Reach + Sync> Sync for Place<R> {}

impl<R: Reach> Place<R> {
    /// A place outside of the line.
    #[inline(always)]
    pub(crate) fn new(reach: R) -> Self {
        Self {
            reach,
            joined: Cell::new(false),
            node: UnsafeCell::new(MaybeUninit::uninit()),
            _linked: PhantomPinned,
        }
    }

    /// The node of a place that has joined.
    #[inline(always)]
    fn node(&self) -> &Node {
        debug_assert!(self.joined.get());
        // SAFETY: written by `poll_join` before `joined` was set, and only `poll_join`
        // of a place that is away writes it again.
        let node = unsafe { &*self.node.get() };
        // SAFETY: as above.
        unsafe { node.assume_init_ref() }
    }

    /// What the line belongs to.
    #[inline(always)]
    pub(crate) fn reach(&self) -> &R {
        &self.reach
    }

    /// The same, to be changed: only of a place that is in no line, as the line
    /// that it is in must stay within reach (L5).
    ///
    /// # Panics
    /// If the place is queued, or has an answer that nobody saw.
    pub(crate) fn reach_mut(self: Pin<&mut Self>) -> &mut R {
        assert!(!self.joined.get(), "a place in a line keeps its reach");
        // SAFETY: the reach is not pinned, and the node stays where it is.
        let place = unsafe { self.get_unchecked_mut() };
        &mut place.reach
    }

    /// Whether the place waits in the line, or did a moment ago.
    pub(crate) fn is_queued(&self) -> bool {
        self.joined.get() && self.node().state.load(R::Flavour::ACQUIRE) == QUEUED
    }

    /// The answer, if there is one; pending while the place is queued; `None` if
    /// it is in no line. An answer is given out once.
    #[inline]
    pub(crate) fn poll_answer(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Option<Poll<Answer>> {
        if !self.joined.get() {
            return None;
        }
        Some(self.poll_joined(cx))
    }

    #[inline]
    fn poll_joined(&self, cx: &mut Context<'_>) -> Poll<Answer> {
        match Answer::of_state(self.node().state.load(R::Flavour::ACQUIRE)) {
            Some(answer) => self.take(answer),
            None => self.refresh(cx),
        }
    }

    /// Tries once more under the lock, and stands in line if that fails with what
    /// the place shall want. `attempt` must not run foreign code.
    pub(crate) fn poll_join<V>(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        attempt: impl FnOnce(&R, &mut R::State) -> Result<V, usize>,
    ) -> Poll<V> {
        let waker = cx.waker().clone(); // foreign code: before the lock (G1)
        let mut state = self.reach.guarded().lock();
        let want = match attempt(&self.reach, &mut state) {
            Err(want) => want,
            Ok(value) => {
                drop(state);
                drop_contained(waker);
                return Poll::Ready(value);
            }
        };
        assert!(!self.joined.get(), "a place joins a line once at a time");
        let node = Node {
            state: AtomicUsize::new(QUEUED),
            want: Plain::new(want),
            next: Plain::new(None),
            previous: Plain::new(None),
            waker: UnsafeCell::new(Some(waker)),
            owned: Plain::new(()),
        };
        // SAFETY: away, so the node is the future's own, which is borrowed exclusively.
        unsafe { (*self.node.get()).write(node) };
        self.joined.set(true);
        R::line(&mut state).push(self.node());
        Poll::Pending
    }

    /// Polled while queued: makes sure that this poll's task is the one woken.
    fn refresh(&self, cx: &mut Context<'_>) -> Poll<Answer> {
        match self.with_waker(|waker| waker.will_wake(cx.waker())) {
            Ok(true) => return Poll::Pending,
            Ok(false) => {}
            Err(answer) => return self.take(answer),
        }
        let mut waker = cx.waker().clone(); // foreign code: between the locks (G1)
        let queued = self.with_waker(|old| std::mem::swap(old, &mut waker));
        drop_contained(waker);
        match queued {
            Ok(()) => Poll::Pending,
            Err(answer) => self.take(answer),
        }
    }

    fn take(&self, answer: Answer) -> Poll<Answer> {
        self.set_away();
        Poll::Ready(answer)
    }

    /// Under the lock: shows the waker of the place that is queued, or says what
    /// it was answered meanwhile.
    fn with_waker<V>(&self, show: impl FnOnce(&mut Waker) -> V) -> Result<V, Answer> {
        let _state = self.reach.guarded().lock();
        if let Some(answer) = Answer::of_state(self.node().state.load(R::Flavour::ACQUIRE)) {
            return Err(answer);
        }
        // SAFETY: QUEUED, and the lock is held (L2).
        let waker = unsafe { &mut *self.node().waker() };
        Ok(show(
            waker.as_mut().expect("a queued place has a waker (L2)"),
        ))
    }

    /// The answer is taken: the node is the future's own again.
    fn set_away(&self) {
        self.node().owned.set(());
        self.joined.set(false);
    }

    /// The slow half of the drop: a place that was queued, or answered.
    #[cold]
    fn leave(&mut self) {
        let node = self.node();
        let mut answer = Answer::of_state(node.state.load(R::Flavour::ACQUIRE));
        if answer.is_none() {
            let mut state = self.reach.guarded().lock();
            answer = Answer::of_state(node.state.load(R::Flavour::ACQUIRE));
            if answer.is_none() {
                R::line(&mut state).unlink(node);
            }
        }
        // SAFETY: out of the line, so the waker is ours (L2).
        let waker = unsafe { (*node.waker()).take() };
        let want = node.want.get();
        self.set_away();
        drop_contained(waker);
        self.reach.left(answer, want);
    }
}

impl<R: Reach> Drop for Place<R> {
    #[inline(always)]
    fn drop(&mut self) {
        if self.joined.get() {
            self.leave();
        }
    }
}
