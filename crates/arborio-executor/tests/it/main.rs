//! The event loop from outside, over a world that the tests make up.
#![cfg(not(loom))]

mod blocking;
mod ends;
mod scheduling;
mod seeds;
mod spawning;
mod stopping;
mod team;
mod world;
