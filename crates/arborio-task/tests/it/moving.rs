//! Tasks that move from one loop to another, on real threads: what stays where it is, and what
//! holds across a move.

use std::{
    cell::Cell,
    rc::Rc,
    sync::mpsc,
    thread::{self, ThreadId},
};

use arborio_task::{Running, SpawnOptions, Submitter};

use crate::support::{settle, tasks, turn};

fn here() -> ThreadId {
    thread::current().id()
}

/// A loop on a thread of its own, which runs until this is dropped.
struct Other {
    inbox: Submitter,
    over: Option<mpsc::Sender<()>>,
    thread: Option<thread::JoinHandle<()>>,
}

impl Other {
    fn start() -> Self {
        let (tell, hear) = mpsc::channel();
        let (over, is_over) = mpsc::channel::<()>();
        let thread = thread::spawn(move || {
            let tasks = tasks();
            tell.send(tasks.submitter()).unwrap();
            let ((), ended) = tasks.run_main(async {}, |running| {
                let going_on = || is_over.try_recv() == Err(mpsc::TryRecvError::Empty);
                while going_on() {
                    step(running);
                }
            });
            ended.unwrap();
        });
        Self {
            inbox: hear.recv().unwrap(),
            over: Some(over),
            thread: Some(thread),
        }
    }

    fn end(&mut self) {
        self.over = None;
        if let Some(thread) = self.thread.take() {
            thread.join().unwrap();
        }
    }
}

impl Drop for Other {
    fn drop(&mut self) {
        self.end();
    }
}

/// Does what came and what is ready, without sleeping.
fn step(running: &Running<'_>) {
    running.take_mail();
    while running.run_next() {}
    thread::yield_now();
}

/// Polls each task that is ready now once.
fn cycle(running: &Running<'_>, count: usize) {
    for _ in 0..count {
        assert!(running.run_next());
    }
}

/// A value that must not leave its thread; it is `Send` to the compiler only where the code that is
/// tested says so.
struct AtHome {
    home: ThreadId,
    not_send: Rc<Cell<usize>>,
}

impl AtHome {
    fn new() -> Self {
        Self {
            home: here(),
            not_send: Rc::default(),
        }
    }

    fn check(&self) {
        assert_eq!(here(), self.home, "a value that is not `Send` has moved");
        self.not_send.set(self.not_send.get() + 1);
    }
}

impl Drop for AtHome {
    fn drop(&mut self) {
        if !thread::panicking() {
            self.check();
        }
    }
}

/// `make` is `Send`, and the future is not.
#[test]
fn a_future_that_was_made_on_its_loop_stays_there() {
    let other = Other::start();
    let main = async {
        let inbox = Submitter::current().unwrap();
        let make = || {
            let value = AtHome::new();
            async move {
                turn().await;
                value.check();
                turn().await;
            }
        };
        let sent = (0..10).map(|_| inbox.spawn_with(make, SpawnOptions::new()));
        let sent: Vec<_> = sent.collect();
        for task in sent {
            task.await.expect("nothing has left its thread");
        }
    };
    let (given, done) = tasks().run_main(main, |running| {
        cycle(running, 11);
        let given = running.give(&other.inbox, 100);
        settle(running);
        given
    });
    done.unwrap();
    assert_eq!(given, 0);
}
