//! A server process, seen from the load generator: started, asked and stopped through its pipes.

use std::io::{BufRead, BufReader, Write};
use std::net::SocketAddr;
use std::path::PathBuf;
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};
use std::time::Duration;

use crate::machine;

/// The first argument of a server process.
pub(crate) const FLAG: &str = "--serve";

/// What a server says of itself.
pub(super) struct Stat {
    pub(super) cpu: Duration,
    pub(super) live_bytes: i64,
}

impl Stat {
    /// The line that [`Stat::parse`] reads.
    pub(super) fn line(&self) -> String {
        format!("{} {}", self.cpu.as_nanos(), self.live_bytes)
    }

    fn parse(line: &str) -> Option<Stat> {
        let (cpu, live) = line.trim().split_once(' ')?;
        let cpu = Duration::from_nanos(cpu.parse().ok()?);
        Some(Stat {
            cpu,
            live_bytes: live.parse().ok()?,
        })
    }
}

/// A running server; it ends when its standard input does, and so does not outlive the load.
pub(super) struct ServerProcess {
    child: Child,
    questions: ChildStdin,
    answers: BufReader<ChildStdout>,
    address: SocketAddr,
    /// Where strace writes its table.
    trace: Option<PathBuf>,
}

impl ServerProcess {
    pub(super) fn start(server: &str, bytes: usize) -> ServerProcess {
        ServerProcess::spawn(own_program(), server, bytes, "plain", None)
    }

    /// With the counting allocator switched on.
    pub(super) fn start_counting(server: &str, bytes: usize) -> ServerProcess {
        ServerProcess::spawn(own_program(), server, bytes, "count", None)
    }

    /// Under strace; `None` where that does not work.
    pub(super) fn start_traced(server: &str, bytes: usize) -> Option<ServerProcess> {
        // It may be there and not be allowed to trace.
        let mut probe = Command::new("strace");
        probe
            .args(["-f", "-c", "-U", "calls", "-o", "/dev/null", "true"])
            .stderr(Stdio::null());
        if !probe.status().ok()?.success() {
            return None;
        }
        let trace =
            std::env::temp_dir().join(format!("arborio-bench-strace.{}", std::process::id()));
        let mut command = Command::new("strace");
        command
            .args(["-f", "-c", "-U", "calls", "-o"])
            .arg(&trace)
            .arg(own_program().get_program());
        Some(ServerProcess::spawn(
            command,
            server,
            bytes,
            "plain",
            Some(trace),
        ))
    }

    fn spawn(
        mut command: Command,
        server: &str,
        bytes: usize,
        counting: &str,
        trace: Option<PathBuf>,
    ) -> ServerProcess {
        let mut child = command
            .args([FLAG, server, &bytes.to_string(), counting])
            // The load generator is pinned, and what it starts inherits that.
            .arg(machine::first_core().to_string())
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .expect("a server process");
        let questions = child.stdin.take().expect("a piped input");
        let mut answers = BufReader::new(child.stdout.take().expect("a piped output"));
        let address = ask(&mut answers).parse().expect("the server's address");
        ServerProcess {
            child,
            questions,
            answers,
            address,
            trace,
        }
    }

    pub(super) fn address(&self) -> SocketAddr {
        self.address
    }

    pub(super) fn stat(&mut self) -> Stat {
        self.questions
            .write_all(b"stat\n")
            .expect("a listening server");
        Stat::parse(&ask(&mut self.answers)).expect("a stat line")
    }

    pub(super) fn stop(self) {
        self.end();
    }

    /// Stops a traced server: how many system calls it made.
    pub(super) fn stop_and_count(self) -> Option<u64> {
        let trace = self.trace.clone()?;
        self.end();
        let table = std::fs::read_to_string(&trace).ok()?;
        // The figure is in hand; a file that stays behind does no harm.
        let _ = std::fs::remove_file(&trace);
        // With one column asked for, the last line is `<calls> total`.
        table
            .lines()
            .rev()
            .find_map(|line| line.split_whitespace().next()?.parse().ok())
    }

    fn end(mut self) {
        drop(self.questions);
        self.child.wait().expect("the server's end");
    }
}

fn own_program() -> Command {
    Command::new(std::env::current_exe().expect("this program's path"))
}

fn ask(answers: &mut BufReader<ChildStdout>) -> String {
    let mut line = String::new();
    answers.read_line(&mut line).expect("the server's answer");
    assert!(!line.is_empty(), "the server ended early");
    line.trim().to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_stat_survives_the_way_through_a_pipe() {
        let stat = Stat {
            cpu: Duration::from_nanos(1_500_000_001),
            live_bytes: -7,
        };
        let read = Stat::parse(&stat.line()).unwrap();
        assert_eq!((read.cpu, read.live_bytes), (stat.cpu, stat.live_bytes));
    }
}
