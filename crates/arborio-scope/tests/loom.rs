//! Models of what other threads do to a scope: the crate's own code, run by loom in
//! every order that its preemption bound allows.
//!
//! `cargo xtask model -p arborio-scope` runs them. They stand on what the models of
//! arborio-task stand on, with the same accounts at the end of each execution, and run
//! twice for the same reason; see there. Timers are not modelled: each model has a
//! clock that stands still.
#![cfg(loom)]

#[allow(dead_code, reason = "the models of arborio-task use the rest")]
#[path = "../../arborio-task/tests/loom/world.rs"]
mod world;

#[path = "loom/branches.rs"]
mod branches;
#[path = "loom/cancels.rs"]
mod cancels;
#[path = "loom/deadlines.rs"]
mod deadlines;
#[path = "loom/failures.rs"]
mod failures;
#[path = "loom/free.rs"]
mod free;
#[path = "loom/scenery.rs"]
mod scenery;
#[path = "loom/starts.rs"]
mod starts;
#[path = "loom/steered.rs"]
mod steered;
