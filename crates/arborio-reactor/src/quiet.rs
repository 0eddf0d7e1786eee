//! How a source is watched: the quiet mode of stream sockets, and edge mode.
//!
//! mio watches edge-triggered. A read that fills its buffer then leaves the
//! question whether there is more, and only another read, which finds nothing,
//! can answer it: one system call too many for each request of a server whose
//! buffer fits its messages. A source in *quiet mode* is watched level-triggered
//! and for reading alone. If bytes are left, the next wait says so, and nobody
//! needs to ask.
//!
//! # Modes
//! | mode  | the epoll watches for                  | read readiness goes when        | write readiness |
//! |-------|----------------------------------------|---------------------------------|-----------------|
//! | quiet | IN, PRI (ERR, HUP), level-triggered    | a read moved bytes, short or not | taken for granted |
//! | edge  | IN, OUT, PRI, RDHUP (ERR, HUP), EPOLLET | a read met `WouldBlock`, or was short | goes like the other |
//!
//! A stream that is registered with an event loop starts in quiet mode; other
//! sources, and those of the background thread, which would be told again and
//! again while the reader's thread wakes up, start in edge mode. Edge mode is
//! for good. A source switches to it, by one `epoll_ctl`, as soon as it does
//! not behave like request and response:
//!
//! | cause | what happened in quiet mode                                | who switches |
//! |-------|------------------------------------------------------------|--------------|
//! | S1    | a write met `WouldBlock`: somebody must wait for room       | the writer   |
//! | S2    | an event found the one before it unanswered: unread bytes, end of file, hang-up, error | the dispatch |
//! | S3    | two full reads and no write between: bytes in bulk          | the reader   |
//! | S4    | a read met `WouldBlock` although an event had promised bytes | the reader   |
//! | S6    | a full read on a thread that does not drive the reactor: it must not wait for that thread's next pass to learn of bytes that are there | the reader |
//! | S5    | its reactor ended: it is in edge mode wherever it goes       | the end      |
//!
//! # Invariants
//! - Q1: the QUIET bit is cleared under the lock of the table, *after* the
//!   `epoll_ctl` (or when the epoll is gone, S5). So whoever finds it cleared
//!   may wait for edges: they are watched for already.
//! - Q2: `epoll_ctl(MOD)` looks at the descriptor anew. What was ready before
//!   it, in either direction, is an event after it: the switch loses nothing.
//! - Q3: the switch counts as an event (I1 of `readiness.rs`): a system call
//!   of quiet mode clears nothing in edge mode, it is tried again instead.
//! - Q4: in quiet mode read readiness that an event has set is cleared only by
//!   a read that moved bytes (else S4). With S2: between two events of a quiet
//!   source bytes were read. A source that nobody reads is told of twice, and
//!   once more by the switch: nothing spins.
//!
//! - One case spins, and it takes a broken rule: a descriptor that is closed behind
//!   the source's back while a copy of it (`dup`, or a forked child's) keeps the
//!   socket open. The epoll then can neither change nor remove the entry, and goes
//!   on telling of unread bytes. In edge mode it tells once.
//!
//! # Why no wake is lost
//! A quiet reader waits when readiness is clear. Bytes that are there then, or
//! come later, are told of by every wait until they are read, so also by one
//! that begins after the reader's entry in the list. An event that was
//! collected before and is handed out after that read sets readiness where
//! nothing is left: S4 at worst. A writer never waits in quiet mode (S1).

use arborio_base::sync::atomic::{AtomicBool, Ordering};

use crate::readiness::Direction;

/// What an operation said about the bytes that are left.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Moved {
    /// Nothing: it was no transfer of a stream, or the end of the file.
    Unknown,
    /// It moved some bytes, but fewer than it was offered.
    Short,
    /// It moved all that it was offered.
    Full,
}

/// What the caller has to do about the mode of a source.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[must_use]
pub(crate) enum Duty {
    /// Leave it.
    Keep,
    /// Switch to edge mode.
    Switch,
}

/// Remembers that the last read was full and that no write came since.
///
/// It only guesses what kind of source this is. Threads that overwrite each
/// other's guesses switch a source early or late, and lose nothing: so it is
/// no part of the readiness word, and costs plain loads and stores.
#[derive(Debug)]
pub(crate) struct FullRead(AtomicBool);

impl FullRead {
    /// There was no read.
    pub(crate) fn new() -> Self {
        Self(AtomicBool::new(false))
    }

    /// A quiet source has moved bytes: S3.
    #[inline]
    pub(crate) fn note(&self, direction: Direction, moved: Moved) -> Duty {
        let is_full = direction == Direction::Read && moved == Moved::Full;
        // Relaxed: a guess, see above; nothing is published by it.
        if self.0.load(Ordering::Relaxed) != is_full {
            self.0.store(is_full, Ordering::Relaxed);
            return Duty::Keep;
        }
        if is_full { Duty::Switch } else { Duty::Keep }
    }
}

#[cfg(all(test, not(loom)))]
mod tests {
    use super::*;

    #[test]
    fn the_second_full_read_without_a_write_or_a_short_read_between_switches() {
        let full_read = FullRead::new();
        let note = |direction, moved| full_read.note(direction, moved);
        for _ in 0..3 {
            assert_eq!(note(Direction::Read, Moved::Full), Duty::Keep);
            assert_eq!(note(Direction::Write, Moved::Full), Duty::Keep);
            assert_eq!(note(Direction::Write, Moved::Full), Duty::Keep);
        }
        assert_eq!(note(Direction::Read, Moved::Full), Duty::Keep);
        assert_eq!(note(Direction::Read, Moved::Short), Duty::Keep);
        assert_eq!(note(Direction::Read, Moved::Full), Duty::Keep);
        assert_eq!(note(Direction::Read, Moved::Full), Duty::Switch);
    }
}
