//! `cargo xtask demo`: the echo server under load, driven from this process.
//!
//! # The server's contract
//! `echo_server PORT` serves on `127.0.0.1:PORT` (0: the system chooses) and prints
//! `listening on 127.0.0.1:PORT` as its first line. With `ARBORIO_DEMO_STOP_ON_EOF=1` in its
//! environment it ends with code 0 when its standard input ends. What it says on a connection is
//! in `demo/conversation.rs`; every byte of it is checked.
//!
//! The whole demonstration is bounded: every wait has a deadline.

mod conversation;
mod latency;
mod load;
mod server;

use std::io::{IsTerminal, Write};
use std::path::{Path, PathBuf};
use std::time::Duration;

use crate::arguments::Arguments;
use crate::{Outcome, Verb, examples, table};
use load::{Crowd, Load};
use server::Server;

pub(crate) const VERB: Verb = Verb {
    name: "demo",
    usage: "demo [--quick] [--server PROGRAM]",
    summary: "serves echo to 1, 50 and 1000 connections, checks every byte, measures",
    run,
};

/// How many connections each round has.
const ROUNDS: [usize; 3] = [1, 50, 1000];

/// Connections held open to see what one costs.
const IDLE: usize = 1000;

fn run(mut arguments: Arguments) -> Outcome {
    let quick = arguments.flag("--quick");
    let chosen = arguments.values("--server")?.pop().map(PathBuf::from);
    arguments.nothing_left()?;
    let program = match chosen {
        Some(program) => program,
        None => build_server()?,
    };
    let each = Duration::from_secs(if quick { 1 } else { 4 });
    // An error must not be printed behind a half drawn bar.
    demonstrate(&program, each).inspect_err(|_| clear_progress())?;
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

/// Starts the server, measures an idle connection and every round, stops the server.
fn demonstrate(program: &Path, each: Duration) -> Result<(), String> {
    let server = Server::start(program)?;
    println!(
        "the server, process {}, listens on {}",
        server.id(),
        server.address
    );
    // One whole conversation first, so that what the server sets up once is not counted below.
    Crowd::connect(server.address, 1)?.part()?;
    let descriptors = server.descriptors()?;

    let before = server.resident_bytes()?;
    let idle = Crowd::connect(server.address, IDLE)?;
    let memory = server.resident_bytes()?.saturating_sub(before);
    idle.part()?;

    let mut rows = Vec::new();
    for connections in ROUNDS {
        rows.push(round(&server, connections, each)?);
    }
    server.await_descriptors(descriptors)?;
    clear_progress();
    let heading = [
        "connections",
        "requests",
        "requests/s",
        "p50 µs",
        "p99 µs",
        "server CPU µs/request",
    ];
    println!("\n{}", table::render(&heading, rows).trim_end());
    println!(
        "\nmemory: {} bytes per idle connection (resident, of {IDLE})",
        memory / IDLE as u64
    );
    println!("every byte of every answer was as it should be");
    server.stop()?;
    println!("the server ended by itself, with code 0");
    Ok(())
}

/// One row of the table: `connections` for a duration of `each`.
fn round(server: &Server, connections: usize, each: Duration) -> Result<Vec<String>, String> {
    let mut crowd = Crowd::connect(server.address, connections)?;
    let cpu = server.cpu_time()?;
    let load = crowd.load(each, |share, requests| {
        progress(connections, share, requests)
    })?;
    let cpu = server.cpu_time()?.saturating_sub(cpu);
    crowd.part()?;
    Ok(row(connections, &load, cpu))
}

fn row(connections: usize, load: &Load, cpu: Duration) -> Vec<String> {
    let requests = load.latencies.count();
    let per_request = cpu.as_secs_f64() * 1e6 / requests.max(1) as f64;
    vec![
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
