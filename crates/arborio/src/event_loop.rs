//! Running a loop on the calling thread: [`run`], and the options of every loop.

use std::{fmt, future::pending, sync::Arc, time::Duration};

use arborio_executor::{
    Drain, Handle, Interrupt, Leftover, LoopOptions, Notify, OnUnobservedPanic, Report, RunError,
    SlowPoll, Task, Tasks, drive, is_running, task, tree,
};
use arborio_reactor::LoopReactor;
use arborio_scope::{Scope, scope, select};
use arborio_sync::Event;
use arborio_task::AroundPolls;
use arborio_timers::{Clock, Timers, sleep};

use crate::{
    ctrl_c::{CtrlC, MaybeLookout},
    driver::{Driver, LoopNotifier, ReactorBell, Watches},
    hooks,
    owner::{Caller, Owner},
};

/// How long after the end of `main` the observer is told what the loop still
/// waits for.
pub(crate) const LINGER: Duration = Duration::from_secs(5);
/// How long the tasks that are left at the end may clean up.
pub(crate) const GRACE: Duration = Duration::from_secs(1);

/// Gets what nobody asked for and somebody should know.
pub(crate) type Observer = Arc<dyn Fn(&Report<'_>) + Send + Sync>;

/// Runs `main` on a new event loop on this thread, and returns its output.
///
/// Returns when `main` and every awaited task that was spawned meanwhile have
/// ended; tasks that are [not awaited](crate::task::TaskBuilder::awaited) are asked to end
/// then, and waited for. `main` may borrow from the caller.
///
/// # Panics
/// If a loop runs on this thread already; [`LoopBuilder::try_run`] tells instead.
/// If `main` panics, or another task does and nobody has polled its handle:
/// every task is ended, and the panic goes on here.
///
/// # Examples
/// ```
/// use arborio::time::sleep;
/// use std::time::Duration;
///
/// let greeting = String::from("hello");
/// let length = arborio::run(async {
///     let child = arborio::spawn(async {
///         sleep(Duration::from_millis(2)).await;
///         3
///     });
///     greeting.len() + child.await.unwrap()
/// });
/// assert_eq!(length, 8);
/// ```
#[track_caller]
#[doc(alias("block_on", "Runtime", "run_until_complete"))]
pub fn run<F: Future>(main: F) -> F::Output {
    LoopBuilder::new().run(main)
}

/// Runs `body` in a scope that is the root of everything: errors come out of here.
///
/// As [`run`] with a [`scope`](crate::scope()) in it. The first error of the body or of a
/// task that was spawned on the scope ends the others, and is returned; a panic of any
/// task goes on here. Tasks that were [spawned](crate::spawn) elsewhere are waited for as in [`run`].
///
/// # Errors
/// The first error of the body or of a task.
///
/// # Panics
/// As [`run`].
///
/// # Examples
/// ```
/// use arborio::{Scope, run_scope};
/// let failed = run_scope(async |s: &Scope<std::io::Error>| {
///     s.spawn(async { Err::<(), _>(std::io::Error::other("no disk")) });
///     std::future::pending::<Result<(), _>>().await
/// });
/// assert_eq!(failed.unwrap_err().to_string(), "no disk");
/// ```
#[track_caller]
#[doc(alias("nursery", "block_on"))]
pub fn run_scope<R, E, B>(body: B) -> Result<R, E>
where
    B: AsyncFnOnce(&Scope<E>) -> Result<R, E>,
    E: From<Interrupt> + Send + 'static,
{
    LoopBuilder::new().run_scope(body)
}

/// The options of an [`EventLoop`](crate::EventLoop) that is about to run.
#[derive(Clone)]
#[must_use = "a builder does nothing until it runs"]
pub struct LoopBuilder {
    pub(crate) name: Option<String>,
    clock: Clock,
    options: LoopOptions,
    /// `None`: as it is usual for where the loop runs.
    on_unobserved_panic: Option<OnUnobservedPanic>,
    linger: Duration,
    pub(crate) grace: Duration,
    io_holds_clock: bool,
    ctrl_c: CtrlC,
    slow_poll: SlowPolls,
    observer: Option<Observer>,
    around: Option<Arc<dyn AroundPolls>>,
}

impl LoopBuilder {
    pub(crate) fn new() -> Self {
        Self {
            name: None,
            clock: Clock::real(),
            options: LoopOptions::default(),
            on_unobserved_panic: None,
            linger: LINGER,
            grace: GRACE,
            io_holds_clock: true,
            ctrl_c: CtrlC::Leave,
            slow_poll: SlowPolls::default(),
            observer: None,
            around: None,
        }
    }

    /// Names the loop in what the default observer writes, and its thread if it is
    /// [started](Self::start) on one.
    ///
    /// # Examples
    /// ```
    /// assert_eq!(arborio::EventLoop::builder().name("courier").run(async { 1 }), 1);
    /// ```
    pub fn name(mut self, name: impl Into<String>) -> Self {
        self.name = Some(name.into());
        self
    }

    /// The clock that everything on the loop reads. On a simulated one, time
    /// jumps to the next deadline when every task waits, no descriptor is
    /// registered and nobody [holds](crate::time::Clock::hold) the clock. Another
    /// thread that will wake a task should hold it meanwhile.
    ///
    /// # Examples
    /// ```
    /// use arborio::{EventLoop, time::{Clock, sleep}};
    /// use std::time::{Duration, Instant};
    /// let start = Instant::now();
    /// let day = Duration::from_secs(86_400);
    /// EventLoop::builder().clock(Clock::simulated()).run(async { sleep(day).await });
    /// assert!(start.elapsed() < day);
    /// ```
    pub fn clock(mut self, clock: Clock) -> Self {
        self.clock = clock;
        self
    }

    /// Whether registered descriptors keep a simulated clock from jumping.
    /// They do by default, since the world behind them lives in real time.
    ///
    /// # Examples
    /// ```
    /// use arborio::{EventLoop, net::TcpListener, time::{Clock, sleep}};
    /// use std::time::Duration;
    /// let builder = EventLoop::builder().clock(Clock::simulated()).io_holds_clock(false);
    /// let port = builder.run(async {
    ///     let listener = TcpListener::bind("127.0.0.1:0").await?;
    ///     sleep(Duration::from_secs(3600)).await; // jumps, although a socket is open
    ///     Ok::<_, std::io::Error>(listener.local_addr()?.port())
    /// });
    /// assert_ne!(port?, 0);
    /// # std::io::Result::Ok(())
    /// ```
    pub fn io_holds_clock(mut self, holds: bool) -> Self {
        self.io_holds_clock = holds;
        self
    }

    /// Permutes what has no order by contract (wakes from other threads, and I/O
    /// that became ready in one pass), as a function of `seed` alone. What is FIFO by contract stays so, and the
    /// length of a drain depends on polls only, not on time.
    ///
    /// # Examples
    /// ```
    /// assert_eq!(arborio::EventLoop::builder().seed(7).run(async { 1 }), 1);
    /// ```
    pub fn seed(mut self, seed: u64) -> Self {
        self.options.seed = Some(seed);
        self
    }

    /// Whether ready tasks can keep the loop from its I/O for ever.
    ///
    /// # Examples
    /// ```
    /// use arborio::{EventLoop, options::Drain};
    /// assert_eq!(EventLoop::builder().drain(Drain::ToEmpty).run(async { 1 }), 1);
    /// ```
    pub fn drain(mut self, drain: Drain) -> Self {
        self.options.drain = drain;
        self
    }

    /// What happens to the tasks that are left when `main` has ended: the loop
    /// waits for them by default.
    ///
    /// # Examples
    /// ```
    /// use arborio::{EventLoop, options::Leftover};
    /// EventLoop::builder().leftover(Leftover::Cancel).run(async {
    ///     // Would keep the loop alive for ever.
    ///     arborio::spawn(std::future::pending::<()>()).detach();
    /// });
    /// assert!(!arborio::is_running());
    /// ```
    pub fn leftover(mut self, leftover: Leftover) -> Self {
        self.options.leftover = leftover;
        self
    }

    /// What a panic does that nobody observes. By default it ends every task of `run` and
    /// goes on in its caller; a loop in the [background](Self::start) tells its observer.
    ///
    /// # Examples
    /// ```
    /// use arborio::{EventLoop, options::OnUnobservedPanic};
    /// let builder = EventLoop::builder().on_unobserved_panic(OnUnobservedPanic::Report);
    /// let done = builder.run(async {
    ///     arborio::spawn(async { panic!("nobody looks") }).detach();
    ///     arborio::yield_now().await;
    ///     "still here"
    /// });
    /// assert_eq!(done, "still here");
    /// ```
    pub fn on_unobserved_panic(mut self, policy: OnUnobservedPanic) -> Self {
        self.on_unobserved_panic = Some(policy);
        self
    }

    /// How long after the end of `main` the observer is told which tasks the
    /// loop still waits for, on the loop's clock; 5 s by default, and
    /// `Duration::MAX` for never.
    ///
    /// # Examples
    /// ```
    /// use arborio::{EventLoop, options::Report, time::{Clock, sleep}};
    /// use std::{sync::mpsc, time::Duration};
    /// let (told, reports) = mpsc::channel();
    /// EventLoop::builder()
    ///     .clock(Clock::simulated())
    ///     .linger(Duration::from_secs(1))
    ///     .observer(move |report| {
    ///         let Report::Lingering(tree) = report else { return };
    ///         told.send(tree.tasks().count()).unwrap();
    ///     })
    ///     .run(async { arborio::spawn(sleep(Duration::from_secs(60))).detach() });
    /// assert_eq!(reports.recv(), Ok(1));
    /// ```
    pub fn linger(mut self, linger: Duration) -> Self {
        self.linger = linger;
        self
    }

    /// How long the tasks that are left at the end may clean up, once they were asked to
    /// end; 1 s by default. What is left then is dropped, and told to the observer. Zero drops
    /// them without asking, and `Duration::MAX` waits for ever.
    ///
    /// # Examples
    /// ```
    /// use arborio::{EventLoop, cancel::finally, time::{Clock, sleep}};
    /// use std::{future::pending, sync::atomic::{AtomicBool, Ordering}, time::Duration};
    /// static CLOSED: AtomicBool = AtomicBool::new(false);
    /// let builder = EventLoop::builder().clock(Clock::simulated()).grace(Duration::from_secs(5));
    /// builder.run(async {
    ///     let close = || async {
    ///         sleep(Duration::from_secs(3)).await;
    ///         CLOSED.store(true, Ordering::Relaxed);
    ///     };
    ///     let service = finally(pending::<()>(), close);
    ///     drop(arborio::task().awaited(false).spawn(service));
    ///     arborio::yield_now().await;
    /// });
    /// assert!(CLOSED.load(Ordering::Relaxed));
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
    /// use arborio::{EventLoop, options::Report};
    /// use std::{sync::{Mutex, mpsc::channel}, time::Duration};
    /// let (tell, told) = channel();
    /// let tell = Mutex::new(tell);
    /// let builder = EventLoop::builder().slow_poll(Duration::from_millis(10)).observer(move |report| {
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

    /// What Ctrl-C does to the loop: nothing by default, so that it ends the process.
    ///
    /// A loop that looks after it has a thread for that, and does not
    /// [stall](RunError::Stalled): it could still be stopped.
    ///
    /// # Examples
    /// See [`CtrlC`].
    pub fn ctrl_c(mut self, ctrl_c: CtrlC) -> Self {
        self.ctrl_c = ctrl_c;
        self
    }

    /// Who gets the [reports](Report). By default each is written to standard
    /// error. It is called on the loop's thread; its own panic is contained.
    ///
    /// # Examples
    /// ```
    /// use arborio::{EventLoop, options::OnUnobservedPanic};
    /// use std::sync::mpsc;
    /// let (sink, log) = mpsc::channel();
    /// EventLoop::builder()
    ///     .on_unobserved_panic(OnUnobservedPanic::Report)
    ///     .observer(move |report| sink.send(report.to_string()).unwrap())
    ///     .run(async { arborio::task().name("baker").spawn(async { panic!("oh") }).detach() });
    /// assert!(log.recv().unwrap().starts_with("a task panicked: oh (task `baker` "));
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
    /// use arborio::{EventLoop, options::{AroundPolls, MetTask, Note}};
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
    /// let builder = EventLoop::builder().around_polls(Count(Arc::clone(&polls)));
    /// builder.run(async { arborio::yield_now().await });
    /// assert_eq!(polls.load(Ordering::Relaxed), 2);
    /// ```
    pub fn around_polls(mut self, around: impl AroundPolls + 'static) -> Self {
        self.around = Some(Arc::new(around));
        self
    }

    /// As [`run`], with these options.
    ///
    /// # Panics
    /// As [`run`]; and on a simulated clock if every task waits and nothing can
    /// happen any more, with the tree of the tasks.
    ///
    /// # Examples
    /// ```
    /// assert_eq!(arborio::EventLoop::builder().run(async { 1 }), 1);
    /// ```
    #[track_caller]
    pub fn run<F: Future>(self, main: F) -> F::Output {
        match self.try_run(main) {
            Ok(output) => output,
            Err(error) => panic!("{error}"),
        }
    }

    /// As [`run_scope`], with these options.
    ///
    /// # Errors
    /// As [`run_scope`].
    ///
    /// # Panics
    /// As [`run`](Self::run).
    ///
    /// # Examples
    /// ```
    /// use arborio::{EventLoop, Scope};
    /// let ended = EventLoop::builder().run_scope(async |_: &Scope<()>| Ok(1));
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

    /// As [`run`](Self::run), but misuse is an error instead of a panic.
    ///
    /// # Errors
    /// [`RunError::Nested`] if a loop runs on this thread already; [`RunError::Stopped`] if
    /// somebody [stopped](crate::Handle::stop) it before `main` had ended;
    /// [`RunError::Stalled`] if, on a simulated clock, every task waits and
    /// nothing can happen any more. Descriptors are asked for when they are
    /// needed, so a system that refuses them is an error of the socket, and
    /// timers go on with less precision. [`RunError::System`] if it refuses what
    /// [looking after Ctrl-C](Self::ctrl_c) needs.
    ///
    /// # Panics
    /// If `main` panics, or another task does and nobody observes it.
    ///
    /// # Examples
    /// ```
    /// use arborio::{EventLoop, RunError};
    /// let nested = arborio::run(async { EventLoop::builder().try_run(async {}) });
    /// assert!(matches!(nested, Err(RunError::Nested)));
    /// ```
    #[track_caller]
    pub fn try_run<F: Future>(self, main: F) -> Result<F::Output, RunError> {
        self.drive_here(&Caller, OnUnobservedPanic::Propagate, main)
    }

    /// Drives the loop on this thread until it ends. What a panic does that nobody observes
    /// is `on_panic`, if the options do not say.
    #[track_caller]
    pub(crate) fn drive_here<F: Future>(
        self,
        owner: &dyn Owner,
        on_panic: OnUnobservedPanic,
        main: F,
    ) -> Result<F::Output, RunError> {
        if is_running() {
            return Err(RunError::Nested);
        }
        hooks::install();
        let Self {
            name,
            clock,
            mut options,
            on_unobserved_panic,
            linger,
            grace,
            io_holds_clock,
            ctrl_c,
            slow_poll,
            observer,
            around,
        } = self;
        let lookout = MaybeLookout::begin(ctrl_c).map_err(RunError::System)?;
        options.on_unobserved_panic = on_unobserved_panic.unwrap_or(on_panic);
        let observer = observer.unwrap_or_else(|| write_to_stderr("loop", name));
        let tell = |report: Report<'_>| {
            owner.is_told(&report);
            arborio_base::contain(|| observer(&report));
        };
        let measured = !clock.is_simulated() && options.seed.is_none();
        let notifier = Arc::new(LoopNotifier::new());
        let tasks = Tasks::new(Arc::clone(&notifier) as Arc<dyn Notify>);
        if let Some(around) = around {
            tasks.stand_around(around);
        }
        lookout.add(|| Handle::new(tasks.submitter()));
        let _watched = slow_poll.watch(&tasks, measured, &observer);
        let timers = Timers::new(clock, Arc::clone(&notifier).into());
        let opened = Arc::clone(&notifier);
        let reactor = LoopReactor::new(move |reactor| opened.move_to(ReactorBell::new(reactor)));
        let watches = EndWatches {
            linger,
            grace,
            forced: lookout.forced(),
            owner,
            observer: &observer,
        };
        let mut driver = Driver::new(&timers, &reactor, notifier, &watches, &tell);
        driver.measure_slices(measured);
        driver.permute_io(options.seed);
        driver.hold_clock_for_io(io_holds_clock);
        let _timers = timers.enter();
        let _reactor = reactor.enter();
        owner.may_watch(&tasks);
        owner.begins(&tasks);
        drive(tasks, &mut driver, options, &tell, main)
    }
}

/// Which polls are told of.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) enum SlowPolls {
    /// Those that are longer than [`SLOW`], where time is real.
    #[default]
    Usual,
    Longer(Option<Duration>),
}

/// What is a slow poll unless the builder says otherwise: far more than a thread waits for its processor on a busy machine.
const SLOW: Duration = Duration::from_secs(1);

impl SlowPolls {
    /// Has the loop watched as long as what it returns lives.
    pub(crate) fn watch(
        self,
        tasks: &Tasks,
        is_real: bool,
        observer: &Observer,
    ) -> Option<arborio_executor::Watching> {
        let limit = match self {
            Self::Usual => is_real.then_some(SLOW),
            Self::Longer(limit) => limit,
        }?;
        let observer = Arc::clone(observer);
        let tell = move |poll: &SlowPoll| observer(&Report::SlowPoll(poll));
        Some(arborio_executor::watch(tasks.watched(), limit, tell))
    }
}

/// Spawns who looks at the time when the loop comes to its end.
pub(crate) struct EndWatches<'a> {
    pub(crate) linger: Duration,
    pub(crate) grace: Duration,
    /// Ends the grace when it is set.
    pub(crate) forced: Option<&'a Arc<Event>>,
    pub(crate) owner: &'a dyn Owner,
    pub(crate) observer: &'a Observer,
}

impl Watches for EndWatches<'_> {
    /// The loop waits for others: tells about it later.
    fn main_ended(&self) {
        let observer = Arc::clone(self.observer);
        spawn_linger(self.linger, move |report| observer(report));
    }

    fn start_grace(&self) -> Option<Task<()>> {
        let grace = self.owner.grace().unwrap_or(self.grace);
        spawn_grace(grace, self.forced.cloned())
    }
}

/// A task that tells, after `linger`, what the loop still waits for.
fn spawn_linger(linger: Duration, observer: impl Fn(&Report<'_>) + 'static) {
    if linger == Duration::MAX {
        return;
    }
    let watch = async move {
        sleep(linger).await;
        let left = tree().awaited();
        arborio_base::contain(|| observer(&Report::Lingering(&left)));
    };
    drop(task().name("linger").awaited(false).spawn_local(watch));
}

/// A task that ends after `grace`, or when it is `forced`; `None` if there is no grace at all.
fn spawn_grace(grace: Duration, forced: Option<Arc<Event>>) -> Option<Task<()>> {
    if grace.is_zero() {
        return None;
    }
    let over = async move {
        if grace == Duration::MAX {
            pending::<()>().await;
        }
        sleep(grace).await;
    };
    let watch = async move {
        match forced {
            None => over.await,
            Some(forced) => select! {
                () = over => {},
                () = forced.wait() => {},
            },
        }
    };
    Some(task().name("grace").awaited(false).spawn_local(watch))
}

pub(crate) fn write_to_stderr(what: &'static str, name: Option<String>) -> Observer {
    Arc::new(move |report| match &name {
        Some(name) => eprintln!("arborio: {what} `{name}`: {report}"),
        None => eprintln!("arborio: {report}"),
    })
}

impl fmt::Debug for LoopBuilder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("LoopBuilder")
            .field("name", &self.name)
            .field("clock", &self.clock)
            .field("options", &self.options)
            .field("linger", &self.linger)
            .finish_non_exhaustive()
    }
}
