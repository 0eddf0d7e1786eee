//! A wire between two ends in one process, on which things go wrong by a seed.
//!
//! It carries bytes in both directions, by the traits that sockets have. A write takes as many bytes as it likes; they are
//! one *segment*. Segments come late, overtake each other, come twice, or never: alone, or all that are written
//! while the wire is cut. A read gives as much of one segment as it likes. At most [`ROOM`] bytes are on their way, then
//! writes wait.
//!
//! Time is that of the loop. All that happens is decided by the one source of random numbers, in the order in which
//! it is asked, so the same seed does the same again; and it is noted in the trace.

use std::{
    collections::{BTreeMap, BTreeSet},
    io,
    pin::Pin,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    task::{Context, Poll, Waker, ready},
    time::Duration,
};

use arborio::time::{Instant, Sleep, clock, sleep_until};
use futures_lite::{AsyncRead, AsyncWrite};

use crate::random::Random;

/// So many bytes may be on their way in one direction.
const ROOM: usize = 256;

/// How likely what is, in per cent; drawn anew for each seed.
#[derive(Debug)]
pub(crate) struct Weather {
    lost: u64,
    doubled: u64,
    overtakes: u64,
    /// A write takes less than it could, and a read gives less.
    short: u64,
    /// The wire is cut as something is written.
    cut: u64,
    /// How late segments are at most, in microseconds.
    late: u64,
}

impl Weather {
    /// From calm to one in which every third segment is lost.
    pub(crate) fn new(random: &mut Random) -> Self {
        Self {
            lost: random.below(34),
            doubled: random.below(20),
            overtakes: random.below(30),
            short: random.below(60),
            cut: random.below(4),
            late: 1 + random.below(50_000),
        }
    }
}

/// What happened to a segment, or who was cut off.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Kind {
    Sent,
    /// Less was written than was to be.
    SentShort,
    Doubled,
    Overtook,
    Lost,
    /// Lost as the wire is cut.
    LostInCut,
    Cut,
    Read,
    /// Less was read than was there.
    ReadShort,
    /// A write has to wait for room.
    Full,
}

/// One thing that happened on the wire.
#[derive(Debug, PartialEq)]
pub(crate) struct Event {
    /// Since the loop began, on its clock.
    at: Duration,
    direction: usize,
    kind: Kind,
    bytes: usize,
}

impl Event {
    pub(crate) fn kind(&self) -> Kind {
        self.kind
    }

    pub(crate) fn none_met() -> BTreeSet<Kind> {
        BTreeSet::new()
    }

    pub(crate) fn all_kinds() -> BTreeSet<Kind> {
        use Kind::*;
        BTreeSet::from([
            Sent, SentShort, Doubled, Overtook, Lost, LostInCut, Cut, Read, ReadShort, Full,
        ])
    }
}

/// What comes in, and where to write.
pub(crate) type End = (Reader, Writer);

/// Both directions, and what becomes of what is sent.
pub(crate) struct Wire {
    random: Random,
    weather: Weather,
    directions: [Direction; 2],
    trace: Vec<Event>,
}

/// What goes from one end to the other.
#[derive(Default)]
struct Direction {
    /// What is on its way: by when it is due, then by when it was sent.
    segments: BTreeMap<(Instant, u64), Vec<u8>>,
    /// How many segments were sent.
    sent: u64,
    /// When the last one is due that has not overtaken another.
    latest: Option<Instant>,
    /// Nothing comes through before.
    cut_until: Option<Instant>,
    reader_is_gone: bool,
    writer_is_gone: bool,
    /// Waits for a segment, or for the next one to be due.
    reader: Option<Waker>,
    /// Waits for room.
    writer: Option<Waker>,
}

impl Wire {
    /// Both ends, and the wire itself.
    pub(crate) fn new(weather: Weather, random: Random) -> (End, End, Arc<Mutex<Self>>) {
        let wire = Arc::new(Mutex::new(Self {
            random,
            weather,
            directions: Default::default(),
            trace: Vec::new(),
        }));
        let reader = |direction| Reader {
            wire: Arc::clone(&wire),
            direction,
            nap: None,
        };
        let writer = |direction| Writer {
            wire: Arc::clone(&wire),
            direction,
        };
        ((reader(0), writer(1)), (reader(1), writer(0)), wire)
    }

    fn note(&mut self, direction: usize, kind: Kind, bytes: usize) {
        self.trace.push(Event {
            at: clock(),
            direction,
            kind,
            bytes,
        });
    }

    /// How many of `all` are taken at once.
    fn part_of(&mut self, all: usize) -> usize {
        if all > 1 && self.random.happens(self.weather.short) {
            1 + self.random.below(all as u64 - 1) as usize
        } else {
            all
        }
    }

    /// A segment is sent: decides what becomes of it.
    fn send(&mut self, number: usize, bytes: &[u8]) {
        let now = Instant::now();
        if self.random.happens(self.weather.cut) {
            self.cut(number, now);
        }
        let direction = &self.directions[number];
        if direction.cut_until.is_some_and(|until| now < until) {
            return self.note(number, Kind::LostInCut, bytes.len());
        }
        if self.random.happens(self.weather.lost) {
            return self.note(number, Kind::Lost, bytes.len());
        }
        self.dispatch(number, now, bytes);
        if self.random.happens(self.weather.doubled) {
            self.note(number, Kind::Doubled, bytes.len());
            self.dispatch(number, now, bytes);
        }
    }

    /// Cuts one direction or both, for up to two seconds.
    fn cut(&mut self, number: usize, now: Instant) {
        let until = now + Duration::from_millis(1 + self.random.below(2000));
        let both = self.random.happens(50);
        for (index, direction) in self.directions.iter_mut().enumerate() {
            if both || index == number {
                direction.cut_until = Some(until);
            }
        }
        self.note(number, Kind::Cut, 0);
    }

    /// Puts a segment on its way.
    fn dispatch(&mut self, number: usize, now: Instant, bytes: &[u8]) {
        let due = now + Duration::from_micros(self.random.below(self.weather.late));
        let overtakes = self.random.happens(self.weather.overtakes);
        let direction = &mut self.directions[number];
        let due = match direction.latest {
            Some(latest) if latest > due && !overtakes => latest,
            Some(latest) if latest > due => {
                self.note(number, Kind::Overtook, bytes.len());
                due
            }
            _ => {
                direction.latest = Some(due);
                due
            }
        };
        let direction = &mut self.directions[number];
        direction.sent += 1;
        direction
            .segments
            .insert((due, direction.sent), bytes.to_vec());
    }
}

/// All that happened so far.
pub(crate) fn take_trace(wire: &Mutex<Wire>) -> Vec<Event> {
    std::mem::take(&mut lock(wire).trace)
}

/// A test that panicked under the lock has failed; what is dropped then must not panic, too.
fn lock(wire: &Mutex<Wire>) -> MutexGuard<'_, Wire> {
    wire.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Direction {
    fn bytes(&self) -> usize {
        self.segments.values().map(Vec::len).sum()
    }
}

/// The end of a direction where bytes come out.
pub(crate) struct Reader {
    wire: Arc<Mutex<Wire>>,
    direction: usize,
    /// Until the next segment is due.
    nap: Option<Sleep>,
}

impl AsyncRead for Reader {
    fn poll_read(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut [u8],
    ) -> Poll<io::Result<usize>> {
        let this = self.get_mut();
        loop {
            let due = match this.try_read(cx, buffer) {
                Outlook::Read(count) => return Poll::Ready(Ok(count)),
                Outlook::Nothing => return Poll::Pending,
                Outlook::Due(due) => due,
            };
            // A segment that has overtaken the one we slept for is due earlier.
            if this.nap.as_ref().is_none_or(|nap| nap.deadline() != due) {
                this.nap = Some(sleep_until(due));
            }
            let nap = this.nap.as_mut().expect("it was made above");
            ready!(Pin::new(nap).poll(cx));
            this.nap = None;
        }
    }
}

/// What a look at the segments comes to.
enum Outlook {
    /// So many bytes; 0 at the end.
    Read(usize),
    /// The next segment is on its way.
    Due(Instant),
    /// Nothing is on its way, and the waker is left.
    Nothing,
}

impl Reader {
    fn try_read(&mut self, cx: &mut Context<'_>, buffer: &mut [u8]) -> Outlook {
        let mut wire = lock(&self.wire);
        let direction = &mut wire.directions[self.direction];
        let Some((&key, segment)) = direction.segments.iter_mut().next() else {
            if direction.writer_is_gone {
                return Outlook::Read(0);
            }
            direction.reader = Some(cx.waker().clone());
            return Outlook::Nothing;
        };
        if key.0 > Instant::now() {
            direction.reader = Some(cx.waker().clone());
            return Outlook::Due(key.0);
        }
        let there = std::mem::take(segment);
        let most = buffer.len().min(there.len());
        let count = wire.part_of(most);
        buffer[..count].copy_from_slice(&there[..count]);
        let kind = [Kind::Read, Kind::ReadShort][usize::from(count < there.len())];
        wire.note(self.direction, kind, count);
        let direction = &mut wire.directions[self.direction];
        if count < there.len() {
            direction.segments.insert(key, there[count..].to_vec());
        } else {
            direction.segments.remove(&key);
        }
        let waiting = direction.writer.take();
        drop(wire);
        waiting.into_iter().for_each(Waker::wake);
        Outlook::Read(count)
    }
}

impl Drop for Reader {
    fn drop(&mut self) {
        let mut wire = lock(&self.wire);
        let direction = &mut wire.directions[self.direction];
        direction.reader_is_gone = true;
        let waiting = direction.writer.take();
        drop(wire);
        waiting.into_iter().for_each(Waker::wake);
    }
}

/// The end of a direction where bytes go in.
pub(crate) struct Writer {
    wire: Arc<Mutex<Wire>>,
    direction: usize,
}

impl AsyncWrite for Writer {
    fn poll_write(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &[u8],
    ) -> Poll<io::Result<usize>> {
        if buffer.is_empty() {
            return Poll::Ready(Ok(0));
        }
        let mut wire = lock(&self.wire);
        let direction = &mut wire.directions[self.direction];
        if direction.reader_is_gone {
            return Poll::Ready(Err(io::ErrorKind::BrokenPipe.into()));
        }
        let room = ROOM.saturating_sub(direction.bytes());
        let most = room.min(buffer.len());
        if most == 0 {
            direction.writer = Some(cx.waker().clone());
            wire.note(self.direction, Kind::Full, 0);
            return Poll::Pending;
        }
        let count = wire.part_of(most);
        let kind = [Kind::Sent, Kind::SentShort][usize::from(count < buffer.len())];
        wire.note(self.direction, kind, count);
        wire.send(self.direction, &buffer[..count]);
        let waiting = wire.directions[self.direction].reader.take();
        drop(wire);
        waiting.into_iter().for_each(Waker::wake);
        Poll::Ready(Ok(count))
    }

    fn poll_flush(self: Pin<&mut Self>, _cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_close(self: Pin<&mut Self>, _cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.end();
        Poll::Ready(Ok(()))
    }
}

impl Writer {
    /// The reader gets what is on its way, and then the end.
    fn end(&self) {
        let mut wire = lock(&self.wire);
        let direction = &mut wire.directions[self.direction];
        direction.writer_is_gone = true;
        let waiting = direction.reader.take();
        drop(wire);
        waiting.into_iter().for_each(Waker::wake);
    }
}

impl Drop for Writer {
    fn drop(&mut self) {
        self.end();
    }
}
