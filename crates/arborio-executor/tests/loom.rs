//! Models of the doorbell (whatever the order, a call ends the loop's sleep) and of jobs that block.
//!
//! The callers are not joined: loom's `unpark` disturbs a thread that waits in
//! `join`, and a model ends only when all its threads have ended anyway.
#![cfg(loom)]

#[path = "loom/team.rs"]
mod team;

use std::{
    pin::{Pin, pin},
    sync::{
        Arc as StdArc,
        atomic::{AtomicUsize, Ordering},
    },
    task::{Context, Poll, Wake, Waker},
};

use arborio_executor::{Doorbell, Interrupt, Ring, blocking::model::job};
use loom::{
    sync::{Arc, Condvar, Mutex},
    thread,
};

/// A place to sleep at, with a bell that is kept until somebody comes.
#[derive(Clone, Default)]
struct Place(Arc<(Mutex<bool>, Condvar)>);

impl Ring for Place {
    fn ring(&self) {
        *self.0.0.lock().unwrap() = true;
        self.0.1.notify_one();
    }
}

impl Place {
    fn sleep(&self) {
        let mut rung = self.0.0.lock().unwrap();
        while !*rung {
            rung = self.0.1.wait(rung).unwrap();
        }
        *rung = false;
    }
}

fn model(name: &str, check: impl Fn() + Sync + Send + 'static) {
    let executions = StdArc::new(AtomicUsize::new(0));
    let count = StdArc::clone(&executions);
    loom::model(move || {
        count.fetch_add(1, Ordering::Relaxed);
        check();
    });
    println!(
        "model {name}: {} executions",
        executions.load(Ordering::Relaxed)
    );
}

/// A call while the loop parks its thread.
#[test]
fn call_against_park() {
    model("call_against_park", || {
        let bell = StdArc::new(Doorbell::<Place>::new());
        let caller = StdArc::clone(&bell);
        thread::spawn(move || caller.call());
        while !bell.take_call() {
            thread::park();
        }
    });
}

/// A call while the loop moves: it must not sleep on at the new place.
#[test]
fn call_against_move() {
    model("call_against_move", || {
        let bell = StdArc::new(Doorbell::new());
        let caller = StdArc::clone(&bell);
        thread::spawn(move || caller.call());
        let place = Place::default();
        bell.move_to(place.clone());
        while !bell.take_call() {
            place.sleep();
        }
    });
}

/// Two callers, and a loop that moves between two sleeps.
#[test]
fn two_calls_against_move() {
    model("two_calls_against_move", || {
        let bell = StdArc::new(Doorbell::new());
        for _ in 0..2 {
            let caller = StdArc::clone(&bell);
            thread::spawn(move || caller.call());
        }
        let place = Place::default();
        bell.move_to(place.clone());
        while !bell.take_call() {
            place.sleep();
        }
    });
}

/// Wakes a thread of the model.
struct Bell(Mutex<bool>, Condvar);

impl Wake for Bell {
    fn wake(self: StdArc<Self>) {
        *self.0.lock().unwrap() = true;
        self.1.notify_one();
    }
}

/// Polls `future` to its end; a wake that is lost is a deadlock of the model.
fn block_on<F: Future>(future: F) -> F::Output {
    let mut future = pin!(future);
    let bell = StdArc::new(Bell(Mutex::new(false), Condvar::new()));
    let waker = Waker::from(StdArc::clone(&bell));
    loop {
        if let Poll::Ready(output) = future.as_mut().poll(&mut Context::from_waker(&waker)) {
            return output;
        }
        let mut rung = bell.0.lock().unwrap();
        while !*rung {
            rung = bell.1.wait(rung).unwrap();
        }
        *rung = false;
    }
}

/// How often something was dropped, or done.
#[derive(Clone, Default)]
struct Tally(StdArc<AtomicUsize>);

impl Tally {
    fn add(&self) {
        self.0.fetch_add(1, Ordering::Relaxed);
    }

    fn get(&self) -> usize {
        self.0.load(Ordering::Relaxed)
    }
}

/// Counts its end.
struct Counted(Tally);

impl Drop for Counted {
    fn drop(&mut self) {
        self.0.add();
    }
}

/// X26: a job runs while it is awaited: the awaiter is woken.
#[test]
fn x26_run_against_await() {
    model("x26_run_against_await", || {
        let (pool, handle) = job(|_| 7);
        let worker = thread::spawn(move || pool.run());
        assert_eq!(block_on(handle).unwrap(), 7);
        worker.join().unwrap();
    });
}

/// X26: the pool closes while a thread takes the job and somebody awaits it.
#[test]
fn x26_run_against_close_against_await() {
    model("x26_run_against_close_against_await", || {
        let ran = Tally::default();
        let runs = ran.clone();
        let (pool, handle) = job(move |token| {
            runs.add();
            token.is_cancelled()
        });
        let closing = pool.clone();
        let worker = thread::spawn(move || pool.run());
        let closer = thread::spawn(move || closing.close());
        match block_on(handle) {
            Ok(_) => assert_eq!(ran.get(), 1),
            Err(Interrupt::Closed) => assert_eq!(ran.get(), 0),
            Err(other) => panic!("{other}"),
        }
        worker.join().unwrap();
        closer.join().unwrap();
    });
}

/// The grace is over while the closure returns: one outcome, and every value is dropped once.
#[test]
fn x26_run_against_the_end_of_the_grace() {
    model("x26_run_against_the_end_of_the_grace", || {
        let dropped = Tally::default();
        let value = Counted(dropped.clone());
        let (pool, handle) = job(move |_| value);
        let watch = pool.clone();
        let worker = thread::spawn(move || pool.run());
        let given_up = watch.give_up();
        drop(watch);
        match block_on(handle) {
            Ok(value) => {
                assert!(!given_up && dropped.get() == 0);
                drop(value);
            }
            Err(Interrupt::Stopped) => assert!(given_up),
            Err(other) => panic!("{other}"),
        }
        worker.join().unwrap();
        assert_eq!(dropped.get(), 1);
    });
}

/// The handle is dropped, after a poll or without, while the job begins, runs or has ended.
#[test]
fn s30_run_against_the_drop_of_the_handle() {
    let names = [
        (false, "s30_run_against_the_drop_of_the_handle"),
        (true, "s30_run_against_the_drop_of_a_handle_that_was_polled"),
    ];
    for (polled, name) in names {
        model(name, move || {
            let dropped = Tally::default();
            let value = Counted(dropped.clone());
            let (pool, mut handle) = job(move |_| value);
            let worker = thread::spawn(move || pool.run());
            if polled {
                let polled = Pin::new(&mut handle).poll(&mut Context::from_waker(Waker::noop()));
                drop(polled);
            }
            drop(handle);
            worker.join().unwrap();
            assert_eq!(dropped.get(), 1);
        });
    }
}

/// Somebody cancels by reference while the job ends: the awaiter gets one of the two.
#[test]
fn s30_run_against_cancel_against_await() {
    model("s30_run_against_cancel_against_await", || {
        let (pool, handle) = job(|_| 1);
        let other = pool.clone();
        let worker = thread::spawn(move || pool.run());
        let canceller = thread::spawn(move || other.give_up());
        let outcome = block_on(handle);
        let given_up = canceller.join().unwrap();
        worker.join().unwrap();
        assert_eq!(outcome.is_err(), given_up);
    });
}
