//! Pools: several event loops that share their tasks.

mod running;
mod scopes;
mod stopping;
