//! What the blocking pool needs of the other parts, and what it does for them: a job holds a
//! simulated clock, and host names are looked up in a job. And what scopes have to say that have no observer.

use std::{
    io,
    net::{SocketAddr, ToSocketAddrs},
};

use arborio_executor::TaskInfo;
use arborio_executor::blocking::{Hold, set_job_hold, spawn_blocking};
use arborio_net::{Resolving, set_fallback_resolver};
use arborio_scope::set_stubborn_hook;
use arborio_timers::Clock;

use crate::report::{Report, tell_here};

/// Brings the parts together, once for the process. Later calls cost three loads.
pub(crate) fn install() {
    // Refused means: an earlier loop has done it.
    let _ = set_job_hold(hold_clock);
    let _ = set_fallback_resolver(look_up);
    let _ = set_stubborn_hook(tell_of_stubborn);
}

/// Time must not pass for a loop that waits for a job, unless it passes by itself.
fn hold_clock() -> Option<Hold> {
    let clock = Clock::current();
    clock.is_simulated().then(|| Box::new(clock.hold()) as Hold)
}

/// A scope without an observer has dropped a task at the end of its grace.
fn tell_of_stubborn(task: &TaskInfo) {
    tell_here(&Report::Stubborn(task));
}

/// Asks the system's resolver, which blocks.
fn look_up(host: String, port: u16) -> Resolving {
    let looking = spawn_blocking(move || {
        let found = (host.as_str(), port).to_socket_addrs()?;
        io::Result::Ok(found.collect::<Vec<SocketAddr>>())
    });
    Box::pin(async { looking.await? })
}
