//! The parts of Arborio, each as a program of its own.
//!
//! A station ends within [`LIMIT`] and a bit, whatever fails: what hangs is cut off by a time limit, and that is an
//! error as others are.

mod descriptors;
mod loops;
mod sockets;
mod streams;
mod threads;

use std::{error::Error, time::Duration};

use arborio::{
    EventLoop, Pool,
    options::{Leftover, Report},
    time::timeout,
};

use crate::notes::{check, note, write};

/// Every station by its name.
pub(crate) const ALL: &[(&str, fn())] = &[
    ("timers", loops::timers),
    ("background", loops::background),
    ("pool", loops::pool),
    ("rescue", loops::rescue),
    ("tcp", sockets::tcp),
    ("tcp-pool", sockets::tcp_on_a_pool),
    ("options", sockets::options),
    ("udp", sockets::udp),
    ("names", sockets::names),
    ("elsewhere", sockets::elsewhere),
    ("unix", sockets::unix),
    ("pipe", descriptors::pipe),
    ("signals", descriptors::signals),
    ("ctrl-c", descriptors::ctrl_c),
    ("stdio", streams::stdio),
    ("jobs", threads::jobs),
    ("hops", threads::hops),
];

/// How long what a station does may take.
const LIMIT: Duration = Duration::from_secs(2);

/// An error of whatever kind.
type Failure = Box<dyn Error + Send + Sync>;

/// What a step of a station comes to.
type Done = Result<(), Failure>;

/// Notes how it ended, cut off at the limit.
async fn limited(body: impl Future<Output = Done>) {
    match timeout(LIMIT, body).await {
        Ok(Ok(())) => {}
        Ok(Err(failure)) => note(&*failure),
        Err(late) => note(&late),
    }
}

/// Runs `body` on a loop of this thread. What is left when it was cut off is ended.
fn on_a_loop(body: impl Future<Output = Done>) {
    let builder = EventLoop::builder().observer(hear);
    check(builder.leftover(Leftover::Cancel).try_run(limited(body)));
}

/// The same on a pool of two workers.
fn on_a_pool(body: impl Future<Output = Done> + Send) {
    let pool = Pool::builder().workers(2).observer(hear);
    check(pool.leftover(Leftover::Cancel).try_run(limited(body)));
}

/// What a loop tells its observer is an error that was told. Who lingers or hogs is none.
fn hear(report: &Report<'_>) {
    if let Report::Io(error) = report {
        write(format_args!("observer: {error}"));
    }
}
