//! The executors under which the same programs run.

use std::{
    future::Future,
    panic::{AssertUnwindSafe, catch_unwind, resume_unwind},
    pin::Pin,
    sync::{Arc, Mutex, PoisonError},
    task::{Context, Poll, Waker},
    thread,
};

/// A started future; awaiting it gives its output.
pub(crate) type Job<T> = Pin<Box<dyn Future<Output = T> + Send>>;

/// What a program needs of its executor.
pub(crate) trait Executor {
    /// Whether a poll may do only so much.
    const HAS_BUDGET: bool = false;
    /// Whether its tasks run one after the other, each in its turn.
    const IN_TURN: bool = false;

    /// Runs `main` to its end on this thread.
    fn block_on<T: Send + 'static>(main: impl Future<Output = T> + Send + 'static) -> T;

    /// Starts `future` beside the caller, who runs under [`Executor::block_on`].
    fn spawn<T: Send + 'static>(future: impl Future<Output = T> + Send + 'static) -> Job<T>;
}

/// Arborio's own loop.
pub(crate) enum Arborio {}

impl Executor for Arborio {
    const HAS_BUDGET: bool = true;
    const IN_TURN: bool = true;

    fn block_on<T: Send + 'static>(main: impl Future<Output = T> + Send + 'static) -> T {
        arborio::run(main)
    }

    fn spawn<T: Send + 'static>(future: impl Future<Output = T> + Send + 'static) -> Job<T> {
        let task = arborio::spawn(future);
        Box::pin(async { task.await.expect("nobody ends it") })
    }
}

/// Arborio's pool, two workers that take tasks from each other.
pub(crate) enum ArborioPool {}

impl Executor for ArborioPool {
    const HAS_BUDGET: bool = true;

    fn block_on<T: Send + 'static>(main: impl Future<Output = T> + Send + 'static) -> T {
        let pool = arborio::Pool::builder().workers(2);
        // The future of `run` stays on its thread, a task does not.
        pool.run(async { arborio::spawn(main).await.expect("nobody ends it") })
    }

    fn spawn<T: Send + 'static>(future: impl Future<Output = T> + Send + 'static) -> Job<T> {
        Arborio::spawn(future)
    }
}

/// tokio on one thread.
pub(crate) enum TokioAlone {}

impl Executor for TokioAlone {
    fn block_on<T: Send + 'static>(main: impl Future<Output = T> + Send + 'static) -> T {
        let runtime = tokio::runtime::Builder::new_current_thread().build();
        runtime.unwrap().block_on(main)
    }

    fn spawn<T: Send + 'static>(future: impl Future<Output = T> + Send + 'static) -> Job<T> {
        let task = tokio::spawn(future);
        Box::pin(async { task.await.expect("nobody ends it") })
    }
}

/// tokio on two threads that take tasks from each other.
pub(crate) enum TokioMany {}

impl Executor for TokioMany {
    fn block_on<T: Send + 'static>(main: impl Future<Output = T> + Send + 'static) -> T {
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(2)
            .build()
            .unwrap();
        // The future of `block_on` stays on its thread, a task does not.
        let main = runtime.spawn(main);
        runtime.block_on(main).expect("nobody ends it")
    }

    fn spawn<T: Send + 'static>(future: impl Future<Output = T> + Send + 'static) -> Job<T> {
        TokioAlone::spawn(future)
    }
}

/// smol: its global executor has a thread of its own.
pub(crate) enum Smol {}

impl Executor for Smol {
    fn block_on<T: Send + 'static>(main: impl Future<Output = T> + Send + 'static) -> T {
        smol::block_on(main)
    }

    fn spawn<T: Send + 'static>(future: impl Future<Output = T> + Send + 'static) -> Job<T> {
        Box::pin(smol::spawn(future))
    }
}

/// No executor at all: each future has a thread, which sleeps while it waits.
pub(crate) enum Threads {}

impl Executor for Threads {
    fn block_on<T: Send + 'static>(main: impl Future<Output = T> + Send + 'static) -> T {
        futures_executor::block_on(main)
    }

    fn spawn<T: Send + 'static>(future: impl Future<Output = T> + Send + 'static) -> Job<T> {
        let job = Arc::new(Mutex::new((None, None)));
        let done = Arc::clone(&job);
        let run = move || {
            // A panic goes on in whoever waits.
            let future = AssertUnwindSafe(future);
            let output = catch_unwind(|| futures_executor::block_on(future));
            let mut state = done.lock().unwrap();
            state.0 = Some(output);
            let waker: Option<Waker> = state.1.take();
            drop(state);
            waker.into_iter().for_each(Waker::wake);
        };
        let small = thread::Builder::new().stack_size(256 * 1024);
        small.spawn(run).expect("the system has room for a thread");
        Box::pin(std::future::poll_fn(move |cx: &mut Context<'_>| {
            let mut state = job.lock().unwrap_or_else(PoisonError::into_inner);
            state.1 = Some(cx.waker().clone());
            match state.0.take() {
                Some(output) => Poll::Ready(output.unwrap_or_else(|panic| resume_unwind(panic))),
                None => Poll::Pending,
            }
        }))
    }
}
