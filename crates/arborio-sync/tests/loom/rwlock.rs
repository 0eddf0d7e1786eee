//! The read-write lock: its pairs.

use std::sync::{
    Arc,
    atomic::{AtomicUsize, Ordering::Relaxed},
};

use arborio_sync::{RwLock, RwLockReadGuard, RwLockWriteGuard};
use loom::thread;

use crate::{
    pairs::{Operation, Subject, explore},
    world::{Value, World, join_all, model},
};

#[test]
fn y09_pairs_of_the_read_write_lock() {
    explore::<Contended>();
}

/// A read-write lock that the witness reads through.
struct Contended {
    lock: RwLock<Value>,
    /// How often somebody wrote.
    written: AtomicUsize,
}

impl Contended {
    fn read(&self, world: &World, guard: RwLockReadGuard<'_, Value>) {
        guard.look();
        world.step();
        drop(guard);
    }

    fn write(&self, world: &World, mut guard: RwLockWriteGuard<'_, Value>) {
        self.written.fetch_add(1, Relaxed);
        guard.change();
        world.step();
        drop(guard);
    }
}

impl Subject for Contended {
    const NAME: &'static str = "rwlock";

    fn new(world: &World) -> Self {
        Self {
            lock: RwLock::new(world.value(0)),
            written: AtomicUsize::new(0),
        }
    }

    fn operations() -> Vec<Operation<Self>> {
        let can = Operation::<Self>::new;
        vec![
            can("read", |it, world| {
                it.read(world, world.block_on(it.lock.read()));
            }),
            can("write", |it, world| {
                it.write(world, world.block_on(it.lock.write()));
            }),
            can("write, dropped", |it, world| {
                if let Some(guard) = world.glance(it.lock.write()) {
                    it.write(world, guard);
                }
            }),
            can("try_read", |it, world| {
                if let Some(guard) = it.lock.try_read() {
                    it.read(world, guard);
                }
            }),
            can("try_write", |it, world| {
                if let Some(guard) = it.lock.try_write() {
                    it.write(world, guard);
                }
            }),
        ]
    }

    fn witness(&self, world: &World, start: &mut dyn FnMut()) {
        let guard = self.lock.try_read().expect("nobody else is here yet");
        start();
        self.read(world, guard);
    }

    fn settle(self, _: &World) {
        let guard = self.lock.try_write().expect("the lock was lost");
        assert_eq!(
            guard.look(),
            self.written.load(Relaxed),
            "a change was lost"
        );
    }
}

/// A writer becomes a reader, and those readers who waited for it join it.
#[test]
fn a_writer_becomes_a_reader_while_others_come() {
    model("rwlock: downgrade, read, write", 1, |world| {
        let it = Arc::new(Contended::new(world));
        let mut guard = it.lock.try_write().unwrap();
        let operations: [fn(&Contended, &World); 2] = [
            |it, world| it.read(world, world.block_on(it.lock.read())),
            |it, world| it.write(world, world.block_on(it.lock.write())),
        ];
        let others = operations.map(|run| {
            let (it, world) = (Arc::clone(&it), Arc::clone(world));
            thread::spawn(move || {
                world.step();
                run(&it, &world);
            })
        });
        guard.change();
        it.written.fetch_add(1, Relaxed);
        it.read(world, RwLockWriteGuard::downgrade(guard));
        join_all(others);
        let it = Arc::try_unwrap(it).ok();
        it.expect("the threads have ended").settle(world);
    });
}
