//! The options of a loop.

use std::{fmt, sync::Arc, time::Duration};

use arborio_executor::{Drain, Leftover, LoopOptions, OnUnobservedPanic};
use arborio_task::AroundPolls;
use arborio_timers::Clock;

use crate::{
    ctrl_c::CtrlC,
    report::Report,
    watches::{GRACE, HELD_CLOCK, LINGER, Observer, SlowPolls},
};

/// The options of an [`EventLoop`](crate::EventLoop) that is about to run.
#[derive(Clone)]
#[must_use = "a builder does nothing until it runs"]
pub struct LoopBuilder {
    pub(crate) name: Option<String>,
    pub(super) clock: Clock,
    pub(super) options: LoopOptions,
    /// `None`: as it is usual for where the loop runs.
    pub(super) on_unobserved_panic: Option<OnUnobservedPanic>,
    pub(super) linger: Duration,
    pub(crate) grace: Duration,
    pub(super) io_holds_clock: bool,
    pub(super) held_clock: Option<Duration>,
    pub(super) ctrl_c: CtrlC,
    pub(super) slow_poll: SlowPolls,
    pub(super) observer: Option<Observer>,
    pub(super) around: Option<Arc<dyn AroundPolls>>,
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
            held_clock: Some(HELD_CLOCK),
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
    /// registered and nobody [holds](crate::time::Clock::hold) the clock. So with a socket or a listener,
    /// also one that nobody uses, it stands still: [`io_holds_clock`](Self::io_holds_clock). Another
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
    /// They do by default, since the world behind them lives in real time. Then
    /// [`Clock::advance`](crate::time::Clock::advance) alone moves it, and if everybody waits for that in vain,
    /// the observer is [told](Self::held_clock). With `false`, time jumps as soon as everybody waits and
    /// nothing has come by then: right if both ends of each connection are on this loop.
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

    /// How long, in real time, descriptors may keep a simulated clock from jumping to a timer, while nothing happens,
    /// before the observer is [told](Report::HeldClock), once; 5 s by default, and `None` for never.
    ///
    /// # Examples
    /// ```
    /// use arborio::{EventLoop, net::TcpListener, options::Report, time::{Clock, clock, sleep}};
    /// use std::time::Duration;
    /// let clock_of = Clock::simulated();
    /// let moves = clock_of.clone();
    /// let builder = EventLoop::builder().clock(clock_of).held_clock(Duration::from_millis(5));
    /// let builder = builder.observer(move |report| {
    ///     let Report::HeldClock(held) = report else { return };
    ///     assert_eq!(held.descriptors, 1);
    ///     moves.advance(held.next); // or else the loop would wait for ever
    /// });
    /// builder.run(async {
    ///     let _idle = TcpListener::bind("127.0.0.1:0").await?;
    ///     sleep(Duration::from_secs(9)).await;
    ///     assert_eq!(clock(), Duration::from_secs(9));
    ///     std::io::Result::Ok(())
    /// })?;
    /// # std::io::Result::Ok(())
    /// ```
    pub fn held_clock(mut self, limit: impl Into<Option<Duration>>) -> Self {
        self.held_clock = limit.into();
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
    /// It is heeded from the moment when the loop begins until it has ended: before `run`, and behind it, Ctrl-C ends the process. So who
    /// says that a server is ready says it inside of `main`'s future.
    ///
    /// A loop that looks after it has a thread for that, and does not
    /// [stall](crate::RunError::Stalled): it could still be stopped.
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
