//! What runtimes break at, on a loop and on a pool alike.
//!
//! Each case is one body and two tests, `on_a_loop` and `on_a_pool`. A body that is about who gets a turn runs on a pool
//! of one worker as well as of two: on two, whoever is kept waiting would go to the other.
//! The table in `docs/reliability.md` says where else the cases are shown.

mod cancels;
mod jobs;
mod panics;
mod scopes;
mod sockets;
mod time;
mod turns;
mod wakes;

use arborio::{Pool, run};

/// What a body runs on.
#[derive(Clone, Copy)]
enum Flavour {
    Loop,
    /// With so many workers.
    Pool(usize),
}

impl Flavour {
    fn run<F: Future + Send>(self, main: F) -> F::Output {
        match self {
            Self::Loop => run(main),
            Self::Pool(workers) => Pool::builder().workers(workers).run(main),
        }
    }
}

/// A test on a loop, on two workers and on one, of each body.
macro_rules! flavours {
    ($($(#[$attribute:meta])* $name:ident: $body:expr;)+) => { $(
        $(#[$attribute])*
        mod $name {
            use super::*;

            #[test]
            fn on_a_loop() {
                $body(crate::battery::Flavour::Loop);
            }

            #[test]
            fn on_a_pool() {
                $body(crate::battery::Flavour::Pool(2));
            }

            #[test]
            fn on_one_worker() {
                $body(crate::battery::Flavour::Pool(1));
            }
        }
    )+ };
}

use flavours;
