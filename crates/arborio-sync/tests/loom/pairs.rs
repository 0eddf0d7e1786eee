//! The generator of models: every pair of operations of a primitive.
//!
//! A [`Subject`] lists what a thread can do to it. For every two of these
//! operations, and for each one twice, there is a model with three threads: two
//! do one operation each, and the main thread is the witness, who came before
//! them: it has, and waits for, something that they contend for. At the end the
//! subject checks that nothing was lost. Who waits for ever is a deadlock, which
//! loom reports itself.

use std::sync::{
    Arc,
    atomic::{AtomicUsize, Ordering::Relaxed},
};

use loom::thread;

use crate::world::{World, join_all, model};

/// What a thread can do to a `T`.
pub(crate) struct Operation<T> {
    name: &'static str,
    run: fn(&T, &World),
    /// Whether it may wait until `Subject::release`.
    pub(crate) waits: bool,
    /// Two operations on the same thing that has one owner are no pair.
    pub(crate) owns: Option<&'static str>,
}

impl<T> Clone for Operation<T> {
    fn clone(&self) -> Self {
        Self { ..*self }
    }
}

impl<T> Operation<T> {
    /// An operation that ends by what the witness does.
    pub(crate) fn new(name: &'static str, run: fn(&T, &World)) -> Self {
        Self {
            name,
            run,
            waits: false,
            owns: None,
        }
    }

    /// It may have to wait until `Subject::release`.
    pub(crate) fn waits(mut self) -> Self {
        self.waits = true;
        self
    }

    /// It needs `what`, of which there is one.
    pub(crate) fn owns(mut self, what: &'static str) -> Self {
        self.owns = Some(what);
        self
    }
}

/// A primitive, and what else an execution needs.
pub(crate) trait Subject: Sized + Send + Sync + 'static {
    /// How the models are called.
    const NAME: &'static str;
    /// How many preemptions the models afford.
    const PREEMPTIONS: usize = 2;

    /// The subject before anybody did anything.
    fn new(world: &World) -> Self;

    /// What threads can do.
    fn operations() -> Vec<Operation<Self>>;

    /// Called for each operation before anybody starts.
    fn enter(&self, _operation: &Operation<Self>) {}

    /// What the main thread does; it calls `start` once, which starts the others.
    fn witness(&self, _world: &World, start: &mut dyn FnMut()) {
        start();
    }

    /// Frees the operations that still wait, once all others have ended. Called
    /// once; `waiting` says how many of them have not ended yet.
    fn release(&self, _world: &World, _waiting: &dyn Fn() -> usize) {}

    /// Checks that nothing is lost, when all is over.
    fn settle(self, world: &World);
}

/// Explores every pair of operations of `T`.
pub(crate) fn explore<T: Subject>() {
    let count = T::operations().len();
    for first in 0..count {
        for second in first..count {
            explore_pair::<T>(first, second);
        }
    }
}

fn explore_pair<T: Subject>(first: usize, second: usize) {
    let operations = T::operations();
    let (a, b) = (&operations[first], &operations[second]);
    if a.owns.is_some() && a.owns == b.owns {
        return;
    }
    let name = format!("{} {}+{}", T::NAME, a.name, b.name);
    let pair = [a.clone(), b.clone()];
    model(&name, T::PREEMPTIONS, move |world| execute(world, &pair));
}

fn execute<T: Subject>(world: &Arc<World>, pair: &[Operation<T>; 2]) {
    let subject = Arc::new(T::new(world));
    for operation in pair {
        subject.enter(operation);
    }
    let waiting = Arc::new(AtomicUsize::new(0));
    let (mut brief, mut patient) = (Vec::new(), Vec::new());
    subject.witness(world, &mut || {
        for &Operation { run, waits, .. } in pair {
            waiting.fetch_add(usize::from(waits), Relaxed);
            let (subject, world) = (Arc::clone(&subject), Arc::clone(world));
            let waiting = Arc::clone(&waiting);
            let threads = if waits { &mut patient } else { &mut brief };
            threads.push(thread::spawn(move || {
                world.step();
                run(&subject, &world);
                drop(subject);
                waiting.fetch_sub(usize::from(waits), Relaxed);
            }));
        }
    });
    join_all(brief);
    subject.release(world, &|| waiting.load(Relaxed));
    join_all(patient);
    let Ok(subject) = Arc::try_unwrap(subject) else {
        panic!("a thread that ended has the subject still");
    };
    subject.settle(world);
}
