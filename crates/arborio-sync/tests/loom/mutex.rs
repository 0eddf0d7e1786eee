//! The mutex, fair and barging.

use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};

use arborio_sync::{Mutex, MutexGuard};

use crate::{
    pairs::{Operation, Subject, explore},
    world::{Value, World},
};

#[test]
fn y09_pairs_of_the_fair_mutex() {
    explore::<Contended<false>>();
}

#[test]
fn y09_pairs_of_the_barging_mutex() {
    explore::<Contended<true>>();
}

/// A mutex that the witness has.
struct Contended<const BARGING: bool> {
    mutex: Mutex<Value>,
    /// How often somebody had the lock.
    had: AtomicUsize,
}

impl<const BARGING: bool> Contended<BARGING> {
    fn have(&self, world: &World, mut guard: MutexGuard<'_, Value>) {
        world.step();
        guard.change();
        self.had.fetch_add(1, Relaxed);
    }
}

impl<const BARGING: bool> Subject for Contended<BARGING> {
    const NAME: &'static str = if BARGING { "barging mutex" } else { "mutex" };

    fn new(world: &World) -> Self {
        let make = if BARGING { Mutex::barging } else { Mutex::new };
        Self {
            mutex: make(world.value(0)),
            had: AtomicUsize::new(0),
        }
    }

    fn operations() -> Vec<Operation<Self>> {
        let can = Operation::<Self>::new;
        let mut operations = vec![
            can("lock", |it, world| {
                it.have(world, world.block_on(it.mutex.lock()));
            }),
            can("lock, dropped", |it, world| {
                if let Some(guard) = world.glance(it.mutex.lock()) {
                    it.have(world, guard);
                }
            }),
            can("try_lock", |it, world| {
                if let Some(guard) = it.mutex.try_lock() {
                    it.have(world, guard);
                }
            }),
        ];
        if BARGING {
            return operations; // its executions are many
        }
        operations.extend([
            can("lock, polled in vain", |it, world| {
                it.have(world, world.impatient(it.mutex.lock()));
            }),
            can("lock_blocking", |it, world| {
                it.have(world, it.mutex.lock_blocking());
            }),
            can("is_locked", |it, _| {
                it.mutex.is_locked();
            }),
        ]);
        operations
    }

    fn witness(&self, world: &World, start: &mut dyn FnMut()) {
        let guard = self.mutex.try_lock().expect("nobody else is here yet");
        start();
        self.have(world, guard);
    }

    fn settle(self, _: &World) {
        let guard = self.mutex.try_lock().expect("the lock was lost");
        assert_eq!(guard.look(), self.had.load(Relaxed), "a change was lost");
        drop(guard);
        drop(self.mutex.into_inner());
    }
}
