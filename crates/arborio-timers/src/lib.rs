//! A hierarchical timer wheel, clocks, sleeps, timeouts and intervals, for any executor.
//!
//! * [`Wheel`] is the data structure. It reads no clock and calls nobody.
//! * [`Timers`] is what one event loop owns: a wheel and a [`Clock`]. The loop's
//!   driver fires it and asks it how long it may wait.
//! * [`sleep`], [`timeout`], [`interval`] are what tasks use. They find the
//!   `Timers` of the loop that runs on their thread. On a thread without a
//!   loop they use a background thread of this crate, so they work under any
//!   executor.
//!
//! What tasks use is `arborio::time` in the crate `arborio`. Examples have the names of this crate.
//!
//! # Examples
//! ```
//! use arborio_timers::{sleep, timeout};
//! use std::time::Duration;
//! futures_lite::future::block_on(async {
//!     sleep(Duration::from_millis(1)).await;
//!     let late = timeout(Duration::from_millis(1), std::future::pending::<()>()).await;
//!     assert!(late.is_err());
//! });
//! ```
#![forbid(unsafe_code)]

mod clock;
mod fallback;
mod helper;
mod home;
mod instant;
mod interval;
mod monotonic;
mod sleep;
mod timeout;
mod timers;
mod wheel;

pub use clock::{Clock, ClockHold, clock};
pub use helper::TimersHelper;
pub use instant::Instant;
pub use interval::{Interval, MissedTick, Tick, interval, interval_at};
pub use sleep::{Sleep, sleep, sleep_until};
pub use timeout::{TimedOut, Timeout, timeout, timeout_at};
pub use timers::{Entered, Timers};
pub use wheel::{Key, Wheel};

/// The program of the README, as a test.
#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;
