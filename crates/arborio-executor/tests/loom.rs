//! Models of the doorbell: whatever the order, a call ends the loop's sleep.
//!
//! The callers are not joined: loom's `unpark` disturbs a thread that waits in
//! `join`, and a model ends only when all its threads have ended anyway.
#![cfg(loom)]

use std::sync::{
    Arc as StdArc,
    atomic::{AtomicUsize, Ordering},
};

use arborio_executor::{Doorbell, Ring};
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
