//! One registered descriptor: its gate, and the reactor that watches it.

use std::{
    io,
    os::fd::RawFd,
    sync::Arc,
    task::{Context, Poll},
};

use arborio_base::{Process, WakeBatch};

use crate::{
    fallback,
    gate::{Gate, Raised},
    home::{Home, Manner, Serial},
    loop_reactor,
    quiet::{Duty, Moved},
    readiness::{Direction, Event, Halt, Look, Word},
    waiters::WaitKey,
};

/// One registered descriptor, shared by its owner and the table of its home.
#[derive(Debug)]
pub(crate) struct Source {
    /// `None` only before the first registration and after the last.
    gate: Gate<Option<Place>>,
}

/// Where a source is registered. Two words, and with them a source fits a
/// block of 112 bytes: that is why the descriptor stands here.
#[derive(Debug)]
struct Place {
    home: Arc<Home>,
    serial: Serial,
    /// What is registered. The owner keeps it open.
    fd: RawFd,
}

/// The owner's side of a source. Dropping it deregisters: it must go before
/// the descriptor is closed.
#[derive(Debug)]
pub(crate) struct Registration(Arc<Source>);

impl Registration {
    /// Registers with the reactor of the current thread, or with the background
    /// reactor where there is none.
    pub(crate) fn new(manner: Manner<'_>) -> io::Result<Self> {
        let source = Source::unsettled();
        source.settle(manner)?;
        Ok(Self(source))
    }

    /// As [`Gate::poll`]; a source whose reactor has ended is first
    /// registered anew.
    #[inline]
    pub(crate) fn poll(
        &self,
        cx: &mut Context<'_>,
        direction: Direction,
        key: &mut WaitKey,
    ) -> Poll<io::Result<Word>> {
        match self.0.gate.look(direction) {
            Look::Ready(word) => Poll::Ready(Ok(word)),
            Look::NotReady | Look::Halted(_) => self.poll_unready(cx, direction, key),
        }
    }

    #[inline(never)] // keeps the path of a ready source small
    fn poll_unready(
        &self,
        cx: &mut Context<'_>,
        direction: Direction,
        key: &mut WaitKey,
    ) -> Poll<io::Result<Word>> {
        match self.0.gate.poll(cx, direction, key) {
            Poll::Ready(Ok(word)) => Poll::Ready(Ok(word)),
            Poll::Ready(Err(halt)) => self.poll_halted(halt, cx, direction, key),
            Poll::Pending if Process::is_forked() => self.pending_in_child(),
            Poll::Pending => Poll::Pending,
        }
    }

    /// Nobody drives the parent's reactor in this process.
    #[cold]
    fn pending_in_child(&self) -> Poll<io::Result<Word>> {
        let check = |place: &mut Option<Place>| match place {
            Some(place) => place.home.check_process(),
            None => Ok(()),
        };
        match self.0.gate.with_place(check) {
            Ok(()) => Poll::Pending,
            Err(error) => Poll::Ready(Err(error)),
        }
    }

    #[cold]
    fn poll_halted(
        &self,
        halt: Halt,
        cx: &mut Context<'_>,
        direction: Direction,
        key: &mut WaitKey,
    ) -> Poll<io::Result<Word>> {
        match halt {
            Halt::Closed => Poll::Ready(Err(closed())),
            Halt::Stale => Poll::Ready(Err(stale())),
            Halt::HomeEnded => {
                // Of several tasks one moves the source, the others wait for
                // the first event that its registration raises.
                if self.0.gate.resume(Halt::HomeEnded) {
                    self.0.move_house()?;
                }
                self.poll(cx, direction, key)
            }
        }
    }

    /// The system call behind `seen` met `error`. Ok if the caller is to look
    /// at the source again; also fails if the mode had to change and could not.
    #[inline(never)] // keeps the path of a success small
    pub(crate) fn failed(
        &self,
        direction: Direction,
        seen: Word,
        error: io::Error,
    ) -> io::Result<()> {
        match error.kind() {
            io::ErrorKind::WouldBlock => match self.0.gate.blocked(direction, seen) {
                Duty::Keep => Ok(()),
                Duty::Switch => self.switch(),
            },
            io::ErrorKind::Interrupted => Ok(()),
            _ => Err(error),
        }
    }

    /// See [`Gate::moved`].
    #[inline]
    pub(crate) fn moved(&self, direction: Direction, seen: Word, moved: Moved) {
        let full_read = direction == Direction::Read && moved == Moved::Full;
        let abroad = full_read && seen.is_quiet() && !self.is_at_home(); // S6
        if abroad || self.0.gate.moved(direction, seen, moved) == Duty::Switch {
            self.switch_or_drain(direction, seen);
        }
    }

    /// Whether this thread drives the reactor of the source.
    fn is_at_home(&self) -> bool {
        let here = |place: &mut Option<Place>| {
            let place = place.as_ref();
            place.is_none_or(|place| loop_reactor::is_current(&place.home))
        };
        self.0.gate.with_place(here)
    }

    /// The bytes that were moved must be returned, whatever befalls the switch.
    #[cold]
    fn switch_or_drain(&self, direction: Direction, seen: Word) {
        if self.switch().is_err() {
            self.0.gate.drained(direction, seen);
        }
    }

    /// Sees to it that the source is in edge mode, or halted.
    #[cold]
    fn switch(&self) -> io::Result<()> {
        let parts = |place: &Place| (Arc::clone(&place.home), place.fd, place.serial);
        // Out of the lock: the table's comes before the gate's.
        match self.0.gate.with_place(|place| place.as_ref().map(parts)) {
            Some((home, fd, serial)) => home.switch(fd, serial),
            None => Ok(()),
        }
    }

    /// See [`Gate::forget`].
    #[inline]
    pub(crate) fn forget(&self, direction: Direction, key: &WaitKey) {
        self.0.gate.forget(direction, key);
    }

    /// Wakes everybody; from now on every poll is an error.
    pub(crate) fn close(&self) {
        let mut batch = WakeBatch::new();
        self.0.gate.halt(Halt::Closed, &mut batch);
        batch.wake_all();
    }

    /// Whether [`Registration::close`] was called.
    pub(crate) fn is_closed(&self) -> bool {
        self.0.gate.is_halted(Halt::Closed)
    }
}

impl Drop for Registration {
    fn drop(&mut self) {
        let place = self.0.gate.with_place(Option::take);
        if let Some(Place { home, serial, fd }) = place {
            home.deregister(fd, serial);
        }
    }
}

impl Source {
    /// One that is registered nowhere.
    pub(crate) fn unsettled() -> Arc<Self> {
        Arc::new(Self {
            gate: Gate::new(None),
        })
    }

    /// See [`Gate::raise`].
    pub(crate) fn raise(&self, event: Event, batch: &mut WakeBatch) -> Raised {
        self.gate.raise(event, batch)
    }

    /// See [`Gate::is_quiet`].
    pub(crate) fn is_quiet(&self) -> bool {
        self.gate.is_quiet()
    }

    /// See [`Gate::quieten`].
    pub(crate) fn quieten(&self) {
        self.gate.quieten();
    }

    /// See [`Gate::switched`].
    pub(crate) fn switched(&self) {
        self.gate.switched();
    }

    /// See [`Gate::halt`].
    pub(crate) fn halt(&self, halt: Halt, batch: &mut WakeBatch) {
        self.gate.halt(halt, batch);
    }

    /// Registers with the reactor that is at hand.
    fn settle(self: &Arc<Self>, manner: Manner<'_>) -> io::Result<()> {
        self.settle_at(manner, || match loop_reactor::current_home() {
            Some(home) => home,
            None => fallback::home(),
        })
    }

    /// Registers with the first that `at_hand` gives and that has not ended.
    fn settle_at(
        self: &Arc<Self>,
        manner: Manner<'_>,
        at_hand: impl Fn() -> io::Result<Arc<Home>>,
    ) -> io::Result<()> {
        let (home, serial) = loop {
            let home = at_hand()?;
            match home.register(manner, self) {
                Ok(serial) => break (home, serial),
                // It has ended since we were given it: there is another one.
                Err(_) if home.has_ended() => {}
                Err(error) => return Err(error),
            }
        };
        let fd = manner.fd();
        self.gate
            .with_place(|place| place.replace(Place { home, serial, fd }));
        Ok(())
    }

    /// Registers anew after the home has ended. If that fails, everybody else
    /// who waits tries for himself and gets an error of his own.
    fn move_house(self: &Arc<Self>) -> io::Result<()> {
        let Some(fd) = self.gate.with_place(|place| place.as_ref().map(|p| p.fd)) else {
            return Ok(());
        };
        self.settle(Manner::Edge(fd)).inspect_err(|_| {
            let mut batch = WakeBatch::new();
            self.gate.halt(Halt::HomeEnded, &mut batch);
            batch.wake_all();
        })
    }
}

fn closed() -> io::Error {
    io::Error::new(io::ErrorKind::NotConnected, "the descriptor was closed")
}

fn stale() -> io::Error {
    io::Error::other("the descriptor was closed behind the back of its reactor")
}

#[cfg(test)]
mod tests {
    #[cfg(not(loom))]
    use std::{cell::RefCell, os::fd::AsRawFd};

    use super::*;
    #[cfg(not(loom))]
    use crate::home::DrivenBy;

    #[test]
    fn a_source_stays_small() {
        // With the two counts of its Arc; one word more would make it a block
        // of 128 bytes. Its entry in the table comes on top.
        assert_eq!(size_of::<Source>() + 2 * size_of::<usize>(), 104);
    }

    #[cfg(not(loom))]
    #[test]
    fn a_source_is_quiet_only_once_it_was_told_to_be() {
        let source = Source::unsettled();
        assert!(!source.is_quiet());
        source.quieten();
        assert!(source.is_quiet());
    }

    /// The background reactor may end between being handed out and the registration.
    #[cfg(not(loom))]
    #[test]
    fn a_source_settles_at_the_next_home_if_the_first_has_ended_meanwhile() {
        let home = || {
            let poll = mio::Poll::new().unwrap();
            let registry = poll.registry().try_clone().unwrap();
            Arc::new(Home::new(registry, DrivenBy::Background))
        };
        let (ended, next) = (home(), home());
        ended.end();
        let at_hand = RefCell::new(vec![Arc::clone(&next), ended]);
        let (end, _other) = io::pipe().unwrap();
        let source = Source::unsettled();
        let manner = Manner::Edge(end.as_raw_fd());
        let settled = source.settle_at(manner, || Ok(at_hand.borrow_mut().pop().unwrap()));
        settled.unwrap();
        assert_eq!(next.len(), 1);
        drop(Registration(source));
        assert_eq!(next.len(), 0, "there it was");
    }
}
