//! What all cells of a session share: Arborio, and the loop in the background.
//!
//! The console makes this crate known to the cells under the name `arborio`. Each cell is a library of
//! its own that is loaded into one process; this one is a `dylib`, so that they share its statics and
//! thread-locals: there is one loop, and one idea of the current task.
//!
//! | file         | what is in it                                                     |
//! |--------------|-------------------------------------------------------------------|
//! | `runtime.rs` | the loop, and how a cell is run on it (the stand-in for tokio's)  |
//! | `lookout.rs` | Ctrl-C and the end of the session                                 |
//! | `panics.rs`  | what is written when something panics                             |
//! | `show.rs`    | how the value of a cell is shown                                  |
//!
//! The one unsafe word is in `runtime.rs`.
#![deny(unsafe_code)]

pub use arborio::*;

mod lookout;
mod panics;
pub mod runtime;
pub mod show;
