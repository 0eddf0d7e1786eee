//! Pools: several event loops that share their tasks.

mod background;
mod groups;
mod guests;
mod lending;
mod metrics;
mod running;
mod scopes;
mod stopping;
mod stuck;
mod watchdog;
