//! What the crate promises, seen from outside.

mod allocations;
mod clocks;
#[path = "../../../arborio-base/tests/support/fork_meanwhile.rs"]
mod fork_meanwhile;
mod forks;
mod intervals;
#[path = "../../../arborio-base/tests/support/leak.rs"]
mod leak;
mod refuted;
mod sleeps;
mod support;
mod threads;
mod timeouts;
mod wakers;
mod wheel;
mod wheel_model;
