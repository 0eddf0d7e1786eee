//! Values that belong to a part of a program: the future that they were set around,
//! and every task that is spawned in it.
//!
//! `key` is a name for such a value, `with_local` sets it around a future. `values` is
//! what is set at a moment. A task that is spawned meanwhile keeps it in its side record,
//! and is polled and dropped through another vtable (`cell`, heirs) that sets it: a task
//! without task-locals knows nothing of all this.

mod key;
mod values;
mod with_local;

pub use key::{NoValue, TaskLocal};
pub use with_local::WithLocal;

pub(crate) use values::{Values, any, outside, snapshot, within};
