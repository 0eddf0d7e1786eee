//! Cancellation that can clean up, and deadlines that nest.
//!
//! Rust cannot throw an error into a suspended future. What can be asked to end is a
//! part of a future that knows what to do then. An *origin* makes the request:
//! [`move_on_after`], [`timeout`], a [`CancelScope`], a task that is
//! [cancelled](arborio_task::Task::cancel). A *handler*
//! answers it: [`catch_cancel`], [`finally`], [`shield`]. The innermost handlers are
//! asked first; what has no handler is dropped.
//!
//! The crate `arborio` re-exports what is here: at its root, and in `cancel`, `combine`, `concurrent`, `group`, `scope` and `time`.
//! Examples have the names of this crate.
#![deny(unsafe_code)]

mod apply_timeout;
mod bounded;
mod cancel_scope;
pub mod concurrent;
mod deadline;
mod detached;
mod gather;
mod group;
mod handlers;
mod join;
mod limit;
mod origin;
mod race;
mod repeat;
mod scope;
mod select;
mod wake_set;

pub use apply_timeout::ApplyTimeout;
pub use bounded::{Bounded, BoundedOrdered, Limit, limit};
pub use cancel_scope::{CancelScope, Run};
pub use concurrent::{Concurrent, concurrent_local};
pub use deadline::{
    MoveOn, Timeout, current_effective_deadline, fail_after, fail_at, is_cancelling, move_on_after,
    move_on_at, timeout, timeout_at,
};
pub use detached::{FinallyDetached, finally_detached};
pub use gather::{
    Gather, TryGather, gather, gather_all, gather_all_local, gather_local, try_gather,
    try_gather_local,
};
#[doc(hidden)]
pub use gather::{GatherLocalTuple, GatherTuple};
pub use group::{Added, Exhaust, Exhausted, IntoMember, Member, Spawned, TaskGroup};
pub use handlers::{
    Cancelled, CatchCancel, Finally, Shield, WhenCancelled, cancelled, catch_cancel, finally,
    shield,
};
pub use join::{
    Join, Join1, Join2, Join3, Join4, Join5, Join6, Join7, Join8, JoinArray, JoinVec, join,
};
pub use race::{Race, Race1, Race2, Race3, Race4, Race5, Race6, Race7, Race8, RaceVec, race};
pub use repeat::{Ticker, repeat_timeout};
pub use scope::{
    AnyScope, Child, ChildBuilder, ChildOf, ChildOutput, Failed, FreeScope, Local, LocalScope,
    Outcome, Ready, Reporting, Scope, ScopeBody, ScopeBuilder, ScopeClosed, ScopeEnd, ScopeEnded,
    ScopeNote, Sent, local_scope, scope, set_stubborn_hook,
};
#[doc(hidden)]
pub use select::never;

/// The program of the README, as a test.
#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;
