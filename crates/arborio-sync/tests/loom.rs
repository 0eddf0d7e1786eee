//! Models of the primitives: the crate's own code, run by loom in every order
//! that its preemption bound allows.
//!
//! `cargo xtask model -p arborio-sync` runs them. There are two kinds: models
//! that were thought of, with a name for what they are about, and models that
//! were not: every pair of operations of every primitive (`pairs.rs`).
//!
//! Each runs twice: once as it is, and once *dense*, with a read-modify-write of
//! one common word before each step. Loom keeps one last access for each word,
//! so a thread's load hides the load of another one from it, and it leaves out
//! orders that exist; the common word brings the orders of whole steps back.
#![cfg(loom)]
#![allow(
    clippy::arc_with_non_send_sync,
    reason = "the threads of a model take turns on one thread of the system"
)]

#[path = "loom/pairs.rs"]
mod pairs;
#[path = "loom/world.rs"]
mod world;

#[path = "loom/barrier.rs"]
mod barrier;
#[path = "loom/broadcast.rs"]
mod broadcast;
#[path = "loom/channels.rs"]
mod channels;
#[path = "loom/closing.rs"]
mod closing;
#[path = "loom/event.rs"]
mod event;
#[path = "loom/latch.rs"]
mod latch;
#[path = "loom/mutex.rs"]
mod mutex;
#[path = "loom/notify.rs"]
mod notify;
#[path = "loom/once_cell.rs"]
mod once_cell;
#[path = "loom/oneshot.rs"]
mod oneshot;
#[path = "loom/permits.rs"]
mod permits;
#[path = "loom/promise.rs"]
mod promise;
#[path = "loom/rwlock.rs"]
mod rwlock;
#[path = "loom/semaphore.rs"]
mod semaphore;
#[path = "loom/unbounded.rs"]
mod unbounded;
#[path = "loom/watch.rs"]
mod watch;
