//! The table of the sources that one epoll watches.
//!
//! A source may be dropped on any thread, while the epoll is waited for on
//! its own: the table stands behind a lock that is held for short, also across
//! `epoll_ctl`, never across a wait or a waker.
//!
//! What the kernel knows of a source is in `token.rs`, what others do for a loop that is held up in
//! `helped.rs`.
//!
//! # Order of locks
//! Table, then gate. Whoever holds a gate takes no table.

#[cfg(any(target_os = "linux", target_os = "android"))]
mod helped;
mod token;
#[cfg(not(any(target_os = "linux", target_os = "android")))]
mod unhelped;

use std::{
    collections::HashMap,
    hash::BuildHasherDefault,
    io,
    os::fd::{AsRawFd, BorrowedFd, RawFd},
    sync::{
        Arc,
        OnceLock,
        // Not the models' own: nothing depends on it.
        atomic::{AtomicBool, AtomicUsize, Ordering, fence},
    },
};

use arborio_base::{
    Process, WakeBatch,
    sync::{Mutex, lock},
};
use mio::{Interest, Registry, Token, unix::SourceFd};

use crate::{
    loop_reactor,
    notifier::Notifier,
    quiet::Duty,
    readiness::{Event, Halt},
    source::Source,
};
use token::{DescriptorHasher, Registered};

pub(crate) use token::{NOTIFIER, Serial, TIMER};

/// Below this the table keeps its memory when it runs empty.
const KEEP: usize = 1024;

/// How a descriptor is to be watched (`quiet.rs`).
#[derive(Clone, Copy, Debug)]
pub(crate) enum Manner<'fd> {
    /// In edge mode.
    Edge(RawFd),
    /// In quiet mode, where the home has one.
    Quiet(BorrowedFd<'fd>),
}

impl Manner<'_> {
    /// What is to be watched.
    pub(crate) fn fd(&self) -> RawFd {
        match self {
            Self::Edge(fd) => *fd,
            Self::Quiet(fd) => fd.as_raw_fd(),
        }
    }
}

/// Who waits for the epoll of a home.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum DrivenBy {
    /// The event loop whose tasks use its sources, between polling them.
    ItsLoop,
    /// The background thread. It waits again before the tasks, on threads of
    /// their own, have read what it told them of: no home for quiet mode.
    Background,
}

/// The table of one reactor, shared with its sources.
#[derive(Debug)]
pub(crate) struct Home {
    table: Mutex<Table>,
    /// How many sources are in it, for those who only count. Written under the lock.
    count: AtomicUsize,
    /// Who may wait, register and deregister.
    process: Process,
    driven_by: DrivenBy,
    /// Whether others help its loop: the next two are for them. Set by the loop, while it does not wait.
    helped: AtomicBool,
    /// Whether its loop waits, or is about to (H1).
    waits: AtomicBool,
    /// Who helps has got an event of the loop's own, and the loop has not waited since (H1).
    took: AtomicBool,
    /// Ends the wait of the loop that drives this.
    notifier: OnceLock<Arc<Notifier>>,
}

#[derive(Debug)]
struct Table {
    /// `None` once the reactor has ended: its epoll is closed, and with it all
    /// registrations are gone.
    registry: Option<Arc<Registry>>,
    sources: HashMap<Registered, Arc<Source>, BuildHasherDefault<DescriptorHasher>>,
    last_serial: u32,
}

impl Table {
    /// The source behind this very registration.
    fn get(&self, wanted: &Registered) -> Option<&Arc<Source>> {
        let (found, source) = self.sources.get_key_value(wanted)?;
        (found.serial == wanted.serial).then_some(source)
    }

    /// Sees to it that the source of `key` is in edge mode (Q1 of `quiet.rs`).
    /// Where it is gone, or the reactor has ended, it is halted as well.
    #[cold]
    fn switch(&self, key: &Registered) -> io::Result<()> {
        if let Some(source) = self.get(key)
            && let Some(registry) = &self.registry
            && source.is_quiet()
        {
            registry.reregister(&mut SourceFd(&key.fd), key.token(), everything())?;
            source.switched();
        }
        Ok(())
    }
}

impl Home {
    /// A table for the epoll behind `registry`.
    pub(crate) fn new(registry: Registry, driven_by: DrivenBy) -> Self {
        Self {
            driven_by,
            helped: AtomicBool::new(false),
            waits: AtomicBool::new(false),
            took: AtomicBool::new(false),
            notifier: OnceLock::new(),
            process: Process::watched(),
            count: AtomicUsize::new(0),
            table: Mutex::new(Table {
                registry: Some(Arc::new(registry)),
                sources: HashMap::default(),
                last_serial: 0,
            }),
        }
    }

    /// From now on `notifier` ends the wait of the loop that drives this.
    pub(crate) fn end_wait_by(&self, notifier: &Arc<Notifier>) {
        let _ = self.notifier.set(Arc::clone(notifier));
    }

    /// Fails in a child of the process that made this.
    #[inline]
    pub(crate) fn check_process(&self) -> io::Result<()> {
        self.process.check()
    }

    /// Has the epoll watch a descriptor for `source`.
    ///
    /// A source that is still in the table under the same number was closed
    /// behind its back: the kernel has let go of it, so its users are told.
    pub(crate) fn register(&self, manner: Manner<'_>, source: &Arc<Source>) -> io::Result<Serial> {
        self.check_process()?;
        let mut batch = WakeBatch::new();
        let mut table = lock(&self.table);
        table.last_serial = table.last_serial.wrapping_add(1);
        let serial = Serial(table.last_serial);
        let Some(registry) = &table.registry else {
            return Err(io::Error::other("the reactor has ended"));
        };
        let fd = manner.fd();
        let key = Registered { fd, serial };
        match manner {
            Manner::Quiet(fd) if self.driven_by == DrivenBy::ItsLoop => {
                watch_quietly(registry, fd, key.token(), source)?;
            }
            _ => registry.register(&mut SourceFd(&fd), key.token(), everything())?,
        }
        // Removed first: an insertion would keep the old key, and its serial.
        let stale = table.sources.remove(&key);
        table.sources.insert(key, Arc::clone(source));
        self.count.store(table.sources.len(), Ordering::Relaxed);
        if let Some(stale) = &stale {
            stale.halt(Halt::Stale, &mut batch);
        }
        drop(table);
        drop(stale);
        batch.wake_all();
        Ok(serial)
    }

    /// Has the epoll forget `fd`, if it still stands for this registration.
    /// The entry is freed even if the kernel refuses.
    pub(crate) fn deregister(&self, fd: RawFd, serial: Serial) {
        if self.check_process().is_err() {
            return; // the lock may be that of a thread that is not here, and for ever
        }
        let mut table = lock(&self.table);
        let key = Registered { fd, serial };
        if table.get(&key).is_none() {
            return;
        }
        let source = table.sources.remove(&key);
        self.count.store(table.sources.len(), Ordering::Relaxed);
        if let Some(registry) = &table.registry {
            // Refused if the descriptor was closed behind our back: then the
            // kernel has forgotten it already.
            let _ = registry.deregister(&mut SourceFd(&fd));
        }
        if table.sources.is_empty() && table.sources.capacity() > KEEP {
            table.sources.shrink_to_fit();
        }
        let is_empty = table.sources.is_empty();
        drop(table);
        drop(source);
        // A loop may be waiting for the last source to go: a simulated clock
        // jumps when there is none.
        if is_empty
            && let Some(notifier) = self.notifier.get()
            && !loop_reactor::is_current(self)
        {
            let _ = notifier.wake();
        }
    }

    /// Switches the source of this registration to edge mode. When this has
    /// succeeded, it is no longer quiet, or it is halted.
    pub(crate) fn switch(&self, fd: RawFd, serial: Serial) -> io::Result<()> {
        self.check_process()?;
        lock(&self.table).switch(&Registered { fd, serial })
    }

    /// Tells the sources of `events` and moves those whom they wake into
    /// `batch`. Returns how many those are.
    pub(crate) fn dispatch(&self, events: &mio::Events, batch: &mut WakeBatch) -> usize {
        if events.is_empty() {
            return 0;
        }
        let table = lock(&self.table);
        let mut woken = 0;
        for event in events {
            woken += self.tell(&table, event.token(), Event::of(event), batch);
        }
        woken
    }

    /// Tells the source behind `token`, if it is still there.
    #[inline]
    fn tell(&self, table: &Table, token: Token, event: Event, batch: &mut WakeBatch) -> usize {
        let key = Registered::of(token);
        let Some(source) = table.get(&key) else {
            return 0;
        };
        let raised = source.raise(event, batch);
        if raised.duty == Duty::Switch && self.check_process().is_ok() {
            // Refused: the next wait tells of the source again.
            let _ = table.switch(&key);
        }
        raised.woken
    }

    /// From now on others help its loop.
    pub(crate) fn be_helped(&self) {
        self.helped.store(true, Ordering::Relaxed);
    }

    /// The loop is about to wait. True if it must not: who helps has got what was to end that wait (H1).
    pub(crate) fn begin_wait(&self) -> bool {
        if !self.helped.load(Ordering::Relaxed) {
            return false;
        }
        self.waits.store(true, Ordering::Release);
        fence(Ordering::SeqCst);
        self.took.load(Ordering::Acquire) && self.took.swap(false, Ordering::AcqRel)
    }

    /// That wait is over.
    pub(crate) fn end_wait(&self) {
        self.waits.store(false, Ordering::Release);
    }

    /// How many sources are registered.
    pub(crate) fn len(&self) -> usize {
        lock(&self.table).sources.len()
    }

    /// How many there were a moment ago: takes no lock.
    pub(crate) fn count(&self) -> usize {
        self.count.load(Ordering::Relaxed)
    }

    /// Closes the table. Everybody who waits is woken and registers with
    /// another reactor at the next poll. In the child of a fork nothing is done: the table's lock, or that of a source,
    /// may be that of a thread that is not here, and who polls there is told anyway.
    pub(crate) fn end(&self) {
        if self.check_process().is_err() {
            return;
        }
        let mut batch = WakeBatch::new();
        let mut table = lock(&self.table);
        let registry = table.registry.take();
        let sources = std::mem::take(&mut table.sources);
        self.count.store(0, Ordering::Relaxed);
        for source in sources.values() {
            source.halt(Halt::HomeEnded, &mut batch);
        }
        drop(table);
        drop((registry, sources));
        batch.wake_all();
    }

    /// Whether [`Home::end`] was called. False in the child of a fork, which cannot use it in any case.
    pub(crate) fn has_ended(&self) -> bool {
        self.check_process().is_ok() && lock(&self.table).registry.is_none()
    }
}

/// What a source in edge mode is watched for.
fn everything() -> Interest {
    Interest::READABLE | Interest::WRITABLE | Interest::PRIORITY
}

/// Has the epoll watch `fd` in quiet mode: mio itself knows only edges. The end
/// of the stream is readable, so it needs no flag of its own.
#[cfg(any(target_os = "linux", target_os = "android"))]
fn watch_quietly(
    registry: &Registry,
    fd: BorrowedFd<'_>,
    Token(data): Token,
    source: &Source,
) -> io::Result<()> {
    use rustix::event::epoll::{EventData, EventFlags, add};
    let data = EventData::new_u64(data as u64);
    add(registry, fd, data, EventFlags::IN | EventFlags::PRI)?;
    source.quieten();
    Ok(())
}

/// Where mio's selector is no epoll there is edge mode alone.
#[cfg(not(any(target_os = "linux", target_os = "android")))]
fn watch_quietly(
    registry: &Registry,
    fd: BorrowedFd<'_>,
    token: Token,
    _source: &Source,
) -> io::Result<()> {
    registry.register(&mut SourceFd(&fd.as_raw_fd()), token, everything())
}

#[cfg(all(test, not(loom)))]
#[allow(unsafe_code, reason = "a test forks")]
mod tests {
    use std::{sync::mpsc::channel, thread};

    use super::*;

    /// The child waits for no lock, whoever had it.
    #[test]
    fn r22_a_home_ends_in_a_child_while_another_thread_has_its_table() {
        let poll = mio::Poll::new().unwrap();
        let registry = poll.registry().try_clone().unwrap();
        let home = &Home::new(registry, DrivenBy::ItsLoop);
        let (locked, is_locked) = channel();
        let (end, is_to_end) = channel::<()>();
        thread::scope(|threads| {
            threads.spawn(move || {
                let _table = lock(&home.table);
                locked.send(()).unwrap();
                let _ = is_to_end.recv();
            });
            is_locked.recv().unwrap();
            // SAFETY: the child looks at memory, and exits, or is ended by the alarm.
            let child = unsafe { libc::fork() };
            if child == 0 {
                // SAFETY: asks for a signal that ends the process.
                unsafe { libc::alarm(20) };
                let ended = home.has_ended();
                home.end();
                // SAFETY: ends this process without running destructors.
                unsafe { libc::_exit(i32::from(ended)) };
            }
            let mut status = 0;
            // SAFETY: `status` outlives the call.
            let waited = unsafe { libc::waitpid(child, &raw mut status, 0) };
            drop(end);
            assert_eq!((waited, status), (child, 0), "the child hung");
        });
        home.end();
        assert!(home.has_ended());
    }

    /// The room in the table, which had some `before`, when a source has come and gone.
    fn room_after(before: usize) -> usize {
        let poll = mio::Poll::new().unwrap();
        let registry = poll.registry().try_clone().unwrap();
        let home = Arc::new(Home::new(registry, DrivenBy::ItsLoop));
        lock(&home.table).sources.reserve(before);
        let (end, _other) = std::io::pipe().unwrap();
        let source = Source::unsettled();
        let serial = home.register(Manner::Edge(end.as_raw_fd()), &source);
        assert_eq!((home.len(), home.count()), (1, 1));
        home.deregister(end.as_raw_fd(), serial.unwrap());
        assert_eq!((home.len(), home.count()), (0, 0));
        lock(&home.table).sources.capacity()
    }

    #[test]
    fn a_table_that_runs_empty_gives_much_memory_back_and_keeps_a_little() {
        assert!(room_after(KEEP / 2) >= KEEP / 2);
        assert_eq!(room_after(2 * KEEP), 0);
    }
}
