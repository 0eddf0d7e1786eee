//! The event loop from outside, over a world that the tests make up.
#![cfg(not(loom))]

mod before_sleep;
mod blocking;
mod ends;
mod following;
mod scheduling;
mod seeds;
mod spawning;
mod stopping;
mod team;
mod workers;
mod world;
