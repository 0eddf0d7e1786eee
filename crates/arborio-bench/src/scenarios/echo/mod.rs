//! Echo over loopback: the server on one core, a closed-loop load generator on another.
//!
//! The process that the rounds start is the load generator; it starts the server as a child of its
//! own ([`server`]), so that CPU time and live bytes are the server's alone. System calls are counted
//! in the first round only, in a short run of the server under strace, where strace exists.

pub(crate) mod control;
pub(super) mod load;
mod raw_loop;
mod server;

use super::{BYTES, Entry, Figure, Rounds, Scenario};
use crate::contestants::{ARBORIO, FLOOR};
use crate::measure::Effort;
use crate::sample::Sample;
use control::ServerProcess;
use load::Load;

const FIGURES: &[Figure] = &[
    Figure {
        key: "cpu_us",
        unit: "µs per request",
    },
    Figure {
        key: "rate",
        unit: "req/s",
    },
    Figure {
        key: "p50_us",
        unit: "µs",
    },
    Figure {
        key: "p99_us",
        unit: "µs",
    },
    Figure {
        key: "syscalls",
        unit: "per request",
    },
];

/// Entries of every server, all with the same function: it finds the server's name in the effort.
macro_rules! every_server {
    ($measure:expr) => {
        every_server!($measure; ARBORIO, FLOOR, "tokio", "smol", "monoio", "monoio-uring", "compio", "compio-uring")
    };
    ($measure:expr; $($server:expr),+) => {
        &[$(Entry { contestant: $server, measure: $measure }),+]
    };
}

/// A scenario of so many connections with messages of so many bytes.
macro_rules! echo {
    ($key:literal, $what:literal, $connections:literal, $bytes:literal) => {
        Scenario {
            key: $key,
            what: $what,
            figures: FIGURES,
            entries: every_server!(|effort| drive($connections, $bytes, effort)),
            rounds: Rounds::Timed,
        }
    };
}

pub(super) const ONE_SMALL: Scenario = echo!("echo-1x64", "echo, 1 connection, 64 B", 1, 64);
pub(super) const FIFTY_SMALL: Scenario = echo!("echo-50x64", "echo, 50 connections, 64 B", 50, 64);
pub(super) const THOUSAND_SMALL: Scenario =
    echo!("echo-1000x64", "echo, 1000 connections, 64 B", 1000, 64);
pub(super) const FIFTY_LARGE: Scenario =
    echo!("echo-50x4k", "echo, 50 connections, 4 KiB", 50, 4096);
pub(super) const THOUSAND_LARGE: Scenario =
    echo!("echo-1000x4k", "echo, 1000 connections, 4 KiB", 1000, 4096);

pub(super) const IDLE: Scenario = Scenario {
    key: "echo-idle",
    what: "server's bytes per idle connection, a buffer of 64 bytes included",
    figures: BYTES,
    entries: every_server!(idle),
    rounds: Rounds::Counted,
};

fn drive(connections: usize, bytes: usize, effort: Effort) -> Sample {
    let server = effort.contestant;
    let mut process = ServerProcess::start(server, buffer_for(bytes));
    let mut load = Load::connect(process.address(), connections, bytes);
    load.run_for(effort.echo_warm_up());
    load.forget();
    let before = process.stat();
    let elapsed = load.run_for(effort.echo_window());
    let after = process.stat();
    let requests = load.requests() as f64;
    let sample = Sample::of(
        "cpu_us",
        (after.cpu - before.cpu).as_secs_f64() * 1e6 / requests,
    )
    .and("rate", requests / elapsed.as_secs_f64())
    .and("p50_us", load.latency_us(50.0))
    .and("p99_us", load.latency_us(99.0));
    process.stop();
    match system_calls(connections, bytes, effort) {
        Some(calls) => sample.and("syscalls", calls),
        None => sample,
    }
}

/// A server's buffer is larger than a message, as buffers are: a short read then tells an
/// edge-triggered runtime that there is no more, and it need not ask.
fn buffer_for(bytes: usize) -> usize {
    2 * bytes
}

/// System calls per request: the difference of a short and a longer run, so that what it takes to
/// start, to accept and to stop cancels out.
fn system_calls(connections: usize, bytes: usize, effort: Effort) -> Option<f64> {
    if !effort.first_round {
        return None;
    }
    let few = (100 / connections).max(2) as u64;
    let more = 3 * few;
    let count = |rounds| {
        let server = ServerProcess::start_traced(effort.contestant, buffer_for(bytes))?;
        let mut load = Load::connect(server.address(), connections, bytes);
        load.run_rounds(rounds);
        drop(load);
        server.stop_and_count()
    };
    let (calls_few, calls_more) = (count(few)?, count(more)?);
    let requests = (more - few) * connections as u64;
    Some((calls_more as f64 - calls_few as f64) / requests as f64)
}

fn idle(effort: Effort) -> Sample {
    const CONNECTIONS: usize = 1000;
    let mut process = ServerProcess::start_counting(effort.contestant, 64);
    let address = process.address();
    // What the first connections bring about (tables, lazily made parts) is not theirs.
    let mut first = Load::connect(address, 24, 64);
    first.run_rounds(1);
    let before = process.stat().live_bytes;
    let mut all = Load::connect(address, CONNECTIONS, 64);
    all.run_rounds(1);
    let after = process.stat().live_bytes;
    process.stop();
    Sample::of("bytes", (after - before) as f64 / CONNECTIONS as f64)
}

/// Becomes an echo server: what a [`ServerProcess`] runs.
///
/// # Errors
/// Arguments that no [`ServerProcess`] gives.
pub(crate) fn serve(arguments: &[String]) -> Result<(), String> {
    server::main(arguments)
}
