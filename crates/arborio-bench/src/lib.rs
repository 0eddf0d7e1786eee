//! Benchmarks of Arborio against its peers and a hand-written floor, in one interleaved run.
//!
//! `cargo xtask bench [--quick] [scenario...]` is the door. Every measurement happens in a child
//! process of its own (no contestant inherits another's allocator state or threads), pinned to one
//! core; rounds go A B C A B C, and what is reported is the median over rounds.
//!
//! | where           | what                                                             |
//! |-----------------|------------------------------------------------------------------|
//! | `runtime.rs`    | what a scenario may ask of a contestant                          |
//! | `contestants/`  | the runtimes, one file each, and the floor                       |
//! | `scenarios/`    | what is measured, one file each; its header says how to add one  |
//! | `goals.rs`      | the goals, and when one is reached                               |
//! | `rounds.rs`     | who runs when: children, rounds, progress                        |
//! | `report/`       | table, JSON, written report, plot                                |
//!
//! To look closer at one measurement, run its child alone under a profiler, or count instructions
//! where time is too noisy to decide:
//! `perf stat -e instructions:u target/release/arborio-bench --child yield-1 arborio full 2`.
//!
//! Results go to `bench/` in cargo's target directory: `latest.json`, the same without its
//! time stamp as `<commit>.json`, `report.md` and `report.svg`.

mod child;
mod command;
mod contestants;
mod goals;
mod machine;
mod measure;
mod memory;
mod report;
mod rounds;
mod runtime;
mod sample;
mod scenarios;
mod stats;

pub use command::main;
