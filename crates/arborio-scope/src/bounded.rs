//! Many futures, of which a limited number runs at a time.

use std::{
    collections::BTreeMap,
    fmt,
    future::{Future, poll_fn},
    iter::Fuse,
    pin::Pin,
    task::{Context, Poll, ready},
};

use arborio_base::budget;
use futures_core::Stream;

use crate::wake_set::WakeSet;

/// At most `count` futures at a time; see [`Limit::run`].
///
/// # Panics
/// If `count` is zero.
///
/// # Examples
/// ```
/// use arborio_scope::limit;
/// let squares = limit(2).run_ordered((0..5).map(async |n| n * n)).collect();
/// assert_eq!(futures_lite::future::block_on(squares), [0, 1, 4, 9, 16]);
/// ```
#[track_caller]
pub const fn limit(count: usize) -> Limit {
    assert!(count > 0, "with a limit of zero nothing would ever run");
    Limit { count }
}

/// How many futures run at a time; made by [`limit`](limit()).
///
/// # Examples
/// ```
/// let two = arborio_scope::limit(2);
/// assert_eq!(format!("{two:?}"), "Limit { count: 2 }");
/// ```
#[derive(Clone, Copy, Debug)]
#[must_use = "a limit does nothing until it runs something"]
pub struct Limit {
    count: usize,
}

impl Limit {
    /// Runs `futures` in this task, and gives their outputs in the order in which they end.
    ///
    /// The next future is taken from the iterator when there is room for it, not before.
    /// They may borrow. To run them as tasks, let the iterator spawn them:
    /// `limit(8).run(jobs.map(spawn))`.
    ///
    /// # Examples
    /// ```
    /// use arborio_scope::limit;
    /// use arborio_timers::sleep;
    /// use std::time::Duration;
    /// let naps = [30, 10].map(async |n| {
    ///     sleep(Duration::from_millis(n)).await;
    ///     n
    /// });
    /// assert_eq!(futures_lite::future::block_on(limit(2).run(naps).collect()), [10, 30]);
    /// ```
    pub fn run<I>(self, futures: I) -> Bounded<I::IntoIter>
    where
        I: IntoIterator,
        I::Item: Future,
    {
        Bounded(Runner::new(self.count, futures.into_iter()))
    }

    /// As [`run`](Self::run), but gives the outputs in the order of the futures. One whose
    /// output waits for an earlier one counts as running.
    ///
    /// # Examples
    /// ```
    /// use arborio_scope::limit;
    /// let mut words = limit(1).run_ordered([async { "first" }]);
    /// futures_lite::future::block_on(async {
    ///     assert_eq!(words.next().await, Some("first"));
    ///     assert_eq!(words.next().await, None);
    /// });
    /// ```
    pub fn run_ordered<I>(self, futures: I) -> BoundedOrdered<I::IntoIter>
    where
        I: IntoIterator,
        I::Item: Future,
    {
        BoundedOrdered {
            runner: Runner::new(self.count, futures.into_iter()),
            early: BTreeMap::new(),
            next: 0,
        }
    }
}

/// The futures that run, and those that do not yet.
struct Runner<I: Iterator> {
    limit: usize,
    source: Fuse<I>,
    /// How many were taken from the source.
    taken: u64,
    places: Vec<Place<I::Item>>,
    free: Vec<usize>,
    woken: WakeSet,
}

struct Place<F> {
    /// `None` if nothing runs here. The box is used again.
    future: Pin<Box<Option<F>>>,
    /// Which one of all it is.
    number: u64,
}

impl<I> Runner<I>
where
    I: Iterator,
    I::Item: Future,
{
    fn new(limit: usize, source: I) -> Self {
        Self {
            limit,
            source: source.fuse(),
            taken: 0,
            places: Vec::new(),
            free: Vec::new(),
            woken: WakeSet::new(),
        }
    }

    fn running(&self) -> usize {
        self.places.len() - self.free.len()
    }

    /// Takes futures from the source while there is room, beside `held` outputs.
    fn fill(&mut self, held: usize) {
        while self.running() + held < self.limit
            && let Some(future) = self.source.next()
        {
            let number = self.taken;
            self.taken += 1;
            if let Some(free) = self.free.pop() {
                self.places[free].future.set(Some(future));
                self.places[free].number = number;
                self.woken.mark(free);
            } else {
                let future = Box::pin(Some(future));
                self.places.push(Place { future, number });
                self.woken.add();
            }
        }
    }

    /// The next output, with its number; `None` when nothing runs.
    fn poll_any(
        &mut self,
        cx: &mut Context<'_>,
        held: usize,
    ) -> Poll<Option<(u64, <I::Item as Future>::Output)>> {
        self.fill(held);
        if self.running() == 0 {
            return Poll::Ready(None);
        }
        let (places, free) = (&mut self.places, &mut self.free);
        let ended = self.woken.poll_woken(cx, |index, cx| {
            let place = &mut places[index];
            let Some(future) = place.future.as_mut().as_pin_mut() else {
                return Poll::Pending; // a late wake
            };
            let output = ready!(future.poll(cx));
            place.future.set(None);
            free.push(index);
            Poll::Ready((place.number, output))
        });
        ended.map(Some)
    }
}

/// Outputs in the order in which the futures end; made by [`Limit::run`].
///
/// # Cancel safety
/// Dropping it drops the futures that run, and those that were not taken.
///
/// # Examples
/// ```
/// use arborio_scope::limit;
/// let sum: u32 = futures_lite::future::block_on(async {
///     let (mut outputs, mut sum) = (limit(3).run((1..=4).map(async |n| n)), 0);
///     while let Some(output) = outputs.next().await {
///         sum += output;
///     }
///     sum
/// });
/// assert_eq!(sum, 10);
/// ```
#[must_use = "streams do nothing unless polled"]
pub struct Bounded<I: Iterator>(Runner<I>);

/// Outputs in the order of the futures; made by [`Limit::run_ordered`].
///
/// # Cancel safety
/// Dropping it drops the futures that run, and those that were not taken.
///
/// # Examples
/// See [`Limit::run_ordered`].
#[must_use = "streams do nothing unless polled"]
pub struct BoundedOrdered<I>
where
    I: Iterator,
    I::Item: Future,
{
    runner: Runner<I>,
    /// Outputs of futures whose turn has not come.
    early: BTreeMap<u64, <I::Item as Future>::Output>,
    /// Whose turn it is.
    next: u64,
}

impl<I: Iterator> Unpin for Bounded<I> {}

impl<I> Unpin for BoundedOrdered<I>
where
    I: Iterator,
    I::Item: Future,
{
}

impl<I> Stream for Bounded<I>
where
    I: Iterator,
    I::Item: Future,
{
    type Item = <I::Item as Future>::Output;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        ready!(budget::poll_charge(cx));
        let polled = self.0.poll_any(cx, 0);
        if polled.is_pending() {
            budget::refund();
        }
        polled.map(|ended| ended.map(|(_, output)| output))
    }
}

impl<I> Stream for BoundedOrdered<I>
where
    I: Iterator,
    I::Item: Future,
{
    type Item = <I::Item as Future>::Output;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        ready!(budget::poll_charge(cx));
        let this = &mut *self;
        loop {
            if let Some(output) = this.early.remove(&this.next) {
                this.next += 1;
                return Poll::Ready(Some(output));
            }
            match this.runner.poll_any(cx, this.early.len()) {
                Poll::Ready(Some((number, output))) => {
                    this.early.insert(number, output);
                }
                Poll::Ready(None) => return Poll::Ready(None),
                Poll::Pending => {
                    budget::refund();
                    return Poll::Pending;
                }
            }
        }
    }
}

macro_rules! pull {
    ($($stream:ident)+) => {$(
        impl<I> $stream<I>
        where
            I: Iterator,
            I::Item: Future,
        {
            /// The next output; `None` when all were given.
            ///
            /// # Cancel safety
            /// Dropping the future loses nothing.
            pub async fn next(&mut self) -> Option<<I::Item as Future>::Output> {
                poll_fn(|cx| Pin::new(&mut *self).poll_next(cx)).await
            }

            /// All outputs that were not given yet.
            ///
            /// # Cancel safety
            /// If the future is dropped, so are the outputs and the futures that run.
            pub async fn collect(mut self) -> Vec<<I::Item as Future>::Output> {
                let mut outputs = Vec::new();
                while let Some(output) = self.next().await {
                    outputs.push(output);
                }
                outputs
            }
        }

        impl<I> fmt::Debug for $stream<I>
        where
            I: Iterator,
            I::Item: Future,
        {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.debug_struct(stringify!($stream)).finish_non_exhaustive()
            }
        }
    )+};
}

pull!(Bounded BoundedOrdered);
