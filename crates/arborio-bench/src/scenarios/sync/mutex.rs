//! A mutex: taken and released by one task, and contended by a hundred.
//!
//! On one loop a mutex is contended only if its holder awaits something. So each of the hundred tasks
//! yields once while it has the lock; in that time all others come to the lock and wait. A figure is then
//! one lock, one yield (by a future that wakes itself, the same for everyone), one release and, where the
//! lock is handed over in order, one wake and one switch to the next holder. A mutex that lets its last
//! holder overtake those who wait (`futures`, async-lock) saves the switch, and its tasks do not take turns.

use std::future::{Future, ready};
use std::hint::black_box;
use std::ops::DerefMut;
use std::rc::Rc;

use super::pairs;
use crate::contestants::floor::sync as floor;
use crate::measure::{Effort, Meter};
use crate::runtime::{Runtime, SelfWake};
use crate::sample::Sample;
use crate::scenarios::{NANOSECONDS, Rounds, Scenario};

const TASKS: u64 = 100;
/// Locks of each task in one unit: enough for the spawning to vanish.
const TURNS: u64 = 100;

pub(in crate::scenarios) const FREE_LOCAL: Scenario = Scenario {
    key: "mutex-free-local",
    what: "lock and unlock a mutex that nobody else wants, for one thread",
    figures: NANOSECONDS,
    entries: pairs!(free:
        "arborio" = Arborio + arborio::sync::local::Mutex<u64>,
        "floor" = Floor + floor::Mutex<floor::Alone<floor::Queue>>,
        "tokio-bare" = TokioBare + tokio::sync::Mutex<u64>,
        "tokio@arborio" = Arborio + tokio::sync::Mutex<u64>,
        "smol" = Smol + smol::lock::Mutex<u64>,
        "smol@arborio" = Arborio + smol::lock::Mutex<u64>,
        "futures" = Arborio + futures_util::lock::Mutex<u64>,
    ),
    rounds: Rounds::Timed,
};

pub(in crate::scenarios) const FREE_SEND: Scenario = Scenario {
    key: "mutex-free-send",
    what: "lock and unlock a mutex that nobody else wants, for any threads",
    figures: NANOSECONDS,
    entries: pairs!(free:
        "arborio" = Arborio + arborio::sync::Mutex<u64>,
        "floor" = Floor + std::sync::Mutex<u64>,
        "tokio-bare" = TokioBare + tokio::sync::Mutex<u64>,
        "tokio@arborio" = Arborio + tokio::sync::Mutex<u64>,
        "smol" = Smol + smol::lock::Mutex<u64>,
        "smol@arborio" = Arborio + smol::lock::Mutex<u64>,
        "futures" = Arborio + futures_util::lock::Mutex<u64>,
    ),
    rounds: Rounds::Timed,
};

pub(in crate::scenarios) const HUNDRED_LOCAL: Scenario = Scenario {
    key: "mutex-100-local",
    what: "100 tasks lock a mutex, yield and unlock it, for one thread, per lock",
    figures: NANOSECONDS,
    entries: pairs!(contended:
        "arborio" = Arborio + arborio::sync::local::Mutex<u64>,
        "floor" = Floor + floor::Mutex<floor::Alone<floor::Queue>>,
        "tokio-bare" = TokioBare + tokio::sync::Mutex<u64>,
        "tokio@arborio" = Arborio + tokio::sync::Mutex<u64>,
        "smol" = Smol + smol::lock::Mutex<u64>,
        "smol@arborio" = Arborio + smol::lock::Mutex<u64>,
        "futures" = Arborio + futures_util::lock::Mutex<u64>,
    ),
    rounds: Rounds::Timed,
};

pub(in crate::scenarios) const HUNDRED_SEND: Scenario = Scenario {
    key: "mutex-100-send",
    what: "100 tasks lock a mutex, yield and unlock it, for any threads, per lock",
    figures: NANOSECONDS,
    entries: pairs!(contended:
        "arborio" = Arborio + arborio::sync::Mutex<u64>,
        "floor" = Floor + floor::Mutex<floor::Locked<floor::Queue>>,
        "tokio-bare" = TokioBare + tokio::sync::Mutex<u64>,
        "tokio@arborio" = Arborio + tokio::sync::Mutex<u64>,
        "smol" = Smol + smol::lock::Mutex<u64>,
        "smol@arborio" = Arborio + smol::lock::Mutex<u64>,
        "futures" = Arborio + futures_util::lock::Mutex<u64>,
    ),
    rounds: Rounds::Timed,
};

/// A mutex around a number.
trait Lock: 'static {
    fn new() -> Self;
    fn lock(&self) -> impl Future<Output = impl DerefMut<Target = u64>>;
}

macro_rules! locks {
    ($($mutex:ty),+) => {$(
        impl Lock for $mutex {
            fn new() -> Self {
                <$mutex>::new(0)
            }

            fn lock(&self) -> impl Future<Output = impl DerefMut<Target = u64>> {
                <$mutex>::lock(self)
            }
        }
    )+};
}

locks!(
    arborio::sync::local::Mutex<u64>,
    arborio::sync::Mutex<u64>,
    floor::Mutex<floor::Alone<floor::Queue>>,
    floor::Mutex<floor::Locked<floor::Queue>>,
    tokio::sync::Mutex<u64>,
    smol::lock::Mutex<u64>,
    futures_util::lock::Mutex<u64>
);

/// The floor of a free lock for any threads. Nobody can wait for it, so it takes part in nothing else.
impl Lock for std::sync::Mutex<u64> {
    fn new() -> Self {
        Self::new(0)
    }

    fn lock(&self) -> impl Future<Output = impl DerefMut<Target = u64>> {
        ready(self.try_lock().expect("nobody has it"))
    }
}

fn free<R: Runtime, M: Lock>(effort: Effort) -> Sample {
    R::run(async move {
        let mut meter = Meter::new(effort, 1);
        let mutex = M::new();
        let mut locks = 0;
        while let Some(units) = meter.next() {
            for _ in 0..units {
                *black_box(&mutex).lock().await += 1;
            }
            locks += units;
        }
        assert_eq!(*mutex.lock().await, locks, "every lock was taken");
        meter.sample()
    })
}

fn contended<R: Runtime, M: Lock>(effort: Effort) -> Sample {
    R::run(async move {
        let mut meter = Meter::new(effort, TASKS * TURNS);
        let mutex = Rc::new(M::new());
        let mut locks = 0;
        let mut handles = Vec::with_capacity(TASKS as usize);
        while let Some(units) = meter.next() {
            let turns = units * TURNS;
            handles.extend((0..TASKS).map(|_| R::spawn(take_turns(Rc::clone(&mutex), turns))));
            for handle in handles.drain(..) {
                handle.await;
            }
            locks += TASKS * turns;
        }
        assert_eq!(*mutex.lock().await, locks, "every lock was taken");
        meter.sample()
    })
}

async fn take_turns<M: Lock>(mutex: Rc<M>, turns: u64) {
    for _ in 0..turns {
        let mut number = mutex.lock().await;
        let before = *number;
        SelfWake::default().await;
        *number = before + 1;
    }
}
