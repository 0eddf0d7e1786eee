//! Where a thread that is ready waits for its next letter: room for one.
//!
//! A channel of a library would do. Those that there are look and yield for a while before they sleep, since mostly something
//! comes soon. Here that keeps a processor busy just when the loop that has the outcome is to be woken: the system wakes it on
//! another one, which takes longer. A round trip with `crossbeam-channel` and with this: see docs/benchmarks.md.

use std::{
    sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

/// A new mailbox: who writes to it, and who reads.
pub(super) fn mailbox<T>() -> (Sender<T>, Receiver<T>) {
    let shared = Arc::new(Shared {
        letter: Mutex::new(None),
        came: Condvar::new(),
    });
    (Sender(Arc::clone(&shared)), Receiver(shared))
}

struct Shared<T> {
    letter: Mutex<Option<T>>,
    came: Condvar,
}

impl<T> Shared<T> {
    /// No foreign code runs under this lock.
    fn letter(&self) -> MutexGuard<'_, Option<T>> {
        self.letter.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Writes to a mailbox.
pub(super) struct Sender<T>(Arc<Shared<T>>);

impl<T> Clone for Sender<T> {
    fn clone(&self) -> Self {
        Self(Arc::clone(&self.0))
    }
}

impl<T> Sender<T> {
    /// Puts `letter` into the mailbox, which gives it back if there is one already.
    pub(super) fn try_send(&self, letter: T) -> Result<(), T> {
        let mut place = self.0.letter();
        if place.is_some() {
            return Err(letter);
        }
        *place = Some(letter);
        drop(place); // or who is woken would have to wait for it
        self.0.came.notify_one();
        Ok(())
    }
}

/// Reads a mailbox.
pub(super) struct Receiver<T>(Arc<Shared<T>>);

impl<T> Receiver<T> {
    /// The letter that is there.
    #[cfg(test)]
    pub(super) fn try_recv(&self) -> Option<T> {
        self.0.letter().take()
    }

    /// The next letter, or `None` if none has come after `timeout`.
    pub(super) fn recv_timeout(&self, timeout: Duration) -> Option<T> {
        let is_empty = |letter: &mut Option<T>| letter.is_none();
        let waited = self
            .0
            .came
            .wait_timeout_while(self.0.letter(), timeout, is_empty);
        let (mut letter, _) = waited.unwrap_or_else(PoisonError::into_inner);
        letter.take()
    }
}

#[cfg(all(test, not(any(loom, shuttle))))]
mod tests {
    use std::thread;

    use super::*;

    #[test]
    fn there_is_room_for_one_letter() {
        let (sender, receiver) = mailbox();
        assert_eq!(sender.try_send(1), Ok(()));
        assert_eq!(sender.try_send(2), Err(2));
        assert_eq!(receiver.try_recv(), Some(1));
        assert_eq!(receiver.try_recv(), None);
    }

    #[test]
    fn who_waits_gets_what_is_sent_and_nothing_when_nothing_comes() {
        let (sender, receiver) = mailbox();
        assert_eq!(receiver.recv_timeout(Duration::from_millis(1)), None);
        thread::scope(|threads| {
            threads.spawn(|| sender.try_send(1).unwrap());
            assert_eq!(receiver.recv_timeout(Duration::MAX), Some(1));
        });
    }
}
