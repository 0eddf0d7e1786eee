//! `cargo xtask repl`: an interactive Rust session with Arborio loaded and a loop in the background.
//!
//! evcxr compiles each cell to a library and loads it into a child process, where variables
//! stay. This program reads cells, numbers them, prints what comes of them, and turns Ctrl-C into a
//! request to what runs. How cells get onto the loop is in `prelude/`.
//!
//! | file           | what is in it                                            |
//! |----------------|----------------------------------------------------------|
//! | `home.rs`      | the folder of a session, in which its libraries are built|
//! | `session.rs`   | evcxr, set up, and one cell after the other              |
//! | `input.rs`     | reading cells from a terminal or a script                |
//! | `complete.rs`  | whether a cell is complete                               |
//! | `interrupt.rs` | Ctrl-C                                                   |
//! | `printer.rs`   | what the child process writes                            |
//! | `complaint.rs` | errors of the compiler, as a cell's author wants them    |
#![forbid(unsafe_code)]

mod complaint;
mod complete;
mod home;
mod input;
mod interrupt;
mod printer;
mod session;

use std::process::ExitCode;

use home::Home;
use input::{Input, Read};
use session::Session;

const GREETING: &str = "\
Arborio: Rust cells on an event loop. `.await` works in every cell; `:help` for the rest.
Ctrl-C cancels what runs; Ctrl-D ends the session.";

fn main() -> ExitCode {
    // In the child process, or as a wrapper of rustc, this does not return.
    evcxr::runtime_hook();
    match converse() {
        Ok(()) => ExitCode::SUCCESS,
        Err(why) => {
            eprintln!("error: {why}");
            ExitCode::FAILURE
        }
    }
}

/// One session, from the greeting to its end.
fn converse() -> Result<(), String> {
    println!("{GREETING}");
    let home = Home::open()?;
    let mut input = Input::open()?;
    let mut session = Session::open(&home, input.is_terminal())?;
    let mut number = 1;
    loop {
        match input.read(number)? {
            Read::Cell(cell) if cell.trim().is_empty() => {}
            Read::Cell(cell) if is_farewell(&cell) => break,
            Read::Cell(cell) => {
                session.run(&cell);
                number += 1;
            }
            Read::Interrupted => println!("Ctrl-D ends the session."),
            Read::End => break,
        }
    }
    session.close();
    Ok(())
}

/// Whether the cell ends the session. evcxr's own `:quit` would end the process at once, and tasks
/// could not clean up.
fn is_farewell(cell: &str) -> bool {
    matches!(cell.trim(), ":quit" | ":q" | "exit" | "quit")
}
