//! The server under test as a process: starting it, what `/proc` says about it, stopping it.

use std::collections::HashMap;
use std::ffi::OsString;
use std::fs;
use std::io::{BufRead, BufReader};
use std::net::SocketAddr;
use std::path::Path;
use std::process::{Child, ChildStdout, Command, Stdio};
use std::sync::mpsc;
use std::thread;
use std::time::{Duration, Instant};

use crate::examples;

/// `utime` and `stime` in `/proc/<id>/stat` count hundredths of a second on every architecture
/// Rust's Linux targets have (`USER_HZ`).
const TICK: Duration = Duration::from_millis(10);

/// How long the server may take to start, to close what it must close, and to end.
const PATIENCE: Duration = Duration::from_secs(5);

/// A running server; dropping it kills it.
pub(super) struct Server {
    child: Child,
    /// Kept open: a server that prints must not meet a closed pipe.
    _output: BufReader<ChildStdout>,
    pub(super) address: SocketAddr,
}

impl Server {
    /// Starts `program` on a port the system chooses, with further `arguments`, and waits until it listens.
    ///
    /// # Errors
    /// It does not start, ends at once, says something else, or says nothing.
    pub(super) fn start(program: &Path, arguments: &[&str]) -> Result<Self, String> {
        let mut command = Command::new(program);
        command.arg("0").args(arguments);
        command.env("ARBORIO_DEMO_STOP_ON_EOF", "1");
        command.stdin(Stdio::piped()).stdout(Stdio::piped());
        let start = command.spawn();
        let mut child =
            start.map_err(|error| format!("cannot start {}: {error}", program.display()))?;
        let output = child.stdout.take().expect("standard output is piped");
        match first_line(output).and_then(|(line, output)| Ok((address(&line)?, output))) {
            Ok((address, output)) => Ok(Self {
                child,
                _output: output,
                address,
            }),
            Err(why) => {
                end(&mut child);
                Err(why)
            }
        }
    }

    pub(super) fn id(&self) -> u32 {
        self.child.id()
    }

    /// The CPU time of all its threads, in user and kernel mode.
    pub(super) fn cpu_time(&self) -> Result<Duration, String> {
        let stat = self.proc("stat")?;
        cpu_ticks(&stat)
            .map(|ticks| TICK * ticks)
            .ok_or_else(|| format!("strange stat: {stat}"))
    }

    /// What each of its threads has had of the processors, and what it has waited for them.
    pub(super) fn threads(&self) -> Result<Threads, String> {
        let folder = format!("/proc/{}/task", self.id());
        let entries = fs::read_dir(&folder).map_err(|error| format!("{folder}: {error}"))?;
        let ids = entries.flatten().map(|entry| entry.file_name());
        // One that has just ended has no more to say; a kernel without these figures gives none.
        let times = ids.filter_map(|id| {
            let stat = self.proc(&format!("task/{}/schedstat", id.display()));
            Some((id, Turns::parse(&stat.ok()?)?))
        });
        Ok(Threads(times.collect()))
    }

    /// Its resident memory in bytes.
    ///
    /// `smaps_rollup` walks the page tables; `statm` sums per-CPU counters that lag behind by
    /// hundreds of kilobytes, as much as a thousand connections take.
    pub(super) fn resident_bytes(&self) -> Result<u64, String> {
        let rollup = self.proc("smaps_rollup")?;
        resident_kib(&rollup)
            .map(|kib| kib * 1024)
            .ok_or_else(|| format!("no Rss in: {rollup}"))
    }

    /// How many descriptors it has open.
    pub(super) fn descriptors(&self) -> Result<usize, String> {
        let folder = format!("/proc/{}/fd", self.id());
        let entries = fs::read_dir(&folder).map_err(|error| format!("{folder}: {error}"))?;
        Ok(entries.count())
    }

    /// Waits until no more than `expected` descriptors are open.
    ///
    /// # Errors
    /// Connections that ended are still held.
    pub(super) fn await_descriptors(&self, expected: usize) -> Result<(), String> {
        let deadline = Instant::now() + PATIENCE;
        loop {
            let open = self.descriptors()?;
            if open <= expected {
                return Ok(());
            }
            if Instant::now() > deadline {
                return Err(format!(
                    "all connections are closed, but the server holds {open} descriptors instead of {expected}"
                ));
            }
            // The last close is a few microseconds behind the last byte; /proc cannot be awaited.
            thread::sleep(Duration::from_millis(5));
        }
    }

    /// Ends its standard input and waits for it.
    ///
    /// # Errors
    /// It does not end, or not with code 0.
    pub(super) fn stop(mut self) -> Result<(), String> {
        drop(self.child.stdin.take());
        match examples::wait(&mut self.child, Instant::now() + PATIENCE)? {
            Some(status) if status.success() => Ok(()),
            Some(status) => Err(format!("the server ended with {status}")),
            None => Err(format!(
                "the server did not end within {PATIENCE:?} of its input's end"
            )),
        }
    }

    fn proc(&self, file: &str) -> Result<String, String> {
        let path = format!("/proc/{}/{file}", self.id());
        fs::read_to_string(&path).map_err(|error| format!("{path}: {error} (has it ended?)"))
    }
}

/// The threads of a server, by their ids.
pub(super) struct Threads(HashMap<OsString, Turns>);

/// How long a thread was on a processor, and how long it was ready and others were.
#[derive(Clone, Copy, Default)]
struct Turns {
    on: f64,
    ready: f64,
}

impl Turns {
    /// The first two fields of `/proc/<id>/task/<id>/schedstat`, in nanoseconds.
    fn parse(schedstat: &str) -> Option<Self> {
        let mut fields = schedstat.split_whitespace().map(str::parse::<f64>);
        let on = fields.next()?.ok()? / 1e9;
        let ready = fields.next()?.ok()? / 1e9;
        Some(Self { on, ready })
    }
}

impl Threads {
    /// What each thread has had since `before`.
    fn since<'a>(&'a self, before: &'a Self) -> impl Iterator<Item = Turns> + 'a {
        self.0.iter().map(|(id, now)| {
            let before = before.0.get(id).copied().unwrap_or_default();
            Turns {
                on: now.on - before.on,
                ready: now.ready - before.ready,
            }
        })
    }

    /// The share of the busiest thread in the CPU time of all of them since `before`, in percent.
    pub(super) fn share_of_busiest(&self, before: &Self) -> f64 {
        let most = self.since(before).map(|one| one.on).fold(0.0, f64::max);
        let all: f64 = self.since(before).map(|one| one.on).sum();
        if all == 0.0 { 0.0 } else { 100.0 * most / all }
    }

    /// How many threads had something to do at a time, on average of the `period` since `before`: whether or not there
    /// was a processor for them, which on a machine that others use says more than a rate.
    pub(super) fn busy(&self, before: &Self, period: Duration) -> f64 {
        let all: f64 = self.since(before).map(|one| one.on + one.ready).sum();
        all / period.as_secs_f64()
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        end(&mut self.child);
    }
}

/// Ends a child that may have ended already.
fn end(child: &mut Child) {
    // Both fail only where the child is gone, which is what we want.
    let _ = child.kill();
    let _ = child.wait();
}

/// Reads the first line, with a time limit: a thread waits for it.
fn first_line(output: ChildStdout) -> Result<(String, BufReader<ChildStdout>), String> {
    let (sender, receiver) = mpsc::channel();
    thread::spawn(move || {
        let mut output = BufReader::new(output);
        let mut line = String::new();
        let read = output.read_line(&mut line);
        // The receiver may have lost its patience.
        let _ = sender.send(read.map(|_| (line, output)));
    });
    let answer = receiver.recv_timeout(PATIENCE);
    answer
        .map_err(|_| format!("the server did not say where it listens within {PATIENCE:?}"))?
        .map_err(|error| format!("cannot read the server's output: {error}"))
}

fn address(line: &str) -> Result<SocketAddr, String> {
    let address = line
        .trim_end()
        .strip_prefix("listening on ")
        .and_then(|rest| rest.parse().ok());
    address.ok_or_else(|| {
        format!("the server's first line should be `listening on 127.0.0.1:PORT`, but is {line:?}")
    })
}

/// Fields 14 and 15 of `/proc/<id>/stat`; the second field, in parentheses, may hold anything.
fn cpu_ticks(stat: &str) -> Option<u32> {
    let (_, after_name) = stat.rsplit_once(')')?;
    let mut fields = after_name.split_whitespace().skip(11);
    let user: u32 = fields.next()?.parse().ok()?;
    let system: u32 = fields.next()?.parse().ok()?;
    Some(user + system)
}

fn resident_kib(rollup: &str) -> Option<u64> {
    let line = rollup.lines().find_map(|line| line.strip_prefix("Rss:"))?;
    line.trim().strip_suffix("kB")?.trim().parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cpu_time_is_found_behind_a_name_with_spaces_and_parentheses() {
        let stat = "12 (a) (b c) S 1 2 3 4 5 6 7 8 9 10 30 12 0 0 20 0";
        assert_eq!(cpu_ticks(stat), Some(42));
        assert_eq!(cpu_ticks("12 (a) S 1"), None);
    }

    #[test]
    fn threads_that_wait_for_a_processor_are_busy_too() {
        let threads = |all: &[(&str, &str)]| {
            let all = all.iter();
            Threads(
                all.map(|&(id, stat)| (id.into(), Turns::parse(stat).unwrap()))
                    .collect(),
            )
        };
        let before = threads(&[("1", "1000000000 5 1\n"), ("2", "50000000 0 1\n")]);
        let after = threads(&[
            ("1", "1100000000 900000005 2\n"),
            ("2", "350000000 0 1\n"),
            ("3", "0 0 0\n"),
        ]);
        assert_eq!(after.share_of_busiest(&before).round(), 75.0);
        assert_eq!(after.share_of_busiest(&after), 0.0);
        let busy = after.busy(&before, Duration::from_secs(1));
        assert!((busy - 1.3).abs() < 1e-6, "{busy}");
        assert!(Turns::parse("").is_none());
    }

    #[test]
    fn resident_memory_is_read_in_kibibytes() {
        let rollup =
            "55d0-7ffe ---p 00000000 00:00 0 [rollup]\nRss:                1234 kB\nPss: 5 kB\n";
        assert_eq!(resident_kib(rollup), Some(1234));
        assert_eq!(resident_kib("Pss: 5 kB"), None);
    }

    #[test]
    fn only_the_agreed_first_line_is_an_address() {
        assert_eq!(address("listening on 127.0.0.1:80\n").unwrap().port(), 80);
        assert!(address("Listening on 127.0.0.1:80").is_err());
        assert!(address("").is_err());
    }

    #[test]
    fn a_program_that_is_no_server_is_refused() {
        let error = Server::start(Path::new("true"), &[]).err().unwrap();
        assert!(error.contains("first line"), "{error}");
    }
}
