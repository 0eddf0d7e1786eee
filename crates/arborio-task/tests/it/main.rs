//! The task crate from outside, on real threads.
#![cfg(not(loom))]

mod around;
mod asked;
mod branch_again;
mod branch_refuted;
mod branches;
mod cells;
mod driving;
mod embedded;
mod endings_refuted;
mod figures;
mod foreign_wakers;
#[path = "../../../arborio-base/tests/support/fork_meanwhile.rs"]
mod fork_meanwhile;
mod forks;
mod frames_refuted;
mod frames_told;
mod guests;
mod guests_behind;
mod handles;
#[path = "../../../arborio-base/tests/support/leak.rs"]
mod leak;
mod lending;
mod lending_ends;
mod locals_refuted;
mod loops;
mod memory;
mod moving;
mod panics;
mod refuted;
mod rescue;
mod said;
mod support;
mod told;
mod types;
mod waiting;
mod wakers;
mod words;
