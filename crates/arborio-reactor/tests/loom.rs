//! Models of the gate: every interleaving of a few threads.
//!
//! The gate is compiled into this test from its own source, so the models run
//! the lines that ship. The table of a reactor has no model: all of it stands
//! behind one lock (`home/mod.rs`), and what races with a dispatch (R09) races for
//! that lock.
//!
//! Run with `RUSTFLAGS="--cfg loom" cargo test -p arborio-reactor --test loom --release`.
#![cfg(loom)]
#![allow(dead_code, reason = "a part of the crate, compiled by itself")]

#[path = "../src/gate.rs"]
mod gate;
#[path = "../src/quiet.rs"]
mod quiet;
#[path = "loom/quietly.rs"]
mod quietly;
#[path = "../src/readiness.rs"]
mod readiness;
#[path = "../src/waiters.rs"]
mod waiters;

use std::{
    sync::{
        Arc,
        atomic::{AtomicUsize as StdAtomicUsize, Ordering::Relaxed},
    },
    task::{Context, Poll, Wake, Waker},
};

use arborio_base::WakeBatch;
use loom::{
    sync::{
        Notify,
        atomic::{AtomicUsize, Ordering},
    },
    thread,
};

use crate::{
    gate::Gate,
    readiness::{Direction, Event, Halt, Word},
    waiters::WaitKey,
};

/// Parks a model thread; loom reports a wake that never comes as a deadlock.
struct Unpark(Notify);

impl Wake for Unpark {
    fn wake(self: Arc<Self>) {
        self.0.notify();
    }
}

fn task() -> (Arc<Unpark>, Waker) {
    let unpark = Arc::new(Unpark(Notify::new()));
    (Arc::clone(&unpark), Waker::from(unpark))
}

/// Explores `scenario` and prints how many executions that took. `preemptions`
/// bounds those of each execution, where all of them are too many.
fn model(name: &str, preemptions: Option<usize>, scenario: impl Fn() + Send + Sync + 'static) {
    // Not loom's: it counts across the executions.
    let executions = Arc::new(StdAtomicUsize::new(0));
    let counter = Arc::clone(&executions);
    let mut builder = loom::model::Builder::new();
    if preemptions.is_some() {
        builder.preemption_bound = preemptions;
    }
    builder.check(move || {
        counter.fetch_add(1, Relaxed);
        scenario();
    });
    let executions = executions.load(Relaxed);
    assert!(executions > 1, "{name} explores nothing");
    println!("model {name}: {executions} executions");
}

/// A source, and the bytes that the kernel holds for it.
struct Socket {
    gate: Gate<()>,
    bytes: AtomicUsize,
}

impl Socket {
    fn new() -> Arc<Self> {
        Arc::new(Self {
            gate: Gate::new(()),
            bytes: AtomicUsize::new(0),
        })
    }

    /// The kernel: bytes arrive, then the event is dispatched.
    fn receive(&self) {
        self.bytes.fetch_add(1, Ordering::AcqRel);
        let mut batch = WakeBatch::new();
        let _ = self.gate.raise(Event::ready(Direction::Read), &mut batch);
        batch.wake_all();
    }

    /// The system call: takes one byte, or would block.
    fn take(&self) -> bool {
        self.bytes
            .fetch_update(Ordering::AcqRel, Ordering::Acquire, |n| n.checked_sub(1))
            .is_ok()
    }

    /// One task that reads one byte.
    fn read(&self, key: &mut WaitKey) -> Result<(), Halt> {
        let (unpark, waker) = task();
        let mut cx = Context::from_waker(&waker);
        loop {
            match self.gate.poll(&mut cx, Direction::Read, key) {
                Poll::Ready(Ok(_)) if self.take() => return Ok(()),
                Poll::Ready(Ok(seen)) => self.gate.drained(Direction::Read, seen),
                Poll::Ready(Err(halt)) => return Err(halt),
                Poll::Pending => unpark.0.wait(),
            }
        }
    }
}

/// The word of a gate where nobody has found anything yet.
fn drain(gate: &Gate<()>) {
    gate.drained(Direction::Read, Word::FRESH);
}

#[test]
fn r10_an_event_between_would_block_and_the_clear_is_not_lost() {
    model("an_event_between_would_block_and_the_clear", None, || {
        let socket = Socket::new();
        let kernel = Arc::clone(&socket);
        let kernel = thread::spawn(move || kernel.receive());
        assert_eq!(socket.read(&mut WaitKey::fresh()), Ok(()));
        kernel.join().unwrap();
    });
}

#[test]
fn r10_two_events_and_two_reads_of_one_task_lose_nothing() {
    model("two_events_and_two_reads", Some(3), || {
        let socket = Socket::new();
        let kernel = Arc::clone(&socket);
        let kernel = thread::spawn(move || {
            kernel.receive();
            kernel.receive();
        });
        for _ in 0..2 {
            assert_eq!(socket.read(&mut WaitKey::shared()), Ok(()));
        }
        kernel.join().unwrap();
    });
}

#[test]
fn an_event_wakes_every_reader() {
    model("an_event_wakes_every_reader", Some(3), || {
        let socket = Socket::new();
        drain(&socket.gate);
        let other = Arc::clone(&socket);
        let other = thread::spawn(move || other.read(&mut WaitKey::fresh()));
        let kernel = Arc::clone(&socket);
        let kernel = thread::spawn(move || {
            kernel.bytes.fetch_add(1, Ordering::AcqRel);
            kernel.receive();
        });
        assert_eq!(socket.read(&mut WaitKey::fresh()), Ok(()));
        assert_eq!(other.join().unwrap(), Ok(()));
        kernel.join().unwrap();
    });
}

#[test]
fn a_waiter_that_gives_up_takes_nobody_elses_wake_with_it() {
    model("a_waiter_gives_up", Some(3), || {
        let socket = Socket::new();
        drain(&socket.gate);
        let fickle = Arc::clone(&socket);
        let fickle = thread::spawn(move || {
            let (_unpark, waker) = task();
            let mut key = WaitKey::fresh();
            let mut cx = Context::from_waker(&waker);
            let _ = fickle.gate.poll(&mut cx, Direction::Read, &mut key);
            fickle.gate.forget(Direction::Read, &key);
        });
        let kernel = Arc::clone(&socket);
        let kernel = thread::spawn(move || kernel.receive());
        assert_eq!(socket.read(&mut WaitKey::fresh()), Ok(()));
        fickle.join().unwrap();
        kernel.join().unwrap();
    });
}

#[test]
fn a_halt_reaches_whoever_is_about_to_wait() {
    model("a_halt_reaches_the_waiter", None, || {
        let socket = Socket::new();
        drain(&socket.gate);
        let closer = Arc::clone(&socket);
        let closer = thread::spawn(move || {
            let mut batch = WakeBatch::new();
            closer.gate.halt(Halt::Closed, &mut batch);
            batch.wake_all();
        });
        assert_eq!(socket.read(&mut WaitKey::fresh()), Err(Halt::Closed));
        closer.join().unwrap();
    });
}

#[test]
fn of_two_tasks_that_see_the_end_of_the_home_one_moves_the_source() {
    /// As `Registration::poll`; the kernel raises an event for a source that is
    /// registered anew and has bytes.
    fn read_at_home(socket: &Socket) -> usize {
        let mut moves = 0;
        let mut key = WaitKey::fresh();
        while socket.read(&mut key).is_err() {
            if socket.gate.resume(Halt::HomeEnded) {
                moves += 1;
                let mut batch = WakeBatch::new();
                let _ = socket.gate.raise(Event::ready(Direction::Read), &mut batch);
                batch.wake_all();
            }
        }
        moves
    }

    model("two_tasks_see_the_end_of_the_home", Some(3), || {
        let socket = Socket::new();
        drain(&socket.gate);
        socket.bytes.store(2, Ordering::Release);
        socket.gate.halt(Halt::HomeEnded, &mut WakeBatch::new());
        let other = Arc::clone(&socket);
        let other = thread::spawn(move || read_at_home(&other));
        let mine = read_at_home(&socket);
        assert_eq!(mine + other.join().unwrap(), 1);
    });
}
