//! What every model stands on: the loop's bell, threads, and the accounts that
//! must balance when an execution is over.
//!
//! # Accounts
//! - Every cell, hub, side record and table of frames that an execution made has been freed
//!   (`arborio_task::life`), and nobody holds the loop's notifier any more.
//! - The loop was notified at most once for each time it slept, and once when
//!   its last submitter went.
//! - Whoever waited abroad has been forgotten: nobody holds its waker any more.

use std::{
    env,
    pin::pin,
    sync::{
        Arc, Mutex as StdMutex,
        atomic::{AtomicIsize, AtomicUsize as StdAtomicUsize, Ordering::Relaxed},
    },
    task::{Context, Poll, Wake, Waker},
};

use arborio_task::{
    Notify, Running, Submitter, Tasks,
    life::{CELLS, HUBS, SIDES, TABLES},
};
use loom::{
    cell::UnsafeCell,
    sync::{
        Condvar, Mutex,
        atomic::{AtomicBool, AtomicUsize},
    },
    thread,
};

/// Executions with more choices than this are cut off by loom as endless.
const MAX_BRANCHES: usize = 20_000;

/// Explores `scenario` with at most `preemptions` of them: the most with which
/// the model takes seconds. `LOOM_MAX_PREEMPTIONS` makes it fewer; a deep run
/// (`ARBORIO_DEEP`) takes one more, and minutes for each model.
pub(crate) fn model(
    name: &str,
    preemptions: usize,
    scenario: impl Fn(&World) + Send + Sync + 'static,
) {
    /// The accounts are of the whole process: one model at a time.
    static ONE_AT_A_TIME: StdMutex<()> = StdMutex::new(());
    let _turn = ONE_AT_A_TIME.lock();
    let scenario = Arc::new(scenario);
    let executions = Arc::new(StdAtomicUsize::new(0));
    for dense in [false, true] {
        let (scenario, executions) = (Arc::clone(&scenario), Arc::clone(&executions));
        let mut builder = loom::model::Builder::new();
        builder.max_branches = MAX_BRANCHES;
        builder.preemption_bound = Some(bound(preemptions));
        builder.check(move || {
            executions.fetch_add(1, Relaxed);
            execute(dense, &*scenario);
        });
    }
    let executions = executions.load(Relaxed);
    assert!(executions > 2, "{name} explores nothing");
    println!("model {name}: {executions} executions");
}

fn bound(preemptions: usize) -> usize {
    if env::var_os("ARBORIO_DEEP").is_some() {
        return preemptions + 1;
    }
    let most = env::var("LOOM_MAX_PREEMPTIONS").ok();
    let most = most.and_then(|most| most.parse().ok());
    preemptions.min(most.unwrap_or(3))
}

fn execute(dense: bool, scenario: &dyn Fn(&World)) {
    let before = [&CELLS, &HUBS, &SIDES, &TABLES].map(|account| account.alive());
    let world = World::new(dense, before[0]);
    scenario(&world);
    world.join_all();
    let after = [&CELLS, &HUBS, &SIDES, &TABLES].map(|account| account.alive());
    assert_eq!(
        after, before,
        "a task, hub, side record or table was leaked"
    );
    let bell = &world.bell;
    assert_eq!(Arc::strong_count(bell), 1, "a notifier was leaked");
    assert!(
        bell.rings.load(Relaxed) <= world.rings.load(Relaxed),
        "notified more than once"
    );
    assert_forgotten(&world.waiting);
}

/// Checks that nobody holds a waker of those that have waited abroad.
fn assert_forgotten(waiting: &StdMutex<Vec<Arc<Bell>>>) {
    for bell in &*waiting.lock().unwrap() {
        assert_eq!(Arc::strong_count(bell), 1, "a waker was leaked");
    }
}

/// One execution of a model.
pub(crate) struct World {
    /// How many cells there were before.
    cells: isize,
    /// What wakes the loop.
    bell: Arc<Bell>,
    /// How often the loop may be notified: for each sleep, and each submitter.
    rings: StdAtomicUsize,
    /// The common word of a dense run.
    common: Option<Arc<AtomicUsize>>,
    threads: StdMutex<Vec<thread::JoinHandle<()>>>,
    /// What wakes those that wait abroad.
    waiting: Arc<StdMutex<Vec<Arc<Bell>>>>,
}

impl World {
    fn new(dense: bool, cells: isize) -> Self {
        Self {
            cells,
            bell: Arc::default(),
            rings: StdAtomicUsize::new(0),
            common: dense.then(|| Arc::new(AtomicUsize::new(0))),
            threads: StdMutex::default(),
            waiting: Arc::default(),
        }
    }

    /// A loop that sleeps until the bell rings.
    pub(crate) fn tasks(&self) -> Tasks {
        Tasks::new(Arc::<Bell>::clone(&self.bell))
    }

    /// A submitter of `tasks`.
    pub(crate) fn submitter(&self, tasks: &Tasks) -> Submitter {
        self.rings.fetch_add(1, Relaxed);
        tasks.submitter()
    }

    /// The loop may be notified so often for what comes to its door.
    pub(crate) fn may_ring(&self, times: usize) {
        self.rings.fetch_add(times, Relaxed);
    }

    /// Runs `code` on a thread of its own, which is joined at the end.
    pub(crate) fn spawn(&self, code: impl FnOnce(&Abroad) + 'static) {
        let abroad = self.abroad();
        let thread = thread::spawn(move || {
            abroad.step();
            code(&abroad);
        });
        self.threads.lock().unwrap().push(thread);
    }

    /// Waits for `future` on the model's own thread.
    pub(crate) fn block_on<F: Future>(&self, future: F) -> F::Output {
        self.abroad().block_on(future)
    }

    fn abroad(&self) -> Abroad {
        Abroad {
            common: self.common.clone(),
            waiting: Arc::clone(&self.waiting),
        }
    }

    /// How many cells there are.
    pub(crate) fn cells(&self) -> isize {
        CELLS.alive() - self.cells
    }

    /// Waits for every thread.
    pub(crate) fn join_all(&self) {
        let threads = std::mem::take(&mut *self.threads.lock().unwrap());
        for thread in threads {
            thread.join().unwrap();
        }
    }

    /// To be called between two steps of the loop's thread.
    pub(crate) fn step(&self) {
        step(self.common.as_deref());
    }

    /// Does what came and what is ready, once, without sleeping.
    pub(crate) fn glance(&self, running: &Running<'_>) {
        self.step();
        running.take_mail();
        while running.run_next() {}
    }

    /// Drives the loop until nothing is pending; sleeps when nothing is ready.
    pub(crate) fn settle(&self, running: &Running<'_>) {
        self.drive_until(running, || running.pending() == 0);
    }

    /// Drives the loop until `over` says so; sleeps when nothing is ready.
    pub(crate) fn drive_until(&self, running: &Running<'_>, over: impl Fn() -> bool) {
        loop {
            self.glance(running);
            if over() {
                return;
            }
            self.step();
            if running.try_sleep() {
                self.rings.fetch_add(1, Relaxed);
                self.bell.wait();
                self.step();
                running.wake_up();
            }
        }
    }

    /// As [`settle`](Self::settle), as a worker: it lets go of its hub for each poll.
    pub(crate) fn settle_as_worker(&self, running: &Running<'_>) {
        loop {
            self.step();
            running.take_mail();
            while running.run_until(1, |_| true) > 0 {}
            if running.pending() == 0 {
                return;
            }
            self.step();
            if running.try_sleep() {
                self.rings.fetch_add(1, Relaxed);
                self.bell.wait();
                self.step();
                running.wake_up();
            }
        }
    }

    /// Runs `code` in a loop of its own on this thread: the tasks of the loop
    /// outside see it as coming from abroad.
    pub(crate) fn nested(&self, code: impl FnOnce()) {
        nest(self.tasks(), code);
    }

    /// A sleep that something else than the bell ends, at once.
    pub(crate) fn doze(&self, running: &Running<'_>) {
        self.step();
        if running.try_sleep() {
            self.rings.fetch_add(1, Relaxed);
            self.step();
            running.wake_up();
        }
    }
}

/// Runs `code` as the main of `tasks`.
pub(crate) fn nest(tasks: Tasks, code: impl FnOnce()) {
    let main = async { code() };
    let ((), outcome) = tasks.run_main(main, |running| while running.run_next() {});
    outcome.unwrap();
}

fn step(common: Option<&AtomicUsize>) {
    if let Some(common) = common {
        common.fetch_add(1, Relaxed);
    }
}

/// What a thread other than the loop's has at hand.
pub(crate) struct Abroad {
    common: Option<Arc<AtomicUsize>>,
    waiting: Arc<StdMutex<Vec<Arc<Bell>>>>,
}

impl Abroad {
    /// To be called between two steps of the thread.
    pub(crate) fn step(&self) {
        step(self.common.as_deref());
    }

    /// Runs another loop on this thread: `begin` drives it at first, and then it goes on until nothing is pending and
    /// nobody has a submitter. `tell` gets one.
    pub(crate) fn run_loop(
        &self,
        tell: impl FnOnce(Submitter),
        begin: impl FnOnce(&Running<'_>, &dyn Fn(&Running<'_>)),
    ) {
        let bell: Arc<Bell> = Arc::default();
        self.waiting.lock().unwrap().push(Arc::clone(&bell));
        let tasks = Tasks::new(Arc::<Bell>::clone(&bell));
        tell(tasks.submitter());
        let sleep = |running: &Running<'_>| {
            self.step();
            if running.try_sleep() {
                bell.wait();
                self.step();
                running.wake_up();
            }
        };
        let ((), ended) = tasks.run_main(async {}, |running| {
            begin(running, &sleep);
            loop {
                self.step();
                let alone = !running.has_submitters();
                running.take_mail();
                while running.run_next() {}
                if alone && running.pending() == 0 {
                    return;
                }
                sleep(running);
            }
        });
        drop(ended);
    }

    /// Waits for `future` on this thread.
    pub(crate) fn block_on<F: Future>(&self, future: F) -> F::Output {
        self.block_on_within(usize::MAX, future)
    }

    /// The same; the future may be polled at most `polls` times.
    pub(crate) fn block_on_within<F: Future>(&self, polls: usize, future: F) -> F::Output {
        let mut polls = 0..polls;
        let mut future = pin!(future);
        let bell: Arc<Bell> = Arc::default();
        self.waiting.lock().unwrap().push(Arc::clone(&bell));
        let waker = Waker::from(Arc::clone(&bell));
        loop {
            self.step();
            assert!(polls.next().is_some(), "woken in vain");
            match future.as_mut().poll(&mut Context::from_waker(&waker)) {
                Poll::Ready(output) => return output,
                Poll::Pending => bell.wait(),
            }
        }
    }

    /// Checks that nobody holds a waker of this thread, which is the only one
    /// that has waited.
    pub(crate) fn assert_forgotten(&self) {
        assert_forgotten(&self.waiting);
    }

    /// Polls `future` once; its output if it was ready.
    pub(crate) fn poll_once<F: Future>(&self, future: F) -> Option<F::Output> {
        self.step();
        let bell: Arc<Bell> = Arc::default();
        self.waiting.lock().unwrap().push(Arc::clone(&bell));
        let waker = Waker::from(bell);
        match pin!(future).poll(&mut Context::from_waker(&waker)) {
            Poll::Ready(output) => Some(output),
            Poll::Pending => None,
        }
    }
}

/// Something to sleep on, for a loop and for whoever waits abroad.
#[derive(Default)]
pub(crate) struct Bell {
    rung: Mutex<bool>,
    changed: Condvar,
    rings: StdAtomicUsize,
}

impl Bell {
    fn ring(&self) {
        self.rings.fetch_add(1, Relaxed);
        *self.rung.lock().unwrap() = true;
        self.changed.notify_one();
    }

    fn wait(&self) {
        let mut rung = self.rung.lock().unwrap();
        while !*rung {
            rung = self.changed.wait(rung).unwrap();
        }
        *rung = false;
    }
}

impl Notify for Bell {
    fn notify(&self) {
        self.ring();
    }
}

impl Wake for Bell {
    fn wake(self: Arc<Self>) {
        self.ring();
    }
}

/// Something that one thread tells another. It orders nothing by itself: who
/// is woken sees it only if the wake orders it.
#[derive(Clone, Default)]
pub(crate) struct Sign(Arc<AtomicBool>);

impl Sign {
    pub(crate) fn give(&self) {
        self.0.store(true, Relaxed);
    }

    pub(crate) fn is_given(&self) -> bool {
        self.0.load(Relaxed)
    }
}

/// Calls `start` with its waker when it is polled first; ready once all of
/// `signs` are given. Its output is the number of its polls.
pub(crate) fn waiting_for(
    signs: impl IntoIterator<Item = Sign>,
    start: impl FnOnce(&Waker),
) -> impl Future<Output = usize> {
    let signs: Vec<Sign> = signs.into_iter().collect();
    let mut start = Some(start);
    let mut polls = 0;
    std::future::poll_fn(move |cx| {
        polls += 1;
        if let Some(start) = start.take() {
            start(cx.waker());
        }
        if signs.iter().all(Sign::is_given) {
            Poll::Ready(polls)
        } else {
            Poll::Pending
        }
    })
}

/// Lets the other ready tasks run.
pub(crate) async fn turn() {
    let mut yielded = false;
    std::future::poll_fn(|cx| {
        if std::mem::replace(&mut yielded, true) {
            return Poll::Ready(());
        }
        cx.waker().wake_by_ref();
        Poll::Pending
    })
    .await;
}

/// How many [`Value`]s live.
#[derive(Clone, Default)]
pub(crate) struct Count(Arc<AtomicIsize>);

impl Count {
    pub(crate) fn value(&self) -> Value {
        self.0.fetch_add(1, Relaxed);
        Value {
            count: Arc::clone(&self.0),
            tracked: UnsafeCell::new(()),
            home: None,
            last: None,
        }
    }

    pub(crate) fn get(&self) -> isize {
        self.0.load(Relaxed)
    }
}

/// A user's value that is dropped exactly once, after every use of it.
pub(crate) struct Value {
    count: Arc<AtomicIsize>,
    /// Loom fails the model if a use is not ordered before the drop.
    tracked: UnsafeCell<()>,
    /// The only thread on which it may be dropped.
    home: Option<thread::ThreadId>,
    /// Told when it is dropped.
    last: Option<(Sign, Waker)>,
}

impl Value {
    /// It must be dropped on this thread, as a `!Send` value must.
    pub(crate) fn at_home(mut self) -> Self {
        self.home = Some(thread::current().id());
        self
    }

    /// Gives `sign` and wakes `waker` when it is dropped.
    pub(crate) fn telling(mut self, sign: Sign, waker: Waker) -> Self {
        self.last = Some((sign, waker));
        self
    }

    pub(crate) fn touch(&self) {
        self.tracked.with(|_| ());
    }

    /// As `touch`, but a change: who reads it must see it.
    pub(crate) fn change(&self) {
        self.tracked.with_mut(|_| ());
    }
}

impl Clone for Value {
    /// Another value, which may be dropped anywhere; a use of this one.
    fn clone(&self) -> Self {
        self.touch();
        Count(Arc::clone(&self.count)).value()
    }
}

impl Drop for Value {
    fn drop(&mut self) {
        self.tracked.with_mut(|_| ());
        assert!(self.count.fetch_sub(1, Relaxed) > 0, "dropped twice");
        if let Some(home) = self.home {
            assert_eq!(thread::current().id(), home, "dropped on another thread");
        }
        if let Some((sign, waker)) = self.last.take() {
            sign.give();
            waker.wake();
        }
    }
}

/// Checks that a future which borrows or owns user values is gone.
pub(crate) fn assert_gone(count: &Count) {
    assert_eq!(count.get(), 0, "a value of the user was leaked");
}
