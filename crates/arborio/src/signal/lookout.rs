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
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
    thread::{self, JoinHandle},
    time::Duration,
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
    /// Nobody looks after Ctrl-C any more.
    over: AtomicBool,
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
            over: AtomicBool::new(false),
            seen: Mutex::new(Seen {
                count: 0,
                loops: Vec::new(),
            }),
            forced: Arc::new(Event::new()),
        });
        let (told, came, reads) = (Arc::clone(&presses), wire.came().clone(), read.try_clone()?);
        let thread = thread::Builder::new()
            .name("arborio-ctrl-c".to_owned())
            .spawn(move || listen(reads, &came, || told.is_over(), || told.press()))?;
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
        self.presses.over.store(true, Ordering::Relaxed); // seen by and by
        // An error means that it is shut. Closing the wire alone would do, if no child that was
        // forked had the other end as well.
        let _ = self.read.shutdown(Shutdown::Both);
        if let Some(thread) = self.thread.take() {
            let _ = thread.join(); // it does not panic
        }
    }
}

/// How soon the thread looks again after a read that was refused.
const PAUSE: Duration = Duration::from_millis(10);

/// What the thread does, all its life. A read that is refused is no reason to be deaf: as long as reads are, it looks now and
/// then whether the signal has come, or whether all is over.
fn listen(mut read: impl Read, came: &Came, is_over: impl Fn() -> bool, mut press: impl FnMut()) {
    loop {
        match read.read(&mut [0; 64]) {
            Ok(0) => return,
            Ok(_) => {}
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(_) if is_over() => return,
            Err(_) => thread::sleep(PAUSE),
        }
        if came.take() {
            press();
        }
    }
}

impl Presses {
    fn is_over(&self) -> bool {
        self.over.load(Ordering::Relaxed)
    }

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

    /// What each read gives; behind the last one the socket is closed.
    struct Reads(Vec<io::Result<usize>>);

    impl Read for Reads {
        fn read(&mut self, _: &mut [u8]) -> io::Result<usize> {
            self.0.pop().unwrap_or(Ok(0))
        }
    }

    /// How often Ctrl-C is told if it comes before each read, and all is over or is not.
    fn presses(reads: impl IntoIterator<Item = io::Result<usize>>, over: bool) -> u32 {
        let (came, mut presses) = (Came::default(), 0);
        came.set();
        let mut reads: Vec<_> = reads.into_iter().collect();
        reads.reverse();
        listen(
            Reads(reads),
            &came,
            || over,
            || {
                presses += 1;
                came.set();
            },
        );
        presses
    }

    #[test]
    fn reads_that_are_refused_make_nobody_deaf() {
        let refused = || Err(io::ErrorKind::OutOfMemory.into());
        assert_eq!(presses([refused(), Ok(1), refused(), refused()], false), 4);
        assert_eq!(presses([Ok(1), refused(), Ok(1)], true), 1, "all is over");
    }

    #[test]
    fn an_interruption_is_no_refusal() {
        let interrupted = || Err(io::ErrorKind::Interrupted.into());
        assert_eq!(presses([interrupted(), interrupted(), Ok(1)], true), 3);
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
