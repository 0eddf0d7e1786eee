//! `cargo xtask demo`: the echo server under load, driven from this process.
//!
//! # The server's contract
//! `echo_server PORT` serves on `127.0.0.1:PORT` (0: the system chooses) and prints
//! `listening on 127.0.0.1:PORT` as its first line. With `ARBORIO_DEMO_STOP_ON_EOF=1` in its
//! environment it ends with code 0 when its standard input ends. What it says on a connection is
//! in `demo/conversation.rs`; every byte of it is checked. `--workers N` makes it a pool,
//! `--spin MICROSECONDS` makes it compute for so long before each answer; both are asked of our own server only.
//!
//! The whole demonstration is bounded: every wait has a deadline.

mod conversation;
mod latency;
mod load;
mod scaling;
mod server;

use std::io::{IsTerminal, Write};
use std::path::{Path, PathBuf};
use std::time::Duration;

use crate::arguments::Arguments;
use crate::{Outcome, Verb, examples, table};
use load::{AT_ONCE, Crowd, Load};
use server::Server;

pub(crate) const VERB: Verb = Verb {
    name: "demo",
    usage: "demo [--quick] [--server PROGRAM]",
    summary: "serves echo on a loop and on pools to 1, 50 and 1000 connections, checks every byte, measures",
    run,
};

/// How many connections each round has.
const ROUNDS: [usize; 3] = [1, 50, 1000];

/// Connections held open to see what one costs.
const IDLE: usize = 1000;

/// What each worker may open besides connections when it first waits for one: its epoll twice, an eventfd, a timerfd.
const OPENED_LATE: usize = 4;

/// A way to run the server.
struct Mode {
    name: &'static str,
    workers: usize,
    arguments: &'static [&'static str],
}

/// A foreign server has the first one.
const MODES: [Mode; 3] = [
    Mode {
        name: "1 loop",
        workers: 1,
        arguments: &[],
    },
    Mode {
        name: "1 worker",
        workers: 1,
        arguments: &["--workers", "1"],
    },
    Mode {
        name: "2 workers",
        workers: 2,
        arguments: &["--workers", "2"],
    },
];

fn run(mut arguments: Arguments) -> Outcome {
    let quick = arguments.flag("--quick");
    let chosen = arguments.values("--server")?.pop().map(PathBuf::from);
    arguments.nothing_left()?;
    let each = Duration::from_secs(if quick { 1 } else { 4 });
    // An error must not be printed behind a half drawn bar.
    let shown = match chosen {
        Some(program) => demonstrate(&program, &MODES[..1], each),
        None => build_server().and_then(|program| {
            demonstrate(&program, &MODES, each)?;
            scaling::measure(&program, each)
        }),
    };
    shown.inspect_err(|_| clear_progress())?;
    Ok(Vec::new())
}

fn build_server() -> Result<PathBuf, String> {
    let line = [
        "build",
        "--release",
        "-p",
        "arborio",
        "--example",
        "echo_server",
    ];
    let built = examples::build(&line)?.into_iter();
    let mut server = built
        .filter(|(name, _)| name == "echo_server")
        .map(|(_, path)| path);
    server
        .next()
        .ok_or_else(|| "cargo built no echo_server".into())
}

/// Serves in each of the modes, and prints one table of all.
fn demonstrate(program: &Path, modes: &[Mode], each: Duration) -> Result<(), String> {
    let mut rows = Vec::new();
    let mut memory = Vec::new();
    for mode in modes {
        let idle = serve(program, mode, each, &mut rows)?;
        memory.push(format!("{idle} ({})", mode.name));
    }
    clear_progress();
    let heading = [
        "server",
        "connections",
        "requests",
        "requests/s",
        "p50 µs",
        "p99 µs",
        "server CPU µs/request",
    ];
    println!("\n{}", table::render(&heading, rows).trim_end());
    println!(
        "\nmemory: resident bytes per idle connection, its buffer of 512 bytes included, of {IDLE}: {}",
        memory.join(", ")
    );
    println!("every byte of every answer was as it should be");
    println!("every server ended by itself, with code 0");
    Ok(())
}

/// Starts the server, measures an idle connection and every round, stops the server. Returns the bytes of the former.
fn serve(
    program: &Path,
    mode: &Mode,
    each: Duration,
    rows: &mut Vec<Vec<String>>,
) -> Result<u64, String> {
    let server = Server::start(program, mode.arguments)?;
    println!(
        "the server ({}), process {}, listens on {}",
        mode.name,
        server.id(),
        server.address
    );
    // One whole conversation first, so that what the server sets up once is not counted below.
    Crowd::connect(server.address, 1, 1)?.part()?;
    let descriptors = server.descriptors()? + OPENED_LATE * (mode.workers - 1);

    let before = server.resident_bytes()?;
    let idle = Crowd::connect(server.address, IDLE, AT_ONCE)?;
    let memory = server.resident_bytes()?.saturating_sub(before);
    idle.part()?;

    for connections in ROUNDS {
        rows.push(round(&server, mode, connections, each)?);
    }
    server.await_descriptors(descriptors)?;
    server.stop()?;
    Ok(memory / IDLE as u64)
}

/// One row of the table: `connections` for a duration of `each`.
fn round(
    server: &Server,
    mode: &Mode,
    connections: usize,
    each: Duration,
) -> Result<Vec<String>, String> {
    let mut crowd = Crowd::connect(server.address, connections, AT_ONCE)?;
    let cpu = server.cpu_time()?;
    let load = crowd.load(each, |share, requests| {
        progress(connections, share, requests)
    })?;
    let cpu = server.cpu_time()?.saturating_sub(cpu);
    crowd.part()?;
    Ok(row(mode, connections, &load, cpu))
}

fn row(mode: &Mode, connections: usize, load: &Load, cpu: Duration) -> Vec<String> {
    let requests = load.latencies.count();
    let per_request = cpu.as_secs_f64() * 1e6 / requests.max(1) as f64;
    vec![
        mode.name.to_string(),
        connections.to_string(),
        requests.to_string(),
        format!("{:.0}", requests as f64 / load.took.as_secs_f64()),
        load.latencies.percentile(50.0).as_micros().to_string(),
        load.latencies.percentile(99.0).as_micros().to_string(),
        format!("{per_request:.1}"),
    ]
}

/// A bar that stays on its line; nothing where standard error is no terminal.
fn progress(connections: usize, share: f64, requests: usize) {
    if !std::io::stderr().is_terminal() {
        return;
    }
    let filled = (share.clamp(0.0, 1.0) * 30.0) as usize;
    let bar = format!("{}{}", "#".repeat(filled), ".".repeat(30 - filled));
    eprint!("\r{connections:>5} connections [{bar}] {requests:>8} requests ");
    // A progress bar that cannot be shown is no reason to stop.
    let _ = std::io::stderr().flush();
}

fn clear_progress() {
    if std::io::stderr().is_terminal() {
        eprint!("\r\x1b[K");
    }
}
