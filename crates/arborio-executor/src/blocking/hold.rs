//! The hook for what is kept while a job is outstanding.
//!
//! A simulated clock must not jump while a job runs, and this crate knows no clock. Whoever has
//! one installs this hook, once for the process.

use std::{any::Any, sync::OnceLock};

/// Something that is kept until a job has ended, and is dropped after whoever awaits it was
/// woken.
pub type Hold = Box<dyn Any + Send>;

static HOOK: OnceLock<fn() -> Option<Hold>> = OnceLock::new();

/// Installs what is asked for a [`Hold`] whenever a job is spawned, on the thread that spawns
/// it. False if there is one already, which stays.
///
/// # Examples
/// ```
/// use arborio_executor::{blocking::{Hold, set_job_hold, spawn_blocking}, doc::run};
/// use std::sync::atomic::{AtomicUsize, Ordering};
///
/// static HELD: AtomicUsize = AtomicUsize::new(0);
/// struct Counted;
/// impl Drop for Counted {
///     fn drop(&mut self) {
///         HELD.fetch_sub(1, Ordering::SeqCst);
///     }
/// }
/// fn count() -> Option<Hold> {
///     HELD.fetch_add(1, Ordering::SeqCst);
///     Some(Box::new(Counted))
/// }
///
/// assert!(set_job_hold(count));
/// let seen = run(async { spawn_blocking(|| HELD.load(Ordering::SeqCst)).await });
/// assert_eq!(seen.unwrap(), 1);
/// ```
pub fn set_job_hold(hook: fn() -> Option<Hold>) -> bool {
    HOOK.set(hook).is_ok()
}

/// What a job that is spawned here and now has to keep.
pub(super) fn take() -> Option<Hold> {
    HOOK.get().and_then(|hook| hook())
}
