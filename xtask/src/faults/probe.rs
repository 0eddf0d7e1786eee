//! One run of the probe under strace: the handshake, the time limit, and what is left behind.

use std::collections::{BTreeMap, HashMap};
use std::fs;
use std::io::{BufRead, BufReader, Write};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc;
use std::thread;
use std::time::{Duration, Instant};

use crate::examples;

/// How long a station may take: it gives up by itself after two seconds.
const LIMIT: Duration = Duration::from_secs(5);

/// How long threads and descriptors may take to go when a station has ended.
const AFTERWARDS: Duration = Duration::from_secs(1);

/// What the station reads as its standard input.
const INPUT: &[u8] = b"one\ntwo\n";

/// What came of a run.
pub(super) struct Visit {
    /// What the station says: `ok`, or a line for each error. What is wrong, if it says nothing.
    pub(super) told: Result<String, String>,
    /// What is there afterwards.
    pub(super) left: Left,
    /// How often each thread made each call, at most; only if all calls were traced.
    pub(super) calls: HashMap<String, usize>,
}

/// What a process holds.
#[derive(Clone, Default)]
pub(super) struct Left {
    descriptors: usize,
    /// How many threads have each name.
    threads: BTreeMap<String, usize>,
}

impl Left {
    /// What the process holds now. Of one that has ended that is nothing.
    fn now(process: u32) -> Self {
        let folder = |name: &str| fs::read_dir(format!("/proc/{process}/{name}"));
        let mut threads = BTreeMap::new();
        for task in folder("task").into_iter().flatten().flatten() {
            if let Ok(name) = fs::read_to_string(task.path().join("comm")) {
                *threads.entry(name.trim_end().to_owned()).or_default() += 1;
            }
        }
        Self {
            descriptors: folder("fd").map_or(0, Iterator::count),
            threads,
        }
    }

    /// What there is more than `other` has.
    pub(super) fn more_than(&self, other: &Self) -> Option<String> {
        if self.descriptors > other.descriptors {
            let more = self.descriptors - other.descriptors;
            return Some(format!("{more} descriptors are left over"));
        }
        let mut threads = self.threads.iter();
        let more = threads.find(|(name, count)| *count > other.threads.get(*name).unwrap_or(&0))?;
        Some(format!("a thread {} is left over", more.0))
    }

    /// The same, of which descriptors do not count.
    pub(super) fn without_descriptors(mut self) -> Self {
        self.descriptors = 0;
        self
    }
}

/// Goes through `station` of `program`, with `expressions` for strace's `-e`. `usual` is what is left if nothing
/// fails.
///
/// # Errors
/// The machine does not let us: strace does not attach, or there is no room for files.
pub(super) fn visit(
    program: &Path,
    station: &str,
    expressions: &[String],
    usual: Option<&Left>,
) -> Result<Visit, String> {
    let folder = Folder::new()?;
    let mut command = Command::new(program);
    command.arg(station).arg(&folder.0);
    command.stdin(Stdio::piped()).stdout(Stdio::null());
    let errors = fs::File::create(folder.0.join("errors")).map_err(|error| error.to_string())?;
    let mut probe = Running::start(command.stderr(errors))?;
    // Closed here: the station reads to the end.
    let mut input = probe.0.stdin.take().expect("standard input is piped");
    input.write_all(INPUT).map_err(|error| error.to_string())?;
    drop(input);
    await_file(&mut probe, &folder, "ready")?;

    let mut tracer = Command::new("strace");
    tracer.args(["-f", "-p", &probe.0.id().to_string(), "-o"]);
    tracer.arg(folder.0.join("calls"));
    tracer.args(expressions.iter().flat_map(|text| ["-e", text]));
    let mut tracer = Running::start(tracer.stdin(Stdio::null()).stderr(Stdio::piped()))?;
    await_attached(&mut tracer)?;
    folder.touch("go")?;

    let told = await_told(&mut probe, &folder);
    let left = await_left(probe.0.id(), usual);
    folder.touch("leave")?;
    let ended = examples::wait(&mut probe.0, Instant::now() + LIMIT)?;
    let told = told.and_then(|told| ended_well(ended).map(|()| told));
    let told = told.map_err(|why| format!("{why}{}", folder.said()));
    examples::wait(&mut tracer.0, Instant::now() + LIMIT)?;
    Ok(Visit {
        told,
        left,
        calls: folder.calls(),
    })
}

/// Waits until strace says that it has attached to all threads.
fn await_attached(tracer: &mut Running) -> Result<(), String> {
    let errors = tracer.0.stderr.take().expect("standard error is piped");
    let (sender, receiver) = mpsc::channel();
    thread::spawn(move || {
        // Read on until the end: strace tells of every thread.
        for line in BufReader::new(errors).lines().map_while(Result::ok) {
            let _ = sender.send(line);
        }
    });
    match receiver.recv_timeout(LIMIT) {
        Ok(line) if line.contains("attached") => Ok(()),
        Ok(line) => Err(format!("strace does not attach: {line}")),
        Err(_) => Err("strace does not attach".into()),
    }
}

/// Waits until the process has made the file.
fn await_file(probe: &mut Running, folder: &Folder, name: &str) -> Result<(), String> {
    let deadline = Instant::now() + LIMIT;
    while !folder.0.join(name).exists() {
        if let Ok(Some(status)) = probe.0.try_wait() {
            return Err(format!("the process ended with {status}{}", folder.said()));
        }
        if Instant::now() > deadline {
            return Err(format!("no file {name} within {LIMIT:?}"));
        }
        thread::sleep(Duration::from_millis(2)); // a file cannot be awaited
    }
    Ok(())
}

/// Waits for what the station says.
fn await_told(probe: &mut Running, folder: &Folder) -> Result<String, String> {
    let deadline = Instant::now() + LIMIT;
    loop {
        let told = fs::read_to_string(folder.0.join("told")).unwrap_or_default();
        if !told.is_empty() {
            return Ok(told);
        }
        if let Ok(Some(status)) = probe.0.try_wait() {
            return Err(format!("the process ended with {status}"));
        }
        if Instant::now() > deadline {
            return Err(format!("nothing has come of it within {LIMIT:?}"));
        }
        thread::sleep(Duration::from_millis(2)); // a file cannot be awaited
    }
}

/// Waits until no more is left than usual, but not for ever.
fn await_left(process: u32, usual: Option<&Left>) -> Left {
    let deadline = Instant::now() + AFTERWARDS;
    loop {
        let left = Left::now(process);
        // The measure for others is what is left when all that ends has had time to.
        let done = usual.is_some_and(|usual| left.more_than(usual).is_none());
        if done || Instant::now() > deadline {
            return left;
        }
        thread::sleep(Duration::from_millis(5));
    }
}

fn ended_well(ended: Option<ExitStatus>) -> Result<(), String> {
    match ended {
        Some(status) if status.success() => Ok(()),
        Some(status) => Err(format!("the process ended with {status}")),
        None => Err("the process does not end".into()),
    }
}

/// A child, which is gone when this is dropped.
struct Running(Child);

impl Running {
    fn start(command: &mut Command) -> Result<Self, String> {
        let name = command.get_program().to_owned();
        let child = command.spawn();
        child
            .map(Self)
            .map_err(|error| format!("cannot start {}: {error}", name.display()))
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        // Both fail only where the child is gone, which is what we want.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// Where one run has its files; they are gone when it is dropped.
struct Folder(PathBuf);

impl Folder {
    fn new() -> Result<Self, String> {
        static COUNT: AtomicUsize = AtomicUsize::new(0);
        let number = COUNT.fetch_add(1, Ordering::Relaxed);
        let name = format!("arborio-faults-{}-{number}", std::process::id());
        let path = std::env::temp_dir().join(name);
        fs::create_dir_all(&path).map_err(|error| format!("{}: {error}", path.display()))?;
        Ok(Self(path))
    }

    fn touch(&self, name: &str) -> Result<(), String> {
        let path = self.0.join(name);
        fs::write(&path, "").map_err(|error| format!("{}: {error}", path.display()))
    }

    /// The end of what the process wrote to its standard error.
    fn said(&self) -> String {
        let text = fs::read_to_string(self.0.join("errors")).unwrap_or_default();
        let last = text.lines().rev().find(|line| !line.trim().is_empty());
        last.map(|line| format!(": {line}")).unwrap_or_default()
    }

    fn calls(&self) -> HashMap<String, usize> {
        let log = fs::read_to_string(self.0.join("calls"));
        count_calls(&log.unwrap_or_default())
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

/// How often each thread made each call, at most.
fn count_calls(log: &str) -> HashMap<String, usize> {
    let mut counts: HashMap<(&str, &str), usize> = HashMap::new();
    for line in log.lines() {
        // `1234 write(1, "x", 1) = 1`; a call that is resumed begins with `<...`.
        let Some((thread, rest)) = line.split_once(' ') else {
            continue;
        };
        let Some((call, _)) = rest.trim_start().split_once('(') else {
            continue;
        };
        if call.chars().all(|c| c.is_ascii_alphanumeric() || c == '_') {
            *counts.entry((thread, call)).or_default() += 1;
        }
    }
    let mut most = HashMap::new();
    for ((_, call), count) in counts {
        let entry: &mut usize = most.entry(call.to_owned()).or_default();
        *entry = count.max(*entry);
    }
    most
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn calls_are_counted_by_thread_and_resumed_ones_once() {
        let log = "10 read(3, \"\", 8) = 0\n\
                   10 read(3,  <unfinished ...>\n\
                   11  read(4, \"x\", 1) = 1\n\
                   10 <... read resumed>) = 0\n\
                   11 --- SIGUSR1 {si_signo=SIGUSR1} ---\n\
                   11 futex(0x1, FUTEX_WAKE, 1) = 0\n\
                   11 +++ exited with 0 +++\n";
        let counts = count_calls(log);
        assert_eq!(counts["read"], 2);
        assert_eq!(counts["futex"], 1);
        assert_eq!(counts.len(), 2);
    }

    #[test]
    fn what_is_left_over_is_named() {
        let left = |descriptors, names: &[&str]| Left {
            descriptors,
            threads: names.iter().map(|name| ((*name).to_owned(), 1)).collect(),
        };
        let usual = left(4, &["probe", "watchdog"]);
        assert_eq!(left(4, &["probe"]).more_than(&usual), None);
        let said = left(6, &["probe"]).more_than(&usual).unwrap();
        assert_eq!(said, "2 descriptors are left over");
        let said = left(3, &["worker"]).more_than(&usual).unwrap();
        assert_eq!(said, "a thread worker is left over");
        let closed = left(6, &["probe"]).without_descriptors();
        assert_eq!(closed.more_than(&usual), None);
    }
}
