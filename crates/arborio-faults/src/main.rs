//! A program that uses one part of Arborio while system calls fail, and says what came of it.
//!
//! `cargo xtask faults` runs it: `arborio-faults STATION FOLDER` makes the file `ready` in the folder when a tracer may
//! attach, and waits for the file `go`, which is there once that has and makes calls fail. Then it goes through the station, writes what came of it to
//! the file `told`, and stays until the file `leave` is there, so that somebody can count what is left. Without
//! arguments it prints the names of the stations.
//!
//! What it says is `ok`, or one line for each error that Arborio told somebody: as the result of a function, as the
//! outcome of a task, or to the observer of a loop. A panic is one of these lines, and begins with `panic`.
//!
//! The station runs on a thread that waits already when the tracer comes: so its first `mmap` is the first one that the
//! tracer counts, and the calls by which a program starts do not fail. The files are looked for and written with calls
//! that Arborio makes nowhere.
#![forbid(unsafe_code)]

mod notes;
mod stations;

use std::{env, fs::File, io, panic, path::Path, process::ExitCode, thread, time::Duration};

use rustix::fs::{Access, access};

fn main() -> ExitCode {
    let words: Vec<String> = env::args().skip(1).collect();
    let [name, folder] = &words[..] else {
        for (name, _) in stations::ALL {
            println!("{name}");
        }
        return ExitCode::SUCCESS;
    };
    let Some((_, station)) = stations::ALL.iter().find(|(known, _)| known == name) else {
        eprintln!("there is no station {name}");
        return ExitCode::FAILURE;
    };
    match visit(*station, Path::new(folder)) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("{name}: {error}");
            ExitCode::FAILURE
        }
    }
}

/// Goes through the station when it may, and stays until it may go.
fn visit(station: fn(), folder: &Path) -> io::Result<()> {
    // Whatever files a station leaves go with the folder.
    env::set_current_dir(folder)?;
    let told = File::create(folder.join("told"))?;
    notes::note_panics();
    let (go, leave) = (folder.join("go"), folder.join("leave"));
    let visitor = thread::Builder::new().name("station".into());
    let visitor = visitor.spawn(move || {
        await_file(&go);
        // A panic that comes out is one of the notes by now.
        let _ = panic::catch_unwind(station);
        let text = notes::take();
        rustix::io::pwrite(&told, text.as_bytes(), 0).map(drop)
    })?;
    File::create(folder.join("ready"))?;
    let written = visitor.join();
    await_file(&leave);
    written.unwrap_or(Ok(())).map_err(io::Error::from)
}

/// Returns once there is such a file.
fn await_file(path: &Path) {
    while access(path, Access::EXISTS).is_err() {
        // A tracer on another process cannot be awaited.
        thread::sleep(Duration::from_millis(1));
    }
}
