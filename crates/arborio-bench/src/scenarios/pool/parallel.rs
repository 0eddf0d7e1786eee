//! What a scenario asks of a pool of two workers.

use std::future::Future;
use std::sync::Arc;
use std::thread;

use async_executor::Executor;

use crate::runtime::Unwrapped;

/// How many threads poll.
pub(super) const WORKERS: usize = 2;

/// A runtime with two workers, its channel of one message and its mutex.
pub(super) trait Parallel: 'static {
    fn run<F>(main: F) -> F::Output
    where
        F: Future + Send + 'static,
        F::Output: Send + 'static;

    fn spawn<F>(future: F) -> impl Future<Output = F::Output> + Send + 'static
    where
        F: Future + Send + 'static,
        F::Output: Send + 'static;

    type Sender: Send + Sync + Clone + 'static;
    type Receiver: Send + 'static;

    fn channel(capacity: usize) -> (Self::Sender, Self::Receiver);
    fn send(sender: &Self::Sender, number: u64) -> impl Future<Output = ()> + Send;
    /// `None` when all senders are gone.
    fn receive(receiver: &mut Self::Receiver) -> impl Future<Output = Option<u64>> + Send;

    type Counter: Send + Sync + 'static;

    fn counter() -> Self::Counter;
    fn count(counter: &Self::Counter) -> impl Future<Output = ()> + Send;

    /// A scope of `children` that end at once, as the runtime's users have it.
    fn scope(children: u64) -> impl Future<Output = ()> + Send;
}

pub(super) struct ArborioPool;

impl Parallel for ArborioPool {
    fn run<F>(main: F) -> F::Output
    where
        F: Future + Send + 'static,
        F::Output: Send + 'static,
    {
        arborio::Pool::builder().workers(WORKERS).run(main)
    }

    fn spawn<F>(future: F) -> impl Future<Output = F::Output> + Send + 'static
    where
        F: Future + Send + 'static,
        F::Output: Send + 'static,
    {
        Unwrapped(arborio::spawn(future))
    }

    type Sender = arborio::sync::mpsc::Sender<u64>;
    type Receiver = arborio::sync::mpsc::Receiver<u64>;

    fn channel(capacity: usize) -> (Self::Sender, Self::Receiver) {
        arborio::sync::mpsc::channel(capacity)
    }

    async fn send(sender: &Self::Sender, number: u64) {
        sender.send(number).await.expect("a receiver");
    }

    async fn receive(receiver: &mut Self::Receiver) -> Option<u64> {
        receiver.recv().await
    }

    type Counter = arborio::sync::Mutex<u64>;

    fn counter() -> Self::Counter {
        arborio::sync::Mutex::new(0)
    }

    async fn count(counter: &Self::Counter) {
        *counter.lock().await += 1;
    }

    async fn scope(children: u64) {
        let ended = arborio::scope(async |s: &arborio::Scope<std::io::Error>| {
            for _ in 0..children {
                drop(s.spawn(async {}));
            }
            Ok(())
        });
        ended.await.expect("no child fails");
    }
}

pub(super) struct TokioPool;

impl Parallel for TokioPool {
    fn run<F>(main: F) -> F::Output
    where
        F: Future + Send + 'static,
        F::Output: Send + 'static,
    {
        let mut builder = tokio::runtime::Builder::new_multi_thread();
        let runtime = builder.worker_threads(WORKERS).build().expect("a runtime");
        runtime.block_on(Unwrapped(runtime.spawn(main)))
    }

    fn spawn<F>(future: F) -> impl Future<Output = F::Output> + Send + 'static
    where
        F: Future + Send + 'static,
        F::Output: Send + 'static,
    {
        Unwrapped(tokio::spawn(future))
    }

    type Sender = tokio::sync::mpsc::Sender<u64>;
    type Receiver = tokio::sync::mpsc::Receiver<u64>;

    fn channel(capacity: usize) -> (Self::Sender, Self::Receiver) {
        tokio::sync::mpsc::channel(capacity)
    }

    async fn send(sender: &Self::Sender, number: u64) {
        sender.send(number).await.expect("a receiver");
    }

    async fn receive(receiver: &mut Self::Receiver) -> Option<u64> {
        receiver.recv().await
    }

    type Counter = tokio::sync::Mutex<u64>;

    fn counter() -> Self::Counter {
        tokio::sync::Mutex::new(0)
    }

    async fn count(counter: &Self::Counter) {
        *counter.lock().await += 1;
    }

    async fn scope(children: u64) {
        let mut set = tokio::task::JoinSet::new();
        for _ in 0..children {
            set.spawn(async {});
        }
        while let Some(ended) = set.join_next().await {
            ended.expect("no child fails");
        }
    }
}

/// Two threads that run one executor; `main` is one of its tasks.
pub(super) struct SmolPool;

/// The executor of the process, which measures one contestant only.
static EXECUTOR: Executor<'static> = Executor::new();

impl Parallel for SmolPool {
    fn run<F>(main: F) -> F::Output
    where
        F: Future + Send + 'static,
        F::Output: Send + 'static,
    {
        let (stop, stopped) = smol::channel::bounded::<()>(1);
        let stopped = Arc::new(stopped);
        let workers: Vec<_> = (1..WORKERS)
            .map(|_| {
                let stopped = Arc::clone(&stopped);
                thread::spawn(move || {
                    // An error is the end of the sender.
                    let _ = smol::block_on(EXECUTOR.run(stopped.recv()));
                })
            })
            .collect();
        let output = smol::block_on(EXECUTOR.run(EXECUTOR.spawn(main)));
        drop(stop);
        for worker in workers {
            worker.join().expect("a worker");
        }
        output
    }

    fn spawn<F>(future: F) -> impl Future<Output = F::Output> + Send + 'static
    where
        F: Future + Send + 'static,
        F::Output: Send + 'static,
    {
        EXECUTOR.spawn(future)
    }

    type Sender = smol::channel::Sender<u64>;
    type Receiver = smol::channel::Receiver<u64>;

    fn channel(capacity: usize) -> (Self::Sender, Self::Receiver) {
        smol::channel::bounded(capacity)
    }

    async fn send(sender: &Self::Sender, number: u64) {
        sender.send(number).await.expect("a receiver");
    }

    async fn receive(receiver: &mut Self::Receiver) -> Option<u64> {
        receiver.recv().await.ok()
    }

    type Counter = smol::lock::Mutex<u64>;

    fn counter() -> Self::Counter {
        smol::lock::Mutex::new(0)
    }

    async fn count(counter: &Self::Counter) {
        *counter.lock().await += 1;
    }

    async fn scope(children: u64) {
        let tasks: Vec<_> = (0..children).map(|_| EXECUTOR.spawn(async {})).collect();
        for task in tasks {
            task.await;
        }
    }
}

/// The channels of kanal on Arborio's pool.
pub(super) struct KanalPool;

impl Parallel for KanalPool {
    fn run<F>(main: F) -> F::Output
    where
        F: Future + Send + 'static,
        F::Output: Send + 'static,
    {
        ArborioPool::run(main)
    }

    fn spawn<F>(future: F) -> impl Future<Output = F::Output> + Send + 'static
    where
        F: Future + Send + 'static,
        F::Output: Send + 'static,
    {
        ArborioPool::spawn(future)
    }

    type Sender = kanal::AsyncSender<u64>;
    type Receiver = kanal::AsyncReceiver<u64>;

    /// A channel for one message is one without room, which hands it over from hand to hand: that is faster.
    fn channel(capacity: usize) -> (Self::Sender, Self::Receiver) {
        kanal::bounded_async(if capacity == 1 { 0 } else { capacity })
    }

    async fn send(sender: &Self::Sender, number: u64) {
        sender.send(number).await.expect("a receiver");
    }

    async fn receive(receiver: &mut Self::Receiver) -> Option<u64> {
        receiver.recv().await.ok()
    }

    type Counter = <ArborioPool as Parallel>::Counter;

    fn counter() -> Self::Counter {
        ArborioPool::counter()
    }

    async fn count(counter: &Self::Counter) {
        ArborioPool::count(counter).await;
    }

    async fn scope(children: u64) {
        ArborioPool::scope(children).await;
    }
}
