//! Locks, events and channels between tasks of one loop on one thread.
//!
//! Each scenario stands twice: with what needs to be right on one thread only (`-local`), and with what
//! any thread may use (`-send`). A peer that has one form stands in both with that.
//!
//! # Who runs where
//! The primitives of a runtime run on its own loop, as its applications have them: `tokio-bare`, `smol`
//! (async-lock, async-channel and event-listener), `monoio` (local-sync, by its author). Those without a
//! runtime, `futures`, `kanal` and `flume`, run on the fastest loop at hand, Arborio's. And because a
//! peer counts in its best configuration, the primitives of the others run there as well:
//! `tokio@arborio`, `smol@arborio`, `monoio@arborio`. Between all that runs there, and `arborio`, the
//! difference is the primitive's.

mod channels;
pub(super) mod event;
pub(super) mod mpsc;
pub(super) mod mutex;
pub(super) mod ping_pong;
pub(super) mod semaphore;

/// The entries of a scenario: `measure::<Loop, Primitive>` under a name.
macro_rules! pairs {
    ($measure:ident: $($name:literal = $runtime:ident + $primitive:ty),+ $(,)?) => {
        &[$($crate::scenarios::Entry {
            contestant: $name,
            measure: $measure::<$crate::contestants::$runtime, $primitive>,
        }),+]
    };
}

pub(super) use pairs;
