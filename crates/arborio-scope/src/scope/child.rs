//! A task of a scope, and where its error goes.

use std::{
    any::Any,
    fmt,
    marker::PhantomData,
    panic::{AssertUnwindSafe, catch_unwind},
    pin::Pin,
    sync::Arc,
    task::{Context, Poll, ready},
    time::Duration,
};

use arborio_base::{contain, drop_contained};
use arborio_task::{Interrupt, Payload, Task, TaskInfo};

use crate::apply_timeout::ApplyTimeout;

use super::{
    current::current_state,
    failure::Failure,
    note::{self, AsAny, Observer, ScopeNote},
    shared::{ScopeState, place_error},
};

/// What a task of a scope may give: `Result<T, E>`, or `()`.
///
/// # Examples
/// ```
/// use arborio_scope::ChildOutput;
/// let fine: Result<(), String> = ().into_result();
/// assert_eq!(fine, Ok(()));
/// assert_eq!(Err::<u8, _>("no").into_result(), Err("no"));
/// ```
#[diagnostic::on_unimplemented(
    message = "a task of a scope gives `Result<T, E>` or `()`, not `{Self}`",
    note = "a value has to be wrapped in `Ok(..)`, and a future awaited",
    note = "the scope's error is `{E}`: turn another error into it, with `map_err` or with `?`",
    note = "a body that never returns is of type `!`: write it as an `async fn` without a return type"
)]
pub trait ChildOutput<E> {
    /// What it gives if all goes well.
    type Value: 'static;
    /// The output as a result.
    ///
    /// # Errors
    /// Those of the task.
    fn into_result(self) -> Result<Self::Value, E>;
}

impl<T: 'static, E> ChildOutput<E> for Result<T, E> {
    type Value = T;

    fn into_result(self) -> Self {
        self
    }
}

impl<E> ChildOutput<E> for () {
    type Value = ();

    fn into_result(self) -> Result<(), E> {
        Ok(())
    }
}

pin_project_lite::pin_project! {
    /// The future of a task of a scope: sees to its end.
    pub(crate) struct ChildFuture<F, E>
    where
        E: Send,
        E: 'static,
    {
        #[pin]
        future: F,
        bubble: bool,
        at_end: AtEnd<E>,
    }
}

/// What is to be done when the future of a task has ended, in whatever way: when this is
/// dropped.
pub(crate) struct AtEnd<E: Send + 'static> {
    /// The scope ends, too.
    master: bool,
    /// The observer is told.
    noted: bool,
    error: PhantomData<fn() -> E>,
}

impl<E: Send + 'static> AtEnd<E> {
    pub(crate) const fn new(master: bool, noted: bool) -> Self {
        Self {
            master,
            noted,
            error: PhantomData,
        }
    }

    pub(crate) const fn nothing() -> Self {
        Self::new(false, false)
    }

    #[cold]
    fn act(&self) {
        let Some(state) = current_state::<E>() else {
            return;
        };
        if self.noted
            && let Some(note) = note::end_of_current_task()
        {
            state.tell(&note);
        }
        if self.master {
            state.finish();
        }
    }
}

impl<E: Send + 'static> Drop for AtEnd<E> {
    #[inline]
    fn drop(&mut self) {
        if self.master | self.noted {
            self.act();
        }
    }
}

impl<F, E: Send + 'static> ChildFuture<F, E> {
    pub(crate) fn new(future: F, bubble: bool, at_end: AtEnd<E>) -> Self {
        Self {
            future,
            bubble,
            at_end,
        }
    }

    /// The future, which was not spawned after all.
    pub(crate) fn into_inner(mut self) -> F {
        self.at_end.master = false;
        self.at_end.noted = false;
        self.future
    }
}

impl<F, E> Future for ChildFuture<F, E>
where
    F: Future,
    F::Output: ChildOutput<E>,
    E: Send + 'static,
{
    type Output = Held<F, E>;

    #[inline]
    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let child = self.project();
        if !*child.bubble {
            return poll_apart(child.future, cx);
        }
        let output = ready!(child.future.poll(cx)).into_result();
        Poll::Ready(output.map_err(place_error))
    }
}

/// What a task gives to its handle.
type Held<F, E> = Result<<<F as Future>::Output as ChildOutput<E>>::Value, Kept<E>>;

/// Polls a future whose errors and panics are nobody's but its handle's.
fn poll_apart<F, E>(future: Pin<&mut F>, cx: &mut Context<'_>) -> Poll<Held<F, E>>
where
    F: Future,
    F::Output: ChildOutput<E>,
    E: Send + 'static,
{
    let polled = catch_unwind(AssertUnwindSafe(|| future.poll(cx)));
    Poll::Ready(match polled {
        Ok(polled) => {
            let keep = |error| Kept::Apart(Apart::new(Trouble::Error(error)));
            ready!(polled).into_result().map_err(keep)
        }
        Err(raised) => Err(Kept::Apart(Apart::new(Trouble::Panic(panicked(raised))))),
    })
}

fn panicked(raised: Box<dyn Any + Send>) -> Payload {
    Payload::new(raised)
}

/// The error or panic of a task that does not bubble, for its handle. If that is dropped before or after the end
/// of the task, this is dropped with the outcome, on the thread of the loop, and tells the observer.
pub(crate) struct Apart<E> {
    /// `None` when the handle has taken it.
    trouble: Option<Trouble<E>>,
    /// Who would be told; nobody if a callback was.
    whom: Option<(Option<Observer>, TaskInfo)>,
    as_any: AsAny<E>,
}

enum Trouble<E> {
    Error(E),
    Panic(Payload),
}

impl<E: Send + 'static> Apart<E> {
    /// That of the task that is being polled. In a box: errors are rare, and every outcome has room for one.
    #[cold]
    fn new(trouble: Trouble<E>) -> Box<Self> {
        let silent = arborio_task::is_taken_over();
        let task = (!silent).then(arborio_task::current_info).flatten();
        let whom = task.map(|task| {
            let state = current_state::<E>();
            (state.and_then(|state| state.observer.clone()), task)
        });
        let trouble = Some(trouble);
        Box::new(Self {
            trouble,
            whom,
            as_any: |error| error,
        })
    }
}

impl<E> Drop for Apart<E> {
    fn drop(&mut self) {
        let (Some(trouble), Some((observer, task))) = (self.trouble.take(), self.whom.take())
        else {
            return;
        };
        match (trouble, observer) {
            (Trouble::Panic(panic), observer) => note::tell_of_untaken(observer.as_ref(), panic),
            (Trouble::Error(error), observer) => {
                if let Some(observer) = observer {
                    observer.tell(&ScopeNote::Untaken(task, (self.as_any)(&error)));
                }
                drop_contained(error);
            }
        }
    }
}

/// Where the error of a task is.
pub(crate) enum Kept<E> {
    /// In the outcome itself: it does not concern the scope.
    Own(Option<E>),
    /// The same, of a task that does not bubble.
    Apart(Box<Apart<E>>),
    /// In the scope, until the handle takes it or is dropped.
    InScope {
        state: Arc<ScopeState<E>>,
        number: u64,
    },
    /// It has ended the scope.
    Bubbled,
}

impl<E> Kept<E> {
    fn take<T>(&mut self) -> Outcome<T, E> {
        let error = match self {
            Self::Own(error) => error.take(),
            Self::Apart(apart) => match apart.trouble.take() {
                Some(Trouble::Panic(payload)) => return Err(Interrupt::Panicked(payload)),
                Some(Trouble::Error(error)) => Some(error),
                None => None,
            },
            Self::InScope { state, number } => state.take_kept(*number),
            Self::Bubbled => None,
        };
        error.map(Err).ok_or(Interrupt::ScopeFailed)
    }
}

/// Tells `callback` how a task has ended.
fn tell<T, E>(
    ended: Result<&Result<T, Kept<E>>, &Interrupt>,
    callback: impl FnOnce(Result<Result<&T, &E>, &Interrupt>),
) {
    match ended {
        Ok(Ok(value)) => callback(Ok(Ok(value))),
        Ok(Err(kept)) => kept.show(callback),
        Err(interrupt) => callback(Err(interrupt)),
    }
}

impl<E> Kept<E> {
    /// Tells `callback` of the error, which stays where it is.
    fn show<T>(&self, callback: impl FnOnce(Result<Result<&T, &E>, &Interrupt>)) {
        match self {
            Self::Own(Some(error)) => callback(Ok(Err(error))),
            Self::Apart(apart) => match &apart.trouble {
                Some(Trouble::Error(error)) => callback(Ok(Err(error))),
                Some(Trouble::Panic(panic)) => {
                    callback(Err(&Interrupt::Panicked(panic.clone())));
                }
                None => callback(Err(&Interrupt::ScopeFailed)),
            },
            Self::InScope { state, number } => match state.take_kept(*number) {
                Some(error) => {
                    contain(|| callback(Ok(Err(&error)))); // foreign code: not under the lock
                    state.keep_again(*number, error);
                }
                None => callback(Err(&Interrupt::ScopeFailed)),
            },
            Self::Own(None) | Self::Bubbled => callback(Err(&Interrupt::ScopeFailed)),
        }
    }
}

impl<E> Drop for Kept<E> {
    /// The handle was dropped with the error in it: that ends the scope.
    fn drop(&mut self) {
        if let Self::InScope { state, number } = self
            && let Some(error) = state.take_kept(*number)
        {
            state.fail(Failure::Error(error));
        }
    }
}

/// A task of a scope: a future of what it gives.
///
/// Awaiting it takes its error over: the scope goes on. If the error has ended the
/// scope before, this gives `E::from(Interrupt::ScopeFailed)`; if the task was
/// interrupted, `E::from` that interrupt. A panic goes on in the awaiter. Dropping the
/// handle lets the task go on; the scope waits for it.
///
/// # Cancel safety
/// Dropping it lets go of the handle only.
///
/// # Examples
/// ```
/// # use arborio_executor::doc::run;
/// use arborio_scope::{Scope, scope};
/// let caught = run(scope(async |s: &Scope<std::io::Error>| {
///     let child = s.task().observed(true).spawn(async { Err::<(), _>(std::io::Error::other("no")) });
///     Ok(child.await.unwrap_err().to_string())
/// }));
/// assert_eq!(caught.unwrap(), "no");
/// ```
#[doc(alias = "JoinHandle")]
pub struct Child<T, E> {
    pub(super) task: Task<Result<T, Kept<E>>>,
}

/// The handle of a task that runs `F` in a scope whose errors are `E`.
pub type ChildOf<F, E> = Child<<<F as Future>::Output as ChildOutput<E>>::Value, E>;

/// How a task of a scope has ended; see [`Child::outcome`].
pub type Outcome<T, E> = Result<Result<T, E>, Interrupt>;

impl<T, E> Child<T, E> {
    pub(crate) fn new(task: Task<Result<T, Kept<E>>>) -> Self {
        Self { task }
    }

    /// Asks the task to end. False if it had ended. That is no failure of the scope.
    #[track_caller]
    pub fn cancel(&self) -> bool {
        self.task.cancel()
    }

    /// Ends the task without asking it.
    #[track_caller]
    pub fn abort(&self) {
        self.task.abort();
    }

    /// As [`Task::on_done`]. The callback is told everything, as by
    /// [`outcome`](Self::outcome), and takes the error over: it does not end the scope,
    /// nor does a panic. If the task had ended before this call, it is told how things
    /// stand then, and they stay as they are.
    ///
    /// # Panics
    /// As [`Task::on_done`].
    ///
    /// # Examples
    /// ```
    /// # use arborio_executor::doc::run;
    /// use arborio_scope::{Scope, scope};
    /// use std::sync::{Arc, atomic::{AtomicU32, Ordering}};
    /// let told = Arc::new(AtomicU32::new(0));
    /// let ended = run(scope(async |s: &Scope<()>| {
    ///     let child = s.spawn(async { Ok(6) });
    ///     let note = Arc::clone(&told);
    ///     child.on_done(move |ended| note.store(*ended.unwrap().unwrap(), Ordering::Relaxed));
    ///     child.await
    /// }));
    /// assert_eq!((ended, told.load(Ordering::Relaxed)), (Ok(6), 6));
    /// ```
    #[track_caller]
    pub fn on_done<F>(&self, callback: F)
    where
        F: FnOnce(Result<Result<&T, &E>, &Interrupt>) + Send + 'static,
        T: 'static,
        E: 'static,
    {
        self.task.on_done(move |ended| tell(ended, callback));
    }

    /// The same for a callback that need not be `Send`.
    ///
    /// # Panics
    /// As [`on_done`](Self::on_done), and if the task may go to another thread, as those of
    /// a scope under another executor do.
    #[track_caller]
    pub fn on_done_local<F>(&self, callback: F)
    where
        F: FnOnce(Result<Result<&T, &E>, &Interrupt>) + 'static,
        T: 'static,
        E: 'static,
    {
        self.task.on_done_local(move |ended| tell(ended, callback));
    }

    /// Whether it has ended.
    pub fn is_finished(&self) -> bool {
        self.task.is_finished()
    }

    /// Waits for the task, and gives everything as a value: also interrupts and panics.
    ///
    /// # Cancel safety
    /// Dropping the future lets go of the handle only.
    pub async fn outcome(mut self) -> Outcome<T, E> {
        std::future::poll_fn(|cx| self.poll_outcome(cx)).await
    }

    fn poll_outcome(&mut self, cx: &mut Context<'_>) -> Poll<Outcome<T, E>> {
        let ended = ready!(Pin::new(&mut self.task).poll(cx));
        Poll::Ready(unpack(ended))
    }
}

/// The outcome of the task of a child, with its error, wherever that is.
pub(super) fn unpack<T, E>(ended: Result<Result<T, Kept<E>>, Interrupt>) -> Outcome<T, E> {
    match ended? {
        Ok(value) => Ok(Ok(value)),
        Err(mut kept) => kept.take(),
    }
}

impl<T, E> ApplyTimeout for Child<T, E> {
    fn apply_timeout(&self, limit: Duration) -> bool {
        self.task.apply_timeout(limit)
    }
}

impl<T, E: From<Interrupt>> Future for Child<T, E> {
    type Output = Result<T, E>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Result<T, E>> {
        Poll::Ready(match ready!(self.poll_outcome(cx)) {
            Ok(result) => result,
            Err(Interrupt::Panicked(payload)) => payload.resume(),
            Err(interrupt) => Err(E::from(interrupt)),
        })
    }
}

impl<T, E> fmt::Debug for Child<T, E> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Child").field(&self.task).finish()
    }
}
