//! The event loop from outside, over a world that the tests make up.
#![cfg(not(loom))]

mod before_sleep;
mod blocking;
mod ends;
mod following;
mod grace;
mod handles;
mod hops;
mod looking;
mod places;
mod pools;
mod scheduling;
mod seeds;
mod slices;
mod spawning;
mod stopping;
mod team;
mod team_ends;
mod words;
mod workers;
mod world;
