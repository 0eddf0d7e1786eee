//! The table of scenarios, one file each.
//!
//! # Adding a scenario
//! 1. A file with `pub(super) const SCENARIO: Scenario` and a generic
//!    `fn measure<R: Runtime>(effort: Effort) -> Sample` that starts `R`, warms up and measures.
//!    A scenario that only computes uses [`Meter`](crate::measure::Meter).
//! 2. A line in [`ALL`], in the order of the report.
//! 3. Its goals in `goals.rs`.
//!
//! If it needs something that [`Runtime`](crate::runtime::Runtime) cannot do (a channel, a scope), it
//! defines its own small trait in its own file and implements it there for the contestants that can.

mod concurrent;
pub(crate) mod echo;
mod idle;
mod pool;
mod ring;
mod scopes;
mod sleep_size;
mod sleeps;
mod spawn_blocking;
mod spawn_join;
mod spawn_one;
mod start_stop;
mod sync;
mod timeouts;
mod yields;

use crate::measure::Effort;
use crate::sample::Sample;

/// What is measured, in which figures, and by whom.
pub(crate) struct Scenario {
    /// The name on the command line.
    pub(crate) key: &'static str,
    /// One line for the report.
    pub(crate) what: &'static str,
    /// The figures a sample holds, in the order of the report; the first is the one that is plotted.
    pub(crate) figures: &'static [Figure],
    pub(crate) entries: &'static [Entry],
    pub(crate) rounds: Rounds,
}

impl Scenario {
    /// Whether it is about what several threads do at once: it has two cores.
    pub(crate) fn has_threads(&self) -> bool {
        self.key.starts_with("pool-") || self.key == "spawn-blocking"
    }
}

/// One figure of a scenario. Smaller is better, unless its unit is a rate ("req/s").
pub(crate) struct Figure {
    pub(crate) key: &'static str,
    pub(crate) unit: &'static str,
}

impl Figure {
    /// Key and unit, where the unit says more than the key.
    pub(crate) fn label(&self) -> String {
        if self.key == self.unit {
            return self.key.to_owned();
        }
        let name = self.key.trim_end_matches("_us").trim_end_matches("_ns");
        format!("{name} {}", self.unit)
    }

    /// Everything is a cost, but for rates.
    pub(crate) fn more_is_better(&self) -> bool {
        self.unit.ends_with("/s")
    }
}

/// One contestant of a scenario.
pub(crate) struct Entry {
    pub(crate) contestant: &'static str,
    /// Runs in a process of its own.
    pub(crate) measure: fn(Effort) -> Sample,
}

/// How often a scenario is repeated.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Rounds {
    /// As often as everything that a neighbour can disturb.
    Timed,
    /// It counts bytes, which do not vary: a few rounds to see that they do not.
    Counted,
    /// Once, and not at all with `--quick`.
    OnceInFull,
}

/// Nanoseconds per operation, by the [`Meter`](crate::measure::Meter).
const NANOSECONDS: &[Figure] = &[Figure {
    key: "ns",
    unit: "ns",
}];

/// Bytes, by the counting allocator.
const BYTES: &[Figure] = &[Figure {
    key: "bytes",
    unit: "bytes",
}];

/// Every scenario, in the order of the report.
pub(crate) const ALL: &[Scenario] = &[
    spawn_join::SCENARIO,
    spawn_one::SCENARIO,
    yields::ONE,
    yields::THOUSAND,
    ring::SCENARIO,
    scopes::TEN,
    scopes::THOUSAND,
    concurrent::TEN,
    concurrent::THOUSAND,
    concurrent::TEN_YIELDS,
    concurrent::THOUSAND_YIELDS,
    sync::ping_pong::LOCAL,
    sync::ping_pong::SEND,
    sync::mpsc::BOUNDED_LOCAL,
    sync::mpsc::BOUNDED_SEND,
    sync::mpsc::UNBOUNDED_LOCAL,
    sync::mpsc::UNBOUNDED_SEND,
    sync::mutex::FREE_LOCAL,
    sync::mutex::FREE_SEND,
    sync::mutex::HUNDRED_LOCAL,
    sync::mutex::HUNDRED_SEND,
    sync::semaphore::FREE_LOCAL,
    sync::semaphore::FREE_SEND,
    sync::event::LOCAL,
    sync::event::SEND,
    timeouts::READY,
    timeouts::YIELD,
    sleeps::HUNDRED_THOUSAND,
    sleeps::TEN_THOUSAND,
    sleeps::LONE,
    sleep_size::SCENARIO,
    idle::HUNDRED_THOUSAND,
    idle::TEN_MILLION,
    start_stop::SCENARIO,
    spawn_blocking::SCENARIO,
    pool::SPAWN_JOIN,
    pool::SPAWN_ONE,
    pool::YIELD_ONE,
    pool::YIELD_THOUSAND,
    pool::RING,
    pool::PING_PONG,
    pool::MPSC,
    pool::MUTEX,
    pool::FORK_JOIN,
    pool::SCOPE,
    pool::PRODUCERS,
    pool::COARSE,
    pool::BLOCKED,
    pool::START_STOP,
    pool::ECHO,
    pool::HOT,
    pool::SKEWED,
    pool::TIMERS,
    pool::WAKE,
    echo::ONE_SMALL,
    echo::FIFTY_SMALL,
    echo::THOUSAND_SMALL,
    echo::FIFTY_LARGE,
    echo::THOUSAND_LARGE,
    echo::IDLE,
];
