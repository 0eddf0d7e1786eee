//! Handlers: `catch_cancel`, `finally`, `shield`, `cancelled`.

use std::{
    future::Future,
    panic::{AssertUnwindSafe, catch_unwind},
    pin::Pin,
    task::{Context, Poll, ready},
};

use arborio_base::{contain, drop_contained};
use arborio_task::{
    Payload,
    frames::{Answer, Frame},
};

use crate::scope::note;

pin_project_lite::pin_project! {
    /// The future of [`catch_cancel`].
    #[must_use = "futures do nothing unless awaited"]
    pub struct CatchCancel<F> {
        frame: Option<Frame>,
        #[pin]
        inside: Option<F>,
    }
}

/// Runs `future`, and tells if it was asked to end instead.
///
/// If a request comes, `future` is dropped and this gives `Err(Cancelled)`. As long
/// as that guard lives, whoever asked waits (for its grace): clean up, with awaits
/// if need be. Dropping the guard passes the request on; the code goes on to its next
/// suspension and is dropped there. [`swallow`](Cancelled::swallow) takes the request
/// back, where it allows that.
///
/// # Cancel safety
/// Dropping it drops `future`; nothing is caught then.
///
/// # Examples
/// ```
/// use arborio_scope::{catch_cancel, move_on_after};
/// use std::time::Duration;
///
/// futures_lite::future::block_on(async {
///     let mut cleaned_up = false;
///     let value = move_on_after(Duration::from_millis(1), async {
///         let caught = catch_cancel(std::future::pending::<()>()).await;
///         let guard = caught.unwrap_err();
///         cleaned_up = true;
///         drop(guard);
///         std::future::pending::<()>().await;
///     });
///     assert_eq!(value.await, None);
///     assert!(cleaned_up);
/// });
/// ```
pub fn catch_cancel<F: Future>(future: F) -> CatchCancel<F> {
    CatchCancel {
        frame: Some(Frame::handler()),
        inside: Some(future),
    }
}

impl<F: Future> Future for CatchCancel<F> {
    type Output = Result<F::Output, Cancelled>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let mut catch = self.project();
        let frame = catch.frame.as_mut().expect(SPENT);
        let polled = frame.poll(cx, |cx, inside| {
            if inside.is_asked() {
                inside.set_busy();
                catch.inside.set(None);
                return Poll::Ready(None);
            }
            let inside = catch.inside.as_mut().as_pin_mut().expect(SPENT);
            inside.poll(cx).map(Some)
        });
        polled.map(|value| match value {
            Some(value) => Ok(value),
            None => Err(Cancelled {
                frame: catch.frame.take().expect("it was just polled"),
            }),
        })
    }
}

const SPENT: &str = "a cancellation handler was polled after it had ended";

/// A request to end was caught; made by [`catch_cancel`].
///
/// While it lives, whoever asked waits. Dropping it passes the request on.
///
/// # Examples
/// ```
/// use arborio_scope::{catch_cancel, move_on_after};
/// use std::time::Duration;
///
/// futures_lite::future::block_on(async {
///     let value = move_on_after(Duration::from_millis(1), async {
///         match catch_cancel(std::future::pending::<u8>()).await {
///             Ok(value) => value,
///             Err(request) => {
///                 request.swallow();
///                 7
///             }
///         }
///     });
///     assert_eq!(value.await, Some(7));
/// });
/// ```
#[derive(Debug)]
#[must_use = "dropping it at once passes the request on before anything is cleaned up"]
pub struct Cancelled {
    frame: Frame,
}

impl Cancelled {
    /// Takes the request back: whoever asked goes on as if nothing had happened.
    /// A request that cannot be swallowed asks again at the next suspension.
    pub fn swallow(self) {
        self.frame.finish(Answer::Swallowed);
    }
}

pin_project_lite::pin_project! {
    #[project = CleaningUp]
    enum Cleanup<C, U> {
        /// How to make the cleanup.
        Planned { make: Option<C> },
        /// It runs.
        Running { #[pin] cleanup: U },
        /// It has run.
        Done,
    }
}

pin_project_lite::pin_project! {
    /// The future of [`finally`].
    #[must_use = "futures do nothing unless awaited"]
    pub struct Finally<F: Future, C, U> {
        frame: Frame,
        #[pin]
        inside: Option<F>,
        // What `inside` gave, while the cleanup runs.
        value: Option<F::Output>,
        // Its panic, in the same time.
        panic: HeldPanic,
        // Whether the cleanup runs because of a request.
        asked: bool,
        #[pin]
        cleanup: Cleanup<C, U>,
    }
}

/// Runs `future` and then `cleanup()`, also if the future is asked to end, or panics.
///
/// The cleanup is made when it is needed, may await, and is shielded: a request
/// waits for it (for its grace). The future is dropped before it begins.
///
/// | the future | the cleanup | then |
/// |---|---|---|
/// | gives a value, or an error | runs | this gives it |
/// | is asked to end | runs | the request is passed on: the code behind is not reached |
/// | panics, also when it is dropped | runs | the panic goes on |
/// | was never polled | does not run | – |
/// | is dropped: `select!`, `abort`, the grace is over | does not run, or is cut off | – |
///
/// If the cleanup after a panic is cut off, the panic goes to the observer of the scope around
/// ([`ScopeNote::UntakenPanic`](crate::ScopeNote::UntakenPanic)), or else to that of the loop.
///
/// # Panics
/// If `future` does, when the cleanup has ended; and if the cleanup does. Of both, the panic of
/// `future` goes on, and the other one is [counted](arborio_base::contained_panics).
///
/// # Cancel safety
/// If the future itself is dropped (by a `select!`, or by the end of a grace), the
/// cleanup does not run: nobody would poll it. [`finally_detached`](crate::finally_detached) is for that.
///
/// # Examples
/// ```
/// use arborio_scope::{finally, move_on_after};
/// use std::{cell::Cell, time::Duration};
///
/// futures_lite::future::block_on(async {
///     let closed = Cell::new(false);
///     let work = finally(std::future::pending::<()>(), async || closed.set(true));
///     assert_eq!(move_on_after(Duration::from_millis(1), work).await, None);
///     assert!(closed.get());
/// });
/// ```
pub fn finally<F, C, U>(future: F, cleanup: C) -> Finally<F, C, U>
where
    F: Future,
    C: FnOnce() -> U,
    U: Future,
{
    Finally {
        frame: Frame::handler(),
        inside: Some(future),
        value: None,
        panic: HeldPanic::default(),
        asked: false,
        cleanup: Cleanup::Planned {
            make: Some(cleanup),
        },
    }
}

impl<F, C, U> Future for Finally<F, C, U>
where
    F: Future,
    C: FnOnce() -> U,
    U: Future,
{
    type Output = F::Output;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<F::Output> {
        let this = self.project();
        let mut cleanup = this.cleanup;
        let clean_up = |cx: &mut Context<'_>| poll_cleanup(cleanup.as_mut(), cx);
        let guarded = Guarded {
            inside: this.inside,
            value: this.value,
            panic: this.panic,
            asked: this.asked,
        };
        run_and_clean_up(this.frame, guarded, cx, clean_up)
    }
}

fn poll_cleanup<C, U>(mut cleanup: Pin<&mut Cleanup<C, U>>, cx: &mut Context<'_>) -> Poll<()>
where
    C: FnOnce() -> U,
    U: Future,
{
    loop {
        match cleanup.as_mut().project() {
            CleaningUp::Planned { make } => {
                let make = make.take().expect("the cleanup is made once");
                cleanup.set(Cleanup::Running { cleanup: make() });
            }
            CleaningUp::Running { cleanup: running } => {
                ready!(running.poll(cx));
                cleanup.set(Cleanup::Done);
            }
            CleaningUp::Done => return Poll::Ready(()),
        }
    }
}

/// A panic that goes on when the cleanup has ended. If that is cut off, who looks after the task is told.
#[derive(Default)]
pub(crate) struct HeldPanic(Option<Payload>);

impl Drop for HeldPanic {
    fn drop(&mut self) {
        if let Some(panic) = self.0.take() {
            note::tell_of_untaken_here(panic);
        }
    }
}

/// The future that is cleaned up after, and how it has ended.
pub(crate) struct Guarded<'a, F: Future> {
    pub(crate) inside: Pin<&'a mut Option<F>>,
    pub(crate) value: &'a mut Option<F::Output>,
    pub(crate) panic: &'a mut HeldPanic,
    pub(crate) asked: &'a mut bool,
}

impl<F: Future> Guarded<'_, F> {
    /// Polls the future, unless it is asked to end. Pending if it has not ended.
    fn poll(&mut self, running: impl FnOnce(Pin<&mut F>) -> Poll<F::Output>) -> Poll<()> {
        let Some(inside) = self.inside.as_mut().as_pin_mut() else {
            return Poll::Ready(());
        };
        match catch_unwind(AssertUnwindSafe(|| running(inside))) {
            Ok(polled) => *self.value = Some(ready!(polled)),
            Err(raised) => self.panic.0 = Some(Payload::new(raised)),
        }
        Poll::Ready(())
    }

    /// Drops the future. A panic of its destructor is one of the future, unless it had one.
    fn drop_inside(&mut self) {
        if self.panic.0.is_some() {
            contain(|| self.inside.set(None));
        } else if let Err(raised) = catch_unwind(AssertUnwindSafe(|| self.inside.set(None))) {
            self.panic.0 = Some(Payload::new(raised));
            drop_contained(self.value.take());
        }
    }

    /// Runs the cleanup. Of two panics the first one goes on.
    fn clean_up(&self, clean_up: impl FnOnce() -> Poll<()>) -> Poll<()> {
        match self.panic.0 {
            Some(_) => contain(clean_up).unwrap_or(Poll::Ready(())),
            None => clean_up(),
        }
    }
}

/// What all handlers do that clean up: they poll the inside, drop it when it has ended, has panicked or is
/// asked to end, and then `clean_up`, shielded.
pub(crate) fn run_and_clean_up<F: Future>(
    frame: &mut Frame,
    mut guarded: Guarded<'_, F>,
    cx: &mut Context<'_>,
    mut clean_up: impl FnMut(&mut Context<'_>) -> Poll<()>,
) -> Poll<F::Output> {
    let polled = frame.poll(cx, |cx, handler| {
        if guarded.inside.is_some() {
            if handler.is_asked() {
                *guarded.asked = true;
                handler.set_busy();
            } else {
                ready!(guarded.poll(|inside| inside.poll(cx)));
            }
            guarded.drop_inside();
        }
        handler.set_opaque(); // the cleanup is shielded
        if guarded.clean_up(|| clean_up(cx)).is_pending() {
            if handler.is_asked() {
                handler.set_busy();
            }
            return Poll::Pending;
        }
        handler.answer(Answer::Passed);
        match (guarded.panic.0.take(), guarded.value.take()) {
            (Some(panic), _) => Poll::Ready(Err(panic)),
            (None, Some(value)) => Poll::Ready(Ok(value)),
            (None, None) if *guarded.asked => Poll::Pending,
            (None, None) => panic!("{SPENT}"),
        }
    });
    polled.map(|ended| ended.unwrap_or_else(|panic: Payload| panic.resume()))
}

pin_project_lite::pin_project! {
    /// The future of [`shield`].
    #[must_use = "futures do nothing unless awaited"]
    pub struct Shield<F> {
        frame: Frame,
        #[pin]
        inside: F,
    }
}

/// Runs `future` to its end, also if it is asked to end.
///
/// A request waits for it, for its grace, and takes effect at the next suspension
/// after it. Frames inside `future` are not asked by origins outside.
///
/// # Cancel safety
/// Dropping it drops `future`: it shields from requests, not from drops.
///
/// # Examples
/// ```
/// use arborio_scope::{move_on_after, shield};
/// use arborio_timers::sleep;
/// use std::time::Duration;
///
/// futures_lite::future::block_on(async {
///     let mut saved = false;
///     let work = move_on_after(Duration::from_millis(1), async {
///         shield(sleep(Duration::from_millis(5))).await;
///         saved = true;
///         std::future::pending::<()>().await;
///     });
///     assert_eq!(work.await, None);
///     assert!(saved);
/// });
/// ```
pub fn shield<F: Future>(future: F) -> Shield<F> {
    Shield {
        frame: Frame::shield(),
        inside: future,
    }
}

impl<F: Future> Future for Shield<F> {
    type Output = F::Output;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<F::Output> {
        let this = self.project();
        this.frame.poll(cx, |cx, inside| {
            let polled = this.inside.poll(cx);
            if inside.is_asked() {
                match polled {
                    Poll::Pending => inside.set_busy(),
                    Poll::Ready(_) => inside.answer(Answer::Passed),
                }
            }
            polled
        })
    }
}

/// The future of [`cancelled`].
#[derive(Debug)]
#[must_use = "futures do nothing unless awaited"]
pub struct WhenCancelled {
    frame: Frame,
}

/// Waits until the code around it is asked to end.
///
/// For `select`-like code that wants to know: it passes the request on as soon as it
/// has seen it.
///
/// # Cancel safety
/// Dropping it loses nothing.
///
/// # Examples
/// ```
/// use arborio_scope::{cancelled, move_on_after};
/// use std::time::Duration;
///
/// futures_lite::future::block_on(async {
///     let mut seen = false;
///     let watch = move_on_after(Duration::from_millis(1), async {
///         cancelled().await;
///         seen = true;
///         std::future::pending::<()>().await;
///     });
///     assert_eq!(watch.await, None);
///     assert!(seen);
/// });
/// ```
pub fn cancelled() -> WhenCancelled {
    WhenCancelled {
        frame: Frame::handler(),
    }
}

impl Future for WhenCancelled {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        self.frame.poll(cx, |_, inside| {
            if inside.is_asked() || arborio_task::frames::is_cancelling() {
                return Poll::Ready(());
            }
            Poll::Pending
        })
    }
}
