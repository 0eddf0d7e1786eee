//! Who has a loop, or a pool, that runs in the background, and how it ends.
//!
//! # The end
//! | who               | does                                                             |
//! |-------------------|------------------------------------------------------------------|
//! | anybody           | `Handle::stop`: a task that stands in the loop's queue            |
//! | the loop's thread | asks all, waits for their grace, drops the rest, notes the end    |
//! | the owner         | waits for that note, and then for the thread; or gives up in time |
//!
//! The owner waits on a condition and not on the thread alone, which cannot be joined for a
//! limited time. It never waits on the thread of a loop: not on its own, where that would be for
//! ever, nor on another one, which it would hold up.
//!
//! A pool is the same: the thread is that of its first worker, which joins the others.

use std::{
    io, mem,
    panic::{AssertUnwindSafe, Location, catch_unwind},
    sync::{
        Arc, Condvar, Mutex, MutexGuard, OnceLock, PoisonError,
        mpsc::{SyncSender, sync_channel},
    },
    thread::{self, JoinHandle},
    time::{Duration, Instant},
};

use arborio_base::Process;
use arborio_executor::{
    Handle, Look, Payload, PolledTask, RunError, StopError, Tasks, Tree, Watched, is_running,
};

use crate::report::Report;

/// How much longer than the grace an owner waits: the loop drops what is left meanwhile.
const MARGIN: Duration = Duration::from_millis(100);

/// How long an owner looks, after that, whether one task is in the same poll all the time.
const STEP: Duration = Duration::from_millis(20);

/// How many steps it waits for a loop that no poll holds up: two seconds, as a busy machine may be late.
const STEPS: usize = 100;

/// Who has a loop that runs.
pub(crate) trait Owner: Send + Sync {
    /// The loop, of a pool the first one, is about to begin.
    fn begins(&self, _tasks: &Tasks) {}
    /// A loop, of a pool each, is about to begin.
    fn may_watch(&self, _tasks: &Tasks) {}
    /// Where it was started, if the loop's own thread does not show that.
    fn place(&self) -> Option<&'static Location<'static>> {
        None
    }
    /// How long those who are left may clean up, if that is not what the options say.
    fn grace(&self) -> Option<Duration> {
        None
    }
    /// The observer is about to be told.
    fn is_told(&self, _report: &Report<'_>) {}
}

/// The caller of `run`, who waits for its return.
pub(crate) struct Caller;

impl Owner for Caller {}

/// The owner of what runs on a thread of its own. The drop stops it, and waits.
#[derive(Debug)]
pub(crate) struct Background {
    handle: Handle,
    end: Arc<LoopEnd>,
    /// `None` once it was joined, or is not to be.
    thread: Option<JoinHandle<()>>,
}

impl Background {
    /// Calls `drive` on a thread that is named `name`, and returns when it has begun. It was started at `place`.
    pub(crate) fn start(
        name: String,
        place: &'static Location<'static>,
        grace: Duration,
        drive: impl FnOnce(Arc<dyn Owner>) -> Result<(), RunError> + Send + 'static,
    ) -> io::Result<Self> {
        if name.contains('\0') {
            let why = "the name of a loop with a thread has no zero byte";
            return Err(io::Error::new(io::ErrorKind::InvalidInput, why));
        }
        let end = Arc::new(LoopEnd::new(grace));
        let (begun, handle) = sync_channel(1);
        let ending = Arc::clone(&end);
        let thread = thread::Builder::new()
            .name(name)
            .spawn(move || ending.run_to_it(place, begun, drive))?;
        let handle = handle
            .recv()
            .map_err(|_| io::Error::other("the loop's thread has ended at once"))??;
        Ok(Self {
            handle,
            end,
            thread: Some(thread),
        })
    }

    pub(crate) fn handle(&self) -> &Handle {
        &self.handle
    }

    /// Nobody owns it any more.
    pub(crate) fn detach(mut self) -> Handle {
        drop(self.thread.take());
        self.handle.clone()
    }

    /// Stops it, with another grace than that of its options, and waits for its end.
    pub(crate) fn stop_and_join(mut self, grace: Duration) -> Result<(), StopError> {
        self.check_process()?;
        self.end.facts().grace = Some(grace);
        self.stop_and_wait(grace)
    }

    /// In the child of a fork nothing of what the loop's thread uses may be touched: neither its
    /// locks, which it may have, nor its thread, which is not there.
    fn check_process(&mut self) -> Result<(), StopError> {
        if self.end.process.is_this() {
            return Ok(());
        }
        mem::forget(self.thread.take());
        Err(StopError::Forked)
    }

    fn stop_and_wait(&mut self, grace: Duration) -> Result<(), StopError> {
        let Some(thread) = self.thread.take() else {
            return Ok(());
        };
        if grace.is_zero() {
            self.handle.stop_now(); // also if it is stopping already, with another grace
        } else {
            self.handle.stop();
        }
        if is_running() {
            return Err(StopError::OnLoop);
        }
        if !self.end.wait(grace.saturating_add(MARGIN)) && !self.end.is_just_late() {
            return Err(StopError::Running(self.end.stuck()));
        }
        // All that is left of it are the destructors of its thread-locals.
        let _ = thread.join();
        self.end.verdict()
    }
}

impl Drop for Background {
    fn drop(&mut self) {
        if self.thread.is_none() || self.check_process().is_err() {
            return;
        }
        let grace = self.end.facts().options_grace;
        let _ = self.stop_and_wait(grace); // the observer was told
    }
}

/// What the thread of a loop and the owner of the loop tell each other about its end.
#[derive(Debug)]
struct LoopEnd {
    facts: Mutex<Facts>,
    /// `over` is set.
    came: Condvar,
    /// Where the loop's thread is.
    process: Process,
}

#[derive(Debug)]
struct Facts {
    /// The grace of the options.
    options_grace: Duration,
    /// What the owner gives instead.
    grace: Option<Duration>,
    /// The loops, for who wants to know what keeps them.
    watched: Vec<Watched>,
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
            watched: Vec::new(),
            over: false,
            forced: None,
            panic: None,
        };
        Self {
            facts: Mutex::new(facts),
            came: Condvar::new(),
            process: Process::watched(),
        }
    }

    fn facts(&self) -> MutexGuard<'_, Facts> {
        self.facts.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// What the loop's thread does, all its life.
    fn run_to_it(
        self: Arc<Self>,
        place: &'static Location<'static>,
        begun: SyncSender<io::Result<Handle>>,
        drive: impl FnOnce(Arc<dyn Owner>) -> Result<(), RunError>,
    ) {
        let owner = Arc::new(Absent {
            end: Arc::clone(&self),
            place,
            begun,
            kept: OnceLock::new(),
        });
        let driving = Arc::clone(&owner) as Arc<dyn Owner>;
        let driven = catch_unwind(AssertUnwindSafe(|| drive(driving)));
        // Any other error is that it was stopped: the handle that is kept keeps it from stalling.
        if let Ok(Err(RunError::System(error))) = driven {
            return owner.never_begins(error);
        }
        drop(owner);
        let raised = driven.err();
        let mut facts = self.facts();
        facts.panic = raised.map(Payload::new);
        facts.over = true;
        facts.watched.clear();
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

    /// Waits as long as no poll holds the loop up; true if it ends.
    fn is_just_late(&self) -> bool {
        let mut before = self.looks();
        for _ in 0..STEPS {
            if self.wait(STEP) {
                return true;
            }
            let now = self.looks();
            let mut both = now.iter().zip(&before);
            if both.any(|(now, before)| now.is_polling() && now == before) {
                return false;
            }
            before = now;
        }
        false
    }

    /// What each of its threads does now.
    fn looks(&self) -> Vec<Look> {
        self.facts().watched.iter().map(Watched::look).collect()
    }

    /// The tasks that are being polled now.
    fn stuck(&self) -> Vec<PolledTask> {
        let facts = self.facts();
        let polled = |watched: &Watched| watched.name(watched.look());
        facts.watched.iter().filter_map(polled).collect()
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
struct Absent {
    end: Arc<LoopEnd>,
    place: &'static Location<'static>,
    begun: SyncSender<io::Result<Handle>>,
    /// While there is a handle the loop waits for tasks, also on a simulated clock.
    kept: OnceLock<Handle>,
}

impl Absent {
    /// The system refuses something without which it does not start.
    fn never_begins(&self, error: io::Error) {
        let _ = self.begun.send(Err(error)); // its starter waits for it
    }
}

impl Owner for Absent {
    fn begins(&self, tasks: &Tasks) {
        let handle = self.kept.get_or_init(|| Handle::new(tasks.submitter()));
        let _ = self.begun.send(Ok(handle.clone())); // its starter waits for it
    }

    fn may_watch(&self, tasks: &Tasks) {
        self.end.facts().watched.push(tasks.watched());
    }

    fn place(&self) -> Option<&'static Location<'static>> {
        Some(self.place)
    }

    fn grace(&self) -> Option<Duration> {
        self.end.facts().grace
    }

    fn is_told(&self, report: &Report<'_>) {
        if let Report::Forced(tree) = report {
            let mut facts = self.end.facts();
            let forced = facts.forced.get_or_insert_default();
            forced.append(tree); // each worker of a pool has one
        }
    }
}
