//! Running a loop on the calling thread: [`run`], and what it sets up. The options are in `builder.rs`.

mod builder;

use std::sync::Arc;

use arborio_executor::{
    Handle, Interrupt, Notify, OnUnobservedPanic, RunError, Tasks, drive, is_running,
};
use arborio_reactor::LoopReactor;
use arborio_scope::{Scope, scope};
use arborio_timers::Timers;

use crate::{
    ctrl_c::MaybeLookout,
    driver::{Driver, LoopNotifier, ReactorBell, SLICE},
    hooks,
    owner::{Caller, Owner},
    report::{Observing, Report},
    watches::{EndWatches, write_to_stderr},
};

pub use builder::LoopBuilder;

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

impl LoopBuilder {
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
        self.run(scope(async |s: &Scope<E>| body(s).await))
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
            held_clock,
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
        let tell_of_turns = |report: arborio_executor::Report<'_>| tell(report.into());
        let _observing = Observing::begin(&observer);
        let measured = !clock.is_simulated() && options.seed.is_none();
        let notifier = Arc::new(LoopNotifier::new());
        let mut tasks = Tasks::new(Arc::clone(&notifier) as Arc<dyn Notify>);
        if let Some(place) = owner.place() {
            tasks.set_main_place(place);
        }
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
        if measured {
            driver.measure_slices(SLICE);
        }
        driver.permute_io(options.seed);
        driver.hold_clock_for_io(io_holds_clock);
        driver.tell_of_held_clock(held_clock);
        let _timers = timers.enter();
        let _reactor = reactor.enter();
        owner.may_watch(&tasks);
        owner.begins(&tasks);
        drive(tasks, &mut driver, options, &tell_of_turns, main)
    }
}
