//! Results of many tasks, in the order in which they were given.

use std::{
    fmt,
    future::poll_fn,
    pin::Pin,
    task::{Context, Poll, ready},
};

use arborio_task::{Branch, Interrupt, SpawnOptions, Task};

use crate::{
    group::{FirstFailure, Member, TaskGroup, spawn_on},
    scope::AnyScope,
};

/// Runs `futures` as tasks, and gives their outputs in the order of the futures.
///
/// The tasks are spawned by this call, on the current scope, or on the loop if there is
/// none. An output that is a `Result` is an output like others; for those see
/// [`try_gather`].
///
/// # Errors
/// The first interrupt, at once: a task was cancelled, or panicked. The others go on,
/// and nobody is told their outputs.
///
/// # Panics
/// If no loop runs on this thread.
///
/// # Cancel safety
/// If the future is dropped, the tasks are asked to end. Who waits for them is the scope
/// or the loop.
///
/// # Examples
/// ```
/// # use arborio_executor::doc::run;
/// use arborio_scope::gather;
/// let squares = run(async { gather((1..=3).map(async |n| n * n)).await });
/// assert_eq!(squares.unwrap(), [1, 4, 9]);
/// ```
#[track_caller]
pub fn gather<I>(futures: I) -> Gather<<I::Item as Future>::Output>
where
    I: IntoIterator,
    I::Item: Future + 'static,
    <I::Item as Future>::Output: 'static,
{
    Gather(Children::spawn(futures, |_| false))
}

/// As [`gather`], of futures that give results.
///
/// # Errors
/// The first error, at once; the others go on. `E::from` of the interrupt if a task was
/// cancelled.
///
/// # Panics
/// Goes on with the panic of a task. Panics if no loop runs on this thread.
///
/// # Cancel safety
/// As [`gather`].
///
/// # Examples
/// ```
/// # use arborio_executor::doc::run;
/// use arborio_scope::try_gather;
/// use std::io;
/// let odd = async |n: u32| if n % 2 == 1 { Ok(n) } else { Err(io::Error::other("even")) };
/// assert_eq!(run(async { try_gather([odd(1), odd(3)]).await }).unwrap(), [1, 3]);
/// assert_eq!(run(async { try_gather([odd(1), odd(2)]).await }).unwrap_err().to_string(), "even");
/// ```
#[track_caller]
pub fn try_gather<I, V, E>(futures: I) -> TryGather<V, E>
where
    I: IntoIterator,
    I::Item: Future<Output = Result<V, E>> + 'static,
    V: 'static,
    E: From<Interrupt> + 'static,
{
    TryGather(Children::spawn(futures, Result::is_err))
}

/// As [`gather`], but waits for all tasks, and gives every outcome.
///
/// # Panics
/// If no loop runs on this thread.
///
/// # Cancel safety
/// As [`gather`].
///
/// # Examples
/// ```
/// # use arborio_executor::doc::run;
/// use arborio_scope::gather_all;
/// let outcomes = run(async { gather_all((0..3).map(async |n| assert!(n != 1))).await });
/// assert!(outcomes[0].is_ok() && outcomes[1].is_err() && outcomes[2].is_ok());
/// ```
#[track_caller]
pub fn gather_all<I>(
    futures: I,
) -> impl Future<Output = Vec<Result<<I::Item as Future>::Output, Interrupt>>> + use<I>
where
    I: IntoIterator,
    I::Item: Future + 'static,
    <I::Item as Future>::Output: 'static,
{
    let mut children = Children::spawn(futures, |_| false);
    async move {
        children.group.wait_all().await;
        children.take_all()
    }
}

/// Tasks whose outputs are gathered.
struct Children<T> {
    group: TaskGroup<T>,
    /// In the order of the results. Empty when it is over.
    members: Vec<Member<T>>,
    first_failure: FirstFailure<T>,
}

impl<T: 'static> Children<T> {
    #[track_caller]
    fn spawn<I>(futures: I, is_error: fn(&T) -> bool) -> Self
    where
        I: IntoIterator,
        I::Item: Future<Output = T> + 'static,
    {
        let group = TaskGroup::new();
        let mut members = Vec::new();
        for future in futures {
            members.push(group.spawn(future));
        }
        let first_failure = group.pop_judged(is_error);
        Self {
            group,
            members,
            first_failure,
        }
    }
}

impl<T> Children<T> {
    /// The outcomes of all, which have ended.
    fn take_all(&mut self) -> Vec<Result<T, Interrupt>> {
        self.group.exhaust_done().for_each(drop); // ours are the last handles then
        let members = std::mem::take(&mut self.members).into_iter();
        let outcome = |member: Member<T>| member.into_outcome().expect(ENDED);
        members.map(outcome).collect()
    }

    /// All outputs, or the first one that has failed; then the others go on.
    fn poll(&mut self, cx: &mut Context<'_>) -> Poll<Result<Vec<T>, Result<T, Interrupt>>> {
        let Some(failed) = ready!(self.first_failure.poll(cx)) else {
            let all = self.take_all().into_iter();
            return Poll::Ready(Ok(all.map(|outcome| outcome.expect(ENDED)).collect()));
        };
        let mut others = std::mem::take(&mut self.members);
        others.retain(|member| *member != failed);
        others.iter().for_each(Member::let_go);
        Poll::Ready(Err(failed.into_outcome().expect(ENDED)))
    }
}

const ENDED: &str = "the task has ended, and nobody else has its outcome";

impl<T> Drop for Children<T> {
    fn drop(&mut self) {
        if !self.members.is_empty() {
            self.group.cancel_all();
            self.members.iter().for_each(Member::let_go);
        }
    }
}

/// The future of [`gather`].
#[must_use = "dropping it asks the tasks to end"]
pub struct Gather<T>(Children<T>);

impl<T> Future for Gather<T> {
    type Output = Result<Vec<T>, Interrupt>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        Poll::Ready(ready!(self.0.poll(cx)).map_err(|outcome| match outcome {
            Err(interrupt) => interrupt,
            Ok(_) => unreachable!("no output is a failure"),
        }))
    }
}

impl<T> Unpin for Gather<T> {}

/// The future of [`try_gather`].
#[must_use = "dropping it asks the tasks to end"]
pub struct TryGather<V, E>(Children<Result<V, E>>);

impl<V, E: From<Interrupt>> Future for TryGather<V, E> {
    type Output = Result<Vec<V>, E>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        match ready!(self.0.poll(cx)) {
            Ok(all) => Poll::Ready(all.into_iter().collect()),
            Err(Ok(result)) => Poll::Ready(Err(match result {
                Err(error) => error,
                Ok(_) => unreachable!("a value is no failure"),
            })),
            Err(Err(Interrupt::Panicked(payload))) => payload.resume(),
            Err(Err(interrupt)) => Poll::Ready(Err(E::from(interrupt))),
        }
    }
}

impl<V, E> Unpin for TryGather<V, E> {}

impl<T> fmt::Debug for Gather<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Gather").field(&self.0.group).finish()
    }
}

impl<V, E> fmt::Debug for TryGather<V, E> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("TryGather").field(&self.0.group).finish()
    }
}

/// As [`gather`](crate::gather()), of at most eight futures whose outputs may differ: gives
/// a tuple of them, or the first interrupt.
///
/// # Examples
/// ```
/// # use arborio_executor::doc::run;
/// use arborio_scope::gather;
/// let both = run(async { gather!(async { 1 }, async { "two" }).await });
/// assert_eq!(both.unwrap(), (1, "two"));
/// ```
#[macro_export]
macro_rules! gather {
    ($($future:expr),+ $(,)?) => {
        $crate::GatherTuple::gather(($($future,)+))
    };
}

/// A tuple of futures for [`gather!`](crate::gather!).
#[doc(hidden)]
pub trait GatherTuple {
    type Output;
    fn gather(self) -> impl Future<Output = Result<Self::Output, Interrupt>>;
}

/// One task of a tuple.
struct One<T> {
    task: Option<Task<T>>,
    output: Option<T>,
}

impl<T: 'static> One<T> {
    #[track_caller]
    fn spawn(scope: Option<&AnyScope>, future: impl Future<Output = T> + 'static) -> Self {
        let options = SpawnOptions::new();
        let task = spawn_on(scope, future, options.clone()).unwrap_or_else(|refused| {
            Branch::spawn_ended(refused, options, Interrupt::Closed)
                .expect("no Arborio loop runs on this thread")
        });
        Self {
            task: Some(task),
            output: None,
        }
    }

    /// Whether it has given its output.
    fn poll(&mut self, cx: &mut Context<'_>) -> Result<bool, Interrupt> {
        if let Some(task) = &mut self.task
            && let Poll::Ready(outcome) = Pin::new(task).poll(cx)
        {
            self.task = None;
            self.output = Some(outcome?);
        }
        Ok(self.output.is_some())
    }

    fn let_go(&mut self) {
        self.task = None;
    }
}

impl<T> Drop for One<T> {
    fn drop(&mut self) {
        if let Some(task) = &self.task {
            task.cancel();
        }
    }
}

macro_rules! gather_tuple {
    ($($future:ident $number:tt)+) => {
        impl<$($future),+> GatherTuple for ($($future,)+)
        where
            $($future: Future + 'static, $future::Output: 'static,)+
        {
            type Output = ($($future::Output,)+);

            #[track_caller]
            fn gather(self) -> impl Future<Output = Result<Self::Output, Interrupt>> {
                let scope = AnyScope::current();
                let mut tasks = ($(One::spawn(scope.as_ref(), self.$number),)+);
                poll_fn(move |cx| {
                    let (mut all, mut failure) = (true, None);
                    $(if failure.is_none() {
                        match tasks.$number.poll(cx) {
                            Ok(done) => all &= done,
                            Err(interrupt) => failure = Some(interrupt),
                        }
                    })+
                    if let Some(interrupt) = failure {
                        $(tasks.$number.let_go();)+
                        return Poll::Ready(Err(interrupt));
                    }
                    if !all {
                        return Poll::Pending;
                    }
                    Poll::Ready(Ok(($(tasks.$number.output.take().expect(ENDED),)+)))
                })
            }
        }
    };
}

gather_tuple!(A 0);
gather_tuple!(A 0 B 1);
gather_tuple!(A 0 B 1 C 2);
gather_tuple!(A 0 B 1 C 2 D 3);
gather_tuple!(A 0 B 1 C 2 D 3 E 4);
gather_tuple!(A 0 B 1 C 2 D 3 E 4 F 5);
gather_tuple!(A 0 B 1 C 2 D 3 E 4 F 5 G 6);
gather_tuple!(A 0 B 1 C 2 D 3 E 4 F 5 G 6 H 7);
