//! A future that runs on a pool thread, as the task has it that awaits it.
//!
//! # Stages
//! | stage   | `future`                        | next                                        |
//! |---------|---------------------------------|---------------------------------------------|
//! | Planned | here                            | Away: the first poll                        |
//! | Away    | in the job, on its thread       | Over: its end; asked before it has begun    |
//! | Passed  | gone, because of a request      | nothing: it is pending until it is dropped  |
//! | Over    | gone, and its outcome given out | nothing: not to be polled any more          |
//!
//! To the frames outside the hop is one handler; what is inside is another tree, on the other
//! thread (`ride.rs`). Between the two are the [`Wishes`], by which this side says what it wants,
//! and the job's outcome, by which it learns what became of it.

use std::{
    fmt, mem,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll},
};

use arborio_task::{
    Interrupt,
    frames::{Answer, Frame, Inside},
};

use super::{
    Blocking,
    crew::Crew,
    pool,
    ride::{Wishes, ride},
};
use crate::default_loop;

/// The future of [`enter_executor`](super::enter_executor).
///
/// # Examples
/// Nothing happens before it is polled.
/// ```
/// use arborio_executor::{blocking::BlockingPool, doc::run};
/// let pool = BlockingPool::builder().build();
/// let hop = pool.enter(async { 6 });
/// assert_eq!(pool.threads(), 0);
/// assert_eq!(run(hop).unwrap(), 6);
/// assert_eq!(pool.threads(), 1);
/// ```
#[must_use = "futures do nothing unless awaited"]
pub struct EnterExecutor<F: Future> {
    frame: Frame,
    stage: Stage<F>,
}

enum Stage<F: Future> {
    Planned { crew: Arc<Crew>, future: F },
    Away(Away<F::Output>),
    Passed,
    Over,
}

/// What this side has of a future that is on its thread. Dropping it drops the future.
struct Away<T> {
    /// `None` is the outcome of a future that was dropped there.
    job: Blocking<Option<T>>,
    wishes: Arc<Wishes>,
    /// It was told of a request.
    was_asked: bool,
}

impl<T> Drop for Away<T> {
    fn drop(&mut self) {
        self.wishes.drop_it();
    }
}

// The future is not pinned here: it is moved into the job before it is polled.
impl<F: Future> Unpin for EnterExecutor<F> {}

impl<F> EnterExecutor<F>
where
    F: Future + Send + 'static,
    F::Output: Send + 'static,
{
    pub(super) fn new(crew: Arc<Crew>, future: F) -> Self {
        Self {
            frame: Frame::handler(),
            stage: Stage::Planned { crew, future },
        }
    }
}

impl<F> Stage<F>
where
    F: Future + Send + 'static,
    F::Output: Send + 'static,
{
    /// Sends the future away, if that was not done yet.
    fn set_out(&mut self) {
        if !matches!(self, Self::Planned { .. }) {
            return;
        }
        let Self::Planned { crew, future } = mem::replace(self, Self::Over) else {
            unreachable!("it was looked at just now");
        };
        let wishes = Arc::new(Wishes::new());
        let (theirs, spawns_on) = (Arc::clone(&wishes), default_loop::around());
        let job = move |_token| default_loop::on_behalf(spawns_on, || ride(future, &theirs));
        *self = Self::Away(Away {
            job: pool::spawn(&crew, job),
            wishes,
            was_asked: false,
        });
    }

    fn poll(
        &mut self,
        cx: &mut Context<'_>,
        handler: &Inside<'_>,
    ) -> Poll<Result<F::Output, Interrupt>> {
        self.set_out();
        let away = match self {
            Self::Away(away) => away,
            Self::Passed => return Poll::Pending,
            Self::Planned { .. } | Self::Over => {
                panic!("a hop to a thread was polled after it had ended")
            }
        };
        if handler.is_asked() && !mem::replace(&mut away.was_asked, true) {
            handler.set_busy();
            if !away.wishes.ask() {
                return self.pass(handler); // it has not begun
            }
        }
        let Poll::Ready(outcome) = Pin::new(&mut away.job).poll(cx) else {
            return Poll::Pending;
        };
        let Some(outcome) = outcome.transpose() else {
            return self.pass(handler);
        };
        if away.was_asked {
            handler.answer(Answer::Passed);
        }
        *self = Self::Over;
        Poll::Ready(outcome)
    }

    /// The future is gone, or will be, and the request goes on to those outside.
    fn pass(&mut self, handler: &Inside<'_>) -> Poll<Result<F::Output, Interrupt>> {
        *self = Self::Passed;
        handler.answer(Answer::Passed);
        Poll::Pending
    }
}

impl<F> Future for EnterExecutor<F>
where
    F: Future + Send + 'static,
    F::Output: Send + 'static,
{
    type Output = Result<F::Output, Interrupt>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let Self { frame, stage } = &mut *self;
        let polled = frame.poll(cx, |cx, handler| stage.poll(cx, handler));
        match polled {
            Poll::Ready(Err(Interrupt::Panicked(payload))) => payload.resume(),
            polled => polled,
        }
    }
}

impl<F: Future> fmt::Debug for EnterExecutor<F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let stage = match self.stage {
            Stage::Planned { .. } => "Planned",
            Stage::Away(_) => "Away",
            Stage::Passed => "Passed",
            Stage::Over => "Over",
        };
        f.debug_struct("EnterExecutor")
            .field("stage", &stage)
            .finish_non_exhaustive()
    }
}
