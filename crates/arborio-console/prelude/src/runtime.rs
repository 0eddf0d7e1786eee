//! Where a cell runs: [`Runtime`], which has the face of tokio's.
//!
//! When a cell has an `.await`, evcxr puts the cell into
//! `tokio::runtime::Runtime::new().unwrap().block_on(async { .. })`. In a session the crate with
//! that name is a few lines that lead here. Once it has done so evcxr goes on with every cell, so the
//! first cell of a session, which the console writes, has an `.await`.
//!
//! ```text
//! main thread   ── loads the cell ── block_on ┄┄┄ waits ┄┄┄┄┄┄► ── stores the variables ── next line
//! the loop      ────── other tasks ───────────├─ the cell ──┤────── other tasks ────────────────────
//! ```

use std::{
    io,
    panic::resume_unwind,
    pin::Pin,
    sync::{Mutex, MutexGuard, Once, PoisonError},
    task::{Context, Poll},
    time::Duration,
};

use arborio::{EventLoop, Handle, Interrupt, WaitError, cancel::CancelScope};

use crate::{lookout, panics};

/// How long the tasks of the session may clean up when it ends.
const GRACE: Duration = Duration::from_secs(1);

/// The loop of the session and what runs on it for the prompt.
struct Stage {
    /// Started with the first cell; anew if a cell has stopped it.
    event_loop: Option<EventLoop>,
    /// What Ctrl-C asks to end.
    cell: Option<CancelScope>,
}

static STAGE: Mutex<Stage> = Mutex::new(Stage {
    event_loop: None,
    cell: None,
});

fn stage() -> MutexGuard<'static, Stage> {
    STAGE.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Runs cells on the loop of the session. There is one loop, however many of these.
#[derive(Debug)]
pub struct Runtime(());

impl Runtime {
    /// Starts the loop in the background, if it is not there.
    ///
    /// # Errors
    /// The system refuses a thread, or the descriptors that listen to signals.
    ///
    /// # Examples
    /// ```
    /// let runtime = arborio_console_prelude::runtime::Runtime::new()?;
    /// assert_eq!(runtime.block_on(async { 3 }), 3);
    /// # std::io::Result::Ok(())
    /// ```
    pub fn new() -> io::Result<Self> {
        static LISTENING: Once = Once::new();
        let mut refused = None;
        LISTENING.call_once(|| {
            panics::quieten();
            refused = lookout::start().err();
        });
        match refused {
            Some(error) => Err(error),
            None => handle().map(|_| Self(())),
        }
    }

    /// Runs `cell` on the loop, waits for its end, and returns its output.
    ///
    /// # Panics
    /// If the cell panics, if Ctrl-C ended it, or if the loop was stopped: without a message of the
    /// panic itself, since that was written already.
    ///
    /// # Examples
    /// ```should_panic
    /// let runtime = arborio_console_prelude::runtime::Runtime::new().unwrap();
    /// runtime.block_on(async { panic!("caught by evcxr") });
    /// ```
    pub fn block_on<F: Future>(&self, cell: F) -> F::Output {
        let scope = CancelScope::new();
        let on_the_loop = match handle() {
            Ok(handle) => handle,
            Err(error) => end(&format!("there is no loop: {error}")),
        };
        stage().cell = Some(scope.clone());
        let ended = on_the_loop.run(Lent(Box::pin(scope.run(cell))));
        stage().cell = None;
        match ended {
            Ok(Lent(Ok(output))) => output,
            Ok(Lent(Err(_))) => end("cancelled"),
            Err(WaitError::Interrupted(Interrupt::Panicked(payload))) => {
                end(&panics::describe(payload.message()))
            }
            Err(error) => end(&error.to_string()),
        }
    }
}

/// Ends a cell that has no output. The line goes to standard output, where it keeps its place among what the
/// cell has printed; evcxr catches the unwinding and keeps the variables.
fn end(why: &str) -> ! {
    println!("{why}");
    resume_unwind(Box::new(()))
}

/// The loop of the session.
fn handle() -> io::Result<Handle> {
    let mut stage = stage();
    if let Some(event_loop) = &stage.event_loop
        && !event_loop.handle().is_stopping()
    {
        return Ok(event_loop.handle().clone());
    }
    let event_loop = EventLoop::builder().name("console").start()?;
    let handle = event_loop.handle().clone();
    let former = stage.event_loop.replace(event_loop);
    drop(stage);
    drop(former); // waits for its end
    Ok(handle)
}

/// Asks what runs for the prompt to end. Nothing if nothing does.
pub(crate) fn cancel_cell() {
    let cell = stage().cell.clone();
    if let Some(cell) = cell {
        cell.cancel();
    }
}

/// Stops the loop, and gives its tasks time to clean up.
pub(crate) fn stop() {
    let event_loop = stage().event_loop.take();
    let joined = event_loop.map(|event_loop| event_loop.stop_and_join(GRACE));
    if let Some(Err(error)) = joined {
        eprintln!("{error}");
    }
}

/// A cell that the main thread lends to the loop, with what it gives back.
///
/// Cells need not be `Send`: they hold the store of the variables, and whatever the user likes.
struct Lent<T>(T);

// SAFETY: `Handle::run` blocks its caller until the future and its output have left the loop, so that the
// two threads use what is lent one after the other, with a lock in between. What a cell shares with the loop and
// is not `Send` (an `Rc` in a task of `spawn_local`) is used by cells on the loop's thread as well:
// all of a cell's code runs there. UNPROVEN: evcxr moves variables in and out of their store on the main
// thread, and drops there what a `let` of the same name has replaced. A replaced `Rc` of which
// a local task has a clone is counted by two threads then. Only code between the user's lines can do
// that, and nothing here can see it; docs/console.md tells.
#[allow(unsafe_code)] // Nothing safe lends what is not `Send` to another thread.
unsafe impl<T> Send for Lent<T> {}

impl<F: Future> Future for Lent<Pin<Box<F>>> {
    type Output = Lent<F::Output>;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        self.0.as_mut().poll(context).map(Lent)
    }
}
