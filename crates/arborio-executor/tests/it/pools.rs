//! The end of a pool of threads.

use std::{
    sync::mpsc::{Sender, channel},
    time::{Duration, Instant},
};

use arborio_executor::{
    Interrupt, StopError,
    blocking::{Blocking, BlockingPool},
};

use crate::workers::TOO_LONG;

/// A pool without a grace, whose only thread has a job that lasts as long as the sender is kept.
fn busy() -> (BlockingPool, Blocking<()>, Sender<()>) {
    let pool = BlockingPool::builder().max_threads(1).grace(Duration::ZERO);
    let pool = pool.build();
    let (go_on, gate) = channel::<()>();
    let (begun, begins) = channel();
    let job = pool.spawn(move || {
        begun.send(()).unwrap();
        let _ = gate.recv();
    });
    begins.recv_timeout(TOO_LONG).unwrap();
    (pool, job, go_on)
}

#[test]
fn x26_who_drops_a_pool_stops_it() {
    let (pool, mut runs, go_on) = busy();
    let mut waits = pool.spawn(|| ());
    drop(pool);
    assert!(matches!(waits.try_take(), Some(Err(Interrupt::Closed))));
    assert!(matches!(runs.try_take(), Some(Err(Interrupt::Stopped))));
    drop(go_on);
}

/// The first stop has given up what still runs.
#[test]
fn x26_a_pool_is_stopped_once() {
    let (pool, job, go_on) = busy();
    let stopped = pool.stop_and_join(Duration::ZERO);
    assert!(matches!(stopped, Err(StopError::Jobs(1))), "{stopped:?}");
    let start = Instant::now();
    pool.stop_and_join(TOO_LONG).unwrap();
    assert!(
        start.elapsed() < TOO_LONG,
        "it waits for a job that it has given up"
    );
    drop((pool, job, go_on));
}
