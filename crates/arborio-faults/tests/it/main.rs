//! How the programs of this crate end.

mod memory;
