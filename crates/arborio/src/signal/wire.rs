//! How one listener hears of a signal: [`Wire`].
//!
//! # Words
//! | thing      | says                                             | who changes it                       |
//! |------------|--------------------------------------------------|--------------------------------------|
//! | `came`     | the signal has come since somebody took it       | the handler sets, the listener takes |
//! | the socket | has bytes: look at `came`                        | the handler writes, the listener reads |
//!
//! # Invariants
//! - W1: the handler sets `came` before it writes. So who has found nothing to read, and `came` not
//!   set before that, is woken by what comes.
//! - W2: bytes alone say nothing. A socket is shared with a child that was forked and has not called
//!   `exec`; `came` is memory, of which each process has its own. So a signal to the child is no signal here.
//! - W3: a socket that is full wakes whoever reads it, so it does not matter that nothing is added.
//! - W4: the actions are withdrawn before the end that is read is closed: a write to nobody would be a `SIGPIPE`.
//!
//! What runs in the handler is a store and a `send` that does not block, both of the crate
//! `signal-hook`.

use std::{
    io,
    os::unix::net::UnixStream,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
};

use signal_hook::{SigId, flag, low_level};

use super::{Signal, default_action::Listening};

/// Notes one signal for one listener, as long as it lives. Has to be dropped before the end
/// that is read (W4).
pub(super) struct Wire {
    /// First: while the actions are there, nobody else need be asked what a signal does.
    _listening: Option<Listening>,
    _actions: [Action; 2],
    came: Came,
}

/// Whether the signal has come.
#[derive(Clone, Default)]
pub(super) struct Came(Arc<AtomicBool>);

impl Came {
    /// Whether it has since the last call.
    pub(super) fn take(&self) -> bool {
        // Pairs with the store in the handler, which is SeqCst.
        self.0.swap(false, Ordering::SeqCst)
    }

    /// As the handler does.
    #[cfg(test)]
    pub(super) fn set(&self) {
        self.0.store(true, Ordering::SeqCst);
    }
}

impl Wire {
    /// From now on `signal` is noted. The socket has something to read when
    /// [`came`](Self::came) is to be looked at.
    pub(super) fn open(signal: Signal) -> io::Result<(UnixStream, Self)> {
        signal.check()?;
        // Both ends are closed on `exec`.
        let (read, write) = UnixStream::pair()?;
        let came = Came::default();
        let number = signal.as_raw();
        // In this order (W1).
        let flag = Action(flag::register(number, Arc::clone(&came.0))?);
        let ring = Action(low_level::pipe::register(number, write)?);
        let wire = Self {
            _listening: (signal == Signal::INTERRUPT).then(Listening::begin),
            _actions: [flag, ring],
            came,
        };
        Ok((read, wire))
    }

    pub(super) fn came(&self) -> &Came {
        &self.came
    }
}

/// Something that the handler of a signal does.
struct Action(SigId);

impl Drop for Action {
    /// Waits for handlers that are running.
    fn drop(&mut self) {
        low_level::unregister(self.0);
    }
}
