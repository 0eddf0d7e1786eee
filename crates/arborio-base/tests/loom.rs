//! Models of the wakes of branches: the very file of `arborio-scope`, run by loom in
//! every order that its preemption bound allows.
//!
//! `cargo xtask model -p arborio-base` runs them. The file knows nothing but this crate,
//! and is taken in here because the crate that it belongs to stands on the timers, which
//! have no models. What drives it is a [`Run`] as small as possible, with the steps of
//! `branches.rs` and `run.rs`.
//!
//! The models are named after the invariants of the file. The count of a header (W4) is
//! the standard library's, which loom does not see: the orders around it are explored,
//! those inside of it are not.
#![cfg(loom)]

use std::{
    env,
    sync::{
        Arc, Mutex as StdMutex,
        atomic::{AtomicBool as StdAtomicBool, AtomicUsize as StdAtomicUsize},
    },
    task::{Wake, Waker},
};

use loom::{
    cell::UnsafeCell,
    sync::atomic::{
        AtomicBool, AtomicUsize,
        Ordering::{AcqRel, Acquire, Relaxed, Release},
    },
    thread,
};

#[path = "../../arborio-scope/src/concurrent/wakes.rs"]
#[allow(unreachable_pub, reason = "it is taken in from another crate")]
mod wakes;

use wakes::{BODY, Bell, Wakes};

/// Explores `scenario`.
fn model(name: &str, scenario: impl Fn() + Send + Sync + 'static) {
    let executions = Arc::new(StdAtomicUsize::new(0));
    let count = Arc::clone(&executions);
    let most = env::var("LOOM_MAX_PREEMPTIONS").ok();
    let mut builder = loom::model::Builder::new();
    builder.preemption_bound = Some(most.and_then(|most| most.parse().ok()).unwrap_or(3));
    builder.check(move || {
        count.fetch_add(1, Relaxed);
        scenario();
    });
    let executions = executions.load(Relaxed);
    assert!(executions > 1, "{name} explores nothing");
    println!("model {name}: {executions} executions");
}

/// The waker of the run: wakes a thread of the model.
struct Task {
    rung: AtomicBool,
    rings: AtomicUsize,
    thread: thread::Thread,
    /// Whether `thread` sleeps on this. Not loom's: it changes together with the
    /// sleep, in one step.
    sleeps: StdAtomicBool,
}

impl Wake for Task {
    fn wake(self: Arc<Self>) {
        self.rings.fetch_add(1, Relaxed);
        // Release: what was done before the wake is seen after `wait`.
        self.rung.swap(true, Release);
        // Loom's `unpark` would let a thread that waits for a lock go on, too.
        if self.sleeps.swap(false, Relaxed) {
            self.thread.unpark();
        }
    }
}

impl Task {
    fn new() -> Arc<Self> {
        Arc::new(Self {
            rung: AtomicBool::new(false),
            rings: AtomicUsize::new(0),
            thread: thread::current(),
            sleeps: StdAtomicBool::new(false),
        })
    }

    /// A wake that is lost is a thread that parks for ever, which loom reports.
    fn wait(&self) {
        while !self.rung.swap(false, AcqRel) {
            self.sleeps.store(true, Relaxed);
            thread::park();
        }
    }
}

/// What a branch does in a poll: true if it has ended.
type Polled<'p> = &'p mut dyn FnMut(u32, &Waker) -> bool;

/// The run, without futures.
struct Run {
    wakes: Arc<Wakes<()>>,
    task: Arc<Task>,
    /// By number; `None` while nobody has the waker of the branch.
    bells: [Option<Bell<()>>; 2],
    body: Bell<()>,
    spare: Vec<Bell<()>>,
    queue: Vec<u32>,
    ended: usize,
}

impl Run {
    /// With two branches that are to be polled, and a body that has been.
    fn new() -> Self {
        let wakes = Wakes::new(());
        let body = Bell::new(&wakes);
        assert!(!body.release(BODY));
        Self {
            task: Task::new(),
            bells: [None, None],
            body,
            spare: Vec::new(),
            queue: vec![0, 1],
            ended: 0,
            wakes,
        }
    }

    fn poll_one(&mut self, number: u32, poll: Polled<'_>) {
        let slot = &mut self.bells[number as usize];
        let bell = match slot.take() {
            Some(bell) => {
                bell.hold();
                bell
            }
            None => (self.spare.pop()).unwrap_or_else(|| Bell::new(&self.wakes)),
        };
        let ready = poll(number, bell.waker());
        self.ended += usize::from(ready);
        if bell.is_unshared() {
            if bell.take_woken() && !ready {
                self.queue.push(number);
            }
            self.spare.push(bell);
        } else if !ready {
            if bell.release(number) {
                self.queue.push(number);
            }
            *slot = Some(bell);
        }
    }

    /// One poll of the run; false if it lies down.
    fn turn(&mut self, poll: Polled<'_>) -> bool {
        let mut numbers = Vec::new();
        drop(self.wakes.rise(&mut numbers));
        self.queue.append(&mut numbers);
        for number in std::mem::take(&mut self.queue) {
            self.poll_one(number, poll);
        }
        if self.wakes.has_any() {
            self.wakes.collect(&mut numbers);
        }
        self.queue.append(&mut numbers);
        let waker = Waker::from(Arc::clone(&self.task));
        !self.queue.is_empty() || self.wakes.lie_down(waker).is_err()
    }

    /// Until `count` branches have ended.
    fn until(&mut self, count: usize, poll: Polled<'_>) {
        loop {
            let goes_on = self.turn(poll);
            if self.ended == count {
                return;
            }
            if !goes_on {
                self.task.wait();
            }
        }
    }
}

/// Written before a wake, and read in the poll that it leads to. Nothing but the wake
/// publishes it (W3).
struct Letter(UnsafeCell<u32>);

// SAFETY: loom checks every access to the cell.
unsafe impl Send for Letter {}
// SAFETY: as above.
unsafe impl Sync for Letter {}

impl Letter {
    fn new() -> Arc<Self> {
        Arc::new(Self(UnsafeCell::new(0)))
    }

    fn write(&self) {
        // SAFETY: loom checks that nobody else is there.
        self.0.with_mut(|text| unsafe { *text = 7 });
    }

    fn read(&self) -> u32 {
        // SAFETY: loom checks that nobody writes.
        self.0.with(|text| unsafe { *text })
    }
}

fn send(letter: &Arc<Letter>, waker: Waker) -> thread::JoinHandle<()> {
    let letter = Arc::clone(letter);
    thread::spawn(move || {
        letter.write();
        waker.wake();
    })
}

#[test]
fn w3_a_wake_publishes_what_was_written_before_it_also_while_the_branch_is_polled() {
    model("w3_a_wake_publishes", || {
        let letter = Letter::new();
        let mut threads = Vec::new();
        Run::new().until(2, &mut |number, waker| {
            if number == 0 && threads.is_empty() {
                threads.push(send(&letter, waker.clone()));
                return false;
            }
            assert!(number == 1 || letter.read() == 7);
            true
        });
        threads
            .into_iter()
            .for_each(|thread| thread.join().unwrap());
    });
}

#[test]
fn w1_w3_a_second_wake_of_one_branch_publishes_too() {
    model("w1_w3_a_second_wake", || {
        let count = Arc::new(AtomicUsize::new(0));
        let (mut threads, mut kept) = (Vec::new(), None);
        Run::new().until(2, &mut |number, waker| {
            if number == 0 && threads.is_empty() {
                kept = Some(waker.clone()); // it stays shared
                threads.extend([(); 2].map(|()| {
                    let (count, waker) = (Arc::clone(&count), waker.clone());
                    thread::spawn(move || {
                        count.fetch_add(1, Relaxed);
                        waker.wake_by_ref();
                        drop(waker);
                    })
                }));
            }
            number == 1 || count.load(Relaxed) == 2
        });
        threads
            .into_iter()
            .for_each(|thread| thread.join().unwrap());
    });
}

#[test]
fn w5_two_branches_are_woken_and_each_sleep_is_ended_once() {
    model("w5_two_branches_are_woken", || {
        let letters = [Letter::new(), Letter::new()];
        let places = [const { StdMutex::new(None) }; 2];
        let (mut run, mut polls) = (Run::new(), 0);
        let mut poll = |number: u32, waker: &Waker| {
            polls += 1;
            let place: &StdMutex<Option<Waker>> = &places[number as usize];
            if polls <= 2 {
                *place.lock().unwrap() = Some(waker.clone());
                return false;
            }
            assert_eq!(letters[number as usize].read(), 7);
            true
        };
        assert!(!run.turn(&mut poll), "it sleeps");
        let threads = [0, 1].map(|one: usize| {
            let waker = places[one].lock().unwrap().take().unwrap();
            send(&letters[one], waker)
        });
        run.task.wait();
        run.until(2, &mut poll);
        threads.map(|thread| thread.join().unwrap());
        assert_eq!(polls, 4);
        assert!(run.task.rings.load(Acquire) <= 2);
    });
}

#[test]
fn w4_a_header_serves_the_next_branch_when_the_wake_of_the_first_is_over() {
    model("w4_a_header_serves_the_next", || {
        let letters = [Letter::new(), Letter::new()];
        let (mut threads, mut polls) = (Vec::new(), [0, 0]);
        let mut run = Run::new();
        run.queue.pop();
        let mut poll = |number: u32, waker: &Waker| {
            let own = number as usize;
            polls[own] += 1;
            if polls[own] == 1 {
                threads.push(send(&letters[own], waker.clone()));
                return false;
            }
            assert_eq!(letters[own].read(), 7);
            true
        };
        run.until(1, &mut poll);
        run.queue.push(1); // whether the bell of the first is free yet or not
        run.until(2, &mut poll);
        assert_eq!(polls, [2, 2], "nobody was polled in vain");
        threads
            .into_iter()
            .for_each(|thread| thread.join().unwrap());
    });
}

#[test]
fn w5_the_body_is_woken_beside_a_branch() {
    model("w5_the_body_is_woken", || {
        let (mut run, place) = (Run::new(), StdMutex::new(None));
        let letters = [Letter::new(), Letter::new()];
        let mut woken = false;
        let mut poll = |number: u32, waker: &Waker| {
            if number == 0 && place.lock().unwrap().is_none() && !woken {
                woken = true;
                *place.lock().unwrap() = Some(waker.clone());
                return false;
            }
            assert!(number == 1 || letters[0].read() == 7);
            true
        };
        assert!(!run.turn(&mut poll));
        let threads = [
            send(&letters[0], place.lock().unwrap().take().unwrap()),
            send(&letters[1], run.body.waker().clone()),
        ];
        let mut body = false;
        while run.ended < 2 || !body {
            run.task.wait();
            while run.turn(&mut poll) {
                body |= run.wakes.take_body();
            }
            body |= run.wakes.take_body();
        }
        assert_eq!(letters[1].read(), 7);
        threads.map(|thread| thread.join().unwrap());
    });
}

#[test]
fn a_run_that_is_dropped_hears_nothing_and_leaves_nothing() {
    model("a_run_that_is_dropped", || {
        let (mut run, place) = (Run::new(), StdMutex::new(None));
        let mut poll = |number: u32, waker: &Waker| {
            if number == 0 {
                *place.lock().unwrap() = Some(waker.clone());
            }
            number == 1
        };
        assert!(!run.turn(&mut poll));
        let waker = place.lock().unwrap().take().unwrap();
        let late = thread::spawn(move || {
            waker.wake_by_ref();
            waker.wake();
        });
        let task = Arc::clone(&run.task);
        for bell in run.bells.iter().flatten() {
            bell.hold();
        }
        drop(run.wakes.rise(&mut Vec::new()));
        drop(run);
        late.join().unwrap();
        assert!(task.rings.load(Acquire) <= 1);
        assert_eq!(Arc::strong_count(&task), 1, "nobody keeps the waker");
    });
}
