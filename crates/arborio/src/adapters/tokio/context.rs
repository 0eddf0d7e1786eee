//! [`Context`]: a tokio runtime whose drivers run on a thread of their own.

use std::{fmt, io, sync::Arc, thread};

use ::tokio::{
    runtime::{Builder, EnterGuard, Handle, Runtime},
    sync::Notify,
};

use super::Inside;

/// A tokio runtime, for the futures that need one. See [the module](crate::tokio).
///
/// Clones are handles to the same one. What is spawned with `tokio::spawn` runs on its thread, and ends with the
/// last clone: it is dropped at its next suspension. So are its sockets and timers.
///
/// # Examples
/// ```
/// use arborio::tokio::Context;
/// let tokio = Context::new()?;
/// let answer = arborio::run(tokio.wrap(async {
///     // A task of tokio's, on the thread of the context.
///     tokio::spawn(async { 6 * 7 }).await.unwrap()
/// }));
/// assert_eq!(answer, 42);
/// # std::io::Result::Ok(())
/// ```
#[derive(Clone)]
pub struct Context {
    shared: Arc<Shared>,
}

/// Ends the thread when the last one lets go.
struct Shared {
    handle: Handle,
    end: Arc<Notify>,
}

impl Drop for Shared {
    fn drop(&mut self) {
        self.end.notify_one();
    }
}

impl Context {
    /// Starts a runtime with tokio's I/O and timers, on a thread `tokio-context`.
    ///
    /// # Errors
    /// The system refuses the thread, or what tokio's reactor needs.
    ///
    /// # Examples
    /// See [`Context`].
    pub fn new() -> io::Result<Self> {
        let runtime = Builder::new_current_thread().enable_all().build()?;
        let handle = runtime.handle().clone();
        let end = Arc::new(Notify::new());
        let asked = Arc::clone(&end);
        let thread = thread::Builder::new().name("tokio-context".into());
        thread.spawn(move || serve(runtime, &asked))?;
        let shared = Arc::new(Shared { handle, end });
        Ok(Self { shared })
    }

    /// `future` with this runtime in sight, at each of its polls and when it is dropped. What it spawns
    /// with [`spawn`](crate::spawn) has to be wrapped anew.
    ///
    /// That costs a change of a thread-local at each poll.
    ///
    /// # Cancel safety
    /// Dropping it drops `future`.
    ///
    /// # Examples
    /// See [the module](crate::tokio).
    pub fn wrap<F: Future>(&self, future: F) -> Inside<F> {
        Inside::new(self.clone(), future)
    }

    /// Puts the runtime in sight of everything on this thread until the guard is dropped: in the main future of a
    /// loop that is all its tasks, and costs their polls nothing. Guards are dropped in the reverse order.
    ///
    /// # Panics
    /// If the thread's locals are gone.
    ///
    /// # Examples
    /// ```
    /// use arborio::{spawn, tokio::Context};
    /// use std::time::Duration;
    /// let tokio = Context::new()?;
    /// let entered = tokio.enter();
    /// let slept = arborio::run(async {
    ///     spawn(async { tokio::time::sleep(Duration::from_millis(1)).await }).await.is_ok()
    /// });
    /// drop(entered);
    /// assert!(slept && tokio::runtime::Handle::try_current().is_err());
    /// # std::io::Result::Ok(())
    /// ```
    pub fn enter(&self) -> Entered<'_> {
        Entered {
            _guard: self.shared.handle.enter(),
        }
    }

    /// tokio's handle of the runtime.
    ///
    /// # Examples
    /// ```
    /// let tokio = arborio::tokio::Context::new()?;
    /// let (tell, told) = std::sync::mpsc::channel();
    /// tokio.handle().spawn(async move { tell.send(5).unwrap() });
    /// assert_eq!(told.recv(), Ok(5));
    /// # std::io::Result::Ok(())
    /// ```
    pub fn handle(&self) -> &Handle {
        &self.shared.handle
    }
}

/// The life of the thread.
fn serve(runtime: Runtime, asked: &Notify) {
    runtime.block_on(asked.notified());
    // A job that blocks (a name that is being looked up) is not waited for.
    runtime.shutdown_background();
}

impl fmt::Debug for Context {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Context").finish_non_exhaustive()
    }
}

/// The runtime is in sight as long as this lives; see [`Context::enter`].
#[must_use = "the runtime is in sight as long as this lives"]
pub struct Entered<'a> {
    _guard: EnterGuard<'a>,
}

impl fmt::Debug for Entered<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Entered").finish_non_exhaustive()
    }
}
