//! Ctrl-C and the end of the session: a thread that listens to the console's signals.
//!
//! The console sends `SIGINT` when Ctrl-C is pressed while a cell runs, and `SIGTERM` when the
//! session ends. The thread has a loop of its own, so it answers also while a cell blocks the loop of the
//! session.

use std::{io, process, thread};

use arborio::{
    select,
    signal::{Signal, Signals, signal},
};

use crate::runtime;

/// Starts to listen: when this returns, no signal is lost and none ends the process.
pub(crate) fn start() -> io::Result<()> {
    let interrupts = signal(Signal::INTERRUPT)?;
    let terminations = signal(Signal::TERMINATE)?;
    let listen = move || {
        arborio::run(answer(interrupts, terminations));
        // Outside of that loop: who waits for the end of a loop must not be on one.
        runtime::stop();
        process::exit(0)
    };
    thread::Builder::new()
        .name("console lookout".into())
        .spawn(listen)?;
    Ok(())
}

/// Returns when the session is to end.
async fn answer(mut interrupts: Signals, mut terminations: Signals) {
    loop {
        select! {
            heard = interrupts.recv() => match heard {
                Ok(_) => runtime::cancel_cell(),
                Err(_) => return, // nothing can be heard any more: the console begins anew
            },
            _ = terminations.recv() => return,
        }
    }
}
