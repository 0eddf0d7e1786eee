//! A part of a task that runs on another loop.

use std::{
    fmt,
    pin::Pin,
    task::{Context, Poll},
};

use arborio_task::{Interrupt, SpawnOptions, Task};

use crate::{
    handle::Handle,
    hop::{Away, Hop},
};

/// Runs `future` on the loop of `handle`, and back: who awaits goes on where they were, with the
/// value.
///
/// It is polled there as a task of that loop, which is spawned when this is polled first. Unlike a
/// task that is awaited it remains a part of who awaits it: requests reach it, and dropping this
/// drops it. For awaiting a task of another loop no adaptor is needed; it stays there, and its
/// awaiter goes on where they are.
///
/// Each loop has its clock. As when a task of another loop is awaited, a loop on a simulated clock does
/// not wait for others: its time goes on meanwhile, and if it has nothing else to do it has stalled.
///
/// # Cancellation
/// It is a handler, as [`enter_executor`](crate::blocking::enter_executor) is. A request from
/// outside is made again inside, by [`Task::cancel`]. Who asked waits for the end, for their grace,
/// and gets it passed on; but a value wins.
///
/// # Cancel safety
/// Dropping it [aborts](Task::abort) the task: `future` is dropped on its loop, when that looks at
/// its mail. Nobody waits for that.
///
/// # Errors
/// [`Interrupt::Stopped`] if that loop has ended, or ends before `future` does.
///
/// # Panics
/// A panic of `future` goes on in who awaits. Polling this again after it was ready panics.
///
/// # Examples
/// ```
/// # use arborio_executor::doc::run;
/// use arborio_executor::{Handle, resume_on};
/// use std::{sync::mpsc::channel, thread};
/// let (sender, handles) = channel();
/// let (end, ended) = channel::<()>();
/// let other = thread::spawn(move || {
///     run(async move {
///         sender.send(Handle::current().unwrap()).unwrap();
///         while ended.try_recv() == Err(std::sync::mpsc::TryRecvError::Empty) {
///             arborio_executor::yield_now().await;
///         }
///     })
/// });
/// let there = run(async {
///     let handle = handles.recv().unwrap();
///     resume_on(&handle, async { thread::current().id() }).await
/// });
/// assert_eq!(there.unwrap(), other.thread().id());
/// # drop(end);
/// # other.join().unwrap();
/// ```
#[track_caller]
#[doc(alias("spawn_on", "switch_to"))]
pub fn resume_on<F>(handle: &Handle, future: F) -> ResumeOn<F::Output>
where
    F: Future + Send + 'static,
    F::Output: Send + 'static,
{
    let handle = handle.clone();
    // Observed, because it may panic before it is polled here.
    let options = SpawnOptions::new().observed(true);
    ResumeOn(Hop::new(move || OnLoop {
        task: handle.submitter.spawn(future, options),
        was_asked: false,
    }))
}

/// The future of [`resume_on`].
///
/// # Examples
/// Nothing happens before it is polled.
/// ```
/// # use arborio_executor::doc::run;
/// use arborio_executor::{Handle, pending, resume_on};
/// run(async {
///     let hop = resume_on(&Handle::current().unwrap(), async { 6 });
///     assert_eq!(pending(), Some(1), "`main`");
///     assert_eq!(hop.await.unwrap(), 6);
/// });
/// ```
#[must_use = "futures do nothing unless awaited"]
pub struct ResumeOn<T>(Hop<OnLoop<T>>);

impl<T> Future for ResumeOn<T> {
    type Output = Result<T, Interrupt>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        self.0.poll(cx)
    }
}

impl<T> fmt::Debug for ResumeOn<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt_as("ResumeOn", f)
    }
}

/// A future in a task of the loop.
struct OnLoop<T> {
    task: Task<T>,
    was_asked: bool,
}

impl<T> Away for OnLoop<T> {
    type Output = T;

    fn ask(&mut self) -> bool {
        self.was_asked = true;
        self.task.cancel();
        true // if it has not begun, its loop ends it at once
    }

    fn poll(&mut self, cx: &mut Context<'_>) -> Poll<Option<Result<T, Interrupt>>> {
        Pin::new(&mut self.task)
            .poll(cx)
            .map(|outcome| match outcome {
                Err(Interrupt::Cancelled(_)) if self.was_asked => None,
                outcome => Some(outcome),
            })
    }
}

impl<T> Drop for OnLoop<T> {
    fn drop(&mut self) {
        self.task.abort();
    }
}
