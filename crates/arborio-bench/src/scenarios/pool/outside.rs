//! What a scenario asks of a pool that has sockets and a clock.

use std::future::Future;
use std::net::{TcpListener, TcpStream};
use std::time::Duration;

use futures_lite::{AsyncReadExt as _, AsyncWriteExt as _};
use rustix::time::{ClockId, clock_gettime};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

use super::parallel::{ArborioPool, Parallel, SmolPool, TokioPool, WORKERS};
use crate::runtime::Unwrapped;

/// A pool with its drivers.
pub(super) trait Outside: Parallel {
    /// As [`Parallel::run`], for those who start drivers only when asked to.
    fn run_with_drivers<F>(main: F) -> F::Output
    where
        F: Future + Send + 'static,
        F::Output: Send + 'static,
    {
        Self::run(main)
    }

    fn sleep(duration: Duration) -> impl Future<Output = ()> + Send;

    type Listener: Send + Sync + 'static;
    type Stream: Send + 'static;

    /// Adopts a listener that does not block.
    fn adopt(listener: TcpListener) -> Self::Listener;
    fn accept(listener: &Self::Listener) -> impl Future<Output = Self::Stream> + Send;

    /// Echoes until the peer closes, and computes for so long before each answer.
    fn echo(stream: Self::Stream, work: Duration) -> impl Future<Output = ()> + Send + 'static;
}

/// Larger than a message: see the echo server of one thread.
const BUFFER: usize = 128;

/// The CPU time of this thread.
pub(super) fn thread_time() -> Duration {
    let time = clock_gettime(ClockId::ThreadCPUTime);
    Duration::new(time.tv_sec as u64, time.tv_nsec as u32)
}

/// Uses so much CPU time, however often this thread is taken off its processor meanwhile.
fn compute(how_long: Duration) {
    if how_long.is_zero() {
        return;
    }
    let start = thread_time();
    while thread_time() - start < how_long {
        (0..100).for_each(|_| std::hint::spin_loop());
    }
}

/// The body of an echo task: everybody reads and writes in the same way.
macro_rules! echo {
    ($stream:ident, $work:ident) => {
        let mut buffer = [0; BUFFER];
        while let Ok(came @ 1..) = $stream.read(&mut buffer).await {
            compute($work);
            if $stream.write_all(&buffer[..came]).await.is_err() {
                break;
            }
        }
    };
}

impl Outside for ArborioPool {
    async fn sleep(duration: Duration) {
        arborio::time::sleep(duration).await;
    }

    type Listener = arborio::net::TcpListener;
    type Stream = arborio::net::TcpStream;

    fn adopt(listener: TcpListener) -> Self::Listener {
        listener.try_into().expect("a listener")
    }

    async fn accept(listener: &Self::Listener) -> Self::Stream {
        listener.accept().await.expect("a connection").0
    }

    async fn echo(stream: Self::Stream, work: Duration) {
        echo!(stream, work);
    }
}

impl Outside for TokioPool {
    fn run_with_drivers<F>(main: F) -> F::Output
    where
        F: Future + Send + 'static,
        F::Output: Send + 'static,
    {
        let mut builder = tokio::runtime::Builder::new_multi_thread();
        let runtime = builder
            .worker_threads(WORKERS)
            .enable_all()
            .build()
            .expect("a runtime");
        runtime.block_on(Unwrapped(runtime.spawn(main)))
    }

    async fn sleep(duration: Duration) {
        tokio::time::sleep(duration).await;
    }

    type Listener = tokio::net::TcpListener;
    type Stream = tokio::net::TcpStream;

    fn adopt(listener: TcpListener) -> Self::Listener {
        Self::Listener::from_std(listener).expect("a listener")
    }

    async fn accept(listener: &Self::Listener) -> Self::Stream {
        listener.accept().await.expect("a connection").0
    }

    async fn echo(mut stream: Self::Stream, work: Duration) {
        echo!(stream, work);
    }
}

impl Outside for SmolPool {
    async fn sleep(duration: Duration) {
        smol::Timer::after(duration).await;
    }

    type Listener = smol::Async<TcpListener>;
    type Stream = smol::Async<TcpStream>;

    fn adopt(listener: TcpListener) -> Self::Listener {
        smol::Async::new(listener).expect("a listener")
    }

    async fn accept(listener: &Self::Listener) -> Self::Stream {
        listener.accept().await.expect("a connection").0
    }

    async fn echo(mut stream: Self::Stream, work: Duration) {
        echo!(stream, work);
    }
}
