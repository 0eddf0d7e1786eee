//! The event loop: a strict FIFO of tasks, driven to its end on one thread.
//!
//! # One turn
//! 1. Take what other threads sent.
//! 2. Poll every ready task, also those that become ready meanwhile, oldest
//!    first, until none is left: only then is I/O looked at.
//! 3. One pass of the [`Park`]: timers, then I/O. It may block if nothing is
//!    ready and nobody waits for the pass itself.
//! 4. Wake those that waited for the pass.
//!
//! So that nothing starves for ever, 2 ends early after [`DRAIN_BOUND`] polls,
//! or if the park says that its time slice is over: it is asked after [`SLICE`] polls, and then after two times,
//! four times as many and so on, but at least every [`RARELY`] polls: long polls are noticed early, and short ones
//! are not slowed down. A worker whose slice was over after fewer polls is asked earlier the next time; a loop that is alone is not, as
//! the order of what is ready and what a pass wakes is part of its contract. The pass does not block then, and what it wakes goes to the end of the queue.
//!
//! # Files
//! | file           | what is there                                                        |
//! |----------------|----------------------------------------------------------------------|
//! | this one       | the turn in words, and after how many polls something is looked at   |
//! | `options.rs`   | [`LoopOptions`]: how a loop runs                                     |
//! | `report.rs`    | [`Report`]: what it tells that nobody asked for                      |
//! | `run_error.rs` | [`RunError`]: why it did not give `main`'s output                    |
//! | `drive.rs`     | [`drive()`] and [`drive_in_team`]: a loop from its start to its end  |
//! | `turns.rs`     | the turn: mail, drain, pass                                          |
//! | `worker.rs`    | what differs if the loop is a worker of a pool                       |
//! | `ending.rs`    | whether the loop ends, and with what: panics, stops, the grace       |
//!
//! [`Park`]: crate::Park

mod drive;
mod ending;
mod options;
mod report;
mod run_error;
mod turns;
mod worker;

pub use drive::{drive, drive_in_team, is_running};
pub use options::{Drain, Leftover, LoopOptions, OnUnobservedPanic};
pub use report::Report;
pub use run_error::RunError;

/// Polls without an empty queue, after which the loop makes a pass.
pub const DRAIN_BOUND: u32 = 4096;
/// Polls after which the park is asked for the first time whether its time slice is over.
pub const SLICE: u32 = MAIL_EVERY;
/// Polls after which it is asked again at the latest.
const RARELY: u32 = 1024;
/// Polls after which the loop looks at what other threads sent: one plain load.
const MAIL_EVERY: u32 = if cfg!(shuttle) { 4 } else { 64 };
