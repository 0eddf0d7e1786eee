//! The one file where tasks, timers and I/O meet.
//!
//! The executor asks its [`Park`] for a pass; the [`Driver`] answers with the
//! timers and the reactor of the loop. Nothing is set up before it is needed: a
//! loop without I/O and timers makes no system call but to park its thread.
//!
//! A sleeping loop is woken by its [`Doorbell`]: while the reactor is not open the
//! loop parks its thread, afterwards it waits in the reactor.

use std::{
    io,
    sync::{Arc, OnceLock},
    thread,
    time::Duration,
};

use arborio_base::{Process, WakeBatch};
use arborio_executor::{Doorbell, Handle, Park, Passed, Random, Ring, Task, Wait};
use arborio_reactor::{LoopReactor, Notifier, ReactorHelper};
use arborio_timers::{Instant, Timers, TimersHelper};

use crate::report::{HeldClock, Report};

/// Polling may go on for this long before I/O gets a look in, if at least 64
/// polls were made.
pub(crate) const SLICE: Duration = Duration::from_millis(1);
/// For so long with a worker of a pool, of which no order is expected. A look takes less than a microsecond.
pub(crate) const WORKER_SLICE: Duration = Duration::from_micros(250);
/// How long the loop sleeps at most while the system refuses to tell of I/O.
const RETRY: Duration = Duration::from_millis(10);

/// Wakes the loop, wherever it sleeps.
pub(crate) type LoopNotifier = Doorbell<ReactorBell>;

/// Ends the wait of an open reactor.
pub(crate) struct ReactorBell {
    notifier: Arc<Notifier>,
    /// Where the loop sleeps.
    process: Process,
}

impl ReactorBell {
    pub(crate) fn new(notifier: &Arc<Notifier>) -> Self {
        Self {
            notifier: Arc::clone(notifier),
            process: Process::watched(),
        }
    }
}

impl Ring for ReactorBell {
    fn ring(&self) {
        // The child of a fork has a copy of the loop, but the notifier is that of its parent.
        if self.process.is_this() {
            // An error means that the loop is gone, or that the counter is full and
            // the loop is woken anyway.
            let _ = self.notifier.wake();
        }
    }
}

/// What is to be done when a loop comes to its end.
pub(crate) trait Watches {
    /// `main` has ended and others have not.
    fn main_ended(&self);
    /// Those who are left were asked to end: how long they have.
    fn start_grace(&self) -> Option<Task<()>>;
}

/// What other workers look at while a task holds up this one.
pub(crate) struct Lent {
    pub(crate) timers: TimersHelper,
    pub(crate) reactor: ReactorHelper,
}

/// Timers and I/O of one loop.
pub(crate) struct Driver<'a> {
    timers: &'a Timers,
    reactor: &'a LoopReactor,
    notifier: Arc<LoopNotifier>,
    /// Used again by every pass.
    batch: WakeBatch,
    /// When the last pass ended; `None` if slices are not measured.
    slice: Option<std::time::Instant>,
    /// How long a slice is.
    length: Duration,
    /// Whether open sockets keep a virtual clock from jumping.
    io_holds_clock: bool,
    /// How long they may do so, in real time, before the observer is told; `None` for ever, or if it was told.
    patience: Option<Duration>,
    /// Permutes the I/O of one pass; `None` keeps the order of the events.
    random: Option<Random>,
    /// The system refused a wait, and the observer was told.
    refused: bool,
    /// Where the loop began.
    process: Process,
    /// Those of all workers of a pool that have started.
    lent: Arc<[OnceLock<Lent>]>,
    /// Whose I/O ends the next sleep, too.
    attended: Vec<usize>,
    watches: &'a dyn Watches,
    tell: &'a dyn Fn(Report<'_>),
}

impl<'a> Driver<'a> {
    pub(crate) fn new(
        timers: &'a Timers,
        reactor: &'a LoopReactor,
        notifier: Arc<LoopNotifier>,
        watches: &'a dyn Watches,
        tell: &'a dyn Fn(Report<'_>),
    ) -> Self {
        Self {
            timers,
            reactor,
            notifier,
            batch: WakeBatch::new(),
            slice: None,
            length: SLICE,
            io_holds_clock: true,
            patience: None,
            random: None,
            refused: false,
            process: Process::watched(),
            lent: Arc::default(),
            attended: Vec::new(),
            watches,
            tell,
        }
    }

    /// Slices are cut after such a time, and not only by polls.
    pub(crate) fn measure_slices(&mut self, length: Duration) {
        self.slice = Some(std::time::Instant::now());
        self.length = length;
    }

    /// This is a worker, and `lent` those of all, by their numbers.
    pub(crate) fn stands_in_for(&mut self, lent: Arc<[OnceLock<Lent>]>) {
        self.lent = lent;
    }

    /// Permutes what has no order within one batch of I/O events.
    pub(crate) fn permute_io(&mut self, seed: Option<u64>) {
        self.random = seed.map(Random::new);
    }

    /// Whether registered descriptors keep a virtual clock from jumping.
    pub(crate) fn hold_clock_for_io(&mut self, hold: bool) {
        self.io_holds_clock = hold;
    }

    /// How long they may do so before the observer is told.
    pub(crate) fn tell_of_held_clock(&mut self, patience: Option<Duration>) {
        self.patience = patience;
    }

    /// Waits for I/O, or for another thread, or for `timeout` to pass.
    fn sleep(&mut self, timeout: Option<Duration>) {
        let timeout = match self.open_for(timeout) {
            Ok(timeout) => timeout,
            // Not tried again by a wait: it would open after the last look at the calls.
            Err(error) => return self.sleep_without_reactor(&error, timeout),
        };
        if timeout.is_some() || self.reactor.is_open() {
            match self.reactor.wait(timeout) {
                Ok(()) => self.refused = false,
                Err(error) => self.sleep_without_reactor(&error, timeout),
            }
        } else if !self.notifier.take_call() {
            thread::park();
        }
    }

    /// Opens the reactor if this sleep is the first that needs it. Whoever
    /// called until then has not seen the reactor, so a call turns the sleep
    /// into a look.
    fn open_for(&self, timeout: Option<Duration>) -> io::Result<Option<Duration>> {
        let sleeps = timeout.is_some_and(|timeout| !timeout.is_zero());
        if sleeps && !self.reactor.is_open() {
            self.reactor.open()?;
            if self.notifier.take_call() {
                return Ok(Some(Duration::ZERO));
            }
        }
        Ok(timeout)
    }

    /// The reactor could not open, or could not wait.
    #[cold]
    fn sleep_without_reactor(&mut self, error: &io::Error, timeout: Option<Duration>) {
        if !self.refused && self.reactor.is_open() {
            (self.tell)(Report::Io(error));
        }
        self.refused = true;
        let longest = if self.reactor.is_open() {
            RETRY
        } else {
            Duration::MAX
        };
        let timeout = timeout.unwrap_or(longest).min(longest);
        if !timeout.is_zero() && !self.notifier.take_call() {
            thread::park_timeout(timeout);
        }
    }

    /// Wakes whom timers and I/O have made ready, timers first.
    fn wake_ready(&mut self) -> usize {
        self.timers.fire(&mut self.batch);
        let Some(random) = &mut self.random else {
            self.reactor.dispatch(&mut self.batch);
            return self.batch.wake_all();
        };
        let by_timers = self.batch.wake_all();
        self.reactor.dispatch(&mut self.batch);
        self.batch.permute(&mut |bound| random.below(bound));
        by_timers + self.batch.wake_all()
    }

    /// How long the loop may sleep.
    fn timeout(&self, wait: Wait) -> Option<Duration> {
        if wait == Wait::Never || self.notifier.take_call() {
            return Some(Duration::ZERO);
        }
        let deadline = self.timers.next_wake()?;
        Some(deadline.saturating_duration_since(self.timers.now()))
    }

    /// A pass on the real clock.
    fn pass_real(&mut self, wait: Wait, limit: Option<Duration>) -> Passed {
        let timeout = match (self.timeout(wait), limit) {
            (Some(timeout), Some(limit)) => Some(timeout.min(limit)),
            (timeout, limit) => timeout.or(limit),
        };
        self.sleep(timeout);
        self.notifier.take_call(); // everything is looked at from here on
        self.wake_ready();
        Passed::Looked
    }

    /// Sleeps where nothing has needed the reactor yet, and this does not, either.
    fn park_within(&mut self, limit: Duration) -> Passed {
        if !self.notifier.take_call() {
            thread::park_timeout(limit);
        }
        self.notifier.take_call(); // everything is looked at from here on
        Passed::Looked
    }

    /// The sleep that follows ends, too, when there is news for those who are attended.
    fn look_out(&mut self) -> Vec<usize> {
        let mut attended = std::mem::take(&mut self.attended);
        attended.retain(|&worker| {
            let lent = self.lent.get(worker).and_then(OnceLock::get);
            lent.is_some_and(|lent| self.reactor.attend(&lent.reactor))
        });
        attended
    }

    /// That sleep is over.
    fn look_away(&mut self, mut attended: Vec<usize>) {
        for worker in attended.drain(..) {
            if let Some(lent) = self.lent.get(worker).and_then(OnceLock::get) {
                self.reactor.leave(&lent.reactor);
            }
        }
        self.attended = attended; // its memory is used again
    }

    fn begin_slice(&mut self) {
        if let Some(slice) = &mut self.slice {
            *slice = std::time::Instant::now();
        }
    }

    /// A pass on a virtual clock: time moves only when nothing else can.
    fn pass_virtual(&mut self, wait: Wait) -> Passed {
        self.sleep(Some(Duration::ZERO));
        let woken = self.wake_ready();
        if woken > 0 || wait == Wait::Never || self.notifier.take_call() {
            return Passed::Looked;
        }
        let io_is_open = self.io_holds_clock && self.reactor.interest_count() > 0;
        if self.timers.clock().is_held() {
            return self.sleep_virtual();
        }
        match self.timers.next_deadline() {
            Some(deadline) if io_is_open => self.sleep_held(deadline),
            Some(deadline) => self.jump_to(deadline),
            None if wait == Wait::Alone && self.is_forsaken() => Passed::Stalled,
            None => self.sleep_virtual(),
        }
    }

    /// A task has forked, and this is the child: the epoll and the other threads are its parent's, and so
    /// is the work of the tasks. The copy of the loop ends.
    fn stops_in_child(&self) -> bool {
        !self.process.is_this() && self.stop_in_child()
    }

    /// True if that is done now, so that something is ready.
    #[cold]
    fn stop_in_child(&self) -> bool {
        let Some(handle) = Handle::current().filter(|handle| !handle.is_stopping()) else {
            return false;
        };
        if let Err(error) = self.process.check() {
            (self.tell)(Report::Io(&error));
        }
        handle.stop();
        true
    }

    /// Whether neither I/O (which may be told not to hold the clock) nor a loop
    /// on the same clock could wake a task.
    fn is_forsaken(&self) -> bool {
        self.reactor.interest_count() == 0 && self.timers.is_alone()
    }

    /// Waits in real time, while virtual time stands still.
    fn sleep_virtual(&mut self) -> Passed {
        self.sleep(None);
        self.notifier.take_call(); // everything is looked at from here on
        self.wake_ready();
        Passed::Looked
    }

    /// The same because of descriptors, while the timer of `next` is armed. Who does not know that they hold the clock
    /// waits for ever: so the observer is told, once.
    fn sleep_held(&mut self, next: Instant) -> Passed {
        let Some(patience) = self.patience else {
            return self.sleep_virtual();
        };
        let began = std::time::Instant::now();
        self.sleep(Some(patience));
        let called = self.notifier.take_call(); // everything is looked at from here on
        let waited = began.elapsed();
        if self.wake_ready() == 0 && !called && waited >= patience {
            self.patience = None;
            let held = HeldClock {
                descriptors: self.reactor.interest_count(),
                next: next.saturating_duration_since(self.timers.now()),
                waited,
            };
            (self.tell)(Report::HeldClock(&held));
        }
        Passed::Looked
    }

    fn jump_to(&mut self, deadline: Instant) -> Passed {
        self.timers.jump_to(deadline);
        self.wake_ready();
        Passed::Looked
    }
}

impl Park for Driver<'_> {
    fn pass(&mut self, wait: Wait) -> Passed {
        if self.stops_in_child() {
            return Passed::Looked;
        }
        let passed = if self.timers.clock().is_simulated() {
            self.pass_virtual(wait)
        } else {
            self.pass_real(wait, None)
        };
        self.begin_slice();
        passed
    }

    fn pass_within(&mut self, limit: Duration) -> Passed {
        if self.stops_in_child() {
            return Passed::Looked;
        }
        let attended = self.look_out();
        let opens = self.reactor.is_open() || self.timers.next_wake().is_some();
        let passed = if opens {
            self.pass_real(Wait::Allowed, Some(limit))
        } else {
            self.park_within(limit)
        };
        self.look_away(attended);
        self.begin_slice();
        passed
    }

    fn stand_in(&mut self, worker: usize) {
        if let Some(lent) = self.lent.get(worker).and_then(OnceLock::get) {
            lent.timers.fire(&mut self.batch);
            lent.reactor.look(&mut self.batch);
            self.batch.wake_all();
        }
    }

    fn attend(&mut self, worker: usize) {
        self.attended.push(worker);
    }

    fn counts(&self) -> (usize, usize) {
        (self.timers.armed(), self.reactor.descriptors())
    }

    fn main_ended(&mut self) {
        self.watches.main_ended();
    }

    fn start_grace(&mut self) -> Option<Task<()>> {
        self.watches.start_grace()
    }

    fn slice_is_over(&mut self) -> bool {
        self.slice
            .is_some_and(|start| start.elapsed() >= self.length)
    }
}

#[cfg(test)]
mod tests;
