//! A loop to test on, and values that know when they were dropped.

use std::{
    any::Any,
    future::poll_fn,
    panic::Location,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicBool, AtomicUsize, Ordering},
    },
    task::{Poll, Wake, Waker},
    thread::{self, Thread, ThreadId},
};

use arborio_task::{
    Describe, Interrupt, Notify, Running, ScopeInfo, SpawnOptions, Task, Tasks, try_spawn,
};

/// Wakes a parked thread.
struct Unpark(Thread);

impl Notify for Unpark {
    fn notify(&self) {
        self.0.unpark();
    }
}

/// The tasks of a loop that sleeps by parking this thread.
pub(crate) fn tasks() -> Tasks {
    Tasks::new(Arc::new(Unpark(thread::current())))
}

/// Drives the loop until nothing that it waits for is left.
pub(crate) fn settle(running: &Running<'_>) {
    loop {
        running.take_mail();
        while running.run_next() {}
        if running.pending() == 0 {
            return;
        }
        if running.try_sleep() {
            thread::park();
            running.wake_up();
        }
    }
}

/// Runs `main` and all that it spawns to the end.
pub(crate) fn run<F: Future>(main: F) -> F::Output {
    let ((), outcome) = tasks().run_main(main, settle);
    outcome.expect("main ends by itself")
}

/// Spawns on the loop of this thread.
#[track_caller]
pub(crate) fn spawn<F>(future: F) -> Task<F::Output>
where
    F: Future + 'static,
    F::Output: 'static,
{
    let spawned = try_spawn(future, SpawnOptions::new());
    spawned.ok().expect("a loop runs on this thread")
}

/// Lets the other ready tasks run.
pub(crate) async fn turn() {
    let mut yielded = false;
    poll_fn(|cx| {
        if std::mem::replace(&mut yielded, true) {
            return Poll::Ready(());
        }
        cx.waker().wake_by_ref();
        Poll::Pending
    })
    .await;
}

/// The waker of the task that is being polled.
pub(crate) async fn own_waker() -> Waker {
    poll_fn(|cx| Poll::Ready(cx.waker().clone())).await
}

/// Whether the task was ended because its loop was.
pub(crate) fn is_stopped<T>(outcome: &Result<T, Interrupt>) -> bool {
    matches!(outcome, Err(Interrupt::Stopped))
}

/// Whether somebody asked the task to end.
pub(crate) fn is_cancelled<T>(outcome: &Result<T, Interrupt>) -> bool {
    matches!(outcome, Err(Interrupt::Cancelled(_)))
}

/// Waits for `future` on this thread, without any loop.
pub(crate) fn block_on<F: Future>(future: F) -> F::Output {
    struct Unparker(Thread);
    impl std::task::Wake for Unparker {
        fn wake(self: Arc<Self>) {
            self.0.unpark();
        }
    }
    let waker = Waker::from(Arc::new(Unparker(thread::current())));
    let mut future = std::pin::pin!(future);
    loop {
        match future
            .as_mut()
            .poll(&mut std::task::Context::from_waker(&waker))
        {
            Poll::Ready(output) => return output,
            Poll::Pending => thread::park(),
        }
    }
}

/// How many [`Probe`]s live, and where they died.
#[derive(Clone, Default)]
pub(crate) struct Probes(Arc<Counts>);

#[derive(Default)]
struct Counts {
    made: AtomicUsize,
    dropped: AtomicUsize,
    graves: Mutex<Vec<ThreadId>>,
}

impl Probes {
    pub(crate) fn probe(&self) -> Probe {
        self.0.made.fetch_add(1, Ordering::Relaxed);
        Probe {
            counts: Arc::clone(&self.0),
            dropped: AtomicBool::new(false),
        }
    }

    pub(crate) fn alive(&self) -> usize {
        self.0.made.load(Ordering::SeqCst) - self.dropped()
    }

    pub(crate) fn dropped(&self) -> usize {
        self.0.dropped.load(Ordering::SeqCst)
    }

    /// The threads on which probes were dropped, in that order.
    pub(crate) fn graves(&self) -> Vec<ThreadId> {
        self.0.graves.lock().unwrap().clone()
    }
}

/// A value that is dropped exactly once.
pub(crate) struct Probe {
    counts: Arc<Counts>,
    dropped: AtomicBool,
}

impl Drop for Probe {
    fn drop(&mut self) {
        assert!(!self.dropped.swap(true, Ordering::Relaxed), "dropped twice");
        self.counts.dropped.fetch_add(1, Ordering::SeqCst);
        self.counts
            .graves
            .lock()
            .unwrap()
            .push(thread::current().id());
    }
}

/// Calls its closure when it is dropped.
pub(crate) struct OnDrop<F: FnOnce()>(Option<F>);

impl<F: FnOnce()> OnDrop<F> {
    pub(crate) fn new(code: F) -> Self {
        Self(Some(code))
    }
}

impl<F: FnOnce()> Drop for OnDrop<F> {
    fn drop(&mut self) {
        if let Some(code) = self.0.take() {
            code();
        }
    }
}

/// For tests that count contained panics: the counter is the process's.
pub(crate) fn counting_panics() -> MutexGuard<'static, ()> {
    static ONE_AT_A_TIME: Mutex<()> = Mutex::new(());
    ONE_AT_A_TIME.lock().unwrap_or_else(PoisonError::into_inner)
}

/// A waker that counts its calls.
#[derive(Default)]
pub(crate) struct Bell(AtomicUsize);

impl Wake for Bell {
    fn wake(self: Arc<Self>) {
        self.0.fetch_add(1, Ordering::SeqCst);
    }
}

impl Bell {
    pub(crate) fn count(&self) -> usize {
        self.0.load(Ordering::SeqCst)
    }

    /// How often since this was asked last.
    pub(crate) fn rung(&self) -> usize {
        self.0.swap(0, Ordering::SeqCst)
    }
}

/// Runs `code` on another thread, and waits for it.
pub(crate) fn abroad<R: Send>(code: impl FnOnce() -> R + Send) -> R {
    thread::scope(|threads| threads.spawn(code).join().unwrap())
}

/// What builds on a branch, and has a name.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Named(pub(crate) &'static str);

impl Describe for Named {
    fn describe(&self) -> ScopeInfo {
        let mut info = ScopeInfo::new(Location::caller());
        info.name = Some(self.0.into());
        info
    }

    fn give(self: Arc<Self>, slot: &mut dyn Any) {
        if let Some(slot) = slot.downcast_mut::<Option<Self>>() {
            *slot = Some((*self).clone());
        }
    }
}
