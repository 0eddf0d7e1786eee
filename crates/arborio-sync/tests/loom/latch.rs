//! The latch, which the models of everything else replace by loom's own mutex.
//!
//! It is compiled into this test from its own source, so the models run the
//! lines that ship.

use std::sync::Arc;

use loom::{
    sync::atomic::{AtomicBool, Ordering::Relaxed},
    thread,
};

use crate::world::{World, join_all, model};

#[path = "../../src/latch.rs"]
mod shipped;

/// What a latch guards: loom fails the model if two are at it.
struct Guarded {
    held: AtomicBool,
    count: arborio_base::Plain<usize>,
}

impl Guarded {
    fn add(&self, world: &World) {
        world.step();
        shipped::lock(&self.held);
        self.count.set(self.count.get() + 1);
        shipped::unlock(&self.held);
    }
}

fn contend(name: &str, threads: usize, rounds: usize, preemptions: usize) {
    model(name, preemptions, move |world| {
        let guarded = Arc::new(Guarded {
            held: AtomicBool::new(false),
            count: arborio_base::Plain::new(0),
        });
        let others = (1..threads).map(|_| {
            let (guarded, world) = (Arc::clone(&guarded), Arc::clone(world));
            thread::spawn(move || (0..rounds).for_each(|_| guarded.add(&world)))
        });
        let others: Vec<_> = others.collect();
        (0..rounds).for_each(|_| guarded.add(world));
        join_all(others);
        assert!(!guarded.held.load(Relaxed), "the latch was not given back");
        assert_eq!(guarded.count.get(), threads * rounds);
    });
}

#[test]
fn a_latch_lets_one_thread_in_at_a_time() {
    contend("latch, two threads", 2, 3, 5);
    contend("latch, three threads", 3, 1, 1);
}
