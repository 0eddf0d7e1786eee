//! Waiting for members of a group.

use std::{
    pin::Pin,
    sync::Arc,
    task::{Context, Poll},
};

use arborio_base::{WakeBatch, drop_contained};

use super::book::{Answer, Judge, Kind, Roster, Served, Wish};
use super::{Exhausted, Member, TaskGroup, shelf::Key};

/// Waits until a wish comes true. What it was given goes back if it is dropped.
pub(super) struct Waiting<T> {
    roster: Arc<Roster<T>>,
    wish: Wish,
    seat: Seat<T>,
}

enum Seat<T> {
    /// It was not polled.
    None,
    /// In line.
    At(Key),
    /// It was answered when it was made.
    Answered(Answer<T>),
}

impl<T> Waiting<T> {
    /// Comes into line when it is polled for the first time.
    pub(super) fn new(roster: &Arc<Roster<T>>, wish: Wish) -> Self {
        Self {
            roster: Arc::clone(roster),
            wish,
            seat: Seat::None,
        }
    }

    /// Is in line from now on.
    pub(super) fn in_line(roster: &Arc<Roster<T>>, wish: Wish) -> Self {
        let mut book = roster.book();
        let seat = match book.ask(roster, wish) {
            Some(answer) => Seat::Answered(answer),
            None => Seat::At(book.enrol(wish, None)),
        };
        drop(book);
        Self {
            roster: Arc::clone(roster),
            wish,
            seat,
        }
    }

    pub(super) fn poll_answer(&mut self, cx: &mut Context<'_>) -> Poll<Answer<T>> {
        let waker = match &self.seat {
            Seat::Answered(_) => None,
            _ => Some(cx.waker().clone()), // foreign code: before the lock
        };
        match std::mem::replace(&mut self.seat, Seat::None) {
            Seat::Answered(answer) => Poll::Ready(answer),
            Seat::None => {
                let mut book = self.roster.book();
                if let Some(answer) = book.ask(&self.roster, self.wish) {
                    drop(book);
                    return Poll::Ready(answer);
                }
                self.seat = Seat::At(book.enrol(self.wish, waker));
                Poll::Pending
            }
            Seat::At(key) => {
                let mut book = self.roster.book();
                let waker = waker.expect("it was cloned");
                let (answered, unneeded) = book.look(key, waker);
                if !answered {
                    self.seat = Seat::At(key);
                    drop(book);
                    drop(unneeded); // foreign code: after the lock
                    return Poll::Pending;
                }
                let (answer, _) = book.leave(key);
                drop(book);
                drop(unneeded);
                Poll::Ready(answer.expect("it was answered"))
            }
        }
    }
}

impl<T> Unpin for Waiting<T> {}

impl<T> Future for Waiting<T> {
    type Output = Answer<T>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Answer<T>> {
        self.poll_answer(cx)
    }
}

impl<T> Drop for Waiting<T> {
    fn drop(&mut self) {
        let (answer, waker) = match std::mem::replace(&mut self.seat, Seat::None) {
            Seat::None => return,
            Seat::Answered(answer) => (Some(answer), None),
            Seat::At(key) => self.roster.book().leave(key),
        };
        if let Some(Answer::Popped(popped)) = answer {
            let (mut served, mut batch) = (Served::default(), WakeBatch::new());
            let mut book = self.roster.book();
            book.put_back(&self.roster, popped, &mut served);
            drop(book);
            served.tell(&mut batch);
            batch.wake_all();
        } else {
            drop_contained(answer);
        }
        drop_contained(waker);
    }
}

/// See [`TaskGroup::pop_judged`].
pub(crate) struct FirstFailure<T>(Waiting<T>);

impl<T> FirstFailure<T> {
    pub(crate) fn poll(&mut self, cx: &mut Context<'_>) -> Poll<Option<Member<T>>> {
        self.0.poll_answer(cx).map(Answer::into_member)
    }
}

impl<T> TaskGroup<T> {
    fn wait(&self, wish: Wish) -> Waiting<T> {
        Waiting::new(&self.roster, wish)
    }

    /// Waits for the first member that ends without an output, or with one that
    /// `is_error`; takes it out.
    pub(crate) fn pop_judged(&self, is_error: Judge<T>) -> FirstFailure<T> {
        self.roster.book().judge_with(is_error);
        let (kind, pop) = (Kind::FailedOrCancelled, true);
        FirstFailure(self.wait(Wish::Member { kind, pop }))
    }

    async fn member(waiting: Waiting<T>) -> Option<Member<T>> {
        waiting.await.into_member()
    }

    /// Waits until no member is pending; members that are added meanwhile are waited
    /// for, too. How they end does not matter. Ready at once if nobody is pending.
    ///
    /// # Cancel safety
    /// Dropping the future loses nothing, and ends nobody.
    ///
    /// # Examples
    /// ```
    /// # use arborio_executor::doc::run;
    /// run(async {
    ///     let group = arborio_scope::TaskGroup::new();
    ///     let member = group.spawn(async { "done" });
    ///     group.wait_all().await;
    ///     assert!(member.is_finished());
    /// });
    /// ```
    pub fn wait_all(&self) -> impl Future<Output = ()> + use<T> {
        let waiting = self.wait(Wish::All);
        async move { drop(waiting.await) }
    }

    /// Waits for the first member that has ended: that may be long ago. `None` if the
    /// group has none, and nobody is pending.
    ///
    /// # Cancel safety
    /// Dropping the future loses nothing.
    ///
    /// # Examples
    /// ```
    /// # use arborio_executor::doc::run;
    /// run(async {
    ///     let group = arborio_scope::TaskGroup::new();
    ///     assert!(group.wait_first().await.is_none());
    ///     let member = group.spawn(async {});
    ///     assert_eq!(group.wait_first().await, Some(member.clone()));
    ///     assert_eq!(group.wait_first().await, Some(member));
    /// });
    /// ```
    pub fn wait_first(&self) -> impl Future<Output = Option<Member<T>>> + use<T> {
        let (kind, pop) = (Kind::Any, false);
        Self::member(self.wait(Wish::Member { kind, pop }))
    }

    /// As [`wait_first`](Self::wait_first), and takes the member out of the group. Of
    /// several who wait, one gets it.
    ///
    /// # Cancel safety
    /// If the future is dropped, the member stays in the group.
    ///
    /// # Examples
    /// ```
    /// # use arborio_executor::doc::run;
    /// run(async {
    ///     let group = arborio_scope::TaskGroup::new();
    ///     group.spawn(async { 3 });
    ///     assert_eq!(*group.pop_first().await.unwrap().outcome().unwrap().as_ref().unwrap(), 3);
    ///     assert!(group.pop_first().await.is_none());
    /// });
    /// ```
    pub fn pop_first(&self) -> impl Future<Output = Option<Member<T>>> + use<T> {
        let (kind, pop) = (Kind::Any, true);
        Self::member(self.wait(Wish::Member { kind, pop }))
    }

    /// Waits for the next member that ends, counted from this call. `None` if nobody is
    /// pending.
    ///
    /// # Cancel safety
    /// Dropping the future loses nothing. A new one counts from its own call.
    ///
    /// # Examples
    /// ```
    /// # use arborio_executor::doc::run;
    /// run(async {
    ///     let group = arborio_scope::TaskGroup::new();
    ///     let one = group.spawn(async { 1 });
    ///     group.wait_all().await;
    ///     assert!(group.wait_next().await.is_none(), "nobody ends any more");
    ///     let two = group.spawn(async { 2 });
    ///     assert_eq!(group.wait_next().await, Some(two));
    /// });
    /// ```
    pub fn wait_next(&self) -> impl Future<Output = Option<Member<T>>> + use<T> {
        let (kind, pop) = (Kind::Next, false);
        Self::member(Waiting::in_line(&self.roster, Wish::Member { kind, pop }))
    }

    /// As [`wait_next`](Self::wait_next), and takes the member out of the group. Of
    /// several who wait, one gets it.
    ///
    /// # Cancel safety
    /// If the future is dropped, the member stays in the group.
    ///
    /// # Examples
    /// ```
    /// # use arborio_executor::doc::run;
    /// run(async {
    ///     let group = arborio_scope::TaskGroup::new();
    ///     group.spawn(async {});
    ///     group.pop_next().await.unwrap();
    ///     assert!(group.is_empty());
    /// });
    /// ```
    pub fn pop_next(&self) -> impl Future<Output = Option<Member<T>>> + use<T> {
        let (kind, pop) = (Kind::Next, true);
        Self::member(Waiting::in_line(&self.roster, Wish::Member { kind, pop }))
    }

    /// Waits until `count` members have ended, and gives how many have: more, if more had
    /// ended before.
    ///
    /// # Errors
    /// [`Exhausted`] when nobody is pending and fewer have ended.
    ///
    /// # Cancel safety
    /// Dropping the future loses nothing.
    ///
    /// # Examples
    /// ```
    /// # use arborio_executor::doc::run;
    /// run(async {
    ///     let group = arborio_scope::TaskGroup::new();
    ///     group.spawn(async {});
    ///     group.spawn(std::future::pending()).cancel();
    ///     assert_eq!(group.wait_first_n(2).await, Ok(2));
    ///     assert!(group.wait_first_n(3).await.is_err());
    /// });
    /// ```
    pub fn wait_first_n(
        &self,
        count: usize,
    ) -> impl Future<Output = Result<usize, Exhausted>> + use<T> {
        let waiting = self.wait(Wish::Count(count));
        async move {
            match waiting.await {
                Answer::Count(counted) => counted,
                _ => unreachable!("a count is asked for"),
            }
        }
    }
}

impl<V, E> TaskGroup<Result<V, E>> {
    fn judged(&self, kind: Kind, pop: bool) -> Waiting<Result<V, E>> {
        let is_error: Judge<Result<V, E>> = Result::is_err;
        self.roster.book().judge_with(is_error);
        self.wait(Wish::Member { kind, pop })
    }

    /// Waits for the first member that has failed, with an error or a panic: that may be
    /// long ago. `None` if nobody has, and nobody is pending.
    ///
    /// # Cancel safety
    /// Dropping the future loses nothing.
    ///
    /// # Examples
    /// ```
    /// # use arborio_executor::doc::run;
    /// run(async {
    ///     let group = arborio_scope::TaskGroup::new();
    ///     group.spawn(async { Ok(1) });
    ///     let bad = group.spawn(async { Err("no") });
    ///     assert_eq!(group.wait_error().await, Some(bad));
    /// });
    /// ```
    pub fn wait_error(&self) -> impl Future<Output = Option<Member<Result<V, E>>>> + use<V, E> {
        Self::member(self.judged(Kind::Failed, false))
    }

    /// As [`wait_error`](Self::wait_error), and takes the member out of the group. Of
    /// several who wait, one gets it.
    ///
    /// # Cancel safety
    /// If the future is dropped, the member stays in the group.
    ///
    /// # Examples
    /// ```
    /// # use arborio_executor::doc::run;
    /// run(async {
    ///     let group = arborio_scope::TaskGroup::new();
    ///     group.spawn(async { Err::<(), _>("no") });
    ///     assert!(group.pop_error().await.is_some());
    ///     assert!(group.pop_error().await.is_none());
    /// });
    /// ```
    pub fn pop_error(&self) -> impl Future<Output = Option<Member<Result<V, E>>>> + use<V, E> {
        Self::member(self.judged(Kind::Failed, true))
    }

    /// As [`wait_error`](Self::wait_error); a member that was cancelled, or ended without
    /// an output for another reason, counts, too.
    ///
    /// # Cancel safety
    /// Dropping the future loses nothing.
    ///
    /// # Examples
    /// ```
    /// # use arborio_executor::doc::run;
    /// run(async {
    ///     let group = arborio_scope::TaskGroup::<Result<(), ()>>::new();
    ///     let member = group.spawn(std::future::pending());
    ///     member.cancel();
    ///     assert!(group.wait_error().await.is_none());
    ///     assert_eq!(group.wait_error_or_cancelled().await, Some(member));
    /// });
    /// ```
    pub fn wait_error_or_cancelled(
        &self,
    ) -> impl Future<Output = Option<Member<Result<V, E>>>> + use<V, E> {
        Self::member(self.judged(Kind::FailedOrCancelled, false))
    }

    /// As [`wait_error_or_cancelled`](Self::wait_error_or_cancelled), and takes the
    /// member out of the group. Of several who wait, one gets it.
    ///
    /// # Cancel safety
    /// If the future is dropped, the member stays in the group.
    ///
    /// # Examples
    /// ```
    /// # use arborio_executor::doc::run;
    /// run(async {
    ///     let group = arborio_scope::TaskGroup::<Result<(), ()>>::new();
    ///     group.spawn(std::future::pending()).cancel();
    ///     assert!(group.pop_error_or_cancelled().await.is_some());
    ///     assert!(group.is_empty());
    /// });
    /// ```
    pub fn pop_error_or_cancelled(
        &self,
    ) -> impl Future<Output = Option<Member<Result<V, E>>>> + use<V, E> {
        Self::member(self.judged(Kind::FailedOrCancelled, true))
    }
}
