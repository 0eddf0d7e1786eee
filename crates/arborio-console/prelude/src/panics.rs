//! What is written when something panics in a session.
//!
//! | where it panics          | who writes it                                                |
//! |--------------------------|--------------------------------------------------------------|
//! | in a cell                | [`Runtime::block_on`](crate::runtime::Runtime::block_on)     |
//! | in a task, unobserved    | the observer of the loop                                     |
//! | in a task that is awaited| nobody: who awaits has it as a value                         |
//! | on a thread              | the standard library                                         |
//!
//! So the hook is silent on the thread of a loop. It only notes where the panic was.

use std::{
    panic,
    sync::{Mutex, PoisonError},
};

/// Where the last panic on a loop was.
static PLACE: Mutex<Option<String>> = Mutex::new(None);

/// Installs the hook.
pub(crate) fn quieten() {
    let usual = panic::take_hook();
    panic::set_hook(Box::new(move |info| {
        if arborio::is_running() {
            let place = info.location().map(ToString::to_string);
            *PLACE.lock().unwrap_or_else(PoisonError::into_inner) = place;
        } else {
            usual(info);
        }
    }));
}

/// One line about a cell that panicked.
pub(crate) fn describe(message: &str) -> String {
    let place = PLACE.lock().unwrap_or_else(PoisonError::into_inner).take();
    match place {
        Some(place) if !is_in_a_cell(&place) => format!("panicked at {place}: {message}"),
        _ => format!("panicked: {message}"),
    }
}

/// Whether a place is in what evcxr has made of a cell, of which the user knows no line numbers.
fn is_in_a_cell(place: &str) -> bool {
    place.starts_with("src/lib.rs:")
}
