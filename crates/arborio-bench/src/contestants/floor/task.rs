//! Tasks of the floor: one allocation each, a flag against double queueing, and a `VecDeque`.
//!
//! # Invariants
//! - I1: cells, wakers and the loop stay on the thread that made them (see the parent module).
//! - I2: a cell never moves (it lives in an `Rc`), and its future is replaced in place, never moved.
//! - I3: `CURRENT` is set exactly while `run` is on this thread's stack, and points to its loop.
//! - I4: the queue is borrowed only inside `push` and `pop`, which call nothing that comes back.
//! - I5: a stage is borrowed by the poll of its task, which cannot nest (only the loop polls, and
//!   nothing polled calls the loop), and by its handle, which cannot be inside the task it awaits.

use std::cell::{Cell, RefCell, UnsafeCell};
use std::collections::VecDeque;
use std::future::Future;
use std::mem::ManuallyDrop;
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll, RawWaker, RawWakerVTable, Waker};

use super::timers::Timers;

/// The loop of the floor: what is ready, and what waits for the clock.
pub(super) struct Loop {
    ready: UnsafeCell<VecDeque<Rc<dyn Runnable>>>,
    pub(super) timers: RefCell<Timers>,
}

impl Loop {
    #[inline]
    fn push(&self, task: Rc<dyn Runnable>) {
        // SAFETY: I4.
        unsafe { &mut *self.ready.get() }.push_back(task);
    }

    #[inline]
    fn pop(&self) -> Option<Rc<dyn Runnable>> {
        // SAFETY: I4.
        unsafe { &mut *self.ready.get() }.pop_front()
    }
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

/// Where a task stands; who is queued or will be is not queued again.
#[derive(Clone, Copy, PartialEq)]
enum Place {
    Idle,
    Queued,
    Running,
    RunningAndWoken,
}

/// A future on its way to an output.
enum Stage<F: Future> {
    Running(F),
    Finished(F::Output),
    Taken,
}

struct TaskCell<F: Future> {
    place: Cell<Place>,
    stage: UnsafeCell<Stage<F>>,
    joiner: Cell<Option<Waker>>,
}

impl<F: Future + 'static> TaskCell<F> {
    const VTABLE: RawWakerVTable = RawWakerVTable::new(
        |data| {
            // SAFETY: `data` is an `Rc` of this type turned raw, by every path that makes a waker.
            unsafe { Rc::increment_strong_count(data.cast::<Self>()) };
            RawWaker::new(data, &Self::VTABLE)
        },
        |data| {
            // SAFETY: as above; this call consumes the waker's own count.
            let cell = unsafe { Rc::from_raw(data.cast::<Self>()) };
            if cell.must_queue() {
                with_loop(|current| current.push(cell));
            }
        },
        |data| {
            // SAFETY: as above; `ManuallyDrop` leaves the waker's count where it is.
            let cell = ManuallyDrop::new(unsafe { Rc::from_raw(data.cast::<Self>()) });
            if cell.must_queue() {
                with_loop(|current| current.push(Rc::clone(&cell) as _));
            }
        },
        // SAFETY: as above; this call consumes the waker's own count.
        |data| drop(unsafe { Rc::from_raw(data.cast::<Self>()) }),
    );

    /// Notes a wake; whether the caller has to push the cell.
    #[inline]
    fn must_queue(&self) -> bool {
        match self.place.get() {
            Place::Idle => {
                self.place.set(Place::Queued);
                true
            }
            Place::Running => {
                self.place.set(Place::RunningAndWoken);
                false
            }
            Place::Queued | Place::RunningAndWoken => false,
        }
    }
}

impl<F: Future + 'static> Runnable for TaskCell<F> {
    fn poll(self: Rc<Self>) {
        self.place.set(Place::Running);
        let raw = RawWaker::new(Rc::as_ptr(&self).cast(), &Self::VTABLE);
        // SAFETY: the vtable fits the pointer; the waker borrows this call's count and, in
        // `ManuallyDrop`, does not give it back.
        let waker = ManuallyDrop::new(unsafe { Waker::from_raw(raw) });
        // SAFETY: I5.
        let stage = unsafe { &mut *self.stage.get() };
        let Stage::Running(future) = stage else {
            return;
        };
        // SAFETY: I2.
        let future = unsafe { Pin::new_unchecked(future) };
        if let Poll::Ready(output) = future.poll(&mut Context::from_waker(&waker)) {
            *stage = Stage::Finished(output);
            if let Some(joiner) = self.joiner.take() {
                joiner.wake();
            }
        } else if self.place.get() == Place::RunningAndWoken {
            self.place.set(Place::Queued);
            with_loop(|current| current.push(self));
        } else {
            self.place.set(Place::Idle);
        }
    }
}

/// The end of a task, from the handle's side.
trait Joinable<T> {
    fn poll_join(&self, cx: &mut Context<'_>) -> Poll<T>;
}

impl<F: Future> Joinable<F::Output> for TaskCell<F> {
    fn poll_join(&self, cx: &mut Context<'_>) -> Poll<F::Output> {
        // SAFETY: I5.
        let stage = unsafe { &mut *self.stage.get() };
        if matches!(stage, Stage::Running(_)) {
            self.joiner.set(Some(cx.waker().clone()));
            return Poll::Pending;
        }
        match std::mem::replace(stage, Stage::Taken) {
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
        place: Cell::new(Place::Queued),
        stage: UnsafeCell::new(Stage::Running(future)),
        joiner: Cell::new(None),
    });
    with_loop(|current| current.push(Rc::clone(&cell) as _));
    Join(cell)
}

/// Runs `main` and all that it spawned, until `main` ends.
pub(super) fn run<F: Future + 'static>(main: F) -> F::Output
where
    F::Output: 'static,
{
    let this = Loop {
        ready: UnsafeCell::default(),
        timers: RefCell::new(Timers::new()),
    };
    CURRENT.set(&this);
    let done = Rc::new(Cell::new(None));
    let main_done = Rc::clone(&done);
    drop(spawn(async move { main_done.set(Some(main.await)) }));
    let output = loop {
        match this.pop() {
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
