//! Tasks that move from one loop to another, on real threads: what stays where it is, and what
//! holds across a move.

use std::{
    cell::Cell,
    future::poll_fn,
    rc::Rc,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
        mpsc,
    },
    task::{Poll, Waker},
    thread::{self, ThreadId},
};

use arborio_task::{Running, SpawnOptions, Submitter, Task, try_spawn_sent};

use crate::support::{settle, tasks, turn};

fn here() -> ThreadId {
    thread::current().id()
}

/// A task that may move.
#[track_caller]
fn rover<F>(future: F) -> Task<F::Output>
where
    F: Future + Send + 'static,
    F::Output: Send + 'static,
{
    rover_with(future, SpawnOptions::new())
}

#[track_caller]
fn rover_with<F>(future: F, options: SpawnOptions) -> Task<F::Output>
where
    F: Future + Send + 'static,
    F::Output: Send + 'static,
{
    let spawned = try_spawn_sent(future, options);
    spawned.ok().expect("a loop runs on this thread")
}

/// A loop on a thread of its own, which runs until this is dropped.
pub(crate) struct Other {
    inbox: Submitter,
    over: Option<mpsc::Sender<()>>,
    thread: Option<thread::JoinHandle<()>>,
}

impl Other {
    pub(crate) fn start() -> Self {
        let (tell, hear) = mpsc::channel();
        let (over, is_over) = mpsc::channel::<()>();
        let thread = thread::spawn(move || {
            let tasks = tasks();
            tell.send(tasks.submitter()).unwrap();
            drop(tasks.run_main(async {}, |running| {
                let going_on = || is_over.try_recv() == Err(mpsc::TryRecvError::Empty);
                while going_on() {
                    step(running);
                }
            }));
        });
        Self {
            inbox: hear.recv().unwrap(),
            over: Some(over),
            thread: Some(thread),
        }
    }

    pub(crate) fn inbox(&self) -> &Submitter {
        &self.inbox
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

/// Drives the loop to its end as a worker, so that others may rescue what is ready behind a poll.
fn settle_as_worker(running: &Running<'_>) {
    while running.pending() > 0 {
        running.take_mail();
        running.run_until(64, |_| false);
        thread::yield_now();
    }
}

/// Has `wake` wake a task during its poll, and a rescue go on meanwhile.
fn rescue_during_a_poll(wake: impl FnOnce(&Waker) + Send + 'static) {
    let inside = Arc::new(AtomicUsize::new(0));
    let stuck = tasks();
    let inbox = stuck.submitter();
    let main = async {
        let (polled, is_polled) = mpsc::channel();
        let (tried, has_tried) = mpsc::channel();
        let rescuer = thread::spawn(move || {
            let ((), ended) = tasks().run_main(async {}, |running| {
                is_polled.recv().unwrap();
                tried.send(running.rescue(&inbox, 10)).unwrap();
                settle(running);
            });
            ended.unwrap();
        });
        let inside = Arc::clone(&inside);
        let mut wake = Some(wake);
        let task = rover(poll_fn(move |cx| {
            if inside.fetch_add(1, Ordering::Relaxed) > 0 {
                std::process::abort(); // polled twice at once
            }
            let mut polled_again = Poll::Ready(());
            if let Some(wake) = wake.take() {
                wake(cx.waker());
                polled.send(()).unwrap();
                if has_tried.recv() != Ok(0) {
                    std::process::abort(); // taken out of its poll
                }
                polled_again = Poll::Pending;
            }
            inside.fetch_sub(1, Ordering::Relaxed);
            polled_again
        }));
        while !task.is_finished() {
            turn().await; // who is awaited is not rescued
        }
        rescuer.join().unwrap();
    };
    stuck.run_main(main, settle_as_worker).1.unwrap();
}

/// It stands in the queue, and is not to be had.
#[test]
fn a_task_that_wakes_itself_is_not_rescued_while_it_is_polled() {
    rescue_during_a_poll(|waker| waker.wake_by_ref());
}

/// It lies in the inbox, and is not to be had.
#[test]
fn a_task_that_is_woken_from_abroad_is_not_rescued_while_it_is_polled() {
    rescue_during_a_poll(|waker| {
        let waker = waker.clone();
        thread::spawn(move || waker.wake()).join().unwrap();
    });
}
