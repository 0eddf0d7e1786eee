//! Workers that share their tasks, over made-up parks.

use std::{
    pin::pin,
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, Ordering},
        mpsc::{Sender, channel},
    },
    task::{Context, Wake, Waker},
    thread,
    time::{Duration, Instant},
};

use arborio_executor::{
    Doorbell, LoopOptions, Park, Passed, Seat, Tasks, Team, Wait, drive_in_team, skip_poll_cycle,
    spawn, yield_now,
};

use crate::workers::{Bell, Note, TOO_LONG, spin};

/// Sleeps in its thread's park; `event` happens once, when the first sleep was ended by a call.
struct Sleeper {
    bell: Bell,
    asleep: Option<Sender<()>>,
    event: Option<Box<dyn FnOnce()>>,
}

impl Sleeper {
    fn sleep(&mut self, limit: Option<Duration>) -> Passed {
        if let Some(event) = self.event.take() {
            if let Some(asleep) = self.asleep.take() {
                asleep.send(()).unwrap();
            }
            self.wait_for_call();
            event();
        } else if let Some(limit) = limit {
            if !self.bell.take_call() {
                thread::park_timeout(limit);
            }
        } else {
            self.wait_for_call();
        }
        Passed::Looked
    }

    fn wait_for_call(&self) {
        let start = Instant::now();
        while !self.bell.take_call() {
            thread::park_timeout(TOO_LONG);
            assert!(start.elapsed() < TOO_LONG, "nobody has called this worker");
        }
    }
}

impl Park for Sleeper {
    fn pass(&mut self, wait: Wait) -> Passed {
        if wait == Wait::Never {
            return Passed::Looked;
        }
        self.sleep(None)
    }

    fn pass_within(&mut self, limit: Duration) -> Passed {
        self.sleep(Some(limit))
    }
}

fn work<F: Future>(
    team: &Arc<Team>,
    number: usize,
    asleep: Option<Sender<()>>,
    event: Option<Box<dyn FnOnce()>>,
    main: F,
) -> F::Output {
    let bell = Bell::new(Doorbell::new());
    let tasks = Tasks::new(bell.clone());
    tasks.prepare_for_rescue();
    let seat = Seat::take(Arc::clone(team), number, tasks.submitter(), bell.clone());
    let mut park = Sleeper {
        bell,
        asleep,
        event,
    };
    let out = drive_in_team(
        tasks,
        &mut park,
        LoopOptions::default(),
        &|_| {},
        &seat,
        main,
    );
    out.unwrap()
}

/// Calls its function when it is woken.
struct OnWake(Mutex<Option<Box<dyn FnOnce() + Send>>>);

impl Wake for OnWake {
    fn wake(self: Arc<Self>) {
        let code = self.0.lock().unwrap().take();
        code.into_iter().for_each(|code| code());
    }
}

/// A worker is woken to look for work. Before it does so it has a task of its own, which blocks until the one behind it
/// has run.
#[test]
fn x12_a_worker_that_was_woken_to_search_is_rescued_when_it_blocks_before_that() {
    let team = Arc::new(Team::new(2));
    let note = Note::default();
    let (asleep, when_asleep) = channel();
    let told = note.clone();
    let is_woken = Arc::new(AtomicBool::new(false));
    let awakes = Arc::clone(&is_woken);
    let helped = thread::scope(|threads| {
        threads.spawn(|| {
            let event = move || {
                let (done, when_done) = channel();
                let block = move || {
                    drop(spawn(async move {
                        told.tell(when_done.recv_timeout(Duration::from_secs(5)).is_ok());
                    }));
                    drop(spawn(async move {
                        let _ = done.send(());
                    }));
                };
                awakes.store(true, Ordering::Relaxed);
                // It runs after the pass, when the worker has risen.
                let waker = Waker::from(Arc::new(OnWake(Mutex::new(Some(Box::new(block))))));
                let polled = pin!(skip_poll_cycle()).poll(&mut Context::from_waker(&waker));
                assert!(polled.is_pending());
            };
            work(&team, 1, Some(asleep), Some(Box::new(event)), async {});
        });
        work(&team, 0, None, None, async {
            while when_asleep.try_recv().is_err() {
                yield_now().await;
            }
            yield_now().await; // what the other one has asked for before it slept is answered
            while !is_woken.load(Ordering::Relaxed) {
                // Nobody is woken for polls that are short.
                for _ in 0..3 {
                    drop(spawn(async { spin(Duration::from_micros(300)) }));
                }
                yield_now().await;
            }
            note.read().await
        })
    });
    assert!(helped, "nobody looked behind the task that blocks");
}
