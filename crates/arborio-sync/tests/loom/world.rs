//! What every model stands on: steps, waiting, values that are counted, and the
//! accounts that must balance when an execution is over.
//!
//! # Accounts
//! - Nobody holds the waker of anybody who has waited.
//! - Every [`Value`] that was made has been dropped, once, and each use of it is
//!   ordered before the next change and before its drop.

use std::{
    env, fmt,
    pin::{Pin, pin},
    sync::{
        Arc, Mutex as StdMutex,
        atomic::{
            AtomicBool as StdAtomicBool, AtomicIsize, AtomicUsize as StdAtomicUsize,
            Ordering::{Acquire, Relaxed, Release},
        },
    },
    task::{Context, Poll, Wake, Waker},
};

use loom::{
    cell::UnsafeCell,
    sync::atomic::{AtomicBool, AtomicUsize},
    thread,
};

/// Executions with more choices than this are cut off by loom as endless.
const MAX_BRANCHES: usize = 20_000;

/// Explores `scenario` with at most `preemptions` of them: the most with which
/// the model takes seconds. `LOOM_MAX_PREEMPTIONS` makes it fewer; a deep run
/// (`ARBORIO_DEEP`) takes one more.
pub(crate) fn model(
    name: &str,
    preemptions: usize,
    scenario: impl Fn(&Arc<World>) + Send + Sync + 'static,
) {
    let scenario = Arc::new(scenario);
    let executions = Arc::new(StdAtomicUsize::new(0));
    for dense in [false, true] {
        let (scenario, executions) = (Arc::clone(&scenario), Arc::clone(&executions));
        let mut builder = loom::model::Builder::new();
        builder.max_branches = MAX_BRANCHES;
        builder.preemption_bound = Some(bound(preemptions));
        builder.check(move || {
            executions.fetch_add(1, Relaxed);
            let world = Arc::new(World::new(dense));
            scenario(&world);
            world.balance();
        });
    }
    let executions = executions.load(Relaxed);
    assert!(executions > 2, "{name} explores nothing");
    println!("model {name}: {executions} executions");
}

/// Waits for all `threads`.
pub(crate) fn join_all(threads: impl IntoIterator<Item = thread::JoinHandle<()>>) {
    for thread in threads {
        thread.join().unwrap();
    }
}

fn bound(preemptions: usize) -> usize {
    if env::var_os("ARBORIO_DEEP").is_some() {
        return preemptions + 1;
    }
    let most = env::var("LOOM_MAX_PREEMPTIONS").ok();
    let most = most.and_then(|most| most.parse().ok());
    preemptions.min(most.unwrap_or(3))
}

/// One execution of a model.
pub(crate) struct World {
    /// The common word of a dense run.
    common: Option<AtomicUsize>,
    /// What wakes those that wait.
    bells: StdMutex<Vec<Arc<Bell>>>,
    /// How many [`Value`]s live.
    values: Arc<AtomicIsize>,
}

impl World {
    fn new(dense: bool) -> Self {
        Self {
            common: dense.then(|| AtomicUsize::new(0)),
            bells: StdMutex::default(),
            values: Arc::default(),
        }
    }

    /// To be called between two steps of a thread.
    pub(crate) fn step(&self) {
        if let Some(common) = &self.common {
            common.fetch_add(1, Relaxed);
        }
    }

    /// Waits for `future` on this thread.
    pub(crate) fn block_on<F: Future>(&self, future: F) -> F::Output {
        let mut future = pin!(future);
        let (bell, waker) = self.bell();
        loop {
            match self.poll(future.as_mut(), &waker) {
                Poll::Ready(output) => return output,
                Poll::Pending => bell.wait(),
            }
        }
    }

    /// Polls `future` once, with a waker that nobody listens to.
    pub(crate) fn poll_once<F: Future>(&self, future: Pin<&mut F>) -> Poll<F::Output> {
        let (_, waker) = self.bell();
        self.poll(future, &waker)
    }

    /// Polls `future` once and drops it; its output if it was ready.
    pub(crate) fn glance<F: Future>(&self, future: F) -> Option<F::Output> {
        let mut future = pin!(future);
        match self.poll_once(future.as_mut()) {
            Poll::Ready(output) => Some(output),
            Poll::Pending => {
                self.step();
                None
            }
        }
    }

    /// Polls `future` twice, with two wakers, and then waits for it: the second
    /// poll comes without a wake, and only the second waker is listened to.
    pub(crate) fn impatient<F: Future>(&self, future: F) -> F::Output {
        let mut future = pin!(future);
        match self.poll_once(future.as_mut()) {
            Poll::Ready(output) => output,
            Poll::Pending => self.block_on(future),
        }
    }

    fn poll<F: Future>(&self, future: Pin<&mut F>, waker: &Waker) -> Poll<F::Output> {
        self.step();
        future.poll(&mut Context::from_waker(waker))
    }

    fn bell(&self) -> (Arc<Bell>, Waker) {
        let bell = Arc::new(Bell {
            rung: AtomicBool::new(false),
            thread: thread::current(),
            sleeps: StdAtomicBool::new(false),
        });
        self.bells.lock().unwrap().push(Arc::clone(&bell));
        (Arc::clone(&bell), Waker::from(bell))
    }

    /// A value that must be dropped before the execution ends.
    pub(crate) fn value(&self, name: usize) -> Value {
        Value {
            changes: UnsafeCell::new(0),
            counted: self.counted(name),
        }
    }

    /// The same, for code that hands values over by what loom does not see.
    pub(crate) fn counted(&self, name: usize) -> Counted {
        self.values.fetch_add(1, Relaxed);
        Counted {
            name,
            alive: Arc::clone(&self.values),
        }
    }

    /// Checks the accounts.
    fn balance(&self) {
        for bell in &*self.bells.lock().unwrap() {
            assert_eq!(Arc::strong_count(bell), 1, "a waker was leaked");
        }
        assert_eq!(self.values.load(Relaxed), 0, "a value was leaked");
    }
}

/// Something for a thread to sleep on.
struct Bell {
    rung: AtomicBool,
    thread: thread::Thread,
    /// Whether `thread` sleeps on this bell. Not loom's: it changes together with
    /// the sleep, in one step.
    sleeps: StdAtomicBool,
}

impl Bell {
    fn wait(&self) {
        // Acquire: pairs with the swap of `wake`.
        while !self.rung.swap(false, Acquire) {
            self.sleeps.store(true, Relaxed);
            thread::park();
        }
    }
}

impl Wake for Bell {
    fn wake(self: Arc<Self>) {
        // Release: what was done before the wake is seen after `wait`.
        self.rung.swap(true, Release);
        // Loom's `unpark` would let a thread that waits for a lock go on, too.
        if self.sleeps.swap(false, Relaxed) {
            self.thread.unpark();
        }
    }
}

/// Something that is dropped exactly once.
pub(crate) struct Counted {
    /// Which one it is; a clone has the same name.
    pub(crate) name: usize,
    alive: Arc<AtomicIsize>,
}

impl Clone for Counted {
    fn clone(&self) -> Self {
        self.alive.fetch_add(1, Relaxed);
        Self {
            name: self.name,
            alive: Arc::clone(&self.alive),
        }
    }
}

impl Drop for Counted {
    fn drop(&mut self) {
        assert!(self.alive.fetch_sub(1, Relaxed) > 0, "dropped twice");
    }
}

/// A user's value: dropped exactly once, and never used by two at a time.
pub(crate) struct Value {
    /// Loom fails the model if two changes, or a change and a look, or the drop
    /// and any of them, are not ordered.
    changes: UnsafeCell<usize>,
    counted: Counted,
}

// SAFETY: loom's threads take turns on one thread of the system, and an access
// that is not ordered with the others fails the model.
unsafe impl Sync for Value {}

impl Value {
    /// Which one it is; a clone has the same name.
    pub(crate) fn name(&self) -> usize {
        self.counted.name
    }

    /// A use that nobody else may share.
    pub(crate) fn change(&mut self) {
        self.changes.with_mut(|changes| {
            // SAFETY: loom fails the model if another access is concurrent.
            unsafe { *changes += 1 }
        });
    }

    /// A use that others may share; how often it was changed.
    pub(crate) fn look(&self) -> usize {
        self.changes.with(|changes| {
            // SAFETY: loom fails the model if a change is concurrent.
            unsafe { *changes }
        })
    }
}

impl fmt::Debug for Value {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Value({})", self.name())
    }
}

impl Clone for Value {
    fn clone(&self) -> Self {
        Self {
            changes: UnsafeCell::new(self.look()),
            counted: self.counted.clone(),
        }
    }
}

impl Drop for Value {
    fn drop(&mut self) {
        self.change();
    }
}
