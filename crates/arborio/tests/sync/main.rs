//! The same programs with `arborio::sync` under six executors: Arborio's loop and
//! its pool, tokio on one thread and on two, smol, and a thread for each future.

/// Makes a test of each program under each executor.
macro_rules! under_every_executor {
    ($($(#[$attribute:meta])* $program:ident),+ $(,)?) => {
        under_every_executor!(@in arborio_loop Arborio $($(#[$attribute])* $program)+);
        under_every_executor!(@in arborio_pool ArborioPool $($(#[$attribute])* $program)+);
        under_every_executor!(@in tokio_alone TokioAlone $($(#[$attribute])* $program)+);
        under_every_executor!(@in tokio_many TokioMany $($(#[$attribute])* $program)+);
        under_every_executor!(@in smol Smol $($(#[$attribute])* $program)+);
        under_every_executor!(@in threads Threads $($(#[$attribute])* $program)+);
    };
    (@in $module:ident $executor:ident $($(#[$attribute:meta])* $program:ident)+) => {
        mod $module {
            use crate::{executor::$executor, support::run};
            $(
                $(#[$attribute])*
                #[test]
                fn $program() {
                    run::<$executor>(super::$program::<$executor>());
                }
            )+
        }
    };
}

mod budget;
mod channels;
mod costs;
mod executor;
mod leaving;
mod local;
mod locks;
mod signals;
mod support;
mod taking_turns;
