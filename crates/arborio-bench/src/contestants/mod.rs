//! The runtimes that are compared, one file each, and the list of them.
//!
//! A contestant is a type that implements [`Runtime`](crate::runtime::Runtime); `everyone!` below is
//! the one place where the list is written.

mod arborio;
mod compio;
pub(crate) mod floor;
mod monoio;
mod smol;
mod tokio;

pub(crate) use arborio::Arborio;
pub(crate) use compio::{Compio, CompioUring};
pub(crate) use floor::Floor;
pub(crate) use monoio::{Monoio, MonoioUring};
pub(crate) use smol::Smol;
pub(crate) use tokio::{Tokio, TokioBare};

/// The name under which Arborio appears.
pub(crate) const ARBORIO: &str = "arborio";
/// The name under which the floor appears.
pub(crate) const FLOOR: &str = "floor";

/// The entries of a scenario: a generic function `fn measure<R: Runtime>(Effort) -> Sample`, taken
/// for every contestant, or for those that are listed.
macro_rules! entries {
    ($measure:ident: $($runtime:ident),+) => {
        &[$($crate::scenarios::Entry {
            contestant: <$crate::contestants::$runtime as $crate::runtime::Runtime>::NAME,
            measure: $measure::<$crate::contestants::$runtime>,
        }),+]
    };
}

/// [`entries!`] for everyone, with tokio's drivers and without.
macro_rules! everyone {
    ($measure:ident) => {
        $crate::contestants::entries!(
            $measure: Arborio, Floor, TokioBare, Tokio, Smol, Monoio, MonoioUring, Compio, CompioUring
        )
    };
}

/// [`entries!`] for everyone who has a clock.
macro_rules! everyone_with_a_clock {
    ($measure:ident) => {
        $crate::contestants::entries!(
            $measure: Arborio, Floor, Tokio, Smol, Monoio, MonoioUring, Compio, CompioUring
        )
    };
}

pub(crate) use {entries, everyone, everyone_with_a_clock};
