//! compio on its polling driver and on io_uring.

use std::future::Future;
use std::time::Duration;

use compio::driver::{DriverType, ProactorBuilder};
use compio::runtime::RuntimeBuilder;

use crate::runtime::{Runtime, SelfWake, Unwrapped};

/// compio on epoll (its "polling" driver).
pub(crate) struct Compio;

/// compio on io_uring.
pub(crate) struct CompioUring;

fn run<F: Future>(driver: DriverType, main: F) -> F::Output {
    let mut proactor = ProactorBuilder::new();
    proactor.driver_type(driver);
    let runtime = RuntimeBuilder::new()
        .with_proactor(proactor)
        .build()
        .expect("a runtime");
    // As a task, main would be slower: a spawn and join of one takes three times as long.
    runtime.block_on(main)
}

macro_rules! compio_runtime {
    ($contestant:ty, $name:literal, $driver:expr) => {
        impl Runtime for $contestant {
            const NAME: &'static str = $name;

            fn run<F>(main: F) -> F::Output
            where
                F: Future + 'static,
                F::Output: 'static,
            {
                run($driver, main)
            }

            fn spawn<F>(future: F) -> impl Future<Output = F::Output> + 'static
            where
                F: Future + 'static,
                F::Output: 'static,
            {
                Unwrapped(compio::runtime::spawn(future))
            }

            fn detach<F: Future<Output = ()> + 'static>(future: F) {
                compio::runtime::spawn(future).detach();
            }

            /// compio has no yield of its own.
            fn yield_now() -> impl Future<Output = ()> + 'static {
                SelfWake::default()
            }

            fn sleep(duration: Duration) -> impl Future + 'static {
                compio::time::sleep(duration)
            }

            fn timeout<F: Future>(limit: Duration, future: F) -> impl Future {
                compio::time::timeout(limit, future)
            }
        }
    };
}

compio_runtime!(Compio, "compio", DriverType::Poll);
compio_runtime!(CompioUring, "compio-uring", DriverType::IoUring);
