//! monoio on its epoll driver and on io_uring.

use std::future::Future;
use std::time::Duration;

use monoio::{IoUringDriver, LegacyDriver, RuntimeBuilder};

use crate::runtime::{Runtime, SelfWake};

/// monoio on epoll (its "legacy" driver).
pub(crate) struct Monoio;

/// monoio on io_uring.
pub(crate) struct MonoioUring;

macro_rules! monoio_runtime {
    ($contestant:ty, $name:literal, $driver:ty) => {
        impl Runtime for $contestant {
            const NAME: &'static str = $name;

            fn run<F>(main: F) -> F::Output
            where
                F: Future + 'static,
                F::Output: 'static,
            {
                let builder = RuntimeBuilder::<$driver>::new().enable_timer();
                // As the future of `block_on`, a main that yields would spin: no task would run.
                builder
                    .build()
                    .expect("a runtime")
                    .block_on(async { monoio::spawn(main).await })
            }

            fn spawn<F>(future: F) -> impl Future<Output = F::Output> + 'static
            where
                F: Future + 'static,
                F::Output: 'static,
            {
                monoio::spawn(future)
            }

            fn detach<F: Future<Output = ()> + 'static>(future: F) {
                drop(monoio::spawn(future));
            }

            /// monoio has no yield of its own.
            fn yield_now() -> impl Future<Output = ()> + 'static {
                SelfWake::default()
            }

            fn sleep(duration: Duration) -> impl Future + 'static {
                monoio::time::sleep(duration)
            }

            fn timeout<F: Future>(limit: Duration, future: F) -> impl Future {
                monoio::time::timeout(limit, future)
            }
        }
    };
}

monoio_runtime!(Monoio, "monoio", LegacyDriver);
monoio_runtime!(MonoioUring, "monoio-uring", IoUringDriver);
