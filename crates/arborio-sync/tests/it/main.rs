//! What the primitives promise, seen from outside, under an executor that is
//! not ours or under polls by hand.
#![cfg(not(loom))]

mod barrier;
mod bounds;
mod broadcast;
mod drop_at_every_poll;
mod event;
mod harness;
#[path = "../../../arborio-base/tests/support/leak.rs"]
mod leak;
mod mpmc;
mod mpsc;
mod mutex;
mod notify;
mod once_cell;
mod oneshot;
mod promise;
mod refuted;
mod rwlock;
mod semaphore;
// Some helpers serve one module only.
#[allow(dead_code, reason = "which helpers are used depends on the modules")]
mod support;
mod texts;
mod watch;
