//! Running tasks on several threads: [`Pool`].
//!
//! Each worker is an event loop with its own timers and I/O. What they share is a [`Team`]: ready tasks move from one who
//! has several to one who has none.

use std::{
    fmt,
    future::pending,
    io, mem,
    ops::Deref,
    sync::{Arc, OnceLock},
    thread::{self, JoinHandle},
    time::Duration,
};

use arborio_base::Process;
use arborio_executor::{
    Drain, Ending, Handle, Interrupt, LoopOptions, MAX_WORKERS, Notify, OnUnobservedPanic, Report,
    RunError, Seat, StopError, Tasks, Team, drive_in_team, is_running,
};
use arborio_reactor::LoopReactor;
use arborio_scope::{Scope, scope};
use arborio_task::AroundPolls;
use arborio_timers::{Clock, Timers, TimersHelper};

use crate::{
    ctrl_c::{CtrlC, MaybeLookout},
    driver::{Driver, Lent, LoopNotifier, ReactorBell},
    event_loop::{EndWatches, GRACE, LINGER, Observer, SlowPolls, write_to_stderr},
    hooks,
    options::Leftover,
    owner::{Background, Caller, Owner},
};

/// Workers that share their tasks: an event loop on each of several threads.
///
/// Tasks that are spawned with [`spawn`](crate::spawn), in a [`Scope`] or a
/// [`TaskGroup`](crate::TaskGroup), or [gathered](crate::gather()), may run on any worker, and
/// move between their polls to one that has nothing to do. Those of [`spawn_local`](crate::spawn_local) and its like
/// stay on the worker where they were spawned.
///
/// [`run`](Self::run) and [`PoolBuilder::run`] drive one on the calling thread, which is its first worker. A value of this
/// type owns one that was [started](PoolBuilder::start) in the background, and is a [`Handle`] as everybody else has one:
/// `Pool::run(main)` is a new pool, on this thread; `pool.run(future)` is a task of one that runs.
/// Such a pool waits for tasks until it is stopped. Dropping the owner stops it, and waits for its end for at most
/// the pool's [grace](PoolBuilder::grace) and a tenth of a second. On the thread of a loop the drop does not
/// wait, and the pool ends in the background.
///
/// # Examples
/// ```
/// use arborio::{Pool, spawn};
/// let sum = Pool::run(async {
///     let tasks: Vec<_> = (0..10_u32).map(|n| spawn(async move { n * n })).collect();
///     let mut sum = 0;
///     for task in tasks {
///         sum += task.await.unwrap();
///     }
///     sum
/// });
/// assert_eq!(sum, 285);
/// ```
/// Synchronous code that lends a pool what is on its stack:
/// ```
/// use arborio::Pool;
/// let numbers: Vec<u64> = (1..=1000).collect();
/// let pool = Pool::builder().workers(2).start()?;
/// let sums = pool.scope(|s| {
///     let parts: Vec<_> = numbers.chunks(250).map(|part| s.spawn(async { part.iter().sum::<u64>() })).collect();
///     parts.into_iter().map(|mut part| part.wait().unwrap()).collect::<Vec<_>>()
/// });
/// assert_eq!(sums.unwrap().iter().sum::<u64>(), 500_500);
/// # std::io::Result::Ok(())
/// ```
#[derive(Debug)]
#[must_use = "dropping the owner of a pool stops the pool; `detach` lets it run"]
#[doc(alias("Runtime", "ThreadPool", "worker_threads"))]
pub struct Pool {
    background: Background,
}

impl Pool {
    /// The options of a pool, all at their defaults. On a machine with more than [`MAX_WORKERS`] cores it has as many
    /// workers as that.
    ///
    /// # Examples
    /// ```
    /// assert_eq!(arborio::Pool::builder().workers(2).run(async { 1 }), 1);
    /// ```
    pub fn builder() -> PoolBuilder {
        PoolBuilder {
            name: None,
            workers: None,
            options: LoopOptions::default(),
            on_unobserved_panic: None,
            linger: LINGER,
            grace: GRACE,
            ctrl_c: CtrlC::Leave,
            slow_poll: SlowPolls::default(),
            observer: None,
            around: None,
        }
    }

    /// Runs `main` on a new pool with a worker for each core, and returns its output.
    ///
    /// This thread is the first worker, and `main` stays on it; it may borrow, and need not be `Send`. Returns when `main` and every awaited
    /// task of every worker have ended, as [`run`](crate::run) does.
    ///
    /// # Panics
    /// As [`run`](crate::run), also if a task on another worker panics; and if the system refuses the threads:
    /// [`PoolBuilder::try_run`] tells instead.
    ///
    /// # Examples
    /// See [`Pool`].
    #[track_caller]
    #[doc(alias = "block_on")]
    pub fn run<F: Future>(main: F) -> F::Output {
        Self::builder().run(main)
    }

    /// As [`run_scope`](crate::run_scope), on a new pool with a worker for each core: the tasks of the scope run on all
    /// of them.
    ///
    /// # Errors
    /// The first error of the body or of a task.
    ///
    /// # Panics
    /// As [`run`](Self::run).
    ///
    /// # Examples
    /// ```
    /// use arborio::{Pool, Scope};
    /// let sum = Pool::run_scope(async |s: &Scope<std::io::Error>| {
    ///     let parts = [1, 2, 3].map(|n| s.spawn(async move { Ok(n * n) }));
    ///     let mut sum = 0;
    ///     for part in parts {
    ///         sum += part.await?;
    ///     }
    ///     Ok(sum)
    /// });
    /// assert_eq!(sum.unwrap(), 14);
    /// ```
    #[track_caller]
    pub fn run_scope<R, E, B>(body: B) -> Result<R, E>
    where
        B: AsyncFnOnce(&Scope<E>) -> Result<R, E>,
        E: From<Interrupt> + Send + 'static,
    {
        Self::builder().run_scope(body)
    }

    /// How others use the pool. What they [spawn](Handle::spawn) comes to the first worker, and moves from
    /// there to others.
    ///
    /// # Examples
    /// ```
    /// let pool = arborio::Pool::builder().workers(2).start()?;
    /// let handle = pool.handle().clone();
    /// let sent = std::thread::spawn(move || handle.spawn(async { 4 })).join().unwrap();
    /// assert_eq!({ sent }.wait().unwrap(), 4);
    /// # std::io::Result::Ok(())
    /// ```
    pub fn handle(&self) -> &Handle {
        self.background.handle()
    }

    /// Lets the pool run until somebody [stops](Handle::stop) it, or the process ends.
    ///
    /// # Examples
    /// ```
    /// let handle = arborio::Pool::builder().workers(2).start()?.detach();
    /// assert_eq!(handle.run(async { 1 }).unwrap(), 1);
    /// handle.stop();
    /// # std::io::Result::Ok(())
    /// ```
    pub fn detach(self) -> Handle {
        self.background.detach()
    }

    /// [Stops](Handle::stop) the pool and blocks this thread until every worker has ended, at most for
    /// `grace` and a tenth of a second. `grace` is what the tasks have to clean up, instead of what
    /// the [options](PoolBuilder::grace) said.
    ///
    /// # Errors
    /// As [`EventLoop::stop_and_join`](crate::EventLoop::stop_and_join).
    ///
    /// # Examples
    /// ```
    /// use std::time::Duration;
    /// let pool = arborio::Pool::builder().workers(2).start()?;
    /// let mut idle = pool.spawn(std::future::pending::<()>());
    /// pool.stop_and_join(Duration::from_secs(1)).unwrap();
    /// assert!(idle.wait().is_err());
    /// # std::io::Result::Ok(())
    /// ```
    #[doc(alias("shutdown_timeout", "shutdown"))]
    pub fn stop_and_join(self, grace: Duration) -> Result<(), StopError> {
        self.background.stop_and_join(grace)
    }
}

/// The owner has what every [`Handle`] has: `spawn`, `run`, `scope`, `stop`. A clone of it is a handle, and owns nothing.
///
/// # Examples
/// ```
/// let pool = arborio::Pool::builder().start()?;
/// let mut one = pool.spawn(async { 1 });
/// assert_eq!(one.wait()? + pool.run(async { 2 })?, 3);
///
/// let handle: arborio::Handle = pool.clone();
/// drop(pool);
/// assert!(handle.is_closed());
/// # std::io::Result::Ok(())
/// ```
impl Deref for Pool {
    type Target = Handle;

    fn deref(&self) -> &Handle {
        self.handle()
    }
}

/// The options of a [`Pool`] that is about to run.
#[derive(Clone)]
#[must_use = "a builder does nothing until it runs"]
pub struct PoolBuilder {
    name: Option<String>,
    /// `None` for one for each core.
    workers: Option<usize>,
    options: LoopOptions,
    /// `None`: as it is usual for where the pool runs.
    on_unobserved_panic: Option<OnUnobservedPanic>,
    linger: Duration,
    grace: Duration,
    ctrl_c: CtrlC,
    slow_poll: SlowPolls,
    observer: Option<Observer>,
    around: Option<Arc<dyn AroundPolls>>,
}

impl PoolBuilder {
    /// Names the pool: its threads, and in what the default observer writes.
    ///
    /// # Examples
    /// ```
    /// assert_eq!(arborio::Pool::builder().name("kitchen").run(async { 1 }), 1);
    /// ```
    pub fn name(mut self, name: impl Into<String>) -> Self {
        self.name = Some(name.into());
        self
    }

    /// How many workers there are, the calling thread included; by default one for each core, but not more than
    /// [`MAX_WORKERS`].
    ///
    /// # Panics
    /// `run` panics, and `try_run` and `start` fail, if there are none or more than [`MAX_WORKERS`].
    ///
    /// # Examples
    /// ```
    /// use arborio::{Pool, options::MAX_WORKERS};
    /// assert_eq!(Pool::builder().workers(3).run(async { 1 }), 1);
    /// assert!(Pool::builder().workers(MAX_WORKERS + 1).start().is_err());
    /// ```
    #[doc(alias = "worker_threads")]
    pub fn workers(mut self, workers: usize) -> Self {
        self.workers = Some(workers);
        self
    }

    /// Whether ready tasks can keep a worker from its I/O for ever.
    ///
    /// # Examples
    /// ```
    /// use arborio::{Pool, options::Drain};
    /// assert_eq!(Pool::builder().drain(Drain::ToEmpty).run(async { 1 }), 1);
    /// ```
    pub fn drain(mut self, drain: Drain) -> Self {
        self.options.drain = drain;
        self
    }

    /// What happens to the tasks that are left when `main` has ended: they are waited for by default.
    ///
    /// # Examples
    /// ```
    /// use arborio::{Pool, options::Leftover, spawn};
    /// Pool::builder().leftover(Leftover::Cancel).run(async {
    ///     spawn(std::future::pending::<()>()).detach();
    /// });
    /// assert!(!arborio::is_running());
    /// ```
    pub fn leftover(mut self, leftover: Leftover) -> Self {
        self.options.leftover = leftover;
        self
    }

    /// What a panic does that nobody observes: by default it ends every task
    /// and goes on in the caller of `run`; a pool in the [background](Self::start) tells its observer.
    ///
    /// # Examples
    /// ```
    /// use arborio::{Pool, options::OnUnobservedPanic, spawn, yield_now};
    /// let builder = Pool::builder().on_unobserved_panic(OnUnobservedPanic::Report);
    /// let done = builder.observer(|_| {}).run(async {
    ///     spawn(async { panic!("nobody looks") }).detach();
    ///     yield_now().await;
    ///     "still here"
    /// });
    /// assert_eq!(done, "still here");
    /// ```
    pub fn on_unobserved_panic(mut self, policy: OnUnobservedPanic) -> Self {
        self.on_unobserved_panic = Some(policy);
        self
    }

    /// How long after the end of `main` the observer is told which tasks its worker still waits for; 5 s by
    /// default, and `Duration::MAX` for never.
    ///
    /// # Examples
    /// ```
    /// use std::time::Duration;
    /// assert_eq!(arborio::Pool::builder().linger(Duration::MAX).run(async { 1 }), 1);
    /// ```
    pub fn linger(mut self, linger: Duration) -> Self {
        self.linger = linger;
        self
    }

    /// How long the tasks that are left at the end may clean up, once they were asked to
    /// end; 1 s by default. What is left then is dropped, and told to the observer.
    ///
    /// # Examples
    /// ```
    /// use std::time::Duration;
    /// assert_eq!(arborio::Pool::builder().grace(Duration::from_secs(5)).run(async { 1 }), 1);
    /// ```
    pub fn grace(mut self, grace: Duration) -> Self {
        self.grace = grace;
        self
    }

    /// How long a poll of a task may take before the [watchdog](crate::options::Report::SlowPoll) tells the observer which
    /// task it is: 1 s by default, and then only on a real clock; `None` for never. Whatever else is ready on
    /// this thread waits for that poll.
    ///
    /// # Examples
    /// ```
    /// use arborio::{Pool, options::Report};
    /// use std::{sync::{Mutex, mpsc::channel}, time::Duration};
    /// let (tell, told) = channel();
    /// let tell = Mutex::new(tell);
    /// let builder = Pool::builder().slow_poll(Duration::from_millis(10)).observer(move |report| {
    ///     if let Report::SlowPoll(poll) = report {
    ///         tell.lock().unwrap().send(poll.to_string()).unwrap();
    ///     }
    /// });
    /// let said = builder.run(async move {
    ///     arborio::task().name("hog").spawn(async move { told.recv().unwrap() }).await.unwrap()
    /// });
    /// assert!(said.contains("has not returned from its poll"));
    /// ```
    pub fn slow_poll(mut self, limit: impl Into<Option<Duration>>) -> Self {
        self.slow_poll = SlowPolls::Longer(limit.into());
        self
    }

    /// What Ctrl-C does to the pool: nothing by default, so that it ends the process. See [`CtrlC`].
    ///
    /// # Examples
    /// ```
    /// use arborio::{CtrlC, Pool, RunError, spawn};
    /// # use rustix::process::{Signal, getpid, kill_process};
    /// use std::future::pending;
    /// let ended = Pool::builder().ctrl_c(CtrlC::Cancel).try_run(async {
    ///     spawn(pending::<()>()).detach();
    /// #   kill_process(getpid(), Signal::INT).unwrap();
    ///     pending::<()>().await
    /// });
    /// assert!(matches!(ended, Err(RunError::Stopped)));
    /// ```
    pub fn ctrl_c(mut self, ctrl_c: CtrlC) -> Self {
        self.ctrl_c = ctrl_c;
        self
    }

    /// Who gets the [reports](Report), on the thread of the worker that has something to report. By default each is
    /// written to standard error. Its own panic is contained.
    ///
    /// # Examples
    /// ```
    /// use arborio::{Pool, options::OnUnobservedPanic, spawn};
    /// use std::sync::Mutex;
    /// static LOG: Mutex<Vec<String>> = Mutex::new(Vec::new());
    /// Pool::builder()
    ///     .on_unobserved_panic(OnUnobservedPanic::Report)
    ///     .observer(|report| LOG.lock().unwrap().push(report.to_string()))
    ///     .run(async { spawn(async { panic!("oh") }).detach() });
    /// assert!(LOG.lock().unwrap()[0].starts_with("a task panicked: oh (task "));
    /// ```
    pub fn observer(mut self, observer: impl Fn(&Report<'_>) + Send + Sync + 'static) -> Self {
        self.observer = Some(Arc::new(observer));
        self
    }

    /// Has `around` stand around each poll of each task: it [meets](AroundPolls::meet) a task before its first poll, and
    /// calls each poll itself. For what has to be set up for tasks, and taken down: spans (`arborio::tracing`), times, counts. By
    /// default nobody does, and polls cost nothing more.
    ///
    /// # Examples
    /// ```
    /// use arborio::{Pool, options::{AroundPolls, MetTask, Note}};
    /// use std::sync::{Arc, atomic::{AtomicU32, Ordering}};
    /// struct Count(Arc<AtomicU32>);
    /// impl AroundPolls for Count {
    ///     fn meet(&self, _: &MetTask) -> Note {
    ///         Arc::new(())
    ///     }
    ///     fn around(&self, _: &Note, poll: &mut dyn FnMut()) {
    ///         self.0.fetch_add(1, Ordering::Relaxed);
    ///         poll();
    ///     }
    /// }
    /// let polls = Arc::new(AtomicU32::new(0));
    /// let builder = Pool::builder().workers(1).around_polls(Count(Arc::clone(&polls)));
    /// builder.run(async { arborio::yield_now().await });
    /// assert_eq!(polls.load(Ordering::Relaxed), 2);
    /// ```
    pub fn around_polls(mut self, around: impl AroundPolls + 'static) -> Self {
        self.around = Some(Arc::new(around));
        self
    }

    /// As [`Pool::run`], with these options.
    ///
    /// # Panics
    /// As [`Pool::run`].
    ///
    /// # Examples
    /// ```
    /// assert_eq!(arborio::Pool::builder().run(async { 1 }), 1);
    /// ```
    #[track_caller]
    pub fn run<F: Future>(self, main: F) -> F::Output {
        match self.try_run(main) {
            Ok(output) => output,
            Err(error) => panic!("{error}"),
        }
    }

    /// As [`Pool::run_scope`], with these options.
    ///
    /// # Errors
    /// As [`Pool::run_scope`].
    ///
    /// # Panics
    /// As [`Pool::run`].
    ///
    /// # Examples
    /// ```
    /// use arborio::{Pool, Scope};
    /// let ended = Pool::builder().workers(2).run_scope(async |_: &Scope<()>| Ok(1));
    /// assert_eq!(ended, Ok(1));
    /// ```
    #[track_caller]
    pub fn run_scope<R, E, B>(self, body: B) -> Result<R, E>
    where
        B: AsyncFnOnce(&Scope<E>) -> Result<R, E>,
        E: From<Interrupt> + Send + 'static,
    {
        self.run(scope(body))
    }

    /// As [`run`](Self::run), but misuse and a system that refuses are errors instead of panics.
    ///
    /// # Errors
    /// [`RunError::Nested`] if a loop runs on this thread already; [`RunError::System`] if there are
    /// too few or too many workers, or the system refuses a thread. The threads that have started by then have ended.
    ///
    /// # Panics
    /// If `main` panics, or another task does and nobody observes it.
    ///
    /// # Examples
    /// ```
    /// use arborio::{Pool, RunError};
    /// let nested = arborio::run(async { Pool::builder().try_run(async {}) });
    /// assert!(matches!(nested, Err(RunError::Nested)));
    /// ```
    #[track_caller]
    pub fn try_run<F: Future>(self, main: F) -> Result<F::Output, RunError> {
        self.drive_here(Arc::new(Caller), OnUnobservedPanic::Propagate, main)
    }

    /// Starts the pool in the background, and returns when it is up. Its first worker has a thread of its own, as
    /// the others have.
    ///
    /// The pool does not end when it has nothing to do, but when it is stopped. By default the observer is told of
    /// a panic that nobody observes, and the other tasks go on.
    ///
    /// # Errors
    /// The system refuses a thread, there are too few or too many workers, or the name has a zero byte in it.
    /// The other threads have ended by then.
    ///
    /// # Examples
    /// ```
    /// let pool = arborio::Pool::builder().workers(2).name("kitchen").start()?;
    /// assert_eq!(pool.run(async { 7 }).unwrap(), 7);
    /// assert!(arborio::Pool::builder().workers(0).start().is_err());
    /// # std::io::Result::Ok(())
    /// ```
    pub fn start(self) -> io::Result<Pool> {
        let name = self.name.clone().unwrap_or_else(|| "arborio".into());
        let on_panic = OnUnobservedPanic::Report;
        let background = Background::start(name, self.grace, move |owner| {
            self.drive_here(owner, on_panic, pending::<()>())
        })?;
        Ok(Pool { background })
    }

    /// Drives the first worker on this thread, and the others on theirs, until they end. What a panic does that
    /// nobody observes is `on_panic`, if the options do not say.
    #[track_caller]
    fn drive_here<F: Future>(
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
            Some(panic) if !matches!(ended, Err(RunError::System(_))) => panic.resume(), // the first worker had ended
            _ => ended,
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
        hooks::install();
        let notifier = Arc::new(LoopNotifier::new());
        let tasks = Tasks::new(Arc::clone(&notifier) as Arc<dyn Notify>);
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
        driver.measure_slices(true);
        driver.stands_in_for(Arc::clone(&self.lent));
        let _timers = timers.enter();
        let _reactor = reactor.enter();
        self.owner.may_watch(&tasks);
        if number == 0 {
            self.owner.begins(&tasks);
        }
        drive_in_team(tasks, &mut driver, self.options, &tell, &seat, main)
    }
}

impl fmt::Debug for PoolBuilder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PoolBuilder")
            .field("name", &self.name)
            .field("workers", &self.workers)
            .field("options", &self.options)
            .field("on_unobserved_panic", &self.on_unobserved_panic)
            .finish_non_exhaustive()
    }
}
