//! The promise.

use std::sync::{
    Arc,
    atomic::{AtomicUsize, Ordering::Relaxed},
};

use arborio_sync::{AlreadyDone, CallbackId, Promise, PromiseError};

use crate::{
    pairs::{Operation, Subject, explore},
    world::{Value, World},
};

#[test]
fn y09_pairs_of_the_promise() {
    explore::<Kept>();
}

/// A promise with a callback, which the witness keeps if nobody was faster.
struct Kept {
    promise: Promise<Value>,
    /// How many have completed it.
    completed: AtomicUsize,
    /// How many have taken the value out.
    taken: AtomicUsize,
    /// How many callbacks there are, and how many were called.
    added: AtomicUsize,
    called: Arc<AtomicUsize>,
}

impl Kept {
    fn set(&self, value: Value) {
        match self.promise.set(value) {
            Ok(()) => {
                self.completed.fetch_add(1, Relaxed);
            }
            Err(AlreadyDone(mut refused)) => refused.change(),
        }
        assert!(self.promise.is_done());
    }

    /// Looks at a value of one's own: a copy, or the one that was taken.
    fn see(result: Result<Value, PromiseError>) {
        match result {
            Ok(mut value) => value.change(),
            Err(PromiseError::Taken | PromiseError::Cancelled) => {}
            Err(error) => panic!("nobody has made it fail: {error}"),
        }
    }

    fn take(&self, result: Result<Value, PromiseError>) {
        self.taken.fetch_add(usize::from(result.is_ok()), Relaxed);
        Self::see(result);
    }

    fn on_done(&self) -> CallbackId {
        self.added.fetch_add(1, Relaxed);
        let called = Arc::clone(&self.called);
        self.promise.on_done(move |outcome| {
            if let Ok(value) = outcome {
                value.look();
            }
            called.fetch_add(1, Relaxed);
        })
    }
}

impl Subject for Kept {
    const NAME: &'static str = "promise";

    fn new(_: &World) -> Self {
        Self {
            promise: Promise::new(),
            completed: AtomicUsize::new(0),
            taken: AtomicUsize::new(0),
            added: AtomicUsize::new(0),
            called: Arc::default(),
        }
    }

    fn operations() -> Vec<Operation<Self>> {
        let can = Operation::<Self>::new;
        vec![
            can("set", |it, world| it.set(world.value(1))),
            can("cancel", |it, _| {
                let ours = it.promise.cancel();
                it.completed.fetch_add(usize::from(ours), Relaxed);
            }),
            can("wait", |it, world| {
                Self::see(world.block_on(it.promise.wait()));
            }),
            can("wait, dropped", |it, world| {
                if let Some(result) = world.glance(it.promise.wait()) {
                    Self::see(result);
                }
            }),
            can("take", |it, world| {
                it.take(world.block_on(it.promise.take()));
            }),
            can("take, polled in vain", |it, world| {
                it.take(world.impatient(it.promise.take()));
            }),
            can("take, dropped", |it, world| {
                if let Some(result) = world.glance(it.promise.take()) {
                    it.take(result);
                }
            }),
            can("try_result", |it, _| {
                if let Ok(result) = it.promise.try_result() {
                    Self::see(result);
                }
            }),
            can("on_done", |it, _| {
                it.on_done();
            }),
            can("remove_callback", |it, _| {
                let removed = it.promise.remove_callback(it.on_done());
                it.added.fetch_sub(usize::from(removed), Relaxed);
            }),
        ]
    }

    fn witness(&self, world: &World, start: &mut dyn FnMut()) {
        self.on_done();
        start();
        self.set(world.value(0));
    }

    fn settle(self, world: &World) {
        assert_eq!(self.completed.load(Relaxed), 1, "completed once");
        let (added, called) = (self.added.load(Relaxed), self.called.load(Relaxed));
        assert_eq!(called, added, "each callback is called once");
        let outcome = world.glance(self.promise.take());
        self.take(outcome.expect("nobody reads any more"));
        let values = usize::from(!self.promise.is_cancelled());
        assert_eq!(self.taken.into_inner(), values, "taken once");
    }
}
