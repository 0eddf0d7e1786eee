//! An event loop on a simulated clock, logs, and what goes wrong.

use std::{
    future::{Future, poll_fn},
    panic::{AssertUnwindSafe, catch_unwind},
    pin::{Pin, pin},
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, Ordering},
    },
    task::{Context, Poll, Wake, Waker},
    thread::{self, Thread},
    time::Duration,
};

use arborio_base::WakeBatch;
use arborio_executor::{LoopOptions, Notify, Park, Passed, Tasks, Wait, drive};
use arborio_task::{Interrupt, Payload};
use arborio_timers::{Clock, Instant, Timers, sleep};

/// Milliseconds.
pub(crate) const fn ms(count: u64) -> Duration {
    Duration::from_millis(count)
}

struct Unpark(Thread);

impl Notify for Unpark {
    fn notify(&self) {
        self.0.unpark();
    }
}

impl Wake for Unpark {
    fn wake(self: Arc<Self>) {
        self.notify();
    }
}

/// Time jumps to the next timer when nothing else can happen.
struct World<'a> {
    timers: &'a Timers,
    batch: WakeBatch,
}

impl World<'_> {
    fn wake_due(&mut self) -> usize {
        self.timers.fire(&mut self.batch);
        self.batch.wake_all()
    }
}

impl Park for World<'_> {
    fn pass(&mut self, wait: Wait) -> Passed {
        if self.wake_due() > 0 || wait == Wait::Never {
            return Passed::Looked;
        }
        match self.timers.next_deadline() {
            Some(deadline) if !self.timers.clock().is_held() => {
                self.timers.jump_to(deadline);
                self.wake_due();
            }
            None if wait == Wait::Alone => return Passed::Stalled,
            _ => thread::park(),
        }
        Passed::Looked
    }
}

/// Runs `main` on a loop of its own, whose clock is simulated.
#[track_caller]
pub(crate) fn run<F: Future>(main: F) -> F::Output {
    let notifier = Arc::new(Unpark(thread::current()));
    let timers = Timers::new(Clock::simulated(), Arc::clone(&notifier).into());
    let tasks = Tasks::new(notifier);
    let entered = timers.enter();
    let mut world = World {
        timers: &timers,
        batch: WakeBatch::new(),
    };
    let ended = drive(tasks, &mut world, LoopOptions::default(), &|_| {}, main);
    drop(entered);
    ended.unwrap()
}

/// Runs a scenario on the event loop, as `main` and as a spawned task, and under
/// an executor that knows nothing of tasks and frames.
#[track_caller]
pub(crate) fn everywhere<F: Future + 'static>(scenario: impl Fn() -> F) {
    run(scenario());
    run(async { drop(arborio_executor::spawn_local(scenario()).await.unwrap()) });
    block_on(scenario());
}

/// Has the future of a [`block_on`] been woken?
struct Woken(AtomicBool, Thread);

impl Wake for Woken {
    fn wake(self: Arc<Self>) {
        self.0.store(true, Ordering::SeqCst);
        self.1.unpark();
    }
}

/// An executor of one future, on a clock of its own that is simulated.
fn block_on<F: Future>(future: F) -> F::Output {
    let woken = Arc::new(Woken(AtomicBool::new(true), thread::current()));
    let waker = Waker::from(Arc::clone(&woken));
    let timers = Timers::new(Clock::simulated(), waker.clone());
    let _entered = timers.enter();
    let mut world = World {
        timers: &timers,
        batch: WakeBatch::new(),
    };
    let mut future = pin!(future);
    loop {
        while woken.0.swap(false, Ordering::SeqCst) {
            if let Poll::Ready(value) = future.as_mut().poll(&mut Context::from_waker(&waker)) {
                return value;
            }
        }
        let _ = world.pass(Wait::Allowed);
    }
}

/// What happened, in order. Clones write to the same log.
#[derive(Clone, Default)]
pub(crate) struct Log(Arc<Mutex<Vec<&'static str>>>);

impl Log {
    pub(crate) fn note(&self, what: &'static str) {
        self.0.lock().unwrap().push(what);
    }

    /// What was noted, since the last call.
    pub(crate) fn take(&self) -> Vec<&'static str> {
        std::mem::take(&mut *self.0.lock().unwrap())
    }

    /// A value whose end is noted.
    pub(crate) fn on_drop(&self, what: &'static str) -> NoteDrop {
        NoteDrop(self.clone(), what)
    }
}

/// See [`Log::on_drop`].
pub(crate) struct NoteDrop(Log, &'static str);

impl Drop for NoteDrop {
    fn drop(&mut self) {
        self.0.note(self.1);
    }
}

/// How much time has passed since `start`, in whole milliseconds.
pub(crate) fn millis_since(start: Instant) -> u128 {
    start.elapsed().as_millis()
}

/// Never ready; notes when it is dropped.
pub(crate) async fn forever(log: &Log, what: &'static str) {
    let _note = log.on_drop(what);
    std::future::pending::<()>().await;
}

/// A sleep, in milliseconds.
pub(crate) async fn nap(millis: u64) {
    sleep(ms(millis)).await;
}

/// What goes wrong.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Bad(pub(crate) String);

impl From<Interrupt> for Bad {
    fn from(interrupt: Interrupt) -> Self {
        Self(match interrupt {
            Interrupt::ScopeFailed => "the scope has failed".into(),
            Interrupt::TimedOut => "timed out".into(),
            Interrupt::Cancelled(reason) => format!("{:?}", reason.kind()),
            other => other.to_string(),
        })
    }
}

pub(crate) fn bad<T>(what: &str) -> Result<T, Bad> {
    Err(Bad(what.to_owned()))
}

/// Words that callbacks write.
pub(crate) type Words = Arc<Mutex<Vec<String>>>;

pub(crate) fn taken(words: &Words) -> Vec<String> {
    std::mem::take(&mut words.lock().unwrap())
}

/// Polls once, with the waker of the task.
pub(crate) async fn poll_once<F: Future>(mut future: Pin<&mut F>) -> Poll<F::Output> {
    poll_fn(|cx| Poll::Ready(future.as_mut().poll(cx))).await
}

/// The message of the panic of `future`, polled to its end.
pub(crate) async fn panic_of<F: Future>(future: F) -> String {
    let mut future = pin!(future);
    let raised = poll_fn(|cx| {
        match catch_unwind(AssertUnwindSafe(|| future.as_mut().poll(cx).is_ready())) {
            Ok(true) => panic!("it should have panicked"),
            Ok(false) => Poll::Pending,
            Err(raised) => Poll::Ready(raised),
        }
    })
    .await;
    Payload::new(raised).message().to_owned()
}
