//! What every Arborio crate stands on, and nothing that knows about tasks.
//!
//! * [`sync`]: the standard library's primitives, or those of loom or shuttle in a model.
//! * [`budget`]: how many operations the poll that is running may still do.
//! * [`contain`]: calls foreign code and keeps its panic from spreading.
//! * [`Process`] and [`between_forks`]: whether this is the child of a fork, and that none comes at a bad moment.
//! * [`List`] and [`Plain`]: the parts of structures that one thread at a time owns.
//! * [`WakeBatch`]: wakers gathered under a lock and called outside of it.

pub mod budget;
mod contain;
mod fork;
mod list;
mod plain;
mod prefetch;
#[cfg(shuttle)]
mod shuttled;
pub mod sync;
mod wake_batch;

pub use contain::{contain, contained_panics, drop_contained};
pub use fork::{Forked, Process, between_forks};
pub use list::{Links, List, unlink};
pub use plain::Plain;
pub use prefetch::prefetch;
pub use wake_batch::WakeBatch;

/// The program of the README, as a test.
#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;
