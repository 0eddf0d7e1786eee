//! Arborio under the libraries that programs use it with.
//!
//! A crate of tests (`tests/it`), and of the little server that they share; so that neither the facade nor its
//! tests have to build these libraries. The programs of docs/ecosystem.md are tests here, too.
#![forbid(unsafe_code)]

pub mod server;
pub mod tls;

/// The programs of the page.
#[cfg(doctest)]
#[doc = include_str!("../../../docs/ecosystem.md")]
struct Page;
