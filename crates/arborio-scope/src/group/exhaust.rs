//! Members in the order in which they end, as a stream.

use std::{
    fmt,
    future::poll_fn,
    pin::Pin,
    task::{Context, Poll, ready},
};

use arborio_base::budget;
use futures_core::Stream;

use super::{
    Member, TaskGroup,
    book::{Kind, Wish},
    wait::Waiting,
};

/// Pops members in the order in which they end; made by [`TaskGroup::exhaust`].
///
/// # Cancel safety
/// Dropping it leaves the members in the group that it has not given.
///
/// # Examples
/// ```
/// # use arborio_executor::doc::run;
/// use arborio_scope::TaskGroup;
/// run(async {
///     let group = TaskGroup::new();
///     for number in 1..=3 {
///         group.spawn(async move { number });
///     }
///     let (mut ended, mut sum) = (group.exhaust(), 0);
///     while let Some(member) = ended.next().await {
///         sum += member.into_outcome().unwrap().unwrap();
///     }
///     assert_eq!(sum, 6);
/// });
/// ```
#[must_use = "streams do nothing unless polled"]
pub struct Exhaust<T> {
    group: TaskGroup<T>,
    waiting: Waiting<T>,
}

impl<T> Exhaust<T> {
    /// The next member that has ended; `None` when nobody is left.
    ///
    /// # Cancel safety
    /// Dropping the future loses nothing.
    ///
    /// # Examples
    /// ```
    /// # use arborio_executor::doc::run;
    /// let group = arborio_scope::TaskGroup::<()>::new();
    /// assert!(run(async { group.exhaust().next().await }).is_none());
    /// ```
    pub async fn next(&mut self) -> Option<Member<T>> {
        poll_fn(|cx| Pin::new(&mut *self).poll_next(cx)).await
    }
}

impl<T> Stream for Exhaust<T> {
    type Item = Member<T>;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Member<T>>> {
        ready!(budget::poll_charge(cx));
        let Poll::Ready(answer) = self.waiting.poll_answer(cx) else {
            budget::refund();
            return Poll::Pending;
        };
        Poll::Ready(answer.into_member())
    }
}

impl<T> TaskGroup<T> {
    /// Gives the members in the order in which they end, and takes each out of the
    /// group. Members that are added meanwhile come, too. Ends when nobody is left.
    pub fn exhaust(&self) -> Exhaust<T> {
        let (kind, pop) = (Kind::Any, true);
        Exhaust {
            group: self.clone(),
            waiting: Waiting::new(&self.roster, Wish::Member { kind, pop }),
        }
    }

    /// Takes the members out that have ended, in that order.
    ///
    /// # Examples
    /// ```
    /// # use arborio_executor::doc::run;
    /// run(async {
    ///     let group = arborio_scope::TaskGroup::new();
    ///     let one = group.spawn(async { 1 });
    ///     group.wait_all().await;
    ///     let two = group.spawn(async { 2 });
    ///     assert!(group.exhaust_done().eq([one]));
    ///     assert!(group.iter().eq([two]));
    /// });
    /// ```
    pub fn exhaust_done(&self) -> impl Iterator<Item = Member<T>> + use<T> {
        let group = self.clone();
        std::iter::from_fn(move || group.pop_done())
    }
}

impl<T> fmt::Debug for Exhaust<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Exhaust")
            .field("group", &self.group)
            .finish_non_exhaustive()
    }
}
