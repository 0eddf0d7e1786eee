//! What the crate promises, seen from outside.

mod allocations;
mod clocks;
mod intervals;
mod refuted;
mod sleeps;
mod support;
mod threads;
mod timeouts;
mod wakers;
mod wheel;
mod wheel_model;
