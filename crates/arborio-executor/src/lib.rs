//! The event loop: a strict FIFO of tasks on one thread, fed from any thread.
//!
//! [`drive`] turns the tasks of `arborio-task` until all that is waited for has
//! ended. It knows neither I/O nor time; a [`Park`] does. The free functions
//! speak to the loop that runs on the current thread.
//!
//! The crate `arborio` re-exports what programs use of it: at its root, and in `blocking`, `metrics`, `options`, `task` and `tree`.
//! Examples have the names of this crate; [`doc::run`] in them is the `run` of `arborio`.
//!
//! # Examples
//! ```
//! use arborio_executor::{doc::run, spawn, yield_now};
//! let log = run(async {
//!     let child = spawn(async { "child" });
//!     assert!(!child.is_finished(), "a child starts when its spawner suspends");
//!     yield_now().await;
//!     child.await.unwrap()
//! });
//! assert_eq!(log, "child");
//! ```
#![forbid(unsafe_code)]

mod awake;
pub mod blocking;
mod default_loop;
pub mod doc;
mod doorbell;
mod event_loop;
mod grain;
mod handle;
mod here;
mod hop;
mod metrics;
mod park;
mod random;
mod resume_on;
mod spawn;
mod stop_error;
mod team;
mod trees;
mod watchdog;
mod yields;

pub use arborio_task::{
    BorrowScope, Borrower, Interrupt, Joining, Lines, Look, Notify, Payload, PolledTask, Reason,
    ReasonKind, Requester, ScopeInfo, ScopeStage, Task, TaskInfo, TaskState, Tasks, Tree,
    TreeEntry, TreeNode, WaitError, Watched, WorkerMetrics, pending, tree,
};
pub use default_loop::get_or_create_default;
pub use doorbell::{Doorbell, Ring};
pub use event_loop::{
    DRAIN_BOUND, Drain, Leftover, LoopOptions, OnUnobservedPanic, Report, RunError, SLICE, drive,
    drive_in_team, is_running,
};
pub use handle::Handle;
pub use here::report_panic;
pub use metrics::Metrics;
pub use park::{Park, Passed, Wait};
pub use random::Random;
pub use resume_on::{ResumeOn, resume_on};
pub use spawn::{NoLoop, TaskBuilder, spawn, spawn_local, task, try_spawn, try_spawn_local};
pub use stop_error::StopError;
#[cfg(any(loom, shuttle))]
#[doc(hidden)]
pub use team::model as team_model;
pub use team::{Ending, MAX_WORKERS, Seat, Team};
pub use trees::Trees;
pub use watchdog::{SlowPoll, Watching, watch};
pub use yields::{SkipPollCycle, SkipReadyCycle, skip_poll_cycle, skip_ready_cycle, yield_now};

/// The program of the README, as a test.
#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;
