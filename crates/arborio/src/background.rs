//! Loops in threads of their own, for programs that are not async all over.
//!
//! # The end of such a loop
//! | who               | does                                                             |
//! |-------------------|------------------------------------------------------------------|
//! | anybody           | `Handle::stop`: a task that stands in the loop's queue            |
//! | the loop's thread | asks all, waits for their grace, drops the rest, notes the end    |
//! | the owner         | waits for that note, and then for the thread; or gives up in time |
//!
//! The owner waits on a condition and not on the thread alone, which cannot be joined for a
//! limited time. It never waits on the thread of a loop: not on its own, where that would be for
//! ever, nor on another one, which it would hold up.

use std::{
    cell::OnceCell,
    error::Error,
    fmt,
    future::pending,
    io,
    panic::{AssertUnwindSafe, catch_unwind},
    sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError, mpsc::SyncSender, mpsc::sync_channel},
    thread::{self, JoinHandle},
    time::{Duration, Instant},
};

use arborio_executor::{
    Handle, OnUnobservedPanic, Payload, Report, Tasks, Tree, get_or_create_default, is_running,
};

use crate::event_loop::{Builder, Owner};

/// How much longer than the grace an owner waits: the loop drops what is left meanwhile.
const MARGIN: Duration = Duration::from_millis(100);

/// An event loop: one thread, strict order, tasks that need not be `Send`.
///
/// [`run`](crate::run()) and [`Builder::run`] drive one on the calling thread. A value of this type
/// owns one that was [started](Builder::start) on a thread of its own; everybody else has a
/// [`Handle`]. The loop waits for tasks until it is stopped. Dropping the owner stops it, and waits
/// for its end for at most the loop's [grace](Builder::grace) and a tenth of a second. On the
/// thread of a loop the drop does not wait, and the loop ends in the background.
///
/// # Examples
/// ```
/// use arborio::{EventLoop, time::sleep};
/// use std::time::Duration;
///
/// # fn main() -> std::io::Result<()> {
/// let event_loop = EventLoop::builder().name("kitchen").start()?;
/// let mut bread = event_loop.handle().spawn(async {
///     sleep(Duration::from_millis(2)).await;
///     "bread"
/// });
/// let butter = event_loop.handle().run(async { "butter" }).unwrap();
/// assert_eq!((bread.wait().unwrap(), butter), ("bread", "butter"));
/// # Ok(())
/// # }
/// ```
#[derive(Debug)]
#[must_use = "dropping the owner of a loop stops the loop; `detach` lets it run"]
pub struct EventLoop {
    handle: Handle,
    end: Arc<LoopEnd>,
    /// `None` once it was joined, or is not to be.
    thread: Option<JoinHandle<()>>,
}

impl EventLoop {
    /// The options of a loop, all at their defaults.
    ///
    /// # Examples
    /// ```
    /// assert_eq!(arborio::EventLoop::builder().run(async { 1 }), 1);
    /// ```
    pub fn builder() -> Builder {
        Builder::new()
    }

    /// The loop that runs on this thread, if one does.
    ///
    /// # Examples
    /// ```
    /// use arborio::EventLoop;
    /// assert!(EventLoop::current().is_none());
    /// assert!(arborio::run(async { EventLoop::current().is_some() }));
    /// ```
    pub fn current() -> Option<Handle> {
        Handle::current()
    }

    /// The loop that runs on this thread; otherwise the default loop of the process, which is
    /// started when it is first asked for, and again after it was stopped.
    ///
    /// Nobody owns the default loop: it goes on until it is stopped, and does not keep the process
    /// alive. Where no loop runs, [`spawn`](crate::spawn) uses it once it is there.
    ///
    /// # Errors
    /// The system refuses a thread.
    ///
    /// # Examples
    /// ```
    /// use arborio::EventLoop;
    /// let first = EventLoop::get_or_create()?;
    /// assert_eq!(first, EventLoop::get_or_create()?);
    /// assert_eq!(first.run(async { 3 }).unwrap(), 3);
    ///
    /// first.stop();
    /// assert_ne!(first, EventLoop::get_or_create()?);
    /// # std::io::Result::Ok(())
    /// ```
    pub fn get_or_create() -> io::Result<Handle> {
        get_or_create_default(|| Ok(Self::builder().start()?.detach()))
    }

    /// How others use the loop.
    ///
    /// # Examples
    /// ```
    /// let event_loop = arborio::EventLoop::builder().start()?;
    /// let handle = event_loop.handle().clone();
    /// let sent = std::thread::spawn(move || handle.spawn(async { 4 })).join().unwrap();
    /// assert_eq!({ sent }.wait().unwrap(), 4);
    /// # std::io::Result::Ok(())
    /// ```
    pub fn handle(&self) -> &Handle {
        &self.handle
    }

    /// Lets the loop run until somebody [stops](Handle::stop) it, or the process ends.
    ///
    /// # Examples
    /// ```
    /// let handle = arborio::EventLoop::builder().start()?.detach();
    /// assert_eq!(handle.run(async { 1 }).unwrap(), 1);
    /// # std::io::Result::Ok(())
    /// ```
    pub fn detach(mut self) -> Handle {
        drop(self.thread.take());
        self.handle.clone()
    }

    /// [Stops](Handle::stop) the loop and blocks this thread until the loop's has ended, at most
    /// for `grace` and a tenth of a second. `grace`, on the loop's clock, is what the tasks have to
    /// clean up, instead of what the [options](Builder::grace) said.
    ///
    /// # Errors
    /// [`StopError::OnLoop`] if an Arborio loop runs on this thread: nobody waits then.
    /// [`StopError::Forced`] if tasks were dropped that had not ended in time;
    /// [`StopError::Panicked`] if a panic had ended the loop before; [`StopError::Running`] if the
    /// loop has not ended: a task does not return from its poll, or from a destructor.
    ///
    /// # Examples
    /// ```
    /// use arborio::{EventLoop, StopError, cancel::shield, task};
    /// use std::{future::pending, time::Duration};
    /// let event_loop = EventLoop::builder().start()?;
    /// let stubborn = task().name("mule").spawn_on(event_loop.handle(), shield(pending::<()>()));
    /// event_loop.handle().run(async {}).unwrap(); // by now it has begun
    ///
    /// let Err(StopError::Forced(tree)) = event_loop.stop_and_join(Duration::from_millis(5)) else {
    ///     panic!("it cannot be asked");
    /// };
    /// assert!(tree.to_string().contains("mule"));
    /// # drop(stubborn);
    /// # std::io::Result::Ok(())
    /// ```
    pub fn stop_and_join(mut self, grace: Duration) -> Result<(), StopError> {
        self.end.facts().grace = Some(grace);
        self.stop_and_wait(grace)
    }

    fn stop_and_wait(&mut self, grace: Duration) -> Result<(), StopError> {
        let Some(thread) = self.thread.take() else {
            return Ok(());
        };
        self.handle.stop();
        if is_running() {
            return Err(StopError::OnLoop);
        }
        if !self.end.wait(grace.saturating_add(MARGIN)) {
            return Err(StopError::Running);
        }
        // All that is left of it are the destructors of its thread-locals.
        let _ = thread.join();
        self.end.verdict()
    }
}

impl Drop for EventLoop {
    fn drop(&mut self) {
        let grace = self.end.facts().options_grace;
        let _ = self.stop_and_wait(grace); // the observer was told
    }
}

impl Builder {
    /// Starts the loop on a thread of its own, and returns when that is up.
    ///
    /// The loop does not end when it has nothing to do, but when it is stopped. By default the
    /// observer is told of a panic that nobody observes, and the other tasks go on.
    ///
    /// # Errors
    /// The system refuses a thread, or the name has a zero byte in it.
    ///
    /// # Examples
    /// ```
    /// let event_loop = arborio::EventLoop::builder().name("courier").start()?;
    /// let name = event_loop.handle().run(async {
    ///     std::thread::current().name().map(str::to_owned)
    /// });
    /// assert_eq!(name.unwrap().unwrap(), "courier");
    /// # std::io::Result::Ok(())
    /// ```
    pub fn start(self) -> io::Result<EventLoop> {
        let name = self.name.clone().unwrap_or_else(|| "arborio".into());
        if name.contains('\0') {
            let why = "the name of a loop with a thread has no zero byte";
            return Err(io::Error::new(io::ErrorKind::InvalidInput, why));
        }
        let end = Arc::new(LoopEnd::new(self.grace));
        let (begun, handle) = sync_channel(1);
        let ending = Arc::clone(&end);
        let thread = thread::Builder::new()
            .name(name)
            .spawn(move || ending.run_to_it(self, begun))?;
        let handle = handle
            .recv()
            .map_err(|_| io::Error::other("the loop's thread has ended at once"))?;
        Ok(EventLoop {
            handle,
            end,
            thread: Some(thread),
        })
    }
}

/// What the thread of a loop and the owner of the loop tell each other about its end.
#[derive(Debug)]
struct LoopEnd {
    facts: Mutex<Facts>,
    /// `over` is set.
    came: Condvar,
}

#[derive(Debug)]
struct Facts {
    /// The grace of the options.
    options_grace: Duration,
    /// What the owner gives instead.
    grace: Option<Duration>,
    /// Every future of the loop is gone.
    over: bool,
    /// The tree as it was when tasks were dropped that had not ended in time.
    forced: Option<Tree>,
    /// What ended the loop.
    panic: Option<Payload>,
}

impl LoopEnd {
    fn new(options_grace: Duration) -> Self {
        let facts = Facts {
            options_grace,
            grace: None,
            over: false,
            forced: None,
            panic: None,
        };
        Self {
            facts: Mutex::new(facts),
            came: Condvar::new(),
        }
    }

    fn facts(&self) -> MutexGuard<'_, Facts> {
        self.facts.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// What the loop's thread does, all its life.
    fn run_to_it(&self, builder: Builder, begun: SyncSender<Handle>) {
        let owner = Absent {
            end: self,
            begun,
            kept: OnceCell::new(),
        };
        let drives = || builder.drive_here(&owner, OnUnobservedPanic::Report, pending::<()>());
        // An error is that it was stopped: the handle that is kept keeps it from stalling.
        let raised = catch_unwind(AssertUnwindSafe(drives)).err();
        drop(owner);
        let mut facts = self.facts();
        facts.panic = raised.map(Payload::new);
        facts.over = true;
        drop(facts);
        self.came.notify_all();
    }

    /// Waits for the end; false if the time was up first.
    fn wait(&self, limit: Duration) -> bool {
        let deadline = Instant::now().checked_add(limit);
        let mut facts = self.facts();
        while !facts.over {
            // A limit beyond the end of time is none.
            let left = match deadline.map(|at| at.saturating_duration_since(Instant::now())) {
                Some(Duration::ZERO) => return false,
                Some(left) => left,
                None => Duration::MAX,
            };
            let woken = self.came.wait_timeout(facts, left);
            facts = woken.unwrap_or_else(PoisonError::into_inner).0;
        }
        true
    }

    /// How it went.
    fn verdict(&self) -> Result<(), StopError> {
        let mut facts = self.facts();
        match (facts.panic.take(), facts.forced.take()) {
            (Some(payload), _) => Err(StopError::Panicked(payload)),
            (None, Some(tree)) => Err(StopError::Forced(tree)),
            (None, None) => Ok(()),
        }
    }
}

/// The owner of a loop as the loop's thread knows it.
struct Absent<'a> {
    end: &'a LoopEnd,
    begun: SyncSender<Handle>,
    /// While there is a handle the loop waits for tasks, also on a simulated clock.
    kept: OnceCell<Handle>,
}

impl Owner for Absent<'_> {
    fn begins(&self, tasks: &Tasks) {
        let handle = self.kept.get_or_init(|| Handle::new(tasks.submitter()));
        let _ = self.begun.send(handle.clone()); // its starter waits for it
    }

    fn grace(&self) -> Option<Duration> {
        self.end.facts().grace
    }

    fn is_told(&self, report: &Report<'_>) {
        if let Report::Forced(tree) = report {
            self.end.facts().forced = Some((*tree).clone());
        }
    }
}

/// Why a loop has not ended as it should.
///
/// # Examples
/// ```
/// use arborio::StopError;
/// assert_eq!(
///     StopError::OnLoop.to_string(),
///     "the loop was stopped, but nobody waits for its end on the thread of a loop",
/// );
/// ```
#[derive(Clone, Debug)]
#[non_exhaustive]
pub enum StopError {
    /// An Arborio loop runs on this thread: to wait could be a deadlock. The loop was stopped, and
    /// ends in the background.
    OnLoop,
    /// The loop has ended, and these tasks were dropped before they had: their grace was over.
    Forced(Tree),
    /// A panic that nobody observed had ended the loop
    /// ([`OnUnobservedPanic::Propagate`](crate::OnUnobservedPanic::Propagate)).
    Panicked(Payload),
    /// The time is up and the loop has not ended: a task does not return from its poll, or from a
    /// destructor. Nothing can force it. The loop ends in the background when it returns.
    Running,
}

impl fmt::Display for StopError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::OnLoop => f.write_str(
                "the loop was stopped, but nobody waits for its end on the thread of a loop",
            ),
            Self::Forced(tree) => {
                write!(
                    f,
                    "tasks of the loop were dropped when their grace was over\n{tree}"
                )
            }
            Self::Panicked(payload) => {
                write!(f, "a panic had ended the loop: {}", payload.message())
            }
            Self::Running => f.write_str("the loop has not ended: a task does not return"),
        }
    }
}

impl Error for StopError {}
