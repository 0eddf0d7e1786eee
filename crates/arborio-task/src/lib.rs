//! One heap task, and the loop-side half of everything that can happen to it.
//!
//! Tasks of one loop have ordinary `Send + Sync` wakers, and still the thread
//! that runs the loop wakes, clones, queues, polls, ends and joins them without
//! one atomic read-modify-write: it counts in a plain word (`local`), and all
//! other threads count in an atomic one (`shared`).
//!
//! Read in this order: `local` and `shared` (the two words), `inbox` (how
//! other threads reach the owner), `life_cycle` (the owner's side),
//! `abroad` (everybody else's), `handle` (the join handle), [`frames`] (what is
//! asked when a task is cancelled), `locals` (values that tasks inherit), `moving` (how a task changes
//! its loop).
//!
//! The crate knows no I/O and no time, and it does not decide when to poll:
//! that is the business of whoever drives [`Running`].

mod abroad;
mod around;
mod awaiter;
mod branch;
mod cache;
mod cell;
mod current;
mod door;
pub mod embedded;
mod endings;
mod fences;
mod force;
pub mod frames;
mod guests;
mod handle;
mod hub;
mod inbox;
mod interrupt;
mod lending;
#[cfg(loom)]
pub mod life;
mod life_cycle;
mod local;
mod locals;
mod meter;
mod moving;
mod node;
mod queue;
mod request;
mod sending;
mod shared;
mod side;
mod spares;
mod tasks;
mod tree;
mod wait;
mod waker;
mod watched;

pub use around::{AroundPolls, MetScope, MetTask, Note, ScopeKey};
pub use branch::Branch;
pub use endings::Canceller;
pub use handle::{Joining, Task};
pub use inbox::Notify;
pub use interrupt::{Interrupt, Payload, Reason, ReasonKind, Requester};
pub use lending::{BorrowScope, Borrower};
pub use life_cycle::SpawnOptions;
pub use locals::{NoValue, TaskLocal, WithLocal};
pub use meter::WorkerMetrics;
pub use tasks::{
    NoNotify, Running, Submitter, Tasks, current_info, is_dropping, is_observed, is_running,
    is_taken_over, pending, tree, tree_around, try_spawn, try_spawn_sent,
};
pub use tree::{
    Describe, Lines, ScopeInfo, ScopeStage, TaskInfo, TaskState, Tree, TreeEntry, TreeNode,
};
pub use wait::{WaitError, block_beside, block_until};
pub use watched::{Look, PolledTask, Watched};

/// The program of the README, as a test.
#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;
