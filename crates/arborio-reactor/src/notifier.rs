//! [`Notifier`]: ends the wait of a reactor from another thread.
//!
//! Whoever is called but does not hear of it may sleep for ever, so one refusal is not taken for an answer. The kernel
//! has no reason to refuse but an interruption; a filter of system calls, or somebody who closes descriptors of others,
//! has more.

use std::io;

use mio::{Registry, Token};

/// How often a call is tried.
const TRIES: u32 = 8;

/// The notifier that [`LoopReactor::open`](crate::LoopReactor::open) hands out: it ends a wait from another thread.
#[derive(Debug)]
pub struct Notifier(mio::Waker);

impl Notifier {
    /// A notifier whose calls are events with this token.
    pub(crate) fn new(registry: &Registry, token: Token) -> io::Result<Self> {
        mio::Waker::new(registry, token).map(Self)
    }

    /// Ends the wait that goes on, or else the next one. Calls that come before it ends are one.
    ///
    /// # Errors
    /// The system's, if it refuses several times: then nobody was called.
    ///
    /// # Examples
    /// ```
    /// let reactor = arborio_reactor::LoopReactor::new(|_| ());
    /// let notifier = std::sync::Arc::clone(reactor.open()?);
    /// std::thread::spawn(move || notifier.wake());
    /// reactor.wait(None)?;
    /// assert!(reactor.is_open());
    /// # std::io::Result::Ok(())
    /// ```
    pub fn wake(&self) -> io::Result<()> {
        let mut answer = self.0.wake();
        for _ in 1..TRIES {
            if answer.is_ok() {
                break;
            }
            answer = self.0.wake();
        }
        answer
    }
}
