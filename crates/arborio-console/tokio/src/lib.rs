//! Leads what evcxr writes for tokio to Arborio: the cells know this crate as `tokio`.
#![forbid(unsafe_code)]

pub use arborio_console_prelude::runtime;
