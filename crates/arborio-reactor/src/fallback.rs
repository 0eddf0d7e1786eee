//! The background reactor: for sources of threads where no event loop runs.
//!
//! One thread per process, started with the first such source. If its epoll
//! fails, it ends: its sources move to the next one, which whoever polls them
//! first starts. One that could not wait a single time has no next one: its
//! sources, and all later ones, get its error.

use std::{
    io,
    sync::{Arc, Mutex},
    thread,
};

use arborio_base::{WakeBatch, sync::lock};

use crate::{
    home::{DrivenBy, Home},
    pump::Pump,
};

/// The background thread of this process.
enum Background {
    /// Nobody needed it yet, or it has ended.
    Absent,
    /// It drives this table.
    Running(Arc<Home>),
    /// It could not wait at all, for this system error.
    Hopeless(Option<i32>),
}

static BACKGROUND: Mutex<Background> = Mutex::new(Background::Absent);

/// The table of the background reactor, which is started if need be.
pub(crate) fn home() -> io::Result<Arc<Home>> {
    let mut background = lock(&BACKGROUND);
    match &*background {
        Background::Running(home) if home.check_process().is_ok() && !home.has_ended() => {
            return Ok(Arc::clone(home));
        }
        Background::Hopeless(Some(number)) => return Err(io::Error::from_raw_os_error(*number)),
        Background::Hopeless(None) => return Err(io::Error::other("epoll does not work")),
        Background::Running(_) | Background::Absent => {}
    }
    let pump = Pump::open(DrivenBy::Background)?;
    let home = Arc::clone(pump.home());
    thread::Builder::new()
        .name("arborio-reactor".to_owned())
        .spawn(move || drive(pump))?;
    *background = Background::Running(Arc::clone(&home));
    Ok(home)
}

/// Waits and wakes until the epoll fails.
fn drive(mut pump: Pump) {
    let mut batch = WakeBatch::new();
    let mut has_waited = false;
    let error = loop {
        if let Err(error) = pump.wait(None) {
            break error;
        }
        has_waited = true;
        pump.dispatch(&mut batch);
        batch.wake_all();
    };
    // Before its sources are told: they ask for the next home at once.
    *lock(&BACKGROUND) = match has_waited {
        true => Background::Absent,
        false => Background::Hopeless(error.raw_os_error()),
    };
    // Wakes everybody who is left.
    drop(pump);
}
