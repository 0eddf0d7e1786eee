//! Results of many tasks, in the order in which they were given.
//!
//! The tasks are members of a group that nobody else has. What members give is `Sync`; an
//! output that is not is [`given`] in a lock.

mod given;
mod tuple;

pub use tuple::{GatherLocalTuple, GatherTuple};

use std::{
    fmt,
    pin::Pin,
    task::{Context, Poll, ready},
};

use arborio_task::Interrupt;

use self::given::{Given, Giving};
use crate::group::{
    FirstFailure, Later, Member, Spawner, TaskGroup, spawn_on, spawn_sent_on, tell_local, tell_sent,
};

/// Runs `futures` as tasks, and gives their outputs in the order of the futures.
///
/// The tasks are spawned by this call, on the current scope, or on the loop if there is
/// none. On a pool they run on all workers. An output that is a `Result` is an output like
/// others; for those see [`try_gather`]. Futures that are not `Send` are for
/// [`gather_local`].
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
    I::Item: Future<Output: Send> + Send + 'static,
{
    Gather(Children::spawn(
        futures,
        |_| false,
        || spawn_sent_on,
        tell_sent,
    ))
}

/// As [`gather`], of futures that need not be `Send`: they run on this thread.
///
/// # Errors
/// As [`gather`].
///
/// # Panics
/// As [`gather`].
///
/// # Cancel safety
/// As [`gather`].
///
/// # Examples
/// ```
/// # use arborio_executor::doc::run;
/// use arborio_scope::gather_local;
/// use std::rc::Rc;
/// let words = run(async { gather_local(["a", "b"].map(async |word| Rc::new(word))).await });
/// assert_eq!(*words.unwrap()[1], "b");
/// ```
#[track_caller]
pub fn gather_local<I>(futures: I) -> Gather<<I::Item as Future>::Output>
where
    I: IntoIterator,
    I::Item: Future<Output: 'static> + 'static,
{
    Gather(Children::spawn(futures, |_| false, || spawn_on, tell_local))
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
    I::Item: Future<Output = Result<V, E>> + Send + 'static,
    V: Send + 'static,
    E: From<Interrupt> + Send + 'static,
{
    TryGather(Children::spawn(
        futures,
        Result::is_err,
        || spawn_sent_on,
        tell_sent,
    ))
}

/// As [`try_gather`], of futures that need not be `Send`: they run on this thread.
///
/// # Errors
/// As [`try_gather`].
///
/// # Panics
/// As [`try_gather`].
///
/// # Cancel safety
/// As [`gather`].
///
/// # Examples
/// ```
/// # use arborio_executor::doc::run;
/// use arborio_scope::try_gather_local;
/// use std::{io, rc::Rc};
/// let both = [1, 2].map(async |n| io::Result::Ok(Rc::new(n)));
/// assert_eq!(*run(async { try_gather_local(both).await }).unwrap()[1], 2);
/// ```
#[track_caller]
pub fn try_gather_local<I, V, E>(futures: I) -> TryGather<V, E>
where
    I: IntoIterator,
    I::Item: Future<Output = Result<V, E>> + 'static,
    V: 'static,
    E: From<Interrupt> + 'static,
{
    TryGather(Children::spawn(
        futures,
        Result::is_err,
        || spawn_on,
        tell_local,
    ))
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
    I::Item: Future<Output: Send> + Send + 'static,
{
    Children::spawn(futures, |_| false, || spawn_sent_on, tell_sent).all()
}

/// As [`gather_all`], of futures that need not be `Send`: they run on this thread.
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
/// use arborio_scope::gather_all_local;
/// use std::rc::Rc;
/// let outcomes = run(async { gather_all_local([async { Rc::new(1) }]).await });
/// assert_eq!(**outcomes[0].as_ref().unwrap(), 1);
/// ```
#[track_caller]
pub fn gather_all_local<I>(
    futures: I,
) -> impl Future<Output = Vec<Result<<I::Item as Future>::Output, Interrupt>>> + use<I>
where
    I: IntoIterator,
    I::Item: Future<Output: 'static> + 'static,
{
    Children::spawn(futures, |_| false, || spawn_on, tell_local).all()
}

/// Tasks whose outputs are gathered.
struct Children<T> {
    group: TaskGroup<Given<T>>,
    /// In the order of the results. Empty when it is over.
    members: Vec<Member<Given<T>>>,
    first_failure: FirstFailure<Given<T>>,
}

impl<T: 'static> Children<T> {
    #[track_caller]
    fn spawn<I, S>(
        futures: I,
        is_error: fn(&T) -> bool,
        spawner: impl Fn() -> S,
        later: Later<Given<T>>,
    ) -> Self
    where
        I: IntoIterator,
        I::Item: Future<Output = T> + 'static,
        S: Spawner<Giving<I::Item>>,
    {
        let group = TaskGroup::new();
        let mut members = Vec::new();
        for future in futures {
            let future = Giving::new(future, is_error);
            members.push(group.spawn_by(future, spawner(), later));
        }
        let first_failure = group.pop_judged(Given::is_error);
        Self {
            group,
            members,
            first_failure,
        }
    }
}

impl<T> Children<T> {
    /// The outcomes of all, when all have ended.
    async fn all(mut self) -> Vec<Result<T, Interrupt>> {
        self.group.wait_all().await;
        self.take_all()
    }

    /// The outcomes of all, which have ended.
    fn take_all(&mut self) -> Vec<Result<T, Interrupt>> {
        let members = std::mem::take(&mut self.members);
        members.iter().map(outcome_of).collect()
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
        Poll::Ready(Err(outcome_of(&failed)))
    }
}

const ENDED: &str = "the task has ended, and nobody else takes its output";

/// The outcome of a member that has ended.
fn outcome_of<T>(member: &Member<Given<T>>) -> Result<T, Interrupt> {
    match member.outcome().expect(ENDED) {
        Ok(given) => Ok(given.take().expect(ENDED)),
        Err(interrupt) => Err(interrupt.clone()),
    }
}

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
