//! The options of a pool, and its start: on the calling thread, or in the background.

use std::{fmt, future::pending, io, panic::Location, sync::Arc, time::Duration};

use arborio_executor::{Drain, Interrupt, LoopOptions, OnUnobservedPanic, RunError};
use arborio_scope::{Scope, scope};
use arborio_task::AroundPolls;

use super::Pool;
use crate::{
    ctrl_c::CtrlC,
    options::Leftover,
    owner::{Background, Caller},
    report::Report,
    watches::{Observer, SlowPolls},
};

/// The options of a [`Pool`] that is about to run.
#[derive(Clone)]
#[must_use = "a builder does nothing until it runs"]
pub struct PoolBuilder {
    pub(super) name: Option<String>,
    /// `None` for one for each core.
    pub(super) workers: Option<usize>,
    pub(super) options: LoopOptions,
    /// `None`: as it is usual for where the pool runs.
    pub(super) on_unobserved_panic: Option<OnUnobservedPanic>,
    pub(super) linger: Duration,
    pub(super) grace: Duration,
    pub(super) ctrl_c: CtrlC,
    pub(super) slow_poll: SlowPolls,
    pub(super) observer: Option<Observer>,
    pub(super) around: Option<Arc<dyn AroundPolls>>,
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
    /// [`MAX_WORKERS`](crate::options::MAX_WORKERS).
    ///
    /// # Panics
    /// `run` panics, and `try_run` and `start` fail, if there are none or more than [`MAX_WORKERS`](crate::options::MAX_WORKERS).
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
    /// It is heeded from the moment when the pool begins until it has ended: before `run`, and behind it, Ctrl-C ends the
    /// process. So who says that a server is ready says it inside of `main`'s future.
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
        self.run(scope(async |s: &Scope<E>| body(s).await))
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
    #[track_caller]
    pub fn start(self) -> io::Result<Pool> {
        let place = Location::caller();
        let name = self.name.clone().unwrap_or_else(|| "arborio".into());
        let on_panic = OnUnobservedPanic::Report;
        let background = Background::start(name, place, self.grace, move |owner| {
            self.drive_here(owner, on_panic, pending::<()>())
        })?;
        Ok(Pool { background })
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
