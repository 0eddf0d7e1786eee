//! A conversation with the console over pipes.

use std::{
    io::{Read, Write},
    process::{Child, ChildStdin, Command, Stdio},
    sync::{
        Mutex, PoisonError,
        mpsc::{Receiver, channel},
    },
    thread,
    time::Duration,
};

use rustix::process::{Pid, Signal, kill_process};

/// How long the console may be silent: its first start builds Arborio.
const PATIENCE: Duration = Duration::from_secs(600);

/// The session that tests share.
static SESSION: Mutex<Option<Conversation>> = Mutex::new(None);

/// Runs a test in the shared session, one at a time. A test that fails takes the session with it.
pub(crate) fn with_session(test: impl FnOnce(&mut Conversation)) {
    let mut shared = SESSION.lock().unwrap_or_else(PoisonError::into_inner);
    let mut session = shared.take().unwrap_or_else(Conversation::begin);
    test(&mut session);
    *shared = Some(session);
}

/// The same, and ends the session: what it writes after the last prompt, and whether its exit code is 0.
pub(crate) fn end_session(test: impl FnOnce(&mut Conversation)) -> (String, bool) {
    let mut shared = SESSION.lock().unwrap_or_else(PoisonError::into_inner);
    let mut session = shared.take().unwrap_or_else(Conversation::begin);
    test(&mut session);
    session.end()
}

/// A console, and how far the conversation has come.
pub(crate) struct Conversation {
    console: Child,
    typed: Option<ChildStdin>,
    output: Receiver<Vec<u8>>,
    /// What it has written and nobody has looked at.
    unread: String,
    /// The number of the prompt that comes next.
    next: u32,
}

impl Conversation {
    /// Starts a console and waits for its first prompt.
    fn begin() -> Self {
        let mut console = Command::new(env!("CARGO_BIN_EXE_arborio-console"))
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut output = console.stdout.take().unwrap();
        let (sender, receiver) = channel();
        thread::spawn(move || {
            let mut buffer = [0; 4096];
            while let Ok(count @ 1..) = output.read(&mut buffer) {
                if sender.send(buffer[..count].to_vec()).is_err() {
                    return;
                }
            }
        });
        let mut begun = Self {
            typed: console.stdin.take(),
            console,
            output: receiver,
            unread: String::new(),
            next: 1,
        };
        begun.answer();
        begun
    }

    /// Types a cell, and returns what the console writes before its next prompt.
    pub(crate) fn say(&mut self, cell: &str) -> String {
        self.type_cell(cell);
        self.answer()
    }

    /// Types a cell and does not wait.
    pub(crate) fn type_cell(&mut self, cell: &str) {
        writeln!(self.typed.as_mut().unwrap(), "{cell}").unwrap();
    }

    /// What the console writes before its next prompt.
    pub(crate) fn answer(&mut self) -> String {
        let said = self.hear(&format!("{}> ", self.next));
        self.next += 1;
        said
    }

    /// What the console writes before `end`.
    pub(crate) fn hear(&mut self, end: &str) -> String {
        loop {
            if let Some(at) = self.unread.find(end) {
                let rest = self.unread.split_off(at + end.len());
                let mut heard = std::mem::replace(&mut self.unread, rest);
                heard.truncate(at);
                return heard;
            }
            let unread = &self.unread;
            let Ok(bytes) = self.output.recv_timeout(PATIENCE) else {
                panic!("no {end:?} comes, but {unread:?}");
            };
            self.unread += &String::from_utf8(bytes).unwrap();
        }
    }

    /// What a terminal does for Ctrl-C while a cell runs.
    pub(crate) fn press_ctrl_c(&self) {
        kill_process(Pid::from_child(&self.console), Signal::INT).unwrap();
    }

    /// Presses it until the console writes `end`: who presses faster than it looks is heard once.
    pub(crate) fn press_ctrl_c_until(&mut self, end: &str) {
        while !self.unread.contains(end) {
            self.press_ctrl_c();
            if let Ok(bytes) = self.output.recv_timeout(Duration::from_millis(100)) {
                self.unread += &String::from_utf8(bytes).unwrap();
            }
        }
    }

    fn end(mut self) -> (String, bool) {
        drop(self.typed.take());
        let mut rest = std::mem::take(&mut self.unread);
        while let Ok(bytes) = self.output.recv_timeout(PATIENCE) {
            rest += &String::from_utf8(bytes).unwrap();
        }
        (rest, self.console.wait().unwrap().success())
    }
}
