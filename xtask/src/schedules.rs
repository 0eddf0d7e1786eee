//! `cargo xtask schedules`: whole teams of workers under random schedules, with the number of schedules of each scenario.
//!
//! A crate with such scenarios has `tests/shuttle.rs`, empty unless `cfg(shuttle)`, which reports as the models do. How many
//! schedules there are, and which, it reads from its environment; the head of its `schedules.rs` says how. A failure prints
//! the line that runs the one schedule that failed.

use std::io::{BufRead, BufReader};
use std::process::{Command, Stdio};
use std::time::{SystemTime, UNIX_EPOCH};
use std::{env, thread};

use crate::arguments::Arguments;
use crate::model::{self, Suite};
use crate::workspace::Workspace;
use crate::{Outcome, Verb, tool};

pub(crate) const VERB: Verb = Verb {
    name: "schedules",
    usage: "schedules [--count N] [FILTER]...",
    summary: "runs whole pools under random schedules, always the same ones (--count: how many; 20000)",
    run,
};

/// A few seconds.
const FEW: u64 = 20_000;
/// What `ci --deep` runs.
const MANY: u64 = 1_000_000;
/// The schedules of one process follow each other, and those of another one are far away.
const APART: u64 = 1 << 40;

fn run(mut arguments: Arguments) -> Outcome {
    let counts = arguments.values("--count")?;
    let count = match counts.last() {
        None => FEW,
        Some(count) => count
            .parse()
            .map_err(|_| format!("{count} is no number of schedules"))?,
    };
    explore(count, &[first()], &arguments.words()?)
}

/// Very many, and others each time.
pub(crate) fn explore_many() -> Outcome {
    let now = SystemTime::now().duration_since(UNIX_EPOCH);
    let now = now.map_or(0, |since| since.as_secs());
    let processes = thread::available_parallelism().map_or(1, |count| count.get() as u64);
    let firsts: Vec<u64> = (0..processes)
        .map(|process| now.wrapping_add(process * APART))
        .collect();
    explore(MANY, &firsts, &[])
}

/// The first schedule, if it was set outside.
fn first() -> u64 {
    let first = env::var("ARBORIO_FIRST").ok();
    first.and_then(|first| first.parse().ok()).unwrap_or(0)
}

/// Runs `count` schedules, a part of them from each of `firsts` on, in a process of its own.
///
/// # Errors
/// A schedule failed, or there were fewer than asked for.
fn explore(count: u64, firsts: &[u64], filters: &[String]) -> Outcome {
    let workspace = Workspace::load()?;
    let crates: Vec<&str> = workspace
        .with_target("test", "shuttle")
        .map(|package| package.name.as_str())
        .collect();
    tool::run(suite(&workspace, &crates).arg("--no-run"))?;
    let share = count.div_ceil(firsts.len() as u64);
    let run = |first: u64| {
        let mut command = suite(&workspace, &crates);
        command
            .args(["--", "--nocapture", "--test-threads=1"])
            .args(filters);
        command.env("ARBORIO_SCHEDULES", share.to_string());
        command.env("ARBORIO_FIRST", first.to_string());
        run_suite(&mut command)
    };
    let run = &run;
    let (suites, took) = tool::timed(|| {
        thread::scope(|threads| {
            let running: Vec<_> = (firsts.iter())
                .map(|&first| threads.spawn(move || run(first)))
                .collect();
            let ended = running.into_iter();
            ended
                .map(|process| process.join().expect("the reader does not panic"))
                .collect::<Result<Vec<Suite>, String>>()
        })
    });
    let suites = suites?;
    let ran: u64 = suites.iter().map(Suite::executions).sum();
    let models = suites.into_iter().flat_map(Suite::into_models);
    println!("\n{}", model::summary(&models.collect::<Vec<_>>(), took));
    let replayed = env::var_os("ARBORIO_SCHEDULE").is_some();
    if ran == 0 || ran < count && filters.is_empty() && !replayed {
        return Err(format!("there were {ran} schedules, and not {count}"));
    }
    Ok(Vec::new())
}

/// As for the models, and with the checks of a debug build: what a worker believes of itself is asserted.
fn suite(workspace: &Workspace, crates: &[&str]) -> Command {
    let mut command = tool::cargo(["test", "--release", "--test", "shuttle"]);
    command.args(crates.iter().flat_map(|name| ["-p", name]));
    model::build_for(&mut command, workspace, "shuttle");
    command.env("CARGO_PROFILE_RELEASE_DEBUG_ASSERTIONS", "true");
    command
}

/// Runs a suite, shows what it prints as it comes, and collects the scenarios it reports.
fn run_suite(command: &mut Command) -> Result<Suite, String> {
    tool::show(command);
    let start = command.stdin(Stdio::null()).stdout(Stdio::piped()).spawn();
    let mut child = start.map_err(|error| format!("cannot start cargo: {error}"))?;
    let output = child.stdout.take().expect("standard output is piped");
    let mut suite = Suite::default();
    for line in BufReader::new(output).split(b'\n') {
        let line = line.map_err(|error| format!("cannot read the output: {error}"))?;
        let line = String::from_utf8_lossy(&line);
        println!("{line}");
        suite.read("schedules", &line);
    }
    let status = child.wait().map_err(|error| error.to_string())?;
    if status.success() {
        Ok(suite)
    } else {
        Err(format!("a schedule failed ({status})"))
    }
}
