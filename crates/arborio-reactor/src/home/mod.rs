//! The table of the sources that one epoll watches.
//!
//! A source may be dropped on any thread, while the epoll is waited for on
//! its own: the table stands behind a lock that is held for short, also across
//! `epoll_ctl`, never across a wait or a waker.
//!
//! # Tokens
//! The kernel is given a number, never a pointer: the descriptor (which is the
//! key of the table) and a serial number that no two registrations of a table
//! share. An event that was collected before its source left finds another
//! serial, or nothing, and wakes nobody. Serials wrap after 2^32 registrations;
//! a stale event lives for one batch.
//!
//! # Order of locks
//! Table, then gate. Whoever holds a gate takes no table.

use std::{
    collections::HashMap,
    hash::{BuildHasherDefault, Hash, Hasher},
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

/// Token of the notifier's eventfd. No descriptor is negative, so the lower
/// half of a source's token never has its top bit set.
pub(crate) const NOTIFIER: Token = Token(usize::MAX);
/// Token of the timer descriptor.
pub(crate) const TIMER: Token = Token(usize::MAX - 1);

const _: () = assert!(
    usize::BITS == 64,
    "a token holds a descriptor and a serial number"
);

/// Token of the epoll of another reactor, whose loop is held up.
const ATTENDED: Token = Token(usize::MAX - 2);

/// The most sources of a reactor that others attend.
const ATTENDABLE: usize = 64;

/// How many events who helps takes at a time: it comes again soon.
const HELPED: usize = 256;

/// Below this the table keeps its memory when it runs empty.
const KEEP: usize = 1024;

/// One registration: where its event data points.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Serial(u32);

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

/// The key of the table. Found by its descriptor alone; the serial is kept
/// with it, and not with the source, because so an entry is two words.
#[derive(Clone, Copy, Debug)]
struct Registered {
    fd: RawFd,
    serial: Serial,
}

impl PartialEq for Registered {
    fn eq(&self, other: &Self) -> bool {
        self.fd == other.fd
    }
}

impl Eq for Registered {}

impl Hash for Registered {
    fn hash<H: Hasher>(&self, state: &mut H) {
        state.write_i32(self.fd);
    }
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

    /// As [`dispatch`](Self::dispatch), of what the kernel says now: for who helps the loop (`helper.rs`).
    #[cfg(any(target_os = "linux", target_os = "android"))]
    pub(crate) fn look(&self, batch: &mut WakeBatch) -> usize {
        use rustix::{buffer::spare_capacity, event::epoll, time::Timespec};
        const NOW: Timespec = Timespec {
            tv_sec: 0,
            tv_nsec: 0,
        };
        let mut events = Vec::with_capacity(HELPED);
        let table = lock(&self.table);
        let Some(registry) = table.registry.as_ref().filter(|_| self.process.is_this()) else {
            return 0;
        };
        // An interruption or a refusal: whoever helps looks again.
        let _ = epoll::wait(registry, spare_capacity(&mut events), Some(&NOW));
        let (mut woken, mut loops_own) = (0, false);
        for event in events {
            let (flags, data) = (event.flags, event.data.u64());
            let token = Token(usize::try_from(data).expect("64 bits, see above"));
            loops_own |= [NOTIFIER, TIMER, ATTENDED].contains(&token);
            woken += self.tell(&table, token, Event::of_epoll(flags), batch);
        }
        drop(table);
        if loops_own {
            self.took.store(true, Ordering::Release);
            fence(Ordering::SeqCst); // H1
            if self.waits.load(Ordering::Acquire)
                && let Some(notifier) = self.notifier.get()
            {
                let _ = notifier.wake();
            }
        }
        woken
    }

    /// Has the wait of this home end when there is an event for the sources of `other`. False if the system
    /// refuses.
    #[cfg(any(target_os = "linux", target_os = "android"))]
    pub(crate) fn attend(&self, other: &Self) -> bool {
        use rustix::event::epoll::{EventData, EventFlags, add};
        // The kernel walks over all that the other one watches: 64 ns for each.
        if other.count() > ATTENDABLE {
            return false;
        }
        let Some(watched) = other.epoll() else {
            return false;
        };
        let data = EventData::new_u64(ATTENDED.0 as u64);
        // Once, or it would be told again and again of what the other does not look at.
        let flags = EventFlags::IN | EventFlags::ONESHOT;
        (self.epoll()).is_some_and(|epoll| add(epoll, watched, data, flags).is_ok())
    }

    /// Takes [`attend`](Self::attend) back.
    #[cfg(any(target_os = "linux", target_os = "android"))]
    pub(crate) fn leave(&self, other: &Self) {
        if let (Some(epoll), Some(watched)) = (self.epoll(), other.epoll()) {
            let _ = rustix::event::epoll::delete(epoll, watched); // it may be closed
        }
    }

    /// The epoll, held open as long as this lives; `None` once the reactor has ended, and in the child of a fork.
    #[cfg(any(target_os = "linux", target_os = "android"))]
    fn epoll(&self) -> Option<Arc<Registry>> {
        self.check_process().ok()?;
        lock(&self.table).registry.clone()
    }

    /// Elsewhere mio alone waits, and nobody can help.
    #[cfg(not(any(target_os = "linux", target_os = "android")))]
    pub(crate) fn look(&self, _batch: &mut WakeBatch) -> usize {
        0
    }

    #[cfg(not(any(target_os = "linux", target_os = "android")))]
    pub(crate) fn attend(&self, _other: &Self) -> bool {
        false
    }

    #[cfg(not(any(target_os = "linux", target_os = "android")))]
    pub(crate) fn leave(&self, _other: &Self) {}

    /// How many sources are registered.
    pub(crate) fn len(&self) -> usize {
        lock(&self.table).sources.len()
    }

    /// How many there were a moment ago: takes no lock.
    pub(crate) fn count(&self) -> usize {
        self.count.load(Ordering::Relaxed)
    }

    /// Closes the table. Everybody who waits is woken and registers with
    /// another reactor at the next poll.
    pub(crate) fn end(&self) {
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

    /// Whether [`Home::end`] was called.
    pub(crate) fn has_ended(&self) -> bool {
        lock(&self.table).registry.is_none()
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

impl Registered {
    /// The event data of this registration.
    fn token(self) -> Token {
        Token(self.fd.cast_unsigned() as usize | (self.serial.0 as usize) << 32)
    }

    /// The inverse of [`Registered::token`].
    #[allow(
        clippy::cast_possible_truncation,
        reason = "the halves are cut apart on purpose"
    )]
    fn of(Token(bits): Token) -> Self {
        Self {
            fd: (bits as u32).cast_signed(),
            serial: Serial((bits >> 32) as u32),
        }
    }
}

/// Descriptors are small and dense, so one multiplication spreads them.
#[derive(Debug, Default)]
struct DescriptorHasher(u64);

impl Hasher for DescriptorHasher {
    fn finish(&self) -> u64 {
        self.0
    }

    fn write(&mut self, bytes: &[u8]) {
        for byte in bytes {
            self.write_u64(self.0 ^ u64::from(*byte));
        }
    }

    fn write_i32(&mut self, fd: i32) {
        self.write_u64(u64::from(fd.cast_unsigned()));
    }

    fn write_u64(&mut self, number: u64) {
        // 2^64 divided by the golden ratio (Fibonacci hashing).
        let product = number.wrapping_mul(0x9E37_79B9_7F4A_7C15);
        // The table takes its buckets from the low bits and its tags from the
        // high ones; a product is good only in the latter.
        self.0 = product ^ (product >> 32);
    }
}

#[cfg(all(test, not(loom)))]
mod tests {
    use super::*;

    #[test]
    fn a_token_gives_back_its_parts_and_is_never_one_of_the_fixed_ones() {
        for fd in [0, 1, RawFd::MAX] {
            for serial in [0, 1, u32::MAX] {
                let serial = Serial(serial);
                let token = Registered { fd, serial }.token();
                let parts = Registered::of(token);
                assert_eq!((parts.fd, parts.serial), (fd, serial));
                assert!(token != NOTIFIER && token != TIMER);
            }
        }
    }
}
