//! The loop of those who have none: one per process, made when somebody asks for it.

use std::{
    cell::RefCell,
    sync::{Mutex, PoisonError},
};

use arborio_base::sync::thread_local;

use crate::handle::Handle;

/// The default loop, which may have been stopped.
static DEFAULT: Mutex<Option<Handle>> = Mutex::new(None);

thread_local! {
    /// The loop on whose behalf this thread works, which has none of its own.
    static BEHALF: RefCell<Option<Handle>> = const { RefCell::new(None) };
}

/// The loop that runs on this thread, or on whose behalf it works.
pub(crate) fn around() -> Option<Handle> {
    let behalf = || BEHALF.try_with(|behalf| behalf.borrow().clone());
    Handle::current().or_else(|| behalf().ok().flatten())
}

/// Runs `code`, a part of something that `of` runs: what it spawns goes there.
pub(crate) fn on_behalf<R>(of: Option<Handle>, code: impl FnOnce() -> R) -> R {
    struct PutBack(Option<Handle>);
    impl Drop for PutBack {
        fn drop(&mut self) {
            drop(BEHALF.replace(self.0.take()));
        }
    }
    let _put_back = PutBack(BEHALF.replace(of));
    code()
}

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

/// Where a thread without a loop spawns, if anywhere: on the loop on whose behalf it works, or on
/// the default loop. `None` if a loop runs on this thread.
pub(crate) fn for_this_thread() -> Option<Handle> {
    if arborio_task::is_running() {
        return None;
    }
    if let Some(behalf) = around() {
        return Some(behalf);
    }
    let default = DEFAULT.lock().unwrap_or_else(PoisonError::into_inner);
    default
        .as_ref()
        .filter(|handle| !handle.is_stopping())
        .cloned()
}
