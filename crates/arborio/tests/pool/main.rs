//! Pools: several event loops that share their tasks.

mod background;
mod lending;
mod running;
mod guests_found;
mod scopes;
mod stopping;
