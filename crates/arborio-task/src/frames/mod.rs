//! Cancellation inside a task: the tree of frames, and the requests in it.
//!
//! A task, or a part of it, can be asked to end. Rust cannot throw an error into
//! a suspended future, so what is asked are *frames*: parts of the future that
//! know what to do then. [`slots`] is the tree as data, [`table`] says who may
//! touch it, [`context`] how a frame finds its place, and [`root`] what the task
//! itself does with a request.

mod context;
pub(crate) mod root;
pub(crate) mod slots;
pub(crate) mod table;

pub use context::{Frame, Inside, is_cancelling, limit, limit_to_root};
pub use slots::{Answer, Next};
