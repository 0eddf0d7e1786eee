//! An async runtime in which concurrency has a shape.
//!
//! [`run`] starts an event loop on the calling thread; [`spawn`] hangs a task on
//! it; `run` returns when all that is waited for has ended. Ready tasks run in
//! strict order. Timers are never early, and late by tens of microseconds; on a
//! [simulated clock](time::Clock::simulated) a test that sleeps an hour takes
//! microseconds.
//!
//! The guide, from `run` to a supervised server in ten steps, is `docs/guide.md` of the repository.
//!
//! # Examples
//! ```
//! use arborio::{net::{TcpListener, TcpStream}, spawn};
//!
//! # fn main() -> std::io::Result<()> {
//! let answer = arborio::run(async {
//!     let listener = TcpListener::bind("127.0.0.1:0").await?;
//!     let address = listener.local_addr()?;
//!     let server = spawn(async move {
//!         let (stream, _peer) = listener.accept().await?;
//!         stream.write_all(b"hello").await
//!     });
//!     let stream = TcpStream::connect(address).await?;
//!     let mut answer = [0; 5];
//!     stream.read_exact(&mut answer).await?;
//!     server.await.unwrap()?;
//!     std::io::Result::Ok(answer)
//! })?;
//! assert_eq!(&answer, b"hello");
//! # Ok(())
//! # }
//! ```
//! # Where things are
//! At the root is what one calls, and what one writes in signatures, every day. The rest is in
//! modules; some have the name of the function that they are about.
//!
//! | module           | what is there                                                      |
//! |------------------|--------------------------------------------------------------------|
//! | [`prelude`]      | what most programs use                                              |
//! | [`task`](mod@task)   | options, switches of threads and task-locals of a task          |
//! | [`scope`](mod@scope) | options, outcomes and kinds of scopes, and of their tasks       |
//! | [`group`]        | members of a [`TaskGroup`]                                          |
//! | [`combine`]      | futures and streams of [`join`](join()), [`race`](race()), [`limit`](limit()) and [`gather`](gather()) |
//! | [`concurrent`]   | branches that borrow from their task                                |
//! | [`cancel`]       | asking to end, answering, deadlines, reasons                        |
//! | [`time`], [`net`], [`sync`] | clocks and sleeps; sockets; locks and channels           |
//! | [`blocking`]     | jobs that block                                                     |
//! | `io`, `stdio`, `signal` | adapters; standard streams; signals (features)               |
//! | `hyper`, `tokio`, `tracing` | for libraries of others (features, off by default)   |
//! | [`options`]      | what a loop or a pool is told, and what it tells                    |
//! | [`metrics`]      | figures of a loop or a pool                                         |
//! | [`tree`](mod@tree)   | what hangs on a loop or a scope                                 |
//!
//! # Names in the examples
//! What is here comes from crates inside of this one, which can be used without it, and has their examples. In these
//! `arborio_timers` is your `arborio::time`, `arborio_net` and `arborio_sync` are `arborio::net` and `arborio::sync`, and what is in
//! `arborio_task`, `arborio_executor` and `arborio_scope` is at the root of `arborio` or in the module on whose
//! page you read the example. `run` without an import is [`arborio::run`](run).
#![forbid(unsafe_code)]

mod adapters;
mod background;
mod ctrl_c;
mod driver;
mod event_loop;
mod hooks;
pub mod io;
mod owner;
#[cfg(doctest)]
mod pages;
mod pool;
mod report;
#[cfg(feature = "signal")]
pub mod signal;
#[cfg(feature = "stdio")]
pub mod stdio;
mod watches;

#[cfg(feature = "hyper")]
pub use adapters::hyper;
#[cfg(feature = "tokio")]
pub use adapters::tokio;
#[cfg(feature = "tracing")]
pub use adapters::tracing;
pub use arborio_base::Forked;
pub use arborio_executor::blocking::spawn_blocking;
pub use arborio_executor::{
    Handle, Interrupt, NoLoop, RunError, StopError, Task, WaitError, is_running, spawn,
    spawn_local, task, tree, try_spawn, try_spawn_local, yield_now,
};
pub use arborio_scope::{AnyScope, Child, LocalScope, Scope, local_scope, scope};
pub use arborio_scope::{Concurrent, concurrent, concurrent_local};
pub use arborio_scope::{
    TaskGroup, gather, gather_all, gather_all_local, gather_local, join, limit, race, select,
    try_gather, try_gather_local,
};
pub use arborio_task::task_local;
pub use background::EventLoop;
pub use ctrl_c::CtrlC;
pub use event_loop::{LoopBuilder, run, run_scope};
pub use pool::{Pool, PoolBuilder};

/// # Examples
/// ```
/// use arborio::{spawn, yield_now};
///
/// #[arborio::main]
/// async fn main() -> Result<(), arborio::Interrupt> {
///     let child = spawn(async {
///         yield_now().await;
///         3
///     });
///     assert_eq!(child.await?, 3);
///     Ok(())
/// }
/// ```
/// On several threads:
/// ```
/// #[arborio::main(workers = 2)]
/// async fn main() {
///     let squares: Vec<_> = (0..10_u32).map(|n| arborio::spawn(async move { n * n })).collect();
///     let mut sum = 0;
///     for square in squares {
///         sum += square.await.unwrap();
///     }
///     assert_eq!(sum, 285);
/// }
/// ```
/// Under another name:
/// ```
/// extern crate arborio as forest;
///
/// #[forest::main(crate = "forest")]
/// async fn main() {
///     assert!(forest::is_running());
/// }
/// ```
#[cfg(feature = "macros")]
#[doc(inline)]
pub use arborio_macros::main;
/// # Examples
/// ```
/// use arborio::time::{Duration, clock, sleep};
///
/// #[arborio::test(clock = "virtual")]
/// async fn an_hour_takes_no_time() {
///     sleep(Duration::from_secs(3600)).await;
///     assert_eq!(clock(), Duration::from_secs(3600));
/// }
///
/// #[arborio::test(seed = 7)]
/// #[should_panic = "too late"]
/// async fn what_is_expected_to_fail_does() {
///     panic!("too late");
/// }
/// # fn main() {}
/// ```
#[cfg(feature = "macros")]
#[doc(inline)]
pub use arborio_macros::test;

/// What a task is made with, where it goes on, and what it carries.
///
/// The function [`task`](task()) makes a task with options.
///
/// # Examples
/// ```
/// use arborio::{task, task::skip_ready_cycle};
///
/// let greeter = task().name("greeter");
/// let said = arborio::run(async {
///     let greeting = greeter.spawn(async {
///         skip_ready_cycle().await;
///         "hello"
///     });
///     assert_eq!(greeting.name().unwrap(), "greeter");
///     greeting.await
/// });
/// assert_eq!(said.unwrap(), "hello");
/// ```
pub mod task {
    pub use arborio_executor::{
        Joining, Payload, PolledTask, ResumeOn, SkipPollCycle, SkipReadyCycle, TaskBuilder,
        resume_on, skip_poll_cycle, skip_ready_cycle,
    };
    pub use arborio_task::{NoValue, TaskLocal, WithLocal};
}

/// What a scope and its tasks are made with, how they end, and other kinds of scopes.
///
/// The function [`scope`](scope()) runs a body with a [`Scope`].
///
/// # Examples
/// ```
/// use arborio::{Scope, scope, scope::{Failed, Ready}};
///
/// let port = arborio::run(scope(async |s: &Scope<()>| {
///     s.start(async |ready: Ready<u16>| Ok(ready.tell(80))).await
/// }));
/// assert_eq!(port, Ok(80));
/// let failed: Failed<()> = arborio::run(async {
///     Scope::builder().report().run(async |_| Err::<(), _>(())).await.unwrap_err()
/// });
/// assert!(failed.later.is_empty());
/// ```
pub mod scope {
    pub use arborio_executor::{BorrowScope, Borrower};
    pub use arborio_scope::{
        ChildBuilder, ChildOf, ChildOutput, Failed, FreeScope, Local, Outcome, Ready, Reporting,
        ScopeBody, ScopeBuilder, ScopeClosed, ScopeEnd, ScopeEnded, ScopeNote, Sent,
    };
}

/// The members of a [`TaskGroup`], and what can become one.
///
/// # Examples
/// ```
/// use arborio::{TaskGroup, group::Member};
///
/// fn slowest(group: &TaskGroup<u8>) -> Option<Member<u8>> {
///     group.iter().last()
/// }
/// let slow = arborio::run(async {
///     let group = TaskGroup::new();
///     group.spawn(async { 1 });
///     group.spawn(async { arborio::yield_now().await; 2 });
///     group.wait_all().await;
///     slowest(&group).unwrap().outcome().unwrap().clone()
/// });
/// assert_eq!(slow.unwrap(), 2);
/// ```
pub mod group {
    pub use arborio_scope::{Added, Exhaust, Exhausted, IntoMember, Member, Spawned};
}

/// What hangs on a loop or a scope: tasks, scopes, and what is known of each.
///
/// The function [`tree`](tree()) takes the tree of the loop of this thread, [`Scope::tree`] that of a scope, and
/// [`Handle::trees`] asks a loop on another thread, or all workers of a pool.
///
/// # Examples
/// ```
/// use arborio::{task, tree, tree::TaskState};
///
/// let states: Vec<TaskState> = arborio::run(async {
///     let daemon = task().awaited(false).spawn(std::future::pending::<()>());
///     let states = tree().tasks().map(|task| task.state).collect();
///     drop(daemon);
///     states
/// });
/// assert_eq!(states, [TaskState::Running, TaskState::New]);
/// assert!(tree().is_empty(), "no loop runs here");
/// ```
pub mod tree {
    pub use arborio_executor::{
        Lines, ScopeInfo, ScopeStage, TaskInfo, TaskState, Tree, TreeEntry, TreeNode, Trees,
    };
}

/// What a loop or a pool has done and has, by figures: [`Handle::metrics`].
///
/// # Examples
/// ```
/// use arborio::{EventLoop, metrics::Metrics};
/// fn is_busy(metrics: &Metrics) -> bool {
///     metrics.total().tasks > 1000
/// }
/// let background = EventLoop::builder().start()?;
/// background.handle().run(async {}).unwrap();
/// let metrics = background.handle().metrics(); // from any thread
/// assert!(!is_busy(&metrics) && metrics.total().polls > 0);
/// # std::io::Result::Ok(())
/// ```
pub mod metrics {
    pub use arborio_executor::{Metrics, WorkerMetrics};
}

/// What a loop or a pool is told when it is made, and what it tells its observer.
///
/// # Examples
/// ```
/// use arborio::{EventLoop, options::Leftover};
/// use std::future::pending;
///
/// let options = EventLoop::builder().leftover(Leftover::Cancel);
/// let main = options.run(async {
///     arborio::spawn(pending::<()>()).detach();
///     "nobody waits for the task"
/// });
/// assert!(main.starts_with("nobody"));
/// ```
pub mod options {
    pub use crate::report::{HeldClock, Report};
    pub use arborio_base::contained_panics;
    pub use arborio_executor::{Drain, Leftover, MAX_WORKERS, OnUnobservedPanic, SlowPoll};
    pub use arborio_task::{AroundPolls, MetScope, MetTask, Note, ScopeKey};
}

/// Asking a part of a program to end, and answering.
///
/// # Examples
/// ```
/// use arborio::{cancel::{finally, move_on_after}, time::{Duration, sleep}};
///
/// let (ended, cleaned_up) = arborio::run(async {
///     let mut cleaned_up = false;
///     let work = finally(sleep(Duration::MAX), async || cleaned_up = true);
///     let ended = move_on_after(Duration::from_millis(1), work).await;
///     (ended, cleaned_up)
/// });
/// assert_eq!((ended, cleaned_up), (None, true));
/// ```
pub mod cancel {
    pub use arborio_scope::{
        ApplyTimeout, CancelScope, Cancelled, CatchCancel, Finally, FinallyDetached, MoveOn, Run,
        Shield, Ticker, Timeout, WhenCancelled, cancelled, catch_cancel,
        current_effective_deadline, fail_after, fail_at, finally, finally_detached, is_cancelling,
        move_on_after, move_on_at, repeat_timeout, shield,
    };
    pub use arborio_task::{Reason, ReasonKind, Requester};
}

/// The futures, streams and traits of what combines futures.
///
/// # Examples
/// ```
/// use arborio::{combine::Race, race};
///
/// fn first<T>(contenders: impl Race<Output = T>) -> T {
///     arborio::run(async { race(contenders).await })
/// }
/// assert_eq!(first((std::future::pending(), async { 5 })), 5);
/// ```
pub mod combine {
    pub use arborio_scope::{
        Bounded, BoundedOrdered, Gather, Join, Join1, Join2, Join3, Join4, Join5, Join6, Join7,
        Join8, JoinArray, JoinVec, Limit, Race, Race1, Race2, Race3, Race4, Race5, Race6, Race7,
        Race8, RaceVec, TryGather,
    };
}

/// Jobs that block, on threads of their own.
///
/// [`spawn_blocking`] takes them to the pool of the process, which grows as needed. Host names
/// ([`net`]) are looked up there, too.
///
/// # Examples
/// ```
/// use arborio::blocking::BlockingPool;
///
/// let disk = BlockingPool::builder().name("disk").max_threads(2).build();
/// let text = arborio::run(async { disk.spawn(|| std::fs::read_to_string("Cargo.toml")).await });
/// assert!(text.unwrap().unwrap().starts_with("[package]"));
/// ```
pub mod blocking {
    pub use arborio_executor::blocking::{
        Blocking, BlockingPool, BlockingPoolBuilder, EnterExecutor, JobToken, enter_executor,
        make_room, run_in_executor, spawn_blocking, spawn_blocking_with,
    };
}

/// Clocks, sleeps, timeouts and intervals.
///
/// A [`timeout`](time::timeout) asks the handlers inside it before it drops them: it is the
/// same as [`cancel::fail_after`].
pub mod time {
    pub use arborio_scope::{Timeout, timeout, timeout_at};
    pub use arborio_timers::{
        Clock, ClockHold, Instant, Interval, MissedTick, Sleep, Tick, TimedOut, clock, interval,
        interval_at, sleep, sleep_until,
    };
    pub use std::time::Duration;
}

/// Locks, semaphores, events, promises and channels: they work under any
/// executor, and [`sync::local`] has the same types for one thread.
///
/// # Examples
/// ```
/// use arborio::{spawn, sync::Mutex};
/// use std::sync::Arc;
///
/// let counter = Arc::new(Mutex::new(0));
/// arborio::run(async {
///     for _ in 0..10 {
///         let counter = Arc::clone(&counter);
///         spawn(async move { *counter.lock().await += 1 }).detach();
///     }
/// });
/// assert_eq!(*counter.try_lock().unwrap(), 10);
/// ```
pub mod sync {
    pub use arborio_sync::*;
}

/// TCP, UDP, Unix sockets, and any descriptor that can be waited for.
pub mod net {
    pub use arborio_net::*;
    pub use arborio_reactor::Async;
}

/// What most programs use.
///
/// # Examples
/// ```
/// use arborio::prelude::*;
///
/// let sum = run(scope(async |s: &Scope<Interrupt>| {
///     let two = s.spawn(finally(async { Ok(2) }, async || sleep(Duration::ZERO).await));
///     let three = s.spawn(async { Ok(3) });
///     let (two, three) = join((two, three)).await;
///     Ok(two? + three?)
/// }));
/// assert_eq!(sum.unwrap(), 5);
/// ```
pub mod prelude {
    pub use crate::{
        Interrupt, Scope, Task, TaskGroup,
        cancel::{ApplyTimeout, finally},
        join, race, run, scope, select, spawn, spawn_blocking, spawn_local,
        time::{Duration, Instant, sleep, timeout},
        yield_now,
    };
}

/// The program of the README, as a test.
#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;
