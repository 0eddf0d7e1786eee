//! The mutex, fair and barging.

use std::{
    pin::Pin,
    sync::{
        Arc, Mutex as StdMutex,
        atomic::{AtomicUsize, Ordering::Relaxed},
    },
    task::{Context, Wake, Waker},
};

use arborio_sync::{Mutex, MutexGuard};
use loom::thread;

use crate::{
    pairs::{Operation, Subject, explore},
    world::{Value, World, model},
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
            can("blocking_lock", |it, world| {
                it.have(world, it.mutex.blocking_lock());
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

/// Polls its future in the wake itself, as a combinator or a simple executor may.
struct Eager(StdMutex<Option<Pin<Box<dyn Future<Output = ()> + Send>>>>);

impl Eager {
    fn start(future: impl Future<Output = ()> + Send + 'static) {
        Arc::new(Self(StdMutex::new(Some(Box::pin(future))))).wake();
    }
}

impl Wake for Eager {
    fn wake(self: Arc<Self>) {
        let Some(mut future) = self.0.lock().unwrap().take() else {
            return;
        };
        let waker = Waker::from(Arc::clone(&self));
        let polled = future.as_mut().poll(&mut Context::from_waker(&waker));
        if polled.is_pending() {
            *self.0.lock().unwrap() = Some(future);
        }
    }
}

/// A release wakes those who wait, and not for ever those who, woken, tried in
/// vain and wait again.
#[test]
fn a_barging_release_ends_while_the_woken_wait_again() {
    model("barging mutex, wakes that poll", 2, |world| {
        let mutex = Arc::new(Mutex::barging(world.value(0)));
        let guard = Arc::clone(&mutex).try_lock_owned().unwrap();
        let kept = Arc::new(StdMutex::new(Vec::new()));
        for _ in 0..3 {
            let (lock, kept) = (Arc::clone(&mutex).lock_owned(), Arc::clone(&kept));
            Eager::start(async move {
                let mut guard = lock.await;
                guard.change();
                kept.lock().unwrap().push(guard);
            });
        }
        let other = thread::spawn({
            let (mutex, world) = (Arc::clone(&mutex), Arc::clone(world));
            move || {
                world.step();
                drop(mutex.try_lock());
            }
        });
        drop(guard);
        other.join().unwrap();
        for _ in 0..3 {
            let guard = kept.lock().unwrap().pop();
            drop(guard.expect("nobody has it, and somebody waits"));
        }
        let guard = mutex.try_lock().expect("the lock was lost");
        assert_eq!(guard.look(), 3);
    });
}
