//! Servers, clients and drivers of other people, on a loop and on a pool.
//!
//! Tests whose server runs in the background drive it from synchronous code: what the end of a loop does to its
//! connections is best seen from outside.

mod adapters;
mod http;
mod load;
mod shutdown;
mod spans;
mod support;
mod timers;
mod tls;
mod tokio_io;
mod tokio_only;
