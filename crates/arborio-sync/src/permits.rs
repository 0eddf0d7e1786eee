//! Permits that are taken in order: what mutexes, read-write locks and
//! semaphores are made of.
//!
//! # The word
//! The number of free permits, shifted, and three flags:
//!
//! | flag    | meaning                                                        |
//! |---------|----------------------------------------------------------------|
//! | WAITERS | the line is not empty, or somebody who left it is tidying up   |
//! | CLOSED  | nobody gets a permit any more; never cleared                   |
//! | BARGING | who comes first gets it: set at construction, never cleared    |
//!
//! While WAITERS is clear, taking and giving back is one exchange of the word.
//! While it is set, everybody goes through the lock of the line.
//!
//! # Invariants
//! - P1: while WAITERS is set, the word changes under the lock only.
//! - P2: WAITERS is set under the lock before a place joins the line, and cleared
//!   under the lock when the line is empty. So a release that sees it clear has
//!   nobody to wake: the exchange would have failed.
//! - P3: whenever the lock is released, either the first of the line wants more
//!   permits than are free, or somebody is inside `settle` and will look again.
//!   In a barging set: either nothing is free, or everybody in line has tried
//!   since the last permit came, or somebody is inside `settle` and has yet to
//!   wake those who have not.

use std::task::Waker;

use arborio_base::{
    contain,
    sync::atomic::{AtomicUsize, Ordering},
};

use crate::{
    flavour::Flavour,
    guarded::{Guarded, Held},
    line::{Answer, Line, Place, Reach},
};

const WAITERS: usize = 1;
const CLOSED: usize = 2;
const BARGING: usize = 4;
const SHIFT: u32 = 3;

/// As many permits as the word can count.
pub(crate) const MOST: usize = usize::MAX >> SHIFT;

/// Who gets what is given back while others wait.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Order {
    /// The first of the line; nobody overtakes.
    Fifo,
    /// Whoever is polled first: all are woken.
    Barging,
}

/// A number of permits, and the line of those who want some.
pub(crate) struct Permits<F> {
    word: AtomicUsize,
    line: Guarded<F, Line>,
}

/// What a try without waiting came to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Taken {
    /// The permits are the caller's.
    Yes,
    /// Too few are free, or others wait for them.
    NotNow,
    /// There will never be any.
    Closed,
}

impl<F> Permits<F> {
    const_fn! {
        /// `count` free permits; at most [`MOST`].
        pub(crate) const fn new(count: usize, order: Order) -> Self {
            let flags = match order {
                Order::Fifo => 0,
                Order::Barging => BARGING,
            };
            Self {
                word: AtomicUsize::new(count << SHIFT | flags),
                line: Guarded::new(Line::new()),
            }
        }
    }
}

impl<F: Flavour> Permits<F> {
    /// How many are free.
    pub(crate) fn free(&self) -> usize {
        self.word.load(F::ACQUIRE) >> SHIFT
    }

    /// Whether `close` was called.
    pub(crate) fn is_closed(&self) -> bool {
        self.word.load(F::ACQUIRE) & CLOSED != 0
    }

    /// How many wait in line.
    pub(crate) fn waiting(&self) -> usize {
        self.line.lock().len()
    }

    /// Takes `count` permits, if that many are free and nobody waits before us.
    #[inline(always)]
    pub(crate) fn try_take(&self, count: usize) -> Taken {
        match self.take_free(count, WAITERS) {
            Taken::NotNow => self.try_overtake(count),
            taken => taken,
        }
    }

    /// The same if nobody need wait behind those in line.
    #[inline(never)]
    fn try_overtake(&self, count: usize) -> Taken {
        // Relaxed: the flag never changes.
        if self.word.load(Ordering::Relaxed) & BARGING == 0 {
            return Taken::NotNow;
        }
        let _line = self.line.lock(); // with WAITERS set, the word is the lock's (P1)
        self.take_free(count, 0)
    }

    /// Takes `count` permits, if that many are free and no flag of `unless` is set.
    #[inline(always)]
    fn take_free(&self, count: usize, unless: usize) -> Taken {
        let mut word = self.word.load(F::ACQUIRE);
        loop {
            if word & CLOSED != 0 {
                return Taken::Closed;
            }
            if word & unless != 0 || word >> SHIFT < count {
                return Taken::NotNow;
            }
            match F::replace(&self.word, word, word - (count << SHIFT)) {
                Ok(()) => return Taken::Yes,
                Err(found) => word = found,
            }
        }
    }

    /// Takes under the lock of `line`. If there is nothing to take, WAITERS is
    /// set: the caller joins the line (P2).
    fn take_or_announce(&self, line: &Line, count: usize) -> Taken {
        let mut word = self.word.load(F::ACQUIRE);
        loop {
            if word & CLOSED != 0 {
                return Taken::Closed;
            }
            let ours = line.is_empty() || word & BARGING != 0;
            let (taken, next) = if ours && word >> SHIFT >= count {
                (Taken::Yes, word - (count << SHIFT))
            } else {
                (Taken::NotNow, word | WAITERS)
            };
            match F::replace(&self.word, word, next) {
                Ok(()) => return taken,
                Err(found) => word = found,
            }
        }
    }

    /// Gives `count` permits back and wakes whom they are for.
    #[inline(always)]
    pub(crate) fn give(&self, count: usize) {
        let word = self.word.load(F::ACQUIRE);
        if word & WAITERS == 0 && F::replace(&self.word, word, word + (count << SHIFT)).is_ok() {
            return;
        }
        self.add(count);
    }

    /// Adds `count` permits that nobody took before. The caller sees to it that
    /// there are never more than [`MOST`], those in use included.
    #[inline(never)]
    pub(crate) fn add(&self, count: usize) {
        let line = self.line.lock();
        let mut word = self.word.load(F::ACQUIRE);
        while let Err(found) = F::replace(&self.word, word, word + (count << SHIFT)) {
            word = found;
        }
        self.settle(line);
    }

    /// Takes up to `count` free permits away for ever; returns how many.
    pub(crate) fn forget(&self, count: usize) -> usize {
        let _line = self.line.lock(); // with WAITERS set, the word is the lock's (P1)
        let mut word = self.word.load(F::ACQUIRE);
        loop {
            let taken = count.min(word >> SHIFT);
            match F::replace(&self.word, word, word - (taken << SHIFT)) {
                Ok(()) => return taken,
                Err(found) => word = found,
            }
        }
    }

    /// Nobody gets a permit any more; those who wait are told.
    pub(crate) fn close(&self) {
        let line = self.line.lock();
        let mut word = self.word.load(F::ACQUIRE);
        while let Err(found) = F::replace(&self.word, word, word | CLOSED) {
            word = found;
        }
        self.settle(line);
    }

    /// Answers everybody who can be answered, one after the other: the lock is
    /// released for each wake (P3).
    fn settle<'a>(&'a self, mut line: Held<'a, F, Line>) {
        let mut turns = self.turns(&line);
        loop {
            let mut word = self.word.load(F::ACQUIRE);
            if word & WAITERS == 0 {
                return;
            }
            let waker = answer_first(&mut line, &mut word);
            turns = turns.saturating_sub(1);
            let more = turns > 0 && answer_for(&line, word).is_some();
            if line.is_empty() {
                word &= !WAITERS; // P2
            }
            // WAITERS was set and the lock is ours, so the word is as well (P1).
            self.word.store(word, F::RELEASE);
            drop(line);
            contain(|| waker.map(Waker::wake));
            if !more {
                return;
            }
            line = self.line.lock();
        }
    }

    /// How many `settle` may answer: in a barging set those who are in line now.
    /// Who was woken, tries in vain and joins again, comes behind them; it must
    /// not keep the wakes going round.
    fn turns(&self, line: &Line) -> usize {
        if self.word.load(F::ACQUIRE) & BARGING == 0 {
            usize::MAX
        } else {
            line.len()
        }
    }
}

/// What the first of the line can be told now, and the permits it takes along.
#[inline(always)]
fn answer_for(line: &Line, word: usize) -> Option<(Answer, usize)> {
    let want = line.first_want()?;
    if word & CLOSED != 0 {
        Some((Answer::Closed, 0))
    } else if word & BARGING != 0 {
        (word >> SHIFT > 0).then_some((Answer::Retry, 0))
    } else if word >> SHIFT >= want {
        Some((Answer::Granted, want))
    } else {
        None
    }
}

/// Tells it, and returns its waker.
#[inline(always)]
fn answer_first(line: &mut Line, word: &mut usize) -> Option<Waker> {
    let (answer, taken) = answer_for(line, *word)?;
    *word -= taken << SHIFT;
    line.answer_first(answer)
}

/// What leads to permits: a reference to them, or a counted owner of what they
/// lie in.
///
/// # Safety
/// As for [`Reach`]: always the same permits, and they do not move.
pub(crate) unsafe trait LeadsToPermits {
    /// The flavour of the permits.
    type Flavour: Flavour;
    /// The permits.
    fn permits(&self) -> &Permits<Self::Flavour>;
}

// SAFETY: a shared reference, so they do not move while it lives.
unsafe impl<F: Flavour> LeadsToPermits for &Permits<F> {
    type Flavour = F;

    #[inline(always)]
    fn permits(&self) -> &Permits<F> {
        self
    }
}

/// The way from a waiting future to the line.
pub(crate) struct InLine<P>(P);

// SAFETY: always the same permits, says `LeadsToPermits`, and they have one line.
unsafe impl<P: LeadsToPermits> Reach for InLine<P> {
    type Flavour = P::Flavour;
    type State = Line;

    fn guarded(&self) -> &Guarded<P::Flavour, Line> {
        &self.0.permits().line
    }

    fn line(line: &mut Line) -> &mut Line {
        line
    }

    fn left(&self, answer: Option<Answer>, want: usize) {
        let permits = self.0.permits();
        match answer {
            Some(Answer::Granted) => permits.give(want),
            Some(Answer::Closed | Answer::Retry) => {}
            None => permits.settle(permits.line.lock()), // who stood behind may go on
        }
    }
}

mod taking {
    use std::{
        future::Future,
        pin::Pin,
        task::{Context, Poll},
    };

    use super::{Answer, InLine, LeadsToPermits, Place, Taken};
    use crate::closed::Closed;

    pin_project_lite::pin_project! {
        /// Takes permits, in turn. Whoever gets `Ok` owns them.
        pub(crate) struct Take<P: LeadsToPermits> {
            count: usize,
            #[pin]
            place: Place<InLine<P>>,
        }
    }

    impl<P: LeadsToPermits> Take<P> {
        /// Takes `count` permits from what `way` leads to, once it is polled.
        #[inline(always)]
        pub(crate) fn new(way: P, count: usize) -> Self {
            Self {
                count,
                place: Place::new(InLine(way)),
            }
        }

        /// What leads to the permits, to be changed, once they are the caller's.
        ///
        /// # Panics
        /// While it waits.
        pub(crate) fn way_mut(self: Pin<&mut Self>) -> &mut P {
            &mut self.project().place.reach_mut().0
        }
    }

    impl<P: LeadsToPermits> Future for Take<P> {
        type Output = Result<(), Closed>;

        #[inline(always)]
        fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
            let mut take = self.project();
            match take.place.as_mut().poll_answer(cx) {
                Some(Poll::Ready(Answer::Granted)) => return Poll::Ready(Ok(())),
                Some(Poll::Ready(Answer::Closed)) => return Poll::Ready(Err(Closed)),
                Some(Poll::Pending) => return Poll::Pending,
                Some(Poll::Ready(Answer::Retry)) | None => {}
            }
            match take.place.reach().0.permits().try_take(*take.count) {
                Taken::Yes => Poll::Ready(Ok(())),
                Taken::Closed => Poll::Ready(Err(Closed)),
                Taken::NotNow => wait(take.place, cx, *take.count),
            }
        }
    }

    /// Joins the line, unless the permits came back in between.
    #[inline(never)]
    fn wait<P: LeadsToPermits>(
        place: Pin<&mut Place<InLine<P>>>,
        cx: &mut Context<'_>,
        count: usize,
    ) -> Poll<Result<(), Closed>> {
        place.poll_join(cx, |way, line| {
            match way.0.permits().take_or_announce(line, count) {
                Taken::Yes => Ok(Ok(())),
                Taken::Closed => Ok(Err(Closed)),
                Taken::NotNow => Err(count),
            }
        })
    }
}

pub(crate) use taking::Take;
