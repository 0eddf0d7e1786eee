//! The reactor from outside: driven by hand, by its own thread, and under
//! faults. Names that begin with an identifier belong to the battery of cases
//! in `docs/testing.md`.
#![cfg(not(loom))]

mod anywhere;
mod by_hand;
mod faults;
mod helped;
mod injected;
mod quiet;
mod refuted;
mod short_reads;
mod support;
mod wakers;
mod writing;
