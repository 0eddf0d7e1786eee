//! What a task costs: spawn, join, yield, wakers, and wakes from abroad.
//!
//! Beside each figure stands that of the floor: a minimal executor of `Rc`,
//! `RefCell` and `VecDeque`, whose wakers may not leave their thread. It has no
//! panics to catch, no handle to send, no abort and no budget.
#![allow(missing_docs, reason = "criterion's macros make undocumented items")]
#![cfg(not(loom))]

use std::{
    future::poll_fn,
    hint::{black_box, spin_loop},
    pin::Pin,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
        mpsc,
    },
    task::{Context, Poll, Waker},
    thread,
};

use arborio_task::{NoNotify, Running, SpawnOptions, Tasks, try_spawn};
use criterion::{BenchmarkGroup, Criterion, Throughput, criterion_group, criterion_main};

/// Operations in one measured run of a loop, so that its start does not count.
const OPERATIONS: u64 = 10_000;
/// Tasks that yield to each other.
const YIELDERS: u64 = 1_000;

/// What is measured, and what it is measured against.
trait Executor {
    /// Awaiting it gives the task's output.
    type Join<T: 'static>: Future<Output = T>;

    fn run(main: impl Future<Output = ()> + 'static);
    fn spawn<F: Future + 'static>(future: F) -> Self::Join<F::Output>;
}

struct Arborio;

/// A handle whose task is known to end with an output.
struct Join<T>(arborio_task::Task<T>);

impl<T> Future for Join<T> {
    type Output = T;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<T> {
        Pin::new(&mut self.0).poll(cx).map(Result::unwrap)
    }
}

/// Polls what is ready, looks at the mail as the event loop does, and spins
/// rather than sleeps.
fn spin(running: &Running<'_>) {
    while running.pending() != 0 {
        running.take_mail();
        for _ in 0..64 {
            if !running.run_next() {
                break;
            }
        }
    }
}

impl Executor for Arborio {
    type Join<T: 'static> = Join<T>;

    fn run(main: impl Future<Output = ()> + 'static) {
        let tasks = Tasks::new(Arc::new(NoNotify));
        tasks.run_main(main, spin).1.unwrap();
    }

    fn spawn<F: Future + 'static>(future: F) -> Join<F::Output> {
        Join(try_spawn(future, SpawnOptions::new()).ok().unwrap())
    }
}

/// The floor.
mod floor {
    use std::{
        cell::{Cell, RefCell},
        collections::VecDeque,
        mem::ManuallyDrop,
        pin::Pin,
        rc::Rc,
        task::{Context, Poll, RawWaker, RawWakerVTable, Waker},
    };

    thread_local! {
        static QUEUE: RefCell<VecDeque<Rc<FloorTask>>> = const { RefCell::new(VecDeque::new()) };
    }

    /// One task.
    struct FloorTask {
        future: RefCell<Option<Pin<Box<dyn Future<Output = ()>>>>>,
        queued: Cell<bool>,
    }

    impl FloorTask {
        fn wake(self: &Rc<Self>) {
            if !self.queued.replace(true) {
                QUEUE.with_borrow_mut(|queue| queue.push_back(Rc::clone(self)));
            }
        }
    }

    const VTABLE: &RawWakerVTable = &RawWakerVTable::new(
        |data| {
            // SAFETY: the pointer is an `Rc`'s, of which the waker counts one.
            unsafe { Rc::increment_strong_count(data.cast::<FloorTask>()) };
            RawWaker::new(data, VTABLE)
        },
        // SAFETY: as above, given up.
        |data| unsafe { Rc::from_raw(data.cast::<FloorTask>()) }.wake(),
        // SAFETY: as above, kept.
        |data| ManuallyDrop::new(unsafe { Rc::from_raw(data.cast::<FloorTask>()) }).wake(),
        // SAFETY: as above, given up.
        |data| drop(unsafe { Rc::from_raw(data.cast::<FloorTask>()) }),
    );

    /// An output on its way, and who waits for it.
    struct Slot<T> {
        output: Cell<Option<T>>,
        waiter: Cell<Option<Waker>>,
    }

    pub(super) struct Join<T>(Rc<Slot<T>>);

    impl<T> Future for Join<T> {
        type Output = T;

        fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<T> {
            if let Some(output) = self.0.output.take() {
                return Poll::Ready(output);
            }
            self.0.waiter.set(Some(cx.waker().clone()));
            Poll::Pending
        }
    }

    pub(super) struct Floor;

    impl super::Executor for Floor {
        type Join<T: 'static> = Join<T>;

        fn run(main: impl Future<Output = ()> + 'static) {
            drop(Self::spawn(main));
            while let Some(task) = QUEUE.with_borrow_mut(VecDeque::pop_front) {
                task.queued.set(false);
                let raw = RawWaker::new(Rc::as_ptr(&task).cast(), VTABLE);
                // SAFETY: borrowed from `task`, and no waker leaves the thread.
                let waker = ManuallyDrop::new(unsafe { Waker::from_raw(raw) });
                let mut future = task.future.borrow_mut();
                let polled = future
                    .as_mut()
                    .map(|future| future.as_mut().poll(&mut Context::from_waker(&waker)));
                if polled.is_some_and(|polled| polled.is_ready()) {
                    *future = None;
                }
            }
        }

        fn spawn<F: Future + 'static>(future: F) -> Join<F::Output> {
            let slot = Rc::new(Slot {
                output: Cell::new(None),
                waiter: Cell::new(None),
            });
            let to = Rc::clone(&slot);
            let future = async move {
                to.output.set(Some(future.await));
                if let Some(waiter) = to.waiter.take() {
                    waiter.wake();
                }
            };
            let task = Rc::new(FloorTask {
                future: RefCell::new(Some(Box::pin(future))),
                queued: Cell::new(false),
            });
            task.wake();
            Join(slot)
        }
    }
}

/// Lets the other ready tasks run.
async fn turn() {
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

/// One after the other, so that one cell is used again and again.
async fn spawn_and_join<E: Executor>() {
    for number in 0..OPERATIONS {
        black_box(E::spawn(async move { number }).await);
    }
}

/// Detached, and all at once.
async fn spawn_detached<E: Executor>() {
    for number in 0..OPERATIONS {
        drop(E::spawn(async move { black_box(number) }));
    }
}

/// Each of many tasks yields as often as makes the operations in all.
async fn yield_among<E: Executor>() {
    for _ in 0..YIELDERS {
        drop(E::spawn(async {
            for _ in 0..OPERATIONS / YIELDERS {
                turn().await;
            }
        }));
    }
}

/// A clone and a drop of a waker on its own thread.
async fn clone_and_drop_waker() {
    poll_fn(|cx| {
        for _ in 0..OPERATIONS {
            drop(black_box(cx.waker().clone()));
        }
        Poll::Ready(())
    })
    .await;
}

fn both(
    group: &mut BenchmarkGroup<'_, criterion::measurement::WallTime>,
    name: &str,
    run: [fn(); 2],
) {
    group.throughput(Throughput::Elements(OPERATIONS));
    for (who, run) in ["arborio", "floor"].into_iter().zip(run) {
        group.bench_function(format!("{name}/{who}"), |bencher| bencher.iter(run));
    }
}

fn at_home(criterion: &mut Criterion) {
    use floor::Floor;
    let mut group = criterion.benchmark_group("task");
    both(
        &mut group,
        "spawn_and_join",
        [
            || Arborio::run(spawn_and_join::<Arborio>()),
            || Floor::run(spawn_and_join::<Floor>()),
        ],
    );
    both(
        &mut group,
        "spawn_detached",
        [
            || Arborio::run(spawn_detached::<Arborio>()),
            || Floor::run(spawn_detached::<Floor>()),
        ],
    );
    both(
        &mut group,
        "yield_among_1000",
        [
            || Arborio::run(yield_among::<Arborio>()),
            || Floor::run(yield_among::<Floor>()),
        ],
    );
    both(
        &mut group,
        "clone_and_drop_waker",
        [
            || Arborio::run(clone_and_drop_waker()),
            || Floor::run(clone_and_drop_waker()),
        ],
    );
}

/// Wakes from another thread that go one after the other: the loop spins, so
/// this is the way through the inbox and back, without the kernel.
fn abroad(criterion: &mut Criterion) {
    const WAKES: u64 = 1_000;
    let (send, receive) = mpsc::channel::<(Waker, Arc<AtomicU64>)>();
    let waking = thread::spawn(move || {
        for (waker, turns) in receive {
            for odd in (1..2 * WAKES).step_by(2) {
                while turns.load(Ordering::Acquire) != odd {
                    spin_loop();
                }
                turns.store(odd + 1, Ordering::Release);
                waker.wake_by_ref();
            }
        }
    });
    let mut group = criterion.benchmark_group("task");
    group.throughput(Throughput::Elements(WAKES));
    group.bench_function("foreign_wake_and_poll/arborio", |bencher| {
        bencher.iter(|| {
            let turns = Arc::new(AtomicU64::new(0));
            let (send, mut sent) = (send.clone(), false);
            Arborio::run(poll_fn(move |cx| {
                if !std::mem::replace(&mut sent, true) {
                    send.send((cx.waker().clone(), Arc::clone(&turns))).unwrap();
                }
                match turns.load(Ordering::Acquire) {
                    done if done == 2 * WAKES => Poll::Ready(()),
                    even if even % 2 == 0 => {
                        turns.store(even + 1, Ordering::Release);
                        Poll::Pending
                    }
                    _ => Poll::Pending,
                }
            }));
        });
    });
    group.finish();
    drop(send);
    waking.join().unwrap();
}

criterion_group!(benches, at_home, abroad);
criterion_main!(benches);
