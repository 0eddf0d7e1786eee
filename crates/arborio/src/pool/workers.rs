//! The workers of a pool: the first one on the thread that drives it, the others on threads of their own.

use std::{
    io, mem,
    sync::{Arc, OnceLock},
    thread::{self, JoinHandle},
    time::Duration,
};

use arborio_base::Process;
use arborio_executor::{
    Ending, Handle, LoopOptions, MAX_WORKERS, Notify, OnUnobservedPanic, RunError, Seat, Tasks,
    Team, drive_in_team, is_running,
};
use arborio_reactor::LoopReactor;
use arborio_task::AroundPolls;
use arborio_timers::{Clock, Timers, TimersHelper};

use super::PoolBuilder;
use crate::{
    ctrl_c::MaybeLookout,
    driver::{Driver, Lent, LoopNotifier, ReactorBell, WORKER_SLICE},
    hooks,
    owner::Owner,
    report::{Observing, Report},
    watches::{EndWatches, Observer, SlowPolls, write_to_stderr},
};

impl PoolBuilder {
    /// Drives the first worker on this thread, and the others on theirs, until they end. What a panic does that
    /// nobody observes is `on_panic`, if the options do not say.
    #[track_caller]
    pub(super) fn drive_here<F: Future>(
        self,
        owner: Arc<dyn Owner>,
        on_panic: OnUnobservedPanic,
        main: F,
    ) -> Result<F::Output, RunError> {
        if is_running() {
            return Err(RunError::Nested);
        }
        let count = self.workers.unwrap_or_else(cores);
        if !(1..=MAX_WORKERS).contains(&count) {
            let text = format!("a pool has 1 to {MAX_WORKERS} workers, not {count}");
            return Err(RunError::System(io::Error::new(
                io::ErrorKind::InvalidInput,
                text,
            )));
        }
        let lookout = MaybeLookout::begin(self.ctrl_c).map_err(RunError::System)?;
        let mut options = self.options;
        options.on_unobserved_panic = self.on_unobserved_panic.unwrap_or(on_panic);
        let shared = Arc::new(Shared {
            lookout,
            team: Arc::new(Team::new(count)),
            lent: (0..count).map(|_| OnceLock::new()).collect(),
            slow_poll: self.slow_poll,
            observer: self
                .observer
                .unwrap_or_else(|| write_to_stderr("pool", self.name.clone())),
            around: self.around,
            options,
            grace: self.grace,
            owner,
        });
        let mut helpers = Helpers::none(&shared.team);
        for number in 1..count {
            let shared = Arc::clone(&shared);
            let name = format!("{}-{number}", self.name.as_deref().unwrap_or("arborio"));
            let thread = thread::Builder::new().name(name);
            // The error drops the helpers: those that have started end.
            let thread = thread.spawn(move || shared.help(number));
            helpers.threads.push(thread.map_err(RunError::System)?);
        }
        let ended = shared.work(0, self.linger, main);
        helpers.asks = ended.is_err(); // otherwise each ends as it was told
        drop(helpers);
        match shared.team.take_panic() {
            Some(panic) => panic.resume(), // the first worker had ended
            None => ended,
        }
    }
}

/// How many processors this process may use, but no more than a pool may have workers. Reads some files, so it is asked only
/// if the options do not say.
fn cores() -> usize {
    let cores = thread::available_parallelism();
    cores.map_or(1, |cores| cores.get().min(MAX_WORKERS))
}

/// The threads of all workers but the first. If that one panics, these are told to end; they have ended when
/// this is dropped.
struct Helpers {
    team: Arc<Team>,
    threads: Vec<JoinHandle<()>>,
    /// Whether they are told to end whatever they were told before.
    asks: bool,
    /// Where they are.
    process: Process,
}

impl Helpers {
    fn none(team: &Arc<Team>) -> Self {
        Self {
            team: Arc::clone(team),
            threads: Vec::new(),
            asks: true,
            process: Process::watched(),
        }
    }
}

impl Drop for Helpers {
    fn drop(&mut self) {
        if self.asks {
            self.team.end(Ending::Asked);
        }
        for thread in self.threads.drain(..) {
            if self.process.is_this() {
                let _ = thread.join(); // `help` lets no panic out
            } else {
                mem::forget(thread); // there is no such thread in the child of a fork
            }
        }
    }
}

/// What the workers have in common.
struct Shared {
    team: Arc<Team>,
    /// For each worker that has started.
    lent: Arc<[OnceLock<Lent>]>,
    slow_poll: SlowPolls,
    observer: Observer,
    around: Option<Arc<dyn AroundPolls>>,
    options: LoopOptions,
    grace: Duration,
    lookout: MaybeLookout,
    owner: Arc<dyn Owner>,
}

impl Shared {
    /// A worker that is not the first.
    fn help(&self, number: usize) {
        let helped = arborio_base::contain(|| self.work(number, Duration::MAX, async {}));
        if !matches!(helped, Some(Ok(()))) {
            self.team.end(Ending::Asked); // a bug, but not a reason to wait for ever
        }
    }

    /// The timers of a worker, and what others help them with, if there are others.
    fn timers(&self, notifier: &Arc<LoopNotifier>) -> (Timers, Option<TimersHelper>) {
        let notify = Arc::clone(notifier).into();
        if self.team.len() == 1 {
            return (Timers::new(Clock::real(), notify), None);
        }
        let (timers, helper) = Timers::with_helper(Clock::real(), notify);
        (timers, Some(helper))
    }

    /// The worker's thread. `main` was spawned where the first worker's caller is.
    #[track_caller]
    fn work<F: Future>(
        &self,
        number: usize,
        linger: Duration,
        main: F,
    ) -> Result<F::Output, RunError> {
        let tell = |report: Report<'_>| {
            self.owner.is_told(&report);
            arborio_base::contain(|| (self.observer)(&report));
        };
        let tell_of_turns = |report: arborio_executor::Report<'_>| tell(report.into());
        let _observing = Observing::begin(&self.observer);
        hooks::install();
        let notifier = Arc::new(LoopNotifier::new());
        let mut tasks = Tasks::new(Arc::clone(&notifier) as Arc<dyn Notify>);
        if let Some(place) = self.owner.place() {
            tasks.set_main_place(place);
        }
        if let Some(around) = &self.around {
            tasks.stand_around(Arc::clone(around));
        }
        if self.team.len() > 1 {
            tasks.prepare_for_rescue();
        }
        // Before anybody else has a submitter: what is sent is counted (T4 of `team`).
        let bell = Arc::clone(&notifier) as Arc<dyn Notify>;
        let seat = Seat::take(Arc::clone(&self.team), number, tasks.submitter(), bell);
        self.lookout.add(|| Handle::new(tasks.submitter()));
        let _watched = self.slow_poll.watch(&tasks, true, &self.observer);
        let team = Arc::downgrade(&self.team);
        let workers = move || team.upgrade().map_or(Vec::new(), |team| team.inboxes());
        tasks.submitter().know_team(workers);
        let (timers, helper) = self.timers(&notifier);
        let opened = Arc::clone(&notifier);
        let reactor = LoopReactor::new(move |reactor| opened.move_to(ReactorBell::new(reactor)));
        if let Some(timers) = helper {
            let reactor = reactor.helper();
            let _ = self.lent[number].set(Lent { timers, reactor });
        }
        let watches = EndWatches {
            linger,
            grace: self.grace,
            forced: self.lookout.forced(),
            owner: &*self.owner,
            observer: &self.observer,
        };
        let mut driver = Driver::new(&timers, &reactor, notifier, &watches, &tell);
        driver.measure_slices(WORKER_SLICE);
        driver.stands_in_for(Arc::clone(&self.lent));
        let _timers = timers.enter();
        let _reactor = reactor.enter();
        self.owner.may_watch(&tasks);
        if number == 0 {
            self.owner.begins(&tasks);
        }
        drive_in_team(
            tasks,
            &mut driver,
            self.options,
            &tell_of_turns,
            &seat,
            main,
        )
    }
}
