//! How the end of a member becomes known, whatever it is.
//!
//! | what ends it                       | who tells                                      |
//! |------------------------------------|------------------------------------------------|
//! | a value, a panic                   | the future that is wrapped around it           |
//! | it is cancelled, or forced         | a [`Report`], when the task knows why; a callback of the task where none can be spawned |
//! | its loop ends                      | the wrapper's destructor: `Stopped`            |
//! | a task that was added has ended    | a [`Watch`]                                    |

use std::{
    panic::{AssertUnwindSafe, catch_unwind},
    pin::Pin,
    task::{Context, Poll, ready},
};

use arborio_base::drop_contained;
use arborio_task::{Branch, Interrupt, Payload, SpawnOptions, Task, try_spawn};

use super::member::Member;

pin_project_lite::pin_project! {
    /// The future of a member that the group has spawned.
    pub(crate) struct MemberFuture<F>
    where
        F: Future,
        F::Output: 'static,
    {
        #[pin]
        future: Option<F>,
        // Dropped after the future: then nothing of it is left.
        tell: Tell<F::Output>,
    }
}

impl<F> MemberFuture<F>
where
    F: Future,
    F::Output: 'static,
{
    pub(super) fn new(future: F, member: Member<F::Output>) -> Self {
        Self {
            future: Some(future),
            tell: Tell {
                member: Some(member),
            },
        }
    }

    /// It was not spawned: the future is dropped, and the member has ended.
    pub(super) fn refuse(mut self, end: Interrupt) {
        drop_contained(self.future.take());
        self.tell.end(Err(end));
    }
}

impl<F> Future for MemberFuture<F>
where
    F: Future,
    F::Output: 'static,
{
    type Output = ();

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        let mut this = self.project();
        let polled = catch_unwind(AssertUnwindSafe(|| {
            let future = this.future.as_mut().as_pin_mut();
            let value = ready!(future.expect("polled after its end").poll(cx));
            this.future.set(None);
            Poll::Ready(value)
        }));
        match polled {
            Ok(Poll::Pending) => return Poll::Pending,
            Ok(Poll::Ready(value)) => this.tell.end(Ok(value)),
            Err(raised) => {
                let payload = Payload::new(raised);
                let let_go = this.tell.is_let_go();
                this.tell.end(Err(Interrupt::Panicked(payload.clone())));
                if let_go {
                    payload.resume();
                }
            }
        }
        Poll::Ready(())
    }
}

/// Owes the group an outcome. Dropped without one, the member's task was interrupted; why
/// is known when the task has ended, which is a moment later.
struct Tell<T: 'static> {
    member: Option<Member<T>>,
}

impl<T: 'static> Tell<T> {
    fn end(&mut self, outcome: Result<T, Interrupt>) {
        if let Some(member) = self.member.take() {
            member.end(outcome);
        }
    }

    fn is_let_go(&self) -> bool {
        self.member.as_ref().is_some_and(Member::is_let_go)
    }
}

impl<T: 'static> Drop for Tell<T> {
    fn drop(&mut self) {
        if let Some(member) = self.member.take() {
            member.end_untold();
        }
    }
}

/// What is done when a member has ended, and why is known when its task has.
pub(crate) type Later<T> = fn(Member<T>, Task<()>);

/// Spawns a [`Report`]. If the loop is ending it is dropped, and says so.
fn report<T: 'static>(member: Member<T>, task: Task<()>) -> Result<(), Report<T>> {
    let tell = Tell {
        member: Some(member),
    };
    let report = Report { task, tell };
    let spawned = try_spawn(report, SpawnOptions::new()).or_else(spawn_in_scope);
    spawned.map(drop)
}

/// For a member that may be on another thread than its group.
pub(crate) fn tell_sent<T: Send + Sync + 'static>(member: Member<T>, task: Task<()>) {
    let Err(mut report) = report(member, task) else {
        return;
    };
    // A loop that lies in a future which moves between threads: its task calls back.
    let Some(member) = report.tell.member.take() else {
        return;
    };
    let tell = move |ended: Result<&(), &Interrupt>| {
        let why = ended.err().cloned().unwrap_or(Interrupt::Stopped);
        member.end(Err(why));
    };
    if let Err(tell) = report.task.try_on_done(tell) {
        tell(Ok(&()));
    }
}

/// For a member that stays on its thread.
pub(crate) fn tell_local<T: 'static>(member: Member<T>, task: Task<()>) {
    drop(report(member, task));
}

/// Spawns on the scope around, if there is one, also when it is closed. In a loop that lies in a future nothing is
/// spawned but there.
pub(super) fn spawn_in_scope<F>(future: F) -> Result<Task<F::Output>, F>
where
    F: Future + 'static,
    F::Output: 'static,
{
    match Branch::current() {
        Some(branch) => branch.try_spawn_late(future, SpawnOptions::new()),
        None => Err(future),
    }
}

/// Waits until the task of a member has ended, and tells why.
struct Report<T: 'static> {
    task: Task<()>,
    tell: Tell<T>,
}

impl<T> Report<T> {
    fn end(&mut self, ended: Option<Result<(), Interrupt>>) {
        let why = ended.and_then(Result::err).unwrap_or(Interrupt::Stopped);
        self.tell.end(Err(why));
    }
}

impl<T> Unpin for Report<T> {}

impl<T: 'static> Future for Report<T> {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        let ended = ready!(Pin::new(&mut self.task).poll(cx));
        self.end(Some(ended));
        Poll::Ready(())
    }
}

impl<T> Drop for Report<T> {
    fn drop(&mut self) {
        if self.tell.member.is_some() {
            let ended = self.task.try_take();
            self.end(ended);
        }
    }
}

/// Waits for a task that was added to a group.
pub(super) struct Watch<T: 'static> {
    tell: Tell<T>,
}

impl<T: 'static> Watch<T> {
    pub(super) fn new(member: Member<T>) -> Self {
        Self {
            tell: Tell {
                member: Some(member),
            },
        }
    }
}

impl<T: 'static> Future for Watch<T> {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        let member = self.tell.member.as_ref().expect("polled after its end");
        let outcome = ready!(member.poll_added(cx));
        self.tell.end(outcome);
        Poll::Ready(())
    }
}

impl<T: 'static> Drop for Watch<T> {
    /// Its loop ends.
    fn drop(&mut self) {
        if let Some(member) = &self.tell.member {
            let outcome = member.take_added();
            self.tell.end(outcome);
        }
    }
}

#[cfg(test)]
mod tests {
    use std::future::pending;

    use arborio_executor::{doc::run, spawn_local};

    use super::*;

    /// On a pool it may be polled on another worker before the task has ended.
    #[test]
    fn a_report_waits_until_the_task_has_ended_and_tells_why() {
        run(async {
            let member = Member::<()>::new(tell_local);
            let mut report = Report {
                task: spawn_local(pending::<()>()),
                tell: Tell {
                    member: Some(member.clone()),
                },
            };
            let polled = futures_lite::future::poll_once(&mut report).await;
            assert!(polled.is_none() && !member.is_finished());
            report.task.cancel();
            report.await;
            let outcome = member.outcome();
            assert!(matches!(outcome, Some(Err(Interrupt::Cancelled(_)))));
        });
    }
}
