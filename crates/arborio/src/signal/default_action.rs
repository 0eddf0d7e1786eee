//! What Ctrl-C does while nobody listens: [`Listening`] and [`ends_the_process`].
//!
//! A handler that was installed stays for the life of the process, and hides what the system does by
//! default. A loop that was told to look after Ctrl-C therefore leaves an action behind that does
//! the same when nobody listens any more, or when a loop does not end.

use std::{
    io,
    sync::{
        Mutex, MutexGuard, OnceLock, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
};

use signal_hook::flag;

use super::Signal;

/// Ctrl-C ends the process, once [`prepare`] was called.
static BY_DEFAULT: AtomicBool = AtomicBool::new(false);
/// How many of this crate's own listen to Ctrl-C.
static LISTENERS: Mutex<usize> = Mutex::new(0);

/// Somebody listens to Ctrl-C as long as this lives.
pub(super) struct Listening(());

impl Listening {
    pub(super) fn begin() -> Self {
        let mut listeners = lock();
        *listeners += 1;
        BY_DEFAULT.store(false, Ordering::SeqCst);
        Self(())
    }
}

impl Drop for Listening {
    fn drop(&mut self) {
        let mut listeners = lock();
        *listeners -= 1;
        if *listeners == 0 {
            BY_DEFAULT.store(true, Ordering::SeqCst);
        }
    }
}

fn lock() -> MutexGuard<'static, usize> {
    LISTENERS.lock().unwrap_or_else(PoisonError::into_inner)
}

/// From now on Ctrl-C can be given its default action back.
pub(super) fn prepare() -> io::Result<()> {
    static PREPARED: OnceLock<()> = OnceLock::new();
    if PREPARED.get().is_some() {
        return Ok(());
    }
    // Two threads may come here at once: doing it twice is as good.
    flag::register_conditional_default(Signal::INTERRUPT.as_raw(), &BY_DEFAULT)?;
    let _ = PREPARED.set(());
    Ok(())
}

/// The next Ctrl-C ends the process, whatever it is doing.
pub(super) fn ends_the_process() {
    BY_DEFAULT.store(true, Ordering::SeqCst);
}
