//! What the traits of other crates are here: each module is a feature, off by default.
//!
//! The facade shows each under its own name: `arborio::hyper`, `arborio::tokio`, `arborio::tracing`.

#[cfg(feature = "hyper")]
pub mod hyper;
#[cfg(feature = "tokio")]
pub mod tokio;
#[cfg(feature = "tracing")]
pub mod tracing;
