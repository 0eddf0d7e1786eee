//! Cancellation from outside: what origins and handlers promise, on a simulated
//! clock under the event loop, and under an executor that is nobody's.

mod allocations;
mod away;
mod cancel_scope;
mod concurrent;
mod detached;
#[cfg(panic = "unwind")]
mod finally_panics;
mod gathering;
mod grace;
mod group_ends;
mod groups;
mod handles;
#[path = "../../../arborio-base/tests/support/leak.rs"]
mod leak;
mod many;
mod nested_grace;
mod notes;
mod of_all;
mod refuted;
mod scope_ends;
mod scopes;
mod shown;
mod support;
mod tasks;
mod tree;
