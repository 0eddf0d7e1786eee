//! Values that belong to a part of a program: the future that they were set around,
//! and every task that is spawned in it.
//!
//! `key` is a name for such a value, `with_local` sets it around a future, `inherit`
//! around a task that is spawned meanwhile. `values` is what is set at a moment.

mod inherit;
mod key;
mod values;
mod with_local;

pub use key::{NoValue, TaskLocal};
pub use with_local::WithLocal;

pub(crate) use inherit::Inherit;
pub(crate) use values::{any, outside};
