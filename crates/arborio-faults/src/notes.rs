//! What went wrong: every error that Arborio tells anybody comes here.

use std::{
    error::Error,
    fmt::Display,
    panic,
    sync::{Mutex, PoisonError},
};

static NOTES: Mutex<Vec<String>> = Mutex::new(Vec::new());

/// Writes the error down, with what it says of its causes.
pub(crate) fn note(error: &dyn Error) {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        text = format!("{text}: {error}");
        cause = error.source();
    }
    write(text);
}

/// Writes a line down.
pub(crate) fn write(text: impl Display) {
    let text = text.to_string().replace('\n', " / ");
    NOTES
        .lock()
        .unwrap_or_else(PoisonError::into_inner)
        .push(text);
}

/// Notes the error, if it is one.
pub(crate) fn check<T, E: Error>(result: Result<T, E>) -> Option<T> {
    result.inspect_err(|error| note(error)).ok()
}

/// From now on every panic is noted, also one that is contained.
pub(crate) fn note_panics() {
    panic::set_hook(Box::new(|panic| write(format_args!("panic: {panic}"))));
}

/// All notes so far, a line for each, or `ok`.
pub(crate) fn take() -> String {
    let notes = NOTES.lock().unwrap_or_else(PoisonError::into_inner);
    if notes.is_empty() {
        return "ok\n".into();
    }
    notes.iter().map(|note| format!("{note}\n")).collect()
}
