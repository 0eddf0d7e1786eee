//! tokio's current-thread scheduler, as a `LocalRuntime` so that tasks need not be `Send`.

use std::future::Future;
use std::time::Duration;

use tokio::runtime::{Builder, LocalOptions, LocalRuntime};

use crate::runtime::{Runtime, Unwrapped};

/// tokio with its I/O and time drivers, as an application has it.
pub(crate) struct Tokio;

/// tokio without drivers: faster where nothing waits for a clock or a socket.
pub(crate) struct TokioBare;

fn run<F>(builder: &mut Builder, main: F) -> F::Output
where
    F: Future + 'static,
    F::Output: 'static,
{
    let runtime: LocalRuntime = builder
        .build_local(LocalOptions::default())
        .expect("a runtime");
    // As a task, main costs less than half of what it costs as the future of `block_on`, whose waker
    // goes through the driver.
    runtime.block_on(Unwrapped(runtime.spawn_local(main)))
}

macro_rules! tokio_runtime {
    ($contestant:ty, $name:literal, $builder:expr) => {
        impl Runtime for $contestant {
            const NAME: &'static str = $name;

            fn run<F>(main: F) -> F::Output
            where
                F: Future + 'static,
                F::Output: 'static,
            {
                run($builder, main)
            }

            fn spawn<F>(future: F) -> impl Future<Output = F::Output> + 'static
            where
                F: Future + 'static,
                F::Output: 'static,
            {
                Unwrapped(tokio::task::spawn_local(future))
            }

            fn detach<F: Future<Output = ()> + 'static>(future: F) {
                drop(tokio::task::spawn_local(future));
            }

            fn yield_now() -> impl Future<Output = ()> + 'static {
                tokio::task::yield_now()
            }

            fn sleep(duration: Duration) -> impl Future + 'static {
                tokio::time::sleep(duration)
            }

            fn timeout<F: Future>(limit: Duration, future: F) -> impl Future {
                tokio::time::timeout(limit, future)
            }
        }
    };
}

tokio_runtime!(Tokio, "tokio", Builder::new_current_thread().enable_all());
tokio_runtime!(TokioBare, "tokio-bare", &mut Builder::new_current_thread());
