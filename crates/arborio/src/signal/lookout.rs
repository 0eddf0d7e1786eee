//! Who looks after Ctrl-C for a loop: [`Lookout`].
//!
//! A thread of its own, which reads a [`Wire`]. A task of the loop would have to wait for its turn, would keep a
//! simulated clock from moving as every descriptor does, and would be asked to end with the others.
//!
//! | Ctrl-C       | what it does                                                        |
//! |--------------|---------------------------------------------------------------------|
//! | the first    | stops every loop: all are asked to end, and have their grace         |
//! | the second   | ends the grace: what is left is dropped                              |
//! | the third    | ends the process, as it does where there is no handler               |

use std::{
    io::{self, Read},
    mem,
    net::Shutdown,
    os::unix::net::UnixStream,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    thread::{self, JoinHandle},
};

use arborio_base::Process;
use arborio_executor::{Handle, Reason, ReasonKind};
use arborio_sync::Event;

use super::{
    Signal, default_action,
    wire::{Came, Wire},
};

/// Looks after Ctrl-C as long as it lives.
pub(crate) struct Lookout {
    presses: Arc<Presses>,
    /// `None` once it was closed.
    wire: Option<Wire>,
    /// Ends the wait of the thread.
    read: UnixStream,
    /// `None` once it was joined.
    thread: Option<JoinHandle<()>>,
    /// The process that has the thread.
    process: Process,
}

/// What the thread and the loops have in common.
struct Presses {
    seen: Mutex<Seen>,
    /// The grace is over.
    forced: Arc<Event>,
}

/// How often, and who is to be told.
struct Seen {
    count: usize,
    /// One, or one for each worker.
    loops: Vec<Handle>,
}

impl Lookout {
    /// Begins to look after Ctrl-C.
    pub(crate) fn start() -> io::Result<Self> {
        default_action::prepare()?;
        let (read, wire) = Wire::open(Signal::INTERRUPT)?; // in this order: W4
        let presses = Arc::new(Presses {
            seen: Mutex::new(Seen {
                count: 0,
                loops: Vec::new(),
            }),
            forced: Arc::new(Event::new()),
        });
        let (told, came, reads) = (Arc::clone(&presses), wire.came().clone(), read.try_clone()?);
        let thread = thread::Builder::new()
            .name("arborio-ctrl-c".to_owned())
            .spawn(move || {
                if let Err(_deaf) = listen(reads, &came, || told.press()) {
                    default_action::ends_the_process(); // better than a Ctrl-C that does nothing
                }
            })?;
        Ok(Self {
            presses,
            wire: Some(wire),
            read,
            thread: Some(thread),
            process: Process::watched(),
        })
    }

    /// Tells a loop, too; at once if there is something to tell.
    pub(crate) fn add(&self, event_loop: Handle) {
        let mut seen = self.presses.lock();
        seen.loops.push(event_loop.clone());
        let late = seen.count > 0;
        drop(seen); // a notifier is called
        if late {
            event_loop.stop_with(Reason::new(ReasonKind::CtrlC));
        }
    }

    /// Set when the grace of the loops is over.
    pub(crate) fn forced(&self) -> &Arc<Event> {
        &self.presses.forced
    }
}

impl Drop for Lookout {
    fn drop(&mut self) {
        if !self.process.is_this() {
            // The child of a fork: the thread is not here, and the socket is the parent's as well.
            mem::forget((self.wire.take(), self.thread.take()));
            return;
        }
        drop(self.wire.take()); // before the socket is shut: see `wire`
        // An error means that it is shut. Closing the wire alone would do, if no child that was
        // forked had the other end as well.
        let _ = self.read.shutdown(Shutdown::Both);
        if let Some(thread) = self.thread.take() {
            let _ = thread.join(); // it does not panic
        }
    }
}

/// So many errors in a row are taken for lasting.
const REFUSALS: u32 = 16;

/// What the thread does, all its life: until the other end is closed, or reads are refused for good. One that is refused
/// is no reason to be deaf from then on.
fn listen(mut read: impl Read, came: &Came, mut press: impl FnMut()) -> io::Result<()> {
    let mut refusals = 0;
    loop {
        match read.read(&mut [0; 64]) {
            Ok(0) => return Ok(()),
            Ok(_) => refusals = 0,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
            Err(error) if refusals == REFUSALS => return Err(error),
            Err(_) => refusals += 1,
        }
        if came.take() {
            press();
        }
    }
}

impl Presses {
    fn lock(&self) -> MutexGuard<'_, Seen> {
        self.seen.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn press(&self) {
        let mut seen = self.lock();
        seen.count += 1;
        if seen.count == 1 {
            let reason = Reason::new(ReasonKind::CtrlC);
            let loops = seen.loops.clone();
            drop(seen); // a notifier is called
            for event_loop in loops {
                event_loop.stop_with(reason.clone());
            }
        } else {
            drop(seen);
            self.forced.set();
            default_action::ends_the_process();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::EventLoop;

    /// Reads that are refused, so many, and then one byte, again and again; and the end after so many bytes.
    struct Refusing {
        before_each: u32,
        refused: u32,
        bytes: u32,
    }

    impl Read for Refusing {
        fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
            if self.refused < self.before_each {
                self.refused += 1;
                return Err(io::ErrorKind::OutOfMemory.into());
            }
            if self.bytes == 0 {
                return Ok(0);
            }
            (self.refused, self.bytes) = (0, self.bytes - 1);
            buffer[0] = 0;
            Ok(1)
        }
    }

    /// How it ends, and how often Ctrl-C is told if it comes before each read.
    fn listened(before_each: u32, bytes: u32) -> (io::Result<()>, u32) {
        let reads = Refusing {
            before_each,
            refused: 0,
            bytes,
        };
        let (came, mut presses) = (Came::default(), 0);
        came.set();
        let ended = listen(reads, &came, || {
            presses += 1;
            came.set();
        });
        (ended, presses)
    }

    #[test]
    fn reads_that_are_refused_now_and_then_make_nobody_deaf() {
        let (ended, presses) = listened(REFUSALS, 3);
        assert!(ended.is_ok());
        assert_eq!(presses, 3 * (REFUSALS + 1) + REFUSALS);
    }

    #[test]
    fn who_may_read_no_more_says_so() {
        let (ended, presses) = listened(REFUSALS + 1, 3);
        assert_eq!(ended.unwrap_err().kind(), io::ErrorKind::OutOfMemory);
        assert_eq!(presses, REFUSALS);
    }

    /// Reads that are interrupted, so many, and then the end.
    struct Interrupted(u32);

    impl Read for Interrupted {
        fn read(&mut self, _: &mut [u8]) -> io::Result<usize> {
            match self.0.checked_sub(1) {
                Some(left) => self.0 = left,
                None => return Ok(0),
            }
            Err(io::ErrorKind::Interrupted.into())
        }
    }

    #[test]
    fn an_interruption_is_no_refusal() {
        let reads = Interrupted(REFUSALS + 1);
        assert!(listen(reads, &Came::default(), || ()).is_ok());
    }

    #[test]
    fn a_loop_that_begins_behind_a_ctrl_c_is_told_of_it() {
        let lookout = Lookout::start().unwrap();
        let early = EventLoop::builder().start().unwrap();
        lookout.add(early.handle().clone());
        assert!(!early.is_stopping());
        lookout.presses.press();
        let late = EventLoop::builder().start().unwrap();
        lookout.add(late.handle().clone());
        for event_loop in [early, late] {
            let reason = event_loop.stop_reason();
            let kind = reason.map(|reason| reason.kind());
            assert_eq!(kind, Some(ReasonKind::CtrlC));
        }
    }
}
