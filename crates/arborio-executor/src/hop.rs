//! A part of a task that is elsewhere, as the task has it that awaits it.
//!
//! # Stages
//! | stage   | meaning                                       | next                                |
//! |---------|-----------------------------------------------|-------------------------------------|
//! | Planned | nothing has been done                         | Away: the first poll                |
//! | Away    | the part is elsewhere                         | Passed: it was asked; Over: its end |
//! | Passed  | it is gone, because of a request              | -: pending until it is dropped      |
//! | Over    | it has ended, and the outcome was given out   | -: not to be polled any more        |
//!
//! To the frames around it a hop is one handler, which owes its answer from the request until the
//! part has ended, and then has passed it on. What is inside of the part is another tree of frames, on the
//! other thread; the part itself is what makes requests there.

use std::{
    fmt, mem,
    task::{Context, Poll},
};

use arborio_task::{
    Interrupt,
    frames::{Answer, Frame, Inside},
};

/// A part that is elsewhere. Dropping this drops the part.
pub(crate) trait Away {
    type Output;

    /// The part is to end. False if it has not begun; then it never does.
    fn ask(&mut self) -> bool;

    /// Its outcome; `None` if it has ended because it was asked to.
    fn poll(&mut self, cx: &mut Context<'_>) -> Poll<Option<Result<Self::Output, Interrupt>>>;
}

/// See the head of this file.
pub(crate) struct Hop<A> {
    frame: Frame,
    stage: Stage<A>,
}

/// How a part is sent off. Boxed, and so without the type of its future: what a caller has to
/// promise of that is asked where it is given, and not wherever the hop is awaited, where rustc
/// cannot always see it.
type Plan<A> = Box<dyn FnOnce() -> A + Send>;

enum Stage<A> {
    Planned(Plan<A>),
    Away {
        part: A,
        /// It was told of a request.
        was_asked: bool,
    },
    Passed,
    Over,
}

type Outcome<A> = Result<<A as Away>::Output, Interrupt>;

impl<A: Away> Hop<A> {
    pub(crate) fn new(plan: impl FnOnce() -> A + Send + 'static) -> Self {
        Self {
            frame: Frame::handler(),
            stage: Stage::Planned(Box::new(plan)),
        }
    }

    /// A panic of the part goes on in the caller.
    pub(crate) fn poll(&mut self, cx: &mut Context<'_>) -> Poll<Outcome<A>> {
        let Self { frame, stage } = self;
        let polled = frame.poll(cx, |cx, handler| stage.poll(cx, handler));
        match polled {
            Poll::Ready(Err(Interrupt::Panicked(payload))) => payload.resume(),
            polled => polled,
        }
    }

    pub(crate) fn fmt_as(&self, name: &str, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let stage = match self.stage {
            Stage::Planned(_) => "Planned",
            Stage::Away { .. } => "Away",
            Stage::Passed => "Passed",
            Stage::Over => "Over",
        };
        let mut shown = f.debug_struct(name);
        shown.field("stage", &stage).finish_non_exhaustive()
    }
}

impl<A: Away> Stage<A> {
    /// Sends the part off, if that was not done yet.
    fn set_out(&mut self) {
        *self = match mem::replace(self, Self::Over) {
            Self::Planned(plan) => Self::Away {
                part: plan(),
                was_asked: false,
            },
            stage => stage,
        };
    }

    fn poll(&mut self, cx: &mut Context<'_>, handler: &Inside<'_>) -> Poll<Outcome<A>> {
        self.set_out();
        let (part, was_asked) = match self {
            Self::Away { part, was_asked } => (part, was_asked),
            Self::Passed => return Poll::Pending,
            Self::Planned(_) | Self::Over => panic!("a hop was polled after it had ended"),
        };
        if handler.is_asked() && !mem::replace(was_asked, true) && !part.ask() {
            return self.pass(handler);
        }
        match part.poll(cx) {
            Poll::Pending => Poll::Pending,
            Poll::Ready(None) => self.pass(handler),
            Poll::Ready(Some(outcome)) => {
                *self = Self::Over;
                Poll::Ready(outcome) // a frame that is ready passes on what it was asked
            }
        }
    }

    /// The part is gone, and the request goes on to those outside.
    fn pass(&mut self, handler: &Inside<'_>) -> Poll<Outcome<A>> {
        *self = Self::Passed;
        handler.answer(Answer::Passed);
        Poll::Pending
    }
}
