//! Pools: several event loops that share their tasks.

mod background;
mod ends;
mod groups;
mod guests;
#[path = "../../../arborio-base/tests/support/leak.rs"]
mod leak;
mod lending;
#[path = "../it/limits.rs"]
mod limits;
mod meeting;
#[path = "../it/membarrier.rs"]
mod membarrier;
mod metrics;
mod running;
mod scopes;
mod stopping;
mod stuck;
mod trees;
mod waiting;
mod watchdog;
