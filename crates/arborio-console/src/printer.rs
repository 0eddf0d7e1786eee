//! What the child process writes: one thread prints it, line by line, as it comes.
//!
//! Standard output comes while a cell runs, since evcxr reads it only then; standard error comes at any time,
//! also while a line is being typed.

use std::{thread, time::Duration};

use crossbeam_channel::{Receiver, Sender, bounded, never, select};
use evcxr::EvalContextOutputs;

/// How long standard error must have been silent after a cell. It comes through another pipe than the end
/// of the cell, so nothing tells when all of it is there.
const SILENCE: Duration = Duration::from_millis(10);

/// The thread that prints.
pub(crate) struct Printer {
    flush: Sender<Sender<()>>,
}

impl Printer {
    pub(crate) fn start(outputs: EvalContextOutputs, terminal: bool) -> Self {
        let (flush, asked) = bounded(1);
        thread::spawn(move || print_all(outputs, terminal, &asked));
        Self { flush }
    }

    /// Returns when everything is printed that the cell has written.
    pub(crate) fn flush(&self) {
        let (done, is_done) = bounded(1);
        if self.flush.send(done).is_ok() {
            let _ = is_done.recv(); // the thread never drops it without an answer
        }
    }
}

fn print_all(mut outputs: EvalContextOutputs, terminal: bool, asked: &Receiver<Sender<()>>) {
    loop {
        select! {
            recv(outputs.stdout) -> line => match line {
                Ok(line) => print(terminal, &line),
                Err(_) => outputs.stdout = never(),
            },
            recv(outputs.stderr) -> line => match line {
                Ok(line) => print(terminal, &line),
                Err(_) => outputs.stderr = never(),
            },
            recv(asked) -> done => {
                let Ok(done) = done else { return };
                outputs.stdout.try_iter().for_each(|line| print(terminal, &line));
                while let Ok(line) = outputs.stderr.recv_timeout(SILENCE) {
                    print(terminal, &line);
                }
                let _ = done.send(()); // who asked waits for it
            }
        }
    }
}

/// Prints a line; in a terminal in place of what is being typed, which comes back with the next key. (The
/// line editor has a printer that knows better, but with it keys that come in one piece, as those of
/// a paste do, are left lying.)
fn print(terminal: bool, line: &str) {
    if terminal {
        println!("\r\x1b[K{line}");
    } else {
        println!("{line}");
    }
}
