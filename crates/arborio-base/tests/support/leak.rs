//! What tests lose on purpose, told apart from what is lost by mistake. The suites of several crates take this file in.
//!
//! A test that leaks something says so with [`on_purpose`], and the searches for leaks of `cargo xtask sanitize` and
//! `cargo xtask valgrind` have nothing to say: the memory can still be reached. All else that is lost is an error.

use std::{ptr, sync::Mutex};

/// Where it lies. Nobody goes there again: the addresses are for the searches alone.
static LOST: Mutex<Vec<usize>> = Mutex::new(Vec::new());

/// Forgets `value`, as `mem::forget` does: it is never dropped, and its memory is never freed.
pub(crate) fn on_purpose<'a, T: 'a>(value: T) -> &'a mut T {
    let lost = Box::leak(Box::new(value));
    LOST.lock()
        .unwrap()
        .push(ptr::from_mut(lost).expose_provenance());
    lost
}
