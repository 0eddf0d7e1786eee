//! Readiness of file descriptors as futures: one epoll per event loop, for any
//! executor. Linux only.
//!
//! * [`Async`]: a descriptor whose operations wait instead of blocking.
//! * [`LoopReactor`]: the reactor that an event loop owns and drives.
//!
//! A descriptor is registered once, for both directions. What the kernel says
//! is kept in one word per source, so an operation that can go on costs no more
//! than its own system call, and one that moved less than it could does not
//! ask again whether there is more. Nor does one of a stream that answers
//! requests, however much it moved.
//!
//! # Where to start reading
//! `readiness.rs` (the word), `gate.rs` (waiting, and why no wake is lost),
//! `quiet.rs` (edge-triggered, and when not),
//! `home/mod.rs` (the table) and `home/token.rs` (what the kernel knows), `loop_reactor.rs`, `async_fd.rs`.
#![cfg(not(loom))]
#![deny(unsafe_code)]

mod async_fd;
mod confirmed;
mod fallback;
mod gate;
mod helper;
mod home;
mod loop_reactor;
mod notifier;
mod operation;
mod pump;
mod quiet;
mod readiness;
mod source;
mod stream;
mod timer_fd;
mod waiters;

pub use async_fd::Async;
pub use helper::ReactorHelper;
pub use loop_reactor::{EnteredReactor, LoopReactor};
pub use notifier::Notifier;

/// The program of the README, as a test.
#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;
