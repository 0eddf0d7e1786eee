//! The background reactor: for sources of threads where no event loop runs.
//!
//! One thread per process, started with the first such source. If its epoll
//! fails, it ends: its sources move to the next one, which whoever polls them
//! first starts.

use std::{
    io,
    sync::{Arc, Mutex},
    thread,
};

use arborio_base::{WakeBatch, sync::lock};

use crate::{home::Home, pump::Pump};

/// The table of the thread that runs, if one does.
static RUNNING: Mutex<Option<Arc<Home>>> = Mutex::new(None);

/// The table of the background reactor, which is started if need be.
pub(crate) fn home() -> io::Result<Arc<Home>> {
    let mut running = lock(&RUNNING);
    if let Some(home) = running.as_ref().filter(|home| !home.has_ended()) {
        return Ok(Arc::clone(home));
    }
    let pump = Pump::open()?;
    let home = Arc::clone(pump.home());
    thread::Builder::new()
        .name("arborio-reactor".to_owned())
        .spawn(move || drive(pump))?;
    *running = Some(Arc::clone(&home));
    Ok(home)
}

/// Waits and wakes until the epoll fails. Dropping the pump wakes everybody
/// who is left.
fn drive(mut pump: Pump) {
    let mut batch = WakeBatch::new();
    while pump.wait(None).is_ok() {
        pump.dispatch(&mut batch);
        batch.wake_all();
    }
}
