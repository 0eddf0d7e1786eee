//! Cancellation inside a task: the tree of frames, and the requests in it.
//!
//! A task, or a part of it, can be asked to end. Rust cannot throw an error into
//! a suspended future, so what is asked are *frames*: parts of the future that
//! know what to do then. `slots` is the tree as data, `asking` who is asked in it and
//! what they say, `table` who may touch it; `lone` is what most tasks have instead, `away`
//! what comes from outside of the tree, and `counted` how a table is held. `frame` is what lies in a future, `entry` how
//! it finds its place in the tree, `inside` what it may do there, and `root` what the
//! task itself does with a request.
//!
//! # Examples
//! An origin that asks at once, and a handler inside that answers.
//! ```
//! use arborio_task::frames::{Answer, Frame, Next};
//! use std::task::{Context, Poll, Waker};
//! let (mut origin, mut handler) = (Frame::origin(), Frame::handler());
//! let mut cx = Context::from_waker(Waker::noop());
//! let polled = origin.poll(&mut cx, |cx, inside| {
//!     assert!(handler.poll(cx, |_, _| Poll::<()>::Pending).is_pending());
//!     assert_eq!(inside.request(), Next::Poll);
//!     let answers = handler.poll(cx, |_, inside| Poll::Ready(inside.answer(Answer::Swallowed)));
//!     assert!(answers.is_ready());
//!     Poll::Ready(inside.settle())
//! });
//! assert_eq!(polled, Poll::Ready(Next::Withdraw));
//! ```

mod asking;
mod away;
pub(crate) mod counted;
mod entry;
mod frame;
mod inside;
mod lone;
pub(crate) mod root;
pub(crate) mod slots;
pub(crate) mod table;

pub use asking::Next;
pub use entry::Terms;
pub use frame::Frame;
pub use inside::{Inside, grace, is_cancelling, limit, limit_to_root};
pub use root::asked_because;
pub use slots::Answer;
