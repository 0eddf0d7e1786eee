//! Models of quiet mode: a kernel that is told level-triggered, then edges.
//!
//! The kernel of the model keeps what epoll keeps. Its lock stands for those of
//! the system calls, `table` for the lock of the reactor's table.

use std::{
    sync::Arc,
    task::{Context, Poll},
};

use arborio_base::WakeBatch;
use loom::{
    sync::{Condvar, Mutex},
    thread,
};

use crate::{
    gate::Gate,
    model,
    quiet::{Duty, Moved},
    readiness::{Direction, Event, Word},
    task,
    waiters::WaitKey,
};

/// The socket as the kernel has it, and what the epoll knows of it.
struct Kernel {
    bytes: usize,
    room: usize,
    /// As in quiet mode; else `edges` are watched for.
    is_level: bool,
    /// What is to be told, in either direction.
    edges: [bool; 2],
    /// Nobody needs the driver any more.
    is_over: bool,
}

struct Stream {
    gate: Gate<()>,
    table: Mutex<()>,
    kernel: Mutex<Kernel>,
    /// The kernel has changed.
    changed: Condvar,
}

const READ: usize = Direction::Read as usize;
const WRITE: usize = Direction::Write as usize;

impl Stream {
    /// A stream in quiet mode that has been read until nothing was left.
    fn new(bytes: usize, room: usize) -> Arc<Self> {
        let gate = Gate::new(());
        gate.drained(Direction::Read, Word::FRESH);
        gate.quieten();
        let kernel = Kernel {
            bytes,
            room,
            is_level: true,
            edges: [false; 2],
            is_over: false,
        };
        Arc::new(Self {
            gate,
            table: Mutex::new(()),
            kernel: Mutex::new(kernel),
            changed: Condvar::new(),
        })
    }

    fn change(&self, change: impl FnOnce(&mut Kernel)) {
        change(&mut self.kernel.lock().unwrap());
        self.changed.notify_all();
    }

    fn byte_arrives(&self) {
        self.change(|kernel| {
            kernel.bytes += 1;
            kernel.edges[READ] = true;
        });
    }

    fn room_is_made(&self) {
        self.change(|kernel| {
            kernel.room += 1;
            kernel.edges[WRITE] = true;
        });
    }

    /// As `Home::switch`.
    fn switch(&self) {
        let table = self.table.lock().unwrap();
        self.switch_locked();
        drop(table);
    }

    fn switch_locked(&self) {
        if !self.gate.is_quiet() {
            return;
        }
        // `EPOLL_CTL_MOD` looks at what is ready (Q2).
        self.change(|kernel| {
            kernel.is_level = false;
            kernel.edges = [kernel.bytes > 0, kernel.room > 0];
        });
        self.gate.switched();
    }

    /// `epoll_wait`: the directions that one event tells of; `None` at the end.
    fn wait(&self) -> Option<[bool; 2]> {
        let mut kernel = self.kernel.lock().unwrap();
        loop {
            let told = match kernel.is_level {
                true => [kernel.bytes > 0, false],
                false => {
                    let edges = std::mem::take(&mut kernel.edges);
                    [
                        edges[READ] && kernel.bytes > 0,
                        edges[WRITE] && kernel.room > 0,
                    ]
                }
            };
            if told != [false; 2] {
                return Some(told);
            }
            if kernel.is_over {
                return None;
            }
            kernel = self.changed.wait(kernel).unwrap();
        }
    }

    /// The reactor, until all is over: returns how many events it got.
    fn drive(&self) -> usize {
        let mut events = 0;
        while let Some(told) = self.wait() {
            events += 1;
            assert!(events < 20, "it spins");
            self.dispatch(told);
        }
        events
    }

    /// As `Home::dispatch`.
    fn dispatch(&self, told: [bool; 2]) {
        let mut batch = WakeBatch::new();
        let table = self.table.lock().unwrap();
        for direction in [Direction::Read, Direction::Write] {
            if !told[direction as usize] {
                continue;
            }
            let raised = self.gate.raise(Event::ready(direction), &mut batch);
            if raised.duty == Duty::Switch {
                self.switch_locked();
            }
        }
        drop(table);
        batch.wake_all();
    }

    /// As `Async::poll_attempt`, until one byte is moved, which is always all
    /// that was asked for.
    fn move_byte(&self, direction: Direction) {
        let (unpark, waker) = task();
        let mut cx = Context::from_waker(&waker);
        loop {
            let poll = self.gate.poll(&mut cx, direction, &mut WaitKey::shared());
            let Poll::Ready(seen) = poll else {
                unpark.0.wait();
                continue;
            };
            let seen = seen.unwrap();
            let is_moved = self.try_to_move(direction);
            let duty = match is_moved {
                true => self.gate.moved(direction, seen, Moved::Full),
                false => self.gate.blocked(direction, seen),
            };
            if duty == Duty::Switch {
                self.switch();
            }
            if is_moved {
                return;
            }
        }
    }

    /// The system call.
    fn try_to_move(&self, direction: Direction) -> bool {
        let mut kernel = self.kernel.lock().unwrap();
        let left = match direction {
            Direction::Read => &mut kernel.bytes,
            Direction::Write => &mut kernel.room,
        };
        let is_moved = *left > 0;
        *left -= usize::from(is_moved);
        is_moved
    }
}

/// Runs `user` beside the reactor and something that happens, and returns how
/// many events there were.
fn drive_beside(
    stream: &Arc<Stream>,
    happens: impl FnOnce(&Stream) + 'static,
    user: impl FnOnce(&Stream),
) -> usize {
    let driver = Arc::clone(stream);
    let driver = thread::spawn(move || {
        happens(&driver);
        driver.drive()
    });
    user(stream);
    stream.change(|kernel| kernel.is_over = true);
    let events = driver.join().unwrap();
    let is_level = stream.kernel.lock().unwrap().is_level;
    assert_eq!(stream.gate.is_quiet(), is_level, "word and epoll disagree");
    events
}

#[test]
fn r10_s3_full_reads_lose_nothing_whenever_the_bytes_come() {
    model("full_reads", Some(2), || {
        let stream = Stream::new(1, 0);
        let peer = Arc::clone(&stream);
        let peer = thread::spawn(move || peer.byte_arrives());
        drive_beside(
            &stream,
            |_| (),
            |stream| {
                stream.move_byte(Direction::Read);
                stream.move_byte(Direction::Read);
            },
        );
        peer.join().unwrap();
    });
}

#[test]
fn s1_a_writer_that_must_wait_is_woken_whenever_there_is_room() {
    model("writer_waits", Some(3), || {
        let stream = Stream::new(0, 0);
        drive_beside(&stream, Stream::room_is_made, |stream| {
            stream.move_byte(Direction::Write);
        });
    });
}

#[test]
fn s1_s3_a_reader_and_a_writer_switch_at_once() {
    model("both_switch", Some(2), || {
        let stream = Stream::new(2, 0);
        let writer = Arc::clone(&stream);
        let writer = thread::spawn(move || writer.move_byte(Direction::Write));
        drive_beside(&stream, Stream::room_is_made, |stream| {
            stream.move_byte(Direction::Read);
            stream.move_byte(Direction::Read);
            writer.join().unwrap();
        });
    });
}

#[test]
fn s2_s4_events_without_a_read_end_with_the_switch() {
    model("unread", Some(3), || {
        let stream = Stream::new(1, 1);
        let events = drive_beside(
            &stream,
            |_| (),
            |stream| {
                stream.move_byte(Direction::Write);
            },
        );
        // The promise, the one that switches, and the switch itself.
        assert!(events <= 3, "{events} events");
    });
}
