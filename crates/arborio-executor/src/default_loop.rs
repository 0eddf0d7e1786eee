//! The loop of those who have none: one per process, made when somebody asks for it.

use std::sync::{Mutex, PoisonError};

use crate::handle::Handle;

/// The default loop, which may have been stopped.
static DEFAULT: Mutex<Option<Handle>> = Mutex::new(None);

/// The loop that runs on this thread; otherwise the default loop of the process, which
/// `start` makes if there is none, or if the last one was stopped.
///
/// # Errors
/// That of `start`.
///
/// # Examples
/// ```
/// # use arborio_executor::doc::run;
/// use arborio_executor::{Handle, get_or_create_default};
/// let found = run(async {
///     get_or_create_default(|| Err("a loop runs here, so none is made")).unwrap()
/// });
/// assert!(found.is_closed());
/// assert!(get_or_create_default(|| Err::<Handle, _>("none can be made")).is_err());
/// ```
pub fn get_or_create_default<E>(start: impl FnOnce() -> Result<Handle, E>) -> Result<Handle, E> {
    if let Some(here) = Handle::current() {
        return Ok(here);
    }
    let mut default = DEFAULT.lock().unwrap_or_else(PoisonError::into_inner);
    if let Some(handle) = default.as_ref().filter(|handle| !handle.is_stopping()) {
        return Ok(handle.clone());
    }
    let handle = start()?;
    *default = Some(handle.clone());
    Ok(handle)
}

/// Where a thread without a loop spawns, if anywhere. `None` if a loop runs on this thread.
pub(crate) fn for_this_thread() -> Option<Handle> {
    if arborio_task::is_running() {
        return None;
    }
    let default = DEFAULT.lock().unwrap_or_else(PoisonError::into_inner);
    default
        .as_ref()
        .filter(|handle| !handle.is_stopping())
        .cloned()
}
