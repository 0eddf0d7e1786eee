//! A made-up outside world: it counts the passes and does what the test says.

use std::{
    cell::{Cell, RefCell},
    future::poll_fn,
    rc::Rc,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    task::{Poll, Waker},
    thread::{self, Thread},
    time::Instant,
};

use arborio_executor::{LoopOptions, Notify, Park, Passed, Report, RunError, Tasks, Wait, drive};

use crate::workers::TOO_LONG;

/// How a loop is called that sleeps in its thread's park.
struct Call {
    thread: Thread,
    /// Somebody has, since the last sleep ended.
    came: AtomicBool,
}

impl Notify for Call {
    fn notify(&self) {
        self.came.store(true, Ordering::Release);
        self.thread.unpark();
    }
}

impl Call {
    fn of_this_thread() -> Arc<Self> {
        Arc::new(Self {
            thread: thread::current(),
            came: AtomicBool::new(false),
        })
    }

    /// Returns when somebody calls, or for no reason as parks do.
    ///
    /// # Panics
    /// If nobody calls for too long: a wake is lost.
    fn wait(&self) {
        let start = Instant::now();
        thread::park_timeout(TOO_LONG);
        let is_late = start.elapsed() >= TOO_LONG;
        let called = self.came.swap(false, Ordering::Acquire);
        assert!(
            called || !is_late,
            "nobody has woken the loop for {TOO_LONG:?}"
        );
    }
}

/// What the test and the park both see.
#[derive(Clone, Default)]
pub(crate) struct World(Rc<Facts>);

#[derive(Default)]
struct Facts {
    /// How every pass was asked for.
    passes: RefCell<Vec<Wait>>,
    /// Tasks that the next pass wakes: their I/O is ready.
    ready: RefCell<Vec<Waker>>,
    /// Whether the time slice is over, and how often that was asked.
    slice_is_over: Cell<bool>,
    slices_asked: Cell<u32>,
    /// How often the park was told that main has ended.
    ends_of_main: Cell<u32>,
    /// What happens during the next pass.
    event: Cell<Option<Box<dyn FnOnce()>>>,
    /// Sleeps end the loop instead of blocking.
    stalls: Cell<bool>,
    /// What ends a sleep of the loop that runs.
    call: RefCell<Option<Arc<Call>>>,
}

impl Park for World {
    fn pass(&mut self, wait: Wait) -> Passed {
        self.0.passes.borrow_mut().push(wait);
        let ready = self.0.ready.take();
        let found = !ready.is_empty();
        if let Some(event) = self.0.event.take() {
            event();
        }
        ready.into_iter().for_each(Waker::wake);
        if wait == Wait::Never || found {
            return Passed::Looked;
        }
        if self.0.stalls.get() {
            return Passed::Stalled;
        }
        let call = self.0.call.borrow().clone();
        call.expect("the loop runs").wait();
        Passed::Looked
    }

    fn main_ended(&mut self) {
        self.0.ends_of_main.set(self.0.ends_of_main.get() + 1);
    }

    fn slice_is_over(&mut self) -> bool {
        self.0.slices_asked.set(self.0.slices_asked.get() + 1);
        self.0.slice_is_over.get()
    }
}

impl World {
    /// Runs `main` over this world.
    pub(crate) fn run<F: Future>(&self, main: F) -> F::Output {
        self.run_with(LoopOptions::default(), &|_| {}, main)
            .unwrap()
    }

    pub(crate) fn run_with<F: Future>(
        &self,
        options: LoopOptions,
        tell: &dyn Fn(Report<'_>),
        main: F,
    ) -> Result<F::Output, RunError> {
        let call = Call::of_this_thread();
        *self.0.call.borrow_mut() = Some(Arc::clone(&call));
        let tasks = Tasks::new(call);
        drive(tasks, &mut self.clone(), options, tell, main)
    }

    /// The passes so far.
    pub(crate) fn passes(&self) -> Vec<Wait> {
        self.0.passes.borrow().clone()
    }

    pub(crate) fn count(&self) -> usize {
        self.0.passes.borrow().len()
    }

    pub(crate) fn end_slices(&self) {
        self.0.slice_is_over.set(true);
    }

    pub(crate) fn slices_asked(&self) -> u32 {
        self.0.slices_asked.get()
    }

    pub(crate) fn ends_of_main(&self) -> u32 {
        self.0.ends_of_main.get()
    }

    /// Lets `event` happen during the next pass.
    pub(crate) fn at_next_pass(&self, event: impl FnOnce() + 'static) {
        self.0.event.set(Some(Box::new(event)));
    }

    /// Nothing can ever happen.
    pub(crate) fn stall(&self) {
        self.0.stalls.set(true);
    }

    /// Waits until the next pass finds this task's I/O ready.
    pub(crate) async fn io(&self) {
        let mut asked = false;
        poll_fn(|cx| {
            if std::mem::replace(&mut asked, true) {
                return Poll::Ready(());
            }
            self.0.ready.borrow_mut().push(cx.waker().clone());
            Poll::Pending
        })
        .await;
    }
}

/// The waker of the task that is being polled.
pub(crate) async fn own_waker() -> Waker {
    poll_fn(|cx| Poll::Ready(cx.waker().clone())).await
}

/// Gives a note of what happened in which order.
#[derive(Clone, Default)]
pub(crate) struct Log(Rc<RefCell<Vec<String>>>);

impl Log {
    pub(crate) fn note(&self, what: impl Into<String>) {
        self.0.borrow_mut().push(what.into());
    }

    pub(crate) fn read(&self) -> Vec<String> {
        self.0.borrow().clone()
    }
}

/// Notes its name when it is dropped.
pub(crate) struct Noted(pub(crate) Log, pub(crate) &'static str);

impl Drop for Noted {
    fn drop(&mut self) {
        self.0.note(self.1);
    }
}
