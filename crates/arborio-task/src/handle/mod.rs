//! The join handle of a task. How it finds out that the task has ended is in `poll_done.rs`, the future that
//! awaits a shared handle in `joining.rs`.

mod joining;
mod poll_done;

use std::{
    fmt,
    marker::PhantomData,
    panic::Location,
    pin::Pin,
    task::{Context, Poll},
};

use crate::{
    abroad,
    cell::TaskRef,
    hub::Hub,
    interrupt::{Interrupt, Reason, ReasonKind},
    life_cycle,
    local::Flags,
    side::{self, Manner},
    waker::{at_home, own_hub},
};
use poll_done::{Found, Poller, is_to_be_had, poll_done};

pub use joining::Joining;
pub(crate) use poll_done::is_lost;

/// A spawned task: a future of its output, and the means to end it.
///
/// Awaiting it gives the output, or the [`Interrupt`] that ended it without
/// one. A task that has ended is ready at once. `(&task).await` gives clones of
/// a `T: Clone` to any number of awaiters. Dropping the handle detaches the
/// task: it goes on, and its outcome is dropped where it ran.
///
/// The handle may be sent to another thread, and awaited there by any executor,
/// if `T` is `Send`; the task stays where it is. It also outlives its loop: a
/// task that the loop ended gives [`Interrupt::Stopped`].
///
/// # Cancel safety
/// Awaiting `&task` and dropping that future loses nothing. Awaiting the task
/// by value and dropping that detaches the task.
///
/// # Panics
/// Polling it again after it was ready by value panics.
///
/// # Examples
/// ```
/// use arborio_task::{SpawnOptions, Tasks, try_spawn};
/// let tasks = Tasks::new(std::sync::Arc::new(arborio_task::NoNotify));
/// let main = async {
///     let six = try_spawn(async { 6 }, SpawnOptions::new()).ok().unwrap();
///     six.await.unwrap() * 7
/// };
/// let ((), answer) = tasks.run_main(main, |running| while running.run_next() {});
/// assert_eq!(answer.unwrap(), 42);
/// ```
#[must_use = "dropping a task's handle detaches the task; await it, or call `detach`"]
#[doc(alias = "JoinHandle")]
pub struct Task<T> {
    /// Counted by JOIN; `None` once the outcome was given out.
    task: Option<TaskRef>,
    output: PhantomData<T>,
}

// SAFETY: a handle abroad touches the cell only through the shared word, the
// side record and, once DONE, the outcome, which is then its own (L3); so
// sending the handle sends at most the `T`.
unsafe impl<T: Send> Send for Task<T> {}
// SAFETY: through a shared handle several threads may read the outcome at once
// (`&T`), and one may clone it where the others are.
unsafe impl<T: Send + Sync> Sync for Task<T> {}

impl<T> Unpin for Task<T> {}

impl<T> Task<T> {
    /// Takes the JOIN reference of `task` over.
    ///
    /// # Safety
    /// `T` is the output type of the task's future.
    #[inline(always)]
    pub(crate) unsafe fn new(task: TaskRef) -> Self {
        Self {
            task: Some(task),
            output: PhantomData,
        }
    }

    /// Whether the task has ended.
    ///
    /// # Examples
    /// ```
    /// # use arborio_task::{SpawnOptions, Tasks, try_spawn};
    /// # let tasks = Tasks::new(std::sync::Arc::new(arborio_task::NoNotify));
    /// # let main = async {
    /// let mut task = try_spawn(async {}, SpawnOptions::new()).ok().unwrap();
    /// assert!(!task.is_finished());
    /// (&task).await.unwrap();
    /// assert!(task.is_finished());
    /// # };
    /// # tasks.run_main(main, |running| while running.run_next() {}).1.unwrap();
    /// ```
    pub fn is_finished(&self) -> bool {
        self.task
            .is_none_or(|task| task.local.seen_abroad().any(Flags::DONE))
    }

    /// Lets the task go on unattended, as the drop of its handle does: the loop, or its scope, waits for it, and its
    /// outcome is dropped where it ran. A panic of it is one that nobody observes.
    ///
    /// # Examples
    /// ```
    /// # use arborio_task::{SpawnOptions, Tasks, try_spawn};
    /// # let tasks = Tasks::new(std::sync::Arc::new(arborio_task::NoNotify));
    /// # let (tell, told) = std::sync::mpsc::channel();
    /// # let main = async {
    /// let task = try_spawn(async move { tell.send("done").unwrap() }, SpawnOptions::new());
    /// task.ok().unwrap().detach();
    /// # };
    /// # tasks.run_main(main, |running| while running.run_next() {}).1.unwrap();
    /// assert_eq!(told.recv(), Ok("done"));
    /// ```
    pub fn detach(self) {
        drop(self);
    }

    /// Ends the task without asking it: its future is dropped and awaiting it
    /// gives [`Interrupt::Cancelled`].
    ///
    /// At once if this is the thread of the task's loop, otherwise as soon as
    /// the loop looks at its inbox. If the task is being polled, when the poll
    /// returns; an output that the poll returns wins. A task that was not
    /// started never runs. The future is always dropped on its loop's thread.
    /// Nothing happens if the task has ended.
    ///
    /// # Examples
    /// ```
    /// # use arborio_task::{Interrupt, SpawnOptions, Tasks, try_spawn};
    /// # let tasks = Tasks::new(std::sync::Arc::new(arborio_task::NoNotify));
    /// # let main = async {
    /// let task = try_spawn(std::future::pending::<()>(), SpawnOptions::new()).ok().unwrap();
    /// task.abort();
    /// assert!(matches!(task.await, Err(Interrupt::Cancelled(_))));
    /// # };
    /// # tasks.run_main(main, |running| while running.run_next() {}).1.unwrap();
    /// ```
    #[track_caller]
    pub fn abort(&self) {
        let Some(task) = self.task else { return };
        if self.is_finished() {
            return;
        }
        let end = Interrupt::Cancelled(Reason::new(ReasonKind::Abort));
        match own_hub(task) {
            Some(hub) => life_cycle::abort(&hub, task, end),
            None => abroad::end(task, end, Manner::Force),
        }
    }

    /// Asks the task to end. False if it had ended already.
    ///
    /// At its next turn the innermost handlers of its future are asked: they may
    /// clean up, also with awaits, and may swallow the request; then the task goes
    /// on. A task without handlers, or whose handlers pass the request on, is
    /// dropped, and awaiting it gives [`Interrupt::Cancelled`]. An output that is
    /// ready first wins. A task that was not started never runs. Asking again
    /// while the task cleans up changes nothing. Nothing forces a task whose
    /// cleanup does not end; [`abort`](Task::abort) does.
    ///
    /// # Examples
    /// ```
    /// # use arborio_task::{Interrupt, SpawnOptions, Tasks, try_spawn};
    /// # let tasks = Tasks::new(std::sync::Arc::new(arborio_task::NoNotify));
    /// # let main = async {
    /// let task = try_spawn(std::future::pending::<()>(), SpawnOptions::new()).ok().unwrap();
    /// assert!(task.cancel());
    /// assert!(matches!(task.await, Err(Interrupt::Cancelled(_))));
    /// # };
    /// # tasks.run_main(main, |running| while running.run_next() {}).1.unwrap();
    /// ```
    #[track_caller]
    pub fn cancel(&self) -> bool {
        self.cancel_with(Interrupt::Cancelled(Reason::new(ReasonKind::Cancel)))
    }

    /// The same; awaiting the task gives `end` if the request ends it.
    ///
    /// # Examples
    /// ```
    /// # use arborio_task::{Interrupt, SpawnOptions, Tasks, try_spawn};
    /// # let tasks = Tasks::new(std::sync::Arc::new(arborio_task::NoNotify));
    /// # let main = async {
    /// let task = try_spawn(std::future::pending::<()>(), SpawnOptions::new()).ok().unwrap();
    /// assert!(task.cancel_with(Interrupt::TimedOut));
    /// assert!(matches!(task.await, Err(Interrupt::TimedOut)));
    /// # };
    /// # tasks.run_main(main, |running| while running.run_next() {}).1.unwrap();
    /// ```
    pub fn cancel_with(&self, end: Interrupt) -> bool {
        self.task.is_some_and(|task| ask_to_end(task, end))
    }

    /// The task; `None` if the outcome was given out.
    pub(crate) fn reference(&self) -> Option<TaskRef> {
        self.task
    }

    /// The task begins even if it is [asked](Task::cancel) to end before its first turn:
    /// what has to be cleaned up is in good hands then. [`abort`](Task::abort) drops it all
    /// the same. Nothing happens if this is not the thread that runs its loop.
    ///
    /// # Examples
    /// ```
    /// # use arborio_task::{SpawnOptions, Tasks, try_spawn};
    /// # let tasks = Tasks::new(std::sync::Arc::new(arborio_task::NoNotify));
    /// # let main = async {
    /// let task = try_spawn(async { 6 }, SpawnOptions::new()).ok().unwrap();
    /// task.begin_anyway();
    /// task.cancel();
    /// assert_eq!(task.await.unwrap(), 6);
    /// # };
    /// # tasks.run_main(main, |running| while running.run_next() {}).1.unwrap();
    /// ```
    pub fn begin_anyway(&self) {
        if let Some(task) = self.task
            && let Some(_held) = own_hub(task)
        {
            task.local.set(Flags::INSISTS);
        }
    }

    /// The task's name; `None` if it has none, or if the outcome was given out.
    ///
    /// # Examples
    /// ```
    /// # use arborio_task::{SpawnOptions, Tasks, try_spawn};
    /// # let tasks = Tasks::new(std::sync::Arc::new(arborio_task::NoNotify));
    /// # let main = async {
    /// let options = SpawnOptions::new().name("scribe");
    /// let task = try_spawn(async {}, options).ok().unwrap();
    /// assert_eq!(task.name().unwrap(), "scribe");
    /// # };
    /// # tasks.run_main(main, |running| while running.run_next() {}).1.unwrap();
    /// ```
    pub fn name(&self) -> Option<std::borrow::Cow<'static, str>> {
        side::name(self.task?)
    }

    /// Where the task was spawned; `None` if the outcome was given out.
    ///
    /// # Examples
    /// ```
    /// # use arborio_task::{SpawnOptions, Tasks, try_spawn};
    /// # let tasks = Tasks::new(std::sync::Arc::new(arborio_task::NoNotify));
    /// # let main = async {
    /// let task = try_spawn(async {}, SpawnOptions::new()).ok().unwrap();
    /// assert!(task.spawned_at().unwrap().file().ends_with(".rs"));
    /// # };
    /// # tasks.run_main(main, |running| while running.run_next() {}).1.unwrap();
    /// ```
    pub fn spawned_at(&self) -> Option<&'static Location<'static>> {
        Some(self.task?.spawned_at)
    }

    /// What is known of the task; `None` if it has ended.
    ///
    /// If this is not the thread that runs its loop, it is what can be seen from here: whether
    /// it waits or runs there cannot ([`TaskState::Elsewhere`](crate::TaskState::Elsewhere)).
    ///
    /// # Examples
    /// ```
    /// # use arborio_task::{SpawnOptions, TaskState, Tasks, try_spawn};
    /// # let tasks = Tasks::new(std::sync::Arc::new(arborio_task::NoNotify));
    /// # let main = async {
    /// let task = try_spawn(async {}, SpawnOptions::new()).ok().unwrap();
    /// assert_eq!(task.info().unwrap().state, TaskState::New);
    /// (&task).await.unwrap();
    /// assert!(task.info().is_none());
    /// # };
    /// # tasks.run_main(main, |running| while running.run_next() {}).1.unwrap();
    /// ```
    pub fn info(&self) -> Option<crate::TaskInfo> {
        let task = self.task?;
        match own_hub(task) {
            Some(hub) => crate::TaskInfo::of(&hub, task),
            None => crate::TaskInfo::seen_abroad(task),
        }
    }

    /// Takes the outcome if the task has ended.
    ///
    /// # Examples
    /// ```
    /// # use arborio_task::{SpawnOptions, Tasks, try_spawn};
    /// # let tasks = Tasks::new(std::sync::Arc::new(arborio_task::NoNotify));
    /// # let main = async {
    /// let mut task = try_spawn(async { 1 }, SpawnOptions::new()).ok().unwrap();
    /// assert!(task.try_take().is_none());
    /// (&task).await.unwrap();
    /// assert_eq!(task.try_take().unwrap().unwrap(), 1);
    /// assert!(task.try_take().is_none());
    /// # };
    /// # tasks.run_main(main, |running| while running.run_next() {}).1.unwrap();
    /// ```
    pub fn try_take(&mut self) -> Option<Result<T, Interrupt>> {
        let task = self.task?;
        let is_there = task.local.seen_abroad().any(Flags::DONE) && is_to_be_had(task);
        is_there.then(|| self.take(task))
    }

    /// Takes the outcome of a task that is DONE, and gives JOIN up.
    #[inline]
    fn take(&mut self, task: TaskRef) -> Result<T, Interrupt> {
        let seen = task.local.seen_abroad();
        self.task = None;
        // SAFETY: L3: DONE was seen, this handle has JOIN and is borrowed
        // mutably; `T` is right, says `new`; `self.task` is gone.
        let outcome = unsafe { task.read_outcome::<T>(seen.any(Flags::INTERRUPTED)) };
        let home = |hub: &Hub| {
            task.local.set(Flags::BARE);
            life_cycle::release(hub, task);
        };
        at_home(task, home, || abroad::release(task));
        if seen.any(Flags::BUBBLED) {
            Err(Interrupt::ScopeFailed)
        } else {
            outcome
        }
    }
}

/// Asks `task` to end. False if it has ended.
pub(crate) fn ask_to_end(task: TaskRef, end: Interrupt) -> bool {
    if task.local.seen_abroad().any(Flags::DONE) {
        return false;
    }
    match own_hub(task) {
        Some(hub) => life_cycle::cancel(&hub, task, end),
        None => abroad::end(task, end, Manner::Ask),
    }
    true
}

impl<T> Future for Task<T> {
    type Output = Result<T, Interrupt>;

    #[inline]
    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let task = self.task.expect(SPENT);
        match poll_done(task, Poller::Only, cx) {
            Poll::Ready(Found::Done) => Poll::Ready(self.take(task)),
            Poll::Ready(Found::Lost) => {
                self.task = None; // it keeps its cell: nobody else frees that
                Poll::Ready(Err(Interrupt::Stopped))
            }
            Poll::Pending => Poll::Pending,
        }
    }
}

/// What is wrong with polling a handle whose outcome was taken.
const SPENT: &str = "a task was polled after it had given its outcome";

impl<T> Drop for Task<T> {
    #[inline]
    fn drop(&mut self) {
        let Some(task) = self.task else { return };
        let home = |hub: &Hub| life_cycle::detach(hub, task);
        at_home(task, home, || abroad::detach(task));
    }
}

impl<T> fmt::Debug for Task<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Task")
            .field("name", &self.name())
            .field("spawned_at", &self.spawned_at().map(ToString::to_string))
            .field("is_finished", &self.is_finished())
            .finish()
    }
}
