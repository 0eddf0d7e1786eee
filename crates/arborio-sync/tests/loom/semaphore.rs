//! The semaphore: its pairs.

use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};

use arborio_sync::{Closed, Semaphore, SemaphorePermit};

use crate::{
    pairs::{Operation, Subject, explore},
    world::World,
};

#[test]
fn y09_pairs_of_the_fair_semaphore() {
    explore::<Contended<false>>();
}

#[test]
fn y09_pairs_of_the_barging_semaphore() {
    explore::<Contended<true>>();
}

/// How many permits there are at first.
const PERMITS: usize = 2;

/// A semaphore of which the witness has all permits.
struct Contended<const BARGING: bool> {
    semaphore: Semaphore,
    /// How many permits the operations added, and how many they took for ever.
    added: AtomicUsize,
    gone: AtomicUsize,
    closed: AtomicUsize,
}

impl<const BARGING: bool> Contended<BARGING> {
    fn have(&self, world: &World, permits: Result<SemaphorePermit<'_>, Closed>) {
        world.step();
        match permits {
            Ok(permits) => drop(permits),
            Err(Closed) => assert_ne!(self.closed.load(Relaxed), 0, "nobody closed it"),
        }
    }
}

impl<const BARGING: bool> Subject for Contended<BARGING> {
    const NAME: &'static str = if BARGING {
        "barging semaphore"
    } else {
        "semaphore"
    };

    const PREEMPTIONS: usize = if BARGING { 1 } else { 2 };

    fn new(_: &World) -> Self {
        let make = if BARGING {
            Semaphore::barging
        } else {
            Semaphore::new
        };
        Self {
            semaphore: make(PERMITS),
            added: AtomicUsize::new(0),
            gone: AtomicUsize::new(0),
            closed: AtomicUsize::new(0),
        }
    }

    fn operations() -> Vec<Operation<Self>> {
        let can = Operation::<Self>::new;
        let mut operations = vec![
            can("acquire", |it, world| {
                it.have(world, world.block_on(it.semaphore.acquire()));
            }),
            can("acquire_many", |it, world| {
                it.have(world, world.block_on(it.semaphore.acquire_many(2)));
            }),
            can("acquire_many, dropped", |it, world| {
                if let Some(permits) = world.glance(it.semaphore.acquire_many(2)) {
                    it.have(world, permits);
                }
            }),
            can("close", |it, _| {
                it.closed.fetch_add(1, Relaxed);
                it.semaphore.close();
            }),
        ];
        if BARGING {
            return operations; // its executions are many
        }
        operations.extend([
            can("try_acquire_many", |it, world| {
                if let Ok(permits) = it.semaphore.try_acquire_many(2) {
                    it.have(world, Ok(permits));
                }
            }),
            can("add_permits", |it, _| {
                it.added.fetch_add(1, Relaxed);
                it.semaphore.add_permits(1).unwrap();
            }),
            can("forget_permits", |it, world| {
                let gone = it.semaphore.forget_permits(1);
                it.gone.fetch_add(gone, Relaxed);
                // Somebody may wait for what is gone.
                world.step();
                it.semaphore.add_permits(gone).unwrap();
                it.added.fetch_add(gone, Relaxed);
            }),
        ]);
        operations
    }

    fn witness(&self, world: &World, start: &mut dyn FnMut()) {
        let permits = self.semaphore.try_acquire_many(PERMITS);
        let permits = permits.expect("nobody else is here yet");
        start();
        world.step();
        drop(permits);
    }

    fn settle(self, _: &World) {
        let (added, gone) = (self.added.load(Relaxed), self.gone.load(Relaxed));
        assert_eq!(self.semaphore.available_permits(), PERMITS + added - gone);
        assert_eq!(self.semaphore.waiting(), 0);
        if self.closed.load(Relaxed) == 0 {
            let all = self.semaphore.try_acquire_many(PERMITS + added - gone);
            assert!(all.is_ok(), "some permits cannot be taken");
        } else {
            assert!(self.semaphore.is_closed(), "the close was lost");
            assert!(self.semaphore.try_acquire().is_err());
        }
    }
}
