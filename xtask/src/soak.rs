//! `cargo xtask soak`: hours of work in one process, and what it holds between the rounds.
//!
//! The program is `crates/arborio-faults/src/bin/soak.rs`. It works for half a second, on a loop and on a pool at
//! once, and rests; then we look at its memory, its descriptors and its threads, and let it go on. [`judge`] says from which
//! figures on that is a leak.
//!
//! # The rule for memory
//! The first fifth of the time is warm-up and does not count. The rest is cut into [`BLOCKS`] blocks of equal length, and the
//! median of the resident memory of each is taken, through which a straight line is laid. Its slope is a leak if over the
//! whole time it comes to more than [`GRAIN`], a step of the allocator, and four standard errors of the slope on top. So the longer a soak is, the
//! smaller the leak that it finds: with no noise at all, a soak of ten minutes finds 960 KiB an hour, and one of an hour
//! 160. The figure is printed, and what it is for each thing that was done.

use std::io::{BufRead, BufReader, Write};
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::{self, Receiver};
use std::time::{Duration, Instant};
use std::{fmt, fs, thread};

use crate::arguments::Arguments;
use crate::{Outcome, Verb, examples};

pub(crate) const VERB: Verb = Verb {
    name: "soak",
    usage: "soak [--minutes NUMBER]",
    summary: "works for ten minutes, or so many, and looks whether memory, descriptors or threads grow",
    run,
};

/// How long it takes if nobody says.
const MINUTES: f64 = 10.0;

/// How long a round may take, and the end. A round is half a second of work.
const PATIENCE: Duration = Duration::from_secs(30);

/// In how many parts the time after the warm-up is cut.
const BLOCKS: usize = 8;

/// The fewest samples in a block.
const FEWEST: usize = 3;

/// The step of the C library's allocator, in KiB (`M_TOP_PAD`).
const GRAIN: f64 = 128.0;

fn run(mut arguments: Arguments) -> Outcome {
    let minutes = match arguments.values("--minutes")?.pop() {
        None => MINUTES,
        Some(text) => {
            let minutes = text.parse().ok().filter(|minutes| *minutes > 0.0);
            minutes.ok_or_else(|| format!("{text} is no number of minutes"))?
        }
    };
    arguments.nothing_left()?;
    if !cfg!(target_os = "linux") {
        return Ok(vec!["soak (it reads what Linux says in /proc)".into()]);
    }
    let built = examples::build(&["build", "-p", "arborio-faults"])?;
    let program = built.into_iter().find(|(name, _)| name == "arborio-soak");
    let (_, program) = program.ok_or("cargo built no arborio-soak")?;
    let samples = soak(&program, Duration::from_secs_f64(minutes * 60.0))?;
    let last = samples.last().ok_or("there was no round")?;
    println!("{} rounds: {}", samples.len(), last.work);
    println!("{}", judge(&samples)?);
    Ok(Vec::new())
}

/// What the program holds as it rests.
struct Sample {
    /// Seconds since the start.
    at: f64,
    /// Resident memory, in KiB.
    memory: f64,
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
        let (done, work) = parse(line)?;
        Ok(Self {
            at,
            memory: figure("VmRSS:").ok_or_else(missing)?.into(),
            descriptors: descriptors.map_err(|error| error.to_string())?.count(),
            threads: figure("Threads:").ok_or_else(missing)? as usize,
            done,
            work,
        })
    }
}

/// Reads `rest echoes=12 sleeps=30`: how much that is, and the words.
fn parse(line: &str) -> Result<(u64, String), String> {
    let strange = || format!("the program says {line:?}");
    let work = line.trim_end().strip_prefix("rest ").ok_or_else(strange)?;
    let mut done = 0;
    for word in work.split_whitespace() {
        let (_, count) = word.split_once('=').ok_or_else(strange)?;
        done += count.parse::<u64>().map_err(|_| strange())?;
    }
    Ok((done, work.into()))
}

/// Lets the program work for so long, and ends it.
fn soak(program: &PathBuf, time: Duration) -> Result<Vec<Sample>, String> {
    let mut running = Running::start(program)?;
    let (start, mut samples) = (Instant::now(), Vec::<Sample>::new());
    while start.elapsed() < time {
        let line = running.round()?;
        let sample = Sample::now(running.child.id(), start.elapsed().as_secs_f64(), &line)?;
        if let Some(before) = samples.last() {
            stands_still(&before.work, &sample.work)?;
        }
        samples.push(sample);
    }
    running.end()?;
    Ok(samples)
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
    fn start(program: &PathBuf) -> Result<Self, String> {
        let mut command = Command::new(program);
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
        let input = self.child.stdin.as_mut().expect("standard input is piped");
        // A program that has gone is seen by what it does not say.
        let _ = input.write_all(b"\n");
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

/// What came of a soak in which nothing grew.
#[derive(Debug)]
struct Verdict {
    /// KiB at the end of the warm-up, and how they changed in an hour.
    memory: f64,
    slope: f64,
    /// The slope, in KiB an hour, from which on it would have been a leak.
    bound: f64,
    /// The same, in bytes for each thing that was done.
    each: f64,
    descriptors: usize,
    threads: usize,
}

impl fmt::Display for Verdict {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "memory: {:.0} KiB, and {:+.0} KiB an hour; {:.0} would be a leak, which is {:.2} bytes for each thing done\n\
             descriptors: {}, threads: {}",
            self.memory, self.slope, self.bound, self.each, self.descriptors, self.threads
        )
    }
}

/// Whether something grew: memory by the rule above; descriptors if in the last quarter there are more at any rest than
/// at every one of the first quarter; threads, of which idle ones come and go, if there are always more.
fn judge(samples: &[Sample]) -> Result<Verdict, String> {
    let end = samples.last().map_or(0.0, |last| last.at);
    let warm = samples.partition_point(|sample| sample.at < end / 5.0);
    let counted = &samples[warm..];
    if counted.len() < BLOCKS * FEWEST {
        let count = counted.len();
        return Err(format!("{count} rounds behind the warm-up are too few"));
    }
    let quarter = counted.len() / 4;
    let (first, last) = (&counted[..quarter], &counted[counted.len() - quarter..]);
    let most = |samples: &[Sample], figure: fn(&Sample) -> usize| samples.iter().map(figure).max();
    let least = |samples: &[Sample], figure: fn(&Sample) -> usize| samples.iter().map(figure).min();
    let descriptors = |sample: &Sample| sample.descriptors;
    let threads = |sample: &Sample| sample.threads;
    if most(last, descriptors) > most(first, descriptors) {
        return Err(grew("descriptors", first, last, descriptors));
    }
    if least(last, threads) > most(first, threads) {
        return Err(grew("threads", first, last, threads));
    }
    let (slope, error) = line(&blocks(counted));
    let time = counted[counted.len() - 1].at - counted[0].at;
    let bound = GRAIN / time + 4.0 * error;
    let hour = 3600.0;
    if slope > bound {
        return Err(format!(
            "memory grew by {:.0} KiB an hour; up to {:.0} may be noise",
            slope * hour,
            bound * hour
        ));
    }
    let done = counted[counted.len() - 1].done - counted[0].done;
    Ok(Verdict {
        memory: counted[0].memory,
        slope: slope * hour,
        bound: bound * hour,
        each: bound * time * 1024.0 / done as f64,
        descriptors: most(last, descriptors).unwrap_or(0),
        threads: most(last, threads).unwrap_or(0),
    })
}

fn grew(what: &str, first: &[Sample], last: &[Sample], figure: fn(&Sample) -> usize) -> String {
    let list = |samples: &[Sample]| {
        let mut figures: Vec<usize> = samples.iter().map(figure).collect();
        figures.sort();
        figures.dedup();
        figures
    };
    format!("{what} grew from {:?} to {:?}", list(first), list(last))
}

/// The middle of each block: its time, and the median of its memory.
fn blocks(samples: &[Sample]) -> Vec<(f64, f64)> {
    let median = |mut figures: Vec<f64>| {
        figures.sort_by(f64::total_cmp);
        figures[figures.len() / 2]
    };
    let block = |number| {
        let (from, to) = (
            samples.len() * number / BLOCKS,
            samples.len() * (number + 1) / BLOCKS,
        );
        let block = &samples[from..to];
        let of = |figure: fn(&Sample) -> f64| median(block.iter().map(figure).collect());
        (of(|sample| sample.at), of(|sample| sample.memory))
    };
    (0..BLOCKS).map(block).collect()
}

/// The slope of the line of least squares through the points, and its standard error.
fn line(points: &[(f64, f64)]) -> (f64, f64) {
    let count = points.len() as f64;
    let mean = |of: fn(&(f64, f64)) -> f64| points.iter().map(of).sum::<f64>() / count;
    let (x, y) = (mean(|point| point.0), mean(|point| point.1));
    let spread: f64 = points.iter().map(|point| (point.0 - x).powi(2)).sum();
    let both: f64 = points
        .iter()
        .map(|point| (point.0 - x) * (point.1 - y))
        .sum();
    let slope = both / spread;
    let off = |point: &(f64, f64)| (point.1 - y - slope * (point.0 - x)).powi(2);
    let rest: f64 = points.iter().map(off).sum();
    (slope, (rest / (count - 2.0) / spread).sqrt())
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Ten minutes, a round a second, with a noise of 200 KiB.
    fn samples(
        memory: impl Fn(usize) -> f64,
        held: impl Fn(usize) -> (usize, usize),
    ) -> Vec<Sample> {
        let sample = |second: usize| {
            let noise = (second * 7919 % 200) as f64;
            let (descriptors, threads) = held(second);
            Sample {
                at: second as f64,
                memory: 8000.0 + noise + memory(second),
                descriptors,
                threads,
                done: second as u64 * 1000,
                work: String::new(),
            }
        };
        (0..600).map(sample).collect()
    }

    const STEADY: fn(usize) -> (usize, usize) = |_| (9, 7);

    #[test]
    fn what_goes_up_and_down_is_no_leak() {
        let verdict = judge(&samples(|_| 0.0, STEADY)).unwrap();
        // 128 KiB in eight minutes are 960 in an hour; the noise adds to it.
        assert!((960.0..2500.0).contains(&verdict.bound), "{verdict}");
        // The warm-up, and a step of the allocator.
        judge(&samples(|second| second.min(60) as f64 * 50.0, STEADY)).unwrap();
        judge(&samples(
            |second| if second < 300 { 0.0 } else { 132.0 },
            STEADY,
        ))
        .unwrap();
    }

    #[test]
    fn what_grows_all_the_time_is_a_leak() {
        for memory in [1.0, 4.0, 100.0] {
            let grown = samples(|second| second as f64 * memory, STEADY);
            let why = judge(&grown).unwrap_err();
            assert!(why.starts_with("memory grew"), "{why}");
        }
        let stairs = samples(|second| (second / 60 * 132) as f64, STEADY);
        assert!(judge(&stairs).is_err());
    }

    #[test]
    fn descriptors_and_threads_that_stay_are_named() {
        let why = judge(&samples(|_| 0.0, |second| (9 + second / 590, 7))).unwrap_err();
        assert_eq!(why, "descriptors grew from [9] to [9, 10]");
        let why = judge(&samples(|_| 0.0, |second| (9, 7 + second / 250))).unwrap_err();
        assert_eq!(why, "threads grew from [7] to [8, 9]");
        judge(&samples(|_| 0.0, |second| (9, 7 + second % 3))).unwrap();
    }

    #[test]
    fn a_soak_that_is_too_short_says_so() {
        let few = &samples(|_| 0.0, STEADY)[..25];
        assert!(judge(few).unwrap_err().contains("too few"));
    }

    #[test]
    fn a_kind_of_work_that_stands_still_is_named() {
        assert!(stands_still("echoes=1 jobs=2", "echoes=2 jobs=3").is_ok());
        let why = stands_still("echoes=1 jobs=2", "echoes=2 jobs=2").unwrap_err();
        assert!(why.ends_with("jobs=2"), "{why}");
        assert_eq!(parse("rest echoes=12 jobs=30\n").unwrap().0, 42);
        assert!(parse("error").is_err());
    }
}
