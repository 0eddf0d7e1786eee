//! A cleanup that runs even if nobody polls it any more: it is handed to the scope around.

use std::{
    future::Future,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll},
};

use arborio_base::{contain, drop_contained};
use arborio_task::{Branch, SpawnOptions, frames::Frame, try_spawn};

use crate::handlers::{Guarded, HeldPanic, run_and_clean_up, shield};

/// The cleanup, which can be moved to a task of its own at any time.
enum Cleanup<C, U> {
    Planned(C),
    Running(Pin<Box<U>>),
    Done,
}

/// Where the cleanup goes if nobody polls it here.
enum Home {
    /// Never polled: there is nothing to clean up.
    Unknown,
    Branch(Arc<Branch>),
    /// The loop, or nobody under another executor.
    Root,
}

pin_project_lite::pin_project! {
    /// The future of [`finally_detached`].
    #[must_use = "futures do nothing unless awaited"]
    pub struct FinallyDetached<F, C, U>
    where
        F: Future,
        C: FnOnce() -> U,
        U: Future,
        U: 'static,
    {
        frame: Frame,
        #[pin]
        inside: Option<F>,
        // What `inside` gave, while the cleanup runs.
        value: Option<F::Output>,
        // Its panic, in the same time.
        panic: HeldPanic,
        // Whether the cleanup runs because of a request.
        asked: bool,
        cleanup: Cleanup<C, U>,
        home: Home,
    }

    impl<F, C, U> PinnedDrop for FinallyDetached<F, C, U>
    where
        F: Future,
        C: FnOnce() -> U,
        U: Future,
        U: 'static,
    {
        fn drop(this: Pin<&mut Self>) {
            let mut this = this.project();
            let _later = HandOver {
                home: std::mem::replace(this.home, Home::Unknown),
                cleanup: std::mem::replace(this.cleanup, Cleanup::Done),
            };
            this.inside.set(None);
        }
    }
}

/// Runs `future` and then `cleanup()`, also if it is asked to end or panics, as
/// [`finally`](crate::finally); and also if it is *dropped*, by a `select!`, by an abort, or by
/// the end of a grace.
///
/// A cleanup that cannot run here becomes a task of the scope around, which waits for it, also
/// when it is closed already; or a task of the loop. It is shielded there. It does
/// not run if nothing was polled before the drop, if the scope is being forced or the loop is
/// ending, or if the drop happens on another thread or under an executor without an Arborio
/// loop: then it is dropped.
///
/// # Panics
/// As [`finally`](crate::finally).
///
/// # Cancel safety
/// Dropping it drops `future`; the cleanup runs, see above.
///
/// # Examples
/// ```
/// # use arborio_executor::doc::run;
/// use arborio_scope::{Scope, finally_detached, scope};
/// use futures_lite::future::{or, pending, ready, yield_now};
/// use std::{cell::Cell, rc::Rc};
///
/// let closed = Rc::new(Cell::new(false));
/// let close = Rc::clone(&closed);
/// run(scope(async |_: &Scope<()>| {
///     let cleanup = || async move {
///         yield_now().await;
///         close.set(true);
///     };
///     // `or` drops the loser.
///     or(finally_detached(pending(), cleanup), ready(())).await;
///     Ok(())
/// }))
/// .unwrap();
/// assert!(closed.get());
/// ```
pub fn finally_detached<F, C, U>(future: F, cleanup: C) -> FinallyDetached<F, C, U>
where
    F: Future,
    C: FnOnce() -> U,
    U: Future + 'static,
{
    FinallyDetached {
        frame: Frame::handler(),
        inside: Some(future),
        value: None,
        panic: HeldPanic::default(),
        asked: false,
        cleanup: Cleanup::Planned(cleanup),
        home: Home::Unknown,
    }
}

impl<F, C, U> Future for FinallyDetached<F, C, U>
where
    F: Future,
    C: FnOnce() -> U,
    U: Future + 'static,
{
    type Output = F::Output;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<F::Output> {
        let this = self.project();
        if matches!(this.home, Home::Unknown) {
            *this.home = Branch::current().map_or(Home::Root, Home::Branch);
        }
        let cleanup = this.cleanup;
        let guarded = Guarded {
            inside: this.inside,
            value: this.value,
            panic: this.panic,
            asked: this.asked,
        };
        run_and_clean_up(this.frame, guarded, cx, |cx| poll_cleanup(cleanup, cx))
    }
}

fn poll_cleanup<C, U>(cleanup: &mut Cleanup<C, U>, cx: &mut Context<'_>) -> Poll<()>
where
    C: FnOnce() -> U,
    U: Future,
{
    // A cleanup that panics is not made again.
    let mut running = match std::mem::replace(cleanup, Cleanup::Done) {
        Cleanup::Planned(make) => Box::pin(make()),
        Cleanup::Running(running) => running,
        Cleanup::Done => return Poll::Ready(()),
    };
    let polled = running.as_mut().poll(cx).map(drop);
    if polled.is_pending() {
        *cleanup = Cleanup::Running(running);
    }
    polled
}

/// Hands the cleanup over when what it cleans up after is gone, also if the destructor of
/// that panics.
struct HandOver<C, U>
where
    C: FnOnce() -> U,
    U: Future,
    U: 'static,
{
    home: Home,
    cleanup: Cleanup<C, U>,
}

impl<C, U> Drop for HandOver<C, U>
where
    C: FnOnce() -> U,
    U: Future + 'static,
{
    fn drop(&mut self) {
        let home = std::mem::replace(&mut self.home, Home::Unknown);
        hand_over(home, std::mem::replace(&mut self.cleanup, Cleanup::Done));
    }
}

/// The cleanup becomes a task of `home`.
fn hand_over<C, U>(home: Home, cleanup: Cleanup<C, U>)
where
    C: FnOnce() -> U,
    U: Future + 'static,
{
    if matches!(home, Home::Unknown) {
        return; // dropped with whatever it was to clean up
    }
    let running = match cleanup {
        Cleanup::Planned(make) => contain(|| Some(Box::pin(make()))).flatten(),
        Cleanup::Running(running) => Some(running),
        Cleanup::Done => None,
    };
    let Some(running) = running else { return };
    let task = shield(async move { drop(running.await) });
    let options = SpawnOptions::new().name("cleanup of a dropped future");
    let spawned = match home {
        Home::Branch(branch) => branch.try_spawn_late(task, options),
        _ => try_spawn(task, options),
    };
    match spawned {
        Ok(task) => task.begin_anyway(), // detached: whoever is around waits for it
        Err(refused) => drop_contained(refused),
    }
}
