//! A barrier: tasks that wait until all of them have come.
//!
//! # Invariants
//! - B1: `arrived` is the number of futures that came in the present round and
//!   were not dropped since. The arrival that would make it `parties` ends the
//!   round instead, under the lock.
//! - B2: a place wants the round in which it came, so a future that is dropped
//!   takes back its arrival only if that round has not ended.

use std::{
    fmt,
    future::Future,
    pin::Pin,
    task::{Context, Poll},
};

use crate::{
    blocking::block_on,
    flavour::Flavour,
    guarded::Guarded,
    line::{Answer, Line, Place, Reach},
    rounds::tell_rounds,
};

/// A place where tasks wait until all of them have come; then it starts anew.
///
/// Under the name [`arborio_sync::Barrier`](crate::Barrier) for any threads, and
/// [`local::Barrier`](crate::local::Barrier) for one.
///
/// # Fairness
/// The one that comes last is the leader of its round and does not suspend. It
/// wakes the others in the order in which they came.
///
/// # Examples
/// ```
/// use arborio_sync::Barrier;
/// use futures_lite::future;
///
/// # future::block_on(async {
/// let barrier = Barrier::new(2);
/// let (one, two) = future::zip(barrier.wait(), barrier.wait()).await;
/// assert!(!one.is_leader() && two.is_leader());
/// # });
/// ```
pub struct Barrier<F: Flavour> {
    parties: usize,
    arrivals: Guarded<F, Arrivals>,
}

/// Who has come.
struct Arrivals {
    /// How many have come in this round (B1).
    arrived: usize,
    /// How many rounds have ended.
    round: usize,
    line: Line,
}

/// What an arrival is told: whether it was the last of its round.
///
/// # Examples
/// ```
/// # futures_lite::future::block_on(async {
/// let alone = arborio_sync::Barrier::new(1);
/// assert!(alone.wait().await.is_leader());
/// # });
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BarrierWaitResult {
    leader: bool,
}

impl BarrierWaitResult {
    /// Whether it came last: true for one of each round.
    ///
    /// # Examples
    /// ```
    /// let alone = arborio_sync::Barrier::new(1);
    /// assert!(alone.blocking_wait().is_leader());
    /// ```
    pub fn is_leader(&self) -> bool {
        self.leader
    }
}

impl<F: Flavour> Barrier<F> {
    const_fn! {
        /// A barrier for `parties` tasks.
        ///
        /// # Panics
        /// If `parties` is 0: nobody could come last.
        ///
        /// # Examples
        /// ```
        /// static START: arborio_sync::Barrier = arborio_sync::Barrier::new(3);
        /// assert_eq!(START.parties(), 3);
        /// ```
        #[track_caller]
        pub const fn new(parties: usize) -> Self {
            assert!(parties > 0, "a barrier for 0 tasks never opens");
            let (arrived, round, line) = (0, 0, Line::new());
            Self {
                parties,
                arrivals: Guarded::new(Arrivals { arrived, round, line }),
            }
        }
    }

    /// How many tasks it waits for.
    ///
    /// # Examples
    /// ```
    /// assert_eq!(arborio_sync::Barrier::new(3).parties(), 3);
    /// ```
    pub fn parties(&self) -> usize {
        self.parties
    }

    /// Arrives, once it is polled, and waits for the others.
    ///
    /// # Cancel safety
    /// Dropping the future takes its arrival back: the barrier waits for somebody
    /// else in its place. If all had come already, the round is over for the
    /// others all the same.
    ///
    /// # Examples
    /// ```
    /// use arborio_sync::Barrier;
    /// use futures_lite::future::{block_on, poll_once};
    /// # block_on(async {
    /// let barrier = Barrier::new(2);
    /// let mut first = Box::pin(barrier.wait());
    /// assert!(poll_once(&mut first).await.is_none());
    /// drop(first); // it never came
    /// let mut second = Box::pin(barrier.wait());
    /// assert!(poll_once(&mut second).await.is_none());
    /// assert!(barrier.wait().await.is_leader());
    /// assert!(!second.await.is_leader());
    /// # });
    /// ```
    pub fn wait(&self) -> BarrierWait<'_, F> {
        BarrierWait {
            place: Place::new(InLine(self)),
        }
    }

    /// Arrives and waits for the others with the whole thread.
    ///
    /// # Panics
    /// In a task of an Arborio loop, which it would hold up.
    ///
    /// # Examples
    /// ```
    /// let barrier = arborio_sync::Barrier::new(2);
    /// std::thread::scope(|scope| {
    ///     let other = scope.spawn(|| barrier.blocking_wait().is_leader());
    ///     let ours = barrier.blocking_wait().is_leader();
    ///     assert_ne!(other.join().unwrap(), ours, "one of them leads");
    /// });
    /// ```
    #[track_caller]
    pub fn blocking_wait(&self) -> BarrierWaitResult {
        block_on(self.wait())
    }

    /// Wakes those of round `ended`, which came before its leader.
    fn open(&self, ended: usize) {
        let arrivals = self.arrivals.lock();
        let line = InLine::<'_, F>::line;
        let granted = Answer::Granted;
        drop(tell_rounds(&self.arrivals, arrivals, line, ended, granted));
    }
}

impl Arrivals {
    /// Arrives. `Ok` is the round that ended by it, `Err` the one to wait for.
    fn arrive(&mut self, parties: usize) -> Result<usize, usize> {
        let round = self.round;
        if self.arrived + 1 < parties {
            self.arrived += 1;
            return Err(round);
        }
        self.arrived = 0;
        self.round = round.wrapping_add(1);
        Ok(round)
    }

    /// Takes an arrival of `round` back, unless that has ended (B2).
    fn take_back(&mut self, round: usize) {
        if self.round == round {
            self.arrived -= 1;
        }
    }
}

impl<F: Flavour> fmt::Debug for Barrier<F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let arrived = self.arrivals.lock().arrived;
        f.debug_struct("Barrier")
            .field("parties", &self.parties)
            .field("arrived", &arrived)
            .finish()
    }
}

/// The way from a waiting future to the line.
struct InLine<'a, F: Flavour>(&'a Barrier<F>);

// SAFETY: a shared reference always leads to the same barrier, and that has one
// line.
unsafe impl<F: Flavour> Reach for InLine<'_, F> {
    type Flavour = F;
    type State = Arrivals;

    fn guarded(&self) -> &Guarded<F, Arrivals> {
        &self.0.arrivals
    }

    fn line(arrivals: &mut Arrivals) -> &mut Line {
        &mut arrivals.line
    }

    fn left(&self, answer: Option<Answer>, round: usize) {
        // With an answer, the round has ended, and there is nothing to take back.
        if answer.is_none() {
            self.0.arrivals.lock().take_back(round);
        }
    }
}

pin_project_lite::pin_project! {
    /// Waits for the others at a barrier; made by [`Barrier::wait`].
    #[must_use = "futures do nothing unless awaited"]
    pub struct BarrierWait<'a, F: Flavour> {
        #[pin]
        place: Place<InLine<'a, F>>,
    }
}

impl<F: Flavour> Future for BarrierWait<'_, F> {
    type Output = BarrierWaitResult;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<BarrierWaitResult> {
        let mut place = self.project().place;
        if let Some(answer) = place.as_mut().poll_answer(cx) {
            return answer.map(|_| BarrierWaitResult { leader: false });
        }
        let barrier = place.reach().0;
        let arrived = place.poll_join(cx, |barrier, arrivals| arrivals.arrive(barrier.0.parties));
        arrived.map(|round| {
            barrier.open(round);
            BarrierWaitResult { leader: true }
        })
    }
}
