//! Tasks of the floor: one allocation each, a flag against double queueing, and a `VecDeque`.
//!
//! # Invariants
//! - I1: cells, wakers and the loop stay on the thread that made them (see the parent module).
//! - I2: a cell never moves (it lives in an `Rc`), and its future is replaced in place, never moved.
//! - I3: `CURRENT` is set exactly while `run` is on this thread's stack, and points to its loop.

use std::cell::{Cell, RefCell};
use std::collections::VecDeque;
use std::future::Future;
use std::mem::ManuallyDrop;
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll, RawWaker, RawWakerVTable, Waker};

use super::timers::Timers;

/// The loop of the floor: what is ready, and what waits for the clock.
pub(super) struct Loop {
    ready: RefCell<VecDeque<Rc<dyn Runnable>>>,
    pub(super) timers: RefCell<Timers>,
}

thread_local! {
    static CURRENT: Cell<*const Loop> = const { Cell::new(std::ptr::null()) };
}

/// Calls `f` with the loop that runs on this thread.
#[inline]
pub(super) fn with_loop<R>(f: impl FnOnce(&Loop) -> R) -> R {
    let current = CURRENT.get();
    assert!(!current.is_null(), "the floor is used outside its run");
    // SAFETY: not null, so by I3 the loop is alive in a frame below this one.
    f(unsafe { &*current })
}

/// What the queue knows of a task.
trait Runnable {
    fn poll(self: Rc<Self>);
}

/// A future on its way to an output.
enum Stage<F: Future> {
    Running(F),
    Finished(F::Output),
    Taken,
}

struct TaskCell<F: Future> {
    /// Whether this cell is in the queue.
    queued: Cell<bool>,
    stage: RefCell<Stage<F>>,
    joiner: Cell<Option<Waker>>,
}

impl<F: Future + 'static> TaskCell<F> {
    const VTABLE: RawWakerVTable = RawWakerVTable::new(
        |data| {
            // SAFETY: `data` is an `Rc` of this type turned raw, by every path that makes a waker.
            unsafe { Rc::increment_strong_count(data.cast::<Self>()) };
            RawWaker::new(data, &Self::VTABLE)
        },
        // SAFETY: as above; this call consumes the waker's own count.
        |data| unsafe { Rc::from_raw(data.cast::<Self>()) }.wake(),
        |data| {
            // SAFETY: as above; `ManuallyDrop` leaves the waker's count where it is.
            let cell = ManuallyDrop::new(unsafe { Rc::from_raw(data.cast::<Self>()) });
            if !cell.queued.get() {
                Rc::clone(&cell).wake();
            }
        },
        // SAFETY: as above; this call consumes the waker's own count.
        |data| drop(unsafe { Rc::from_raw(data.cast::<Self>()) }),
    );

    #[inline]
    fn wake(self: Rc<Self>) {
        if !self.queued.replace(true) {
            with_loop(|current| current.ready.borrow_mut().push_back(self));
        }
    }
}

impl<F: Future + 'static> Runnable for TaskCell<F> {
    fn poll(self: Rc<Self>) {
        self.queued.set(false);
        let raw = RawWaker::new(Rc::as_ptr(&self).cast(), &Self::VTABLE);
        // SAFETY: the vtable fits the pointer; the waker borrows this call's count and, in
        // `ManuallyDrop`, does not give it back.
        let waker = ManuallyDrop::new(unsafe { Waker::from_raw(raw) });
        let mut stage = self.stage.borrow_mut();
        let Stage::Running(future) = &mut *stage else {
            return;
        };
        // SAFETY: I2.
        let future = unsafe { Pin::new_unchecked(future) };
        if let Poll::Ready(output) = future.poll(&mut Context::from_waker(&waker)) {
            *stage = Stage::Finished(output);
            if let Some(joiner) = self.joiner.take() {
                joiner.wake();
            }
        }
    }
}

/// The end of a task, from the handle's side.
trait Joinable<T> {
    fn poll_join(&self, cx: &mut Context<'_>) -> Poll<T>;
}

impl<F: Future> Joinable<F::Output> for TaskCell<F> {
    fn poll_join(&self, cx: &mut Context<'_>) -> Poll<F::Output> {
        let mut stage = self.stage.borrow_mut();
        if matches!(*stage, Stage::Running(_)) {
            self.joiner.set(Some(cx.waker().clone()));
            return Poll::Pending;
        }
        match std::mem::replace(&mut *stage, Stage::Taken) {
            Stage::Finished(output) => Poll::Ready(output),
            Stage::Running(_) | Stage::Taken => panic!("a handle is polled after its end"),
        }
    }
}

/// Waits for a task of the floor; dropping it lets the task run on.
pub(super) struct Join<T>(Rc<dyn Joinable<T>>);

impl<T> Future for Join<T> {
    type Output = T;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<T> {
        self.0.poll_join(cx)
    }
}

/// Spawns onto the loop that runs on this thread.
pub(super) fn spawn<F: Future + 'static>(future: F) -> Join<F::Output>
where
    F::Output: 'static,
{
    let cell = Rc::new(TaskCell {
        queued: Cell::new(true),
        stage: RefCell::new(Stage::Running(future)),
        joiner: Cell::new(None),
    });
    with_loop(|current| current.ready.borrow_mut().push_back(Rc::clone(&cell) as _));
    Join(cell)
}

/// Runs `main` and all that it spawned, until `main` ends.
pub(super) fn run<F: Future + 'static>(main: F) -> F::Output
where
    F::Output: 'static,
{
    let this = Loop {
        ready: RefCell::default(),
        timers: RefCell::new(Timers::new()),
    };
    CURRENT.set(&this);
    let done = Rc::new(Cell::new(None));
    let main_done = Rc::clone(&done);
    drop(spawn(async move { main_done.set(Some(main.await)) }));
    let output = loop {
        let next = this.ready.borrow_mut().pop_front();
        match next {
            Some(task) => task.poll(),
            None => match done.take() {
                Some(output) => break output,
                None => this.timers.borrow_mut().wait(),
            },
        }
    };
    CURRENT.set(std::ptr::null());
    output
}
