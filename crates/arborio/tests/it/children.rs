//! Tests that need a process to which one can talk while it runs: it is this binary, started again for one test.

use std::{
    io::{BufRead, BufReader, Read},
    process::{Child, ChildStdin, ChildStdout, Command, ExitStatus, Stdio},
    thread,
};

use rustix::process::{Pid, Signal, kill_process};

use crate::support::IN_ONE_PROCESS;

/// Says in the child what it is to do.
const PART: &str = "ARBORIO_TEST_PART";

/// A process that plays a part of a test.
pub(crate) struct Player {
    child: Child,
    /// `None` if it goes elsewhere.
    stdout: Option<BufReader<ChildStdout>>,
}

/// How a [`Player`] has ended.
pub(crate) struct Played {
    pub(crate) status: ExitStatus,
    /// What it wrote since the last line that was read.
    pub(crate) stdout: String,
    pub(crate) stderr: String,
}

/// In the child: plays `part` if that is what it was started for, and ends the process. The test goes on
/// behind this in the parent alone.
pub(crate) fn play(part: &str, body: impl FnOnce()) {
    if std::env::var_os(PART).is_some_and(|asked| asked == part) {
        println!();
        body();
        std::process::exit(0);
    }
}

impl Player {
    /// Starts the test `name` in a process of its own, in which it comes to [`play`] `part`.
    pub(crate) fn start(name: &str, part: &str) -> Self {
        Self::start_with(name, part, |_| ())
    }

    /// The same with other standard streams than pipes.
    pub(crate) fn start_with(name: &str, part: &str, prepare: impl FnOnce(&mut Command)) -> Self {
        let mut command = Command::new(std::env::current_exe().unwrap());
        command
            .args([name, "--exact", "--nocapture", "--test-threads=1"])
            .args(IN_ONE_PROCESS)
            .env(PART, part)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped());
        prepare(&mut command);
        let mut child = command.spawn().unwrap();
        let stdout = child.stdout.take().map(BufReader::new);
        Self { child, stdout }
    }

    /// Reads up to the line `wanted`.
    pub(crate) fn expect_line(&mut self, wanted: &str) {
        let stdout = self.stdout.as_mut().unwrap();
        let mut seen = String::new();
        while !seen.lines().any(|line| line == wanted) {
            if stdout.read_line(&mut seen).unwrap() == 0 {
                let status = self.child.wait().unwrap();
                let mut stderr = String::new();
                let errors = self.child.stderr.as_mut().unwrap();
                errors.read_to_string(&mut stderr).unwrap();
                panic!("no line `{wanted}` in:\n{seen}\n{status}\n{stderr}");
            }
        }
    }

    /// Reads what it writes to standard error, up to `wanted`.
    pub(crate) fn expect_error(&mut self, wanted: &str) {
        let errors = self.child.stderr.as_mut().unwrap();
        let (mut seen, mut byte) = (Vec::new(), [0]);
        while !seen.ends_with(wanted.as_bytes()) {
            let count = errors.read(&mut byte).unwrap();
            assert!(count > 0, "{}", String::from_utf8_lossy(&seen));
            seen.push(byte[0]);
        }
    }

    /// Where its standard input comes from.
    pub(crate) fn stdin(&mut self) -> &mut ChildStdin {
        self.child.stdin.as_mut().unwrap()
    }

    /// Ends its standard input.
    pub(crate) fn close_stdin(&mut self) {
        drop(self.child.stdin.take());
    }

    pub(crate) fn signal(&self, signal: Signal) {
        let pid = Pid::from_child(&self.child);
        kill_process(pid, signal).unwrap();
    }

    /// Sends `signal` again and again.
    pub(crate) fn signal_until_it_ends(&mut self, signal: Signal) {
        while self.child.try_wait().unwrap().is_none() {
            self.signal(signal);
            thread::yield_now();
        }
    }

    /// Waits for its end. Its standard input stays open until then.
    pub(crate) fn end(mut self) -> Played {
        let mut stdout = String::new();
        if let Some(lines) = &mut self.stdout {
            lines.read_to_string(&mut stdout).unwrap();
        }
        let mut stderr = String::new();
        let errors = self.child.stderr.as_mut().unwrap();
        errors.read_to_string(&mut stderr).unwrap();
        // `wait` would close the standard input before.
        let stdin = self.child.stdin.take();
        let status = self.child.wait().unwrap();
        drop(stdin);
        Played {
            status,
            stdout,
            stderr,
        }
    }
}
