//! `cargo xtask soak`: hours of work in one process, and what it holds between the rounds.
//!
//! The program is `crates/arborio-faults/src/bin/soak/main.rs`. It works for a moment, on a loop and on a pool at
//! once, and rests; then it says what is alive on its heap, we look at its memory, its descriptors and its threads,
//! and let it go on. [`mod@judge`] says from which figures on that is a leak.

mod judge;

use std::collections::BTreeMap;
use std::io::{BufRead, BufReader, Write};
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::{self, Receiver};
use std::time::{Duration, Instant};
use std::{fs, thread};

use self::judge::judge;
use crate::arguments::Arguments;
use crate::{Outcome, Verb, examples};

pub(crate) const VERB: Verb = Verb {
    name: "soak",
    usage: "soak [--minutes NUMBER] [--round MILLISECONDS] [--load PERCENT]",
    summary: "works for ten minutes, or so many, and looks whether memory, descriptors or threads grow",
    run,
};

/// How long it takes, in minutes, if nobody says.
const MINUTES: f64 = 10.0;

/// How long a round works, in milliseconds, if nobody says.
const ROUND: u64 = 50;

/// How long a round may take, and the end.
const PATIENCE: Duration = Duration::from_secs(30);

fn run(mut arguments: Arguments) -> Outcome {
    let minutes = positive(&mut arguments, "--minutes", MINUTES)?;
    let round = positive(&mut arguments, "--round", ROUND as f64)? as u64;
    let load = positive(&mut arguments, "--load", 100.0)?.min(100.0);
    arguments.nothing_left()?;
    if !cfg!(target_os = "linux") {
        return Ok(vec!["soak (it reads what Linux says in /proc)".into()]);
    }
    let built = examples::build(&["build", "-p", "arborio-faults"])?;
    let program = built.into_iter().find(|(name, _)| name == "arborio-soak");
    let (_, program) = program.ok_or("cargo built no arborio-soak")?;
    let running = Running::start(&program, round)?;
    let soaked = soak(running, Duration::from_secs_f64(minutes * 60.0), load)?;
    let last = soaked.samples.last().ok_or("there was no round")?;
    println!("{} rounds: {}", soaked.samples.len(), last.work);
    let verdict = judge(&soaked.samples);
    println!(
        "{}",
        verdict.map_err(|why| format!("{why}; {}", soaked.change))?
    );
    Ok(Vec::new())
}

fn positive(arguments: &mut Arguments, name: &str, default: f64) -> Result<f64, String> {
    let Some(text) = arguments.values(name)?.pop() else {
        return Ok(default);
    };
    let number = text.parse().ok().filter(|number| *number > 0.0);
    number.ok_or_else(|| format!("{text} is no number for {name}"))
}

/// What the program holds as it rests.
struct Sample {
    /// Seconds since the start.
    at: f64,
    /// Bytes that are alive on the heap.
    bytes: u64,
    /// Blocks that are.
    blocks: u64,
    /// Resident memory, in KiB, without the pages of files: the program's own code comes by and by.
    resident: f64,
    descriptors: usize,
    threads: usize,
    /// How much was done so far.
    done: u64,
    /// What that was, in words.
    work: String,
}

impl Sample {
    fn now(process: u32, at: f64, line: &str) -> Result<Self, String> {
        let status = fs::read_to_string(format!("/proc/{process}/status"));
        let status = status.map_err(|error| format!("the program has gone: {error}"))?;
        let figure = |name: &str| {
            let mut lines = status.lines().filter_map(|line| line.strip_prefix(name));
            let word = lines.next()?.split_whitespace().next()?;
            word.parse::<u32>().ok()
        };
        let missing = || format!("the kernel says nothing of it: {status}");
        let descriptors = fs::read_dir(format!("/proc/{process}/fd"));
        let said = parse(line)?;
        Ok(Self {
            at,
            bytes: said.bytes,
            blocks: said.blocks,
            resident: figure("RssAnon:").ok_or_else(missing)?.into(),
            descriptors: descriptors.map_err(|error| error.to_string())?.count(),
            threads: figure("Threads:").ok_or_else(missing)? as usize,
            done: said.done,
            work: said.work,
        })
    }
}

/// What the program says at a rest.
struct Said {
    bytes: u64,
    blocks: u64,
    done: u64,
    work: String,
}

/// Reads `rest bytes=900 blocks=7 echoes=12 sleeps=30`.
fn parse(line: &str) -> Result<Said, String> {
    let strange = || format!("the program says {line:?}");
    let words = line.trim_end().strip_prefix("rest ").ok_or_else(strange)?;
    let number = |word: &str, name: &str| {
        let (_, count) = word
            .split_once('=')
            .filter(|(said, _)| name.is_empty() || *said == name)?;
        count.parse::<u64>().ok()
    };
    let mut words = words.splitn(3, ' ');
    let mut next = || words.next().ok_or_else(strange);
    let (bytes, blocks, work) = (next()?, next()?, next()?);
    let counts = work.split_whitespace().map(|word| number(word, ""));
    Ok(Said {
        bytes: number(bytes, "bytes").ok_or_else(strange)?,
        blocks: number(blocks, "blocks").ok_or_else(strange)?,
        done: counts.sum::<Option<u64>>().ok_or_else(strange)?,
        work: work.into(),
    })
}

/// How many blocks are alive, by their size.
type Sizes = BTreeMap<u64, i64>;

/// Reads `sizes 16:3 32:5`.
fn sizes(line: &str) -> Result<Sizes, String> {
    let strange = || format!("the program says {line:?}");
    let mut words = line.split_whitespace();
    if words.next() != Some("sizes") {
        return Err(strange());
    }
    let pair = |word: &str| {
        let (size, blocks) = word.split_once(':')?;
        Some((size.parse().ok()?, blocks.parse().ok()?))
    };
    words.map(|word| pair(word).ok_or_else(strange)).collect()
}

/// Of which sizes there are more blocks than before, in words.
fn change(before: &Sizes, now: &Sizes) -> String {
    let more = |(size, blocks): (&u64, &i64)| {
        let more = blocks - before.get(size).unwrap_or(&0);
        (more > 0).then(|| format!("{more} of {size} bytes"))
    };
    let more: Vec<String> = now.iter().filter_map(more).collect();
    format!("more blocks since the warm-up: {}", more.join(", "))
}

/// What was seen.
struct Soaked {
    samples: Vec<Sample>,
    /// Of which sizes there are more blocks at the end than behind the warm-up.
    change: String,
}

/// Lets the program work for so long, and ends it. Of the time it works `load` percent.
fn soak(mut running: Running, time: Duration, load: f64) -> Result<Soaked, String> {
    let (start, mut samples) = (Instant::now(), Vec::<Sample>::new());
    let mut warm = None;
    while start.elapsed() < time {
        let began = Instant::now();
        let line = running.round()?;
        let took = began.elapsed();
        let sample = Sample::now(running.child.id(), start.elapsed().as_secs_f64(), &line)?;
        if let Some(before) = samples.last() {
            stands_still(&before.work, &sample.work)?;
        }
        samples.push(sample);
        if warm.is_none() && judge::is_warm(start.elapsed(), time) {
            warm = Some(running.sizes()?);
        }
        thread::sleep(took.mul_f64(100.0 / load - 1.0));
    }
    let change = change(&warm.unwrap_or_default(), &running.sizes()?);
    running.end()?;
    Ok(Soaked { samples, change })
}

/// Every kind of work has to go on in every round.
fn stands_still(before: &str, now: &str) -> Result<(), String> {
    let mut words = before.split_whitespace().zip(now.split_whitespace());
    match words.find(|(before, now)| before == now) {
        None => Ok(()),
        Some((word, _)) => Err(format!("a round went by without any more: {word}")),
    }
}

/// The program; it is gone when this is dropped.
struct Running {
    child: Child,
    lines: Receiver<String>,
}

impl Running {
    fn start(program: &PathBuf, round: u64) -> Result<Self, String> {
        let mut command = Command::new(program);
        command.arg(round.to_string());
        command.stdin(Stdio::piped()).stdout(Stdio::piped());
        let child = command.spawn();
        let mut child = child.map_err(|error| format!("cannot start the program: {error}"))?;
        let output = child.stdout.take().expect("standard output is piped");
        let (sender, lines) = mpsc::channel();
        thread::spawn(move || {
            for line in BufReader::new(output).lines().map_while(Result::ok) {
                if sender.send(line).is_err() {
                    return;
                }
            }
        });
        Ok(Self { child, lines })
    }

    /// Goes through one round; what the program says behind it.
    fn round(&mut self) -> Result<String, String> {
        self.ask("")
    }

    /// How many blocks of which size are on the heap.
    fn sizes(&mut self) -> Result<Sizes, String> {
        sizes(&self.ask("sizes")?)
    }

    fn ask(&mut self, word: &str) -> Result<String, String> {
        let input = self.child.stdin.as_mut().expect("standard input is piped");
        // A program that has gone is seen by what it does not say.
        let _ = writeln!(input, "{word}");
        self.lines.recv_timeout(PATIENCE).map_err(|_| {
            let ended = self.child.try_wait().ok().flatten();
            ended.map_or_else(
                || format!("a round has not ended within {PATIENCE:?}"),
                |status| format!("the program ended with {status}"),
            )
        })
    }

    /// Closes its input: it has to stop by itself.
    fn end(mut self) -> Result<(), String> {
        drop(self.child.stdin.take());
        match examples::wait(&mut self.child, Instant::now() + PATIENCE)? {
            Some(status) if status.success() => Ok(()),
            Some(status) => Err(format!("the program ended with {status}")),
            None => Err("the program does not end".into()),
        }
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        // Both fail only where the child is gone, which is what we want.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_kind_of_work_that_stands_still_is_named() {
        assert!(stands_still("echoes=1 jobs=2", "echoes=2 jobs=3").is_ok());
        let why = stands_still("echoes=1 jobs=2", "echoes=2 jobs=2").unwrap_err();
        assert!(why.ends_with("jobs=2"), "{why}");
    }

    #[test]
    fn what_the_program_says_is_understood_or_refused() {
        let said = parse("rest bytes=900 blocks=7 echoes=12 jobs=30\n").unwrap();
        assert_eq!((said.bytes, said.blocks, said.done), (900, 7, 42));
        assert_eq!(said.work, "echoes=12 jobs=30");
        for strange in [
            "error",
            "rest echoes=12 jobs=30 sleeps=1",
            "rest bytes=1 blocks=2 echoes",
        ] {
            assert!(parse(strange).is_err());
        }
        assert!(sizes("sizes 16").is_err() && sizes("16:1").is_err());
    }

    #[test]
    fn blocks_that_have_come_are_named_by_their_size() {
        let (before, now) = (
            sizes("sizes 16:3 32:5 64:1"),
            sizes("sizes 16:3 32:9 128:2"),
        );
        let said = change(&before.unwrap(), &now.unwrap());
        assert!(said.ends_with(": 4 of 32 bytes, 2 of 128 bytes"), "{said}");
    }
}
