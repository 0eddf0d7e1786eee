//! Models of the task protocol: the crate's own code, run by loom in every
//! order that its preemption bound allows.
//!
//! `cargo xtask model -p arborio-task` runs them. The models are named after
//! the rows of the table in `src/shared.rs` and after who meets whom. Each runs
//! twice: once as it is, and once *dense*, with a read-modify-write of one
//! common word before each step. Loom keeps one last access for each word, so
//! a thread's load hides the load of another one from it, and it leaves out
//! orders that exist; the common word brings the orders of whole steps back.
#![cfg(loom)]

#[path = "loom/world.rs"]
mod world;

#[path = "loom/closing.rs"]
mod closing;
#[path = "loom/drops.rs"]
mod drops;
#[path = "loom/embedded.rs"]
mod embedded;
#[path = "loom/endings.rs"]
mod endings;
#[path = "loom/frames.rs"]
mod frames;
#[path = "loom/guests.rs"]
mod guests;
#[path = "loom/handles.rs"]
mod handles;
#[path = "loom/joining.rs"]
mod joining;
#[path = "loom/moving.rs"]
mod moving;
#[path = "loom/rescue.rs"]
mod rescue;
#[path = "loom/submissions.rs"]
mod submissions;
#[path = "loom/wakes.rs"]
mod wakes;
#[path = "loom/window.rs"]
mod window;
