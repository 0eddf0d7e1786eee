//! Carries messages over a wire: each one once, and in the order in which they were sent.
//!
//! Each message has a number and a task of its own, which writes it again and again, with pauses that grow, until its
//! receipt has come. Whoever receives answers messages with a receipt and puts them on a shelf, from which another task
//! hands them on in their order: receipts must not wait behind messages that nobody takes, or two ends that have both much
//! to say would wait for each other. The limits that end an attempt end it anywhere: while it waits for the lock of the
//! writer, and in the middle of a packet.

use std::{
    collections::BTreeMap,
    io,
    sync::{Arc, Mutex as Lock, MutexGuard, PoisonError},
    time::Duration,
};

use arborio::{
    Scope,
    cancel::move_on_after,
    sync::{Event, Mutex, Semaphore, mpsc},
};
use futures_lite::{AsyncReadExt, AsyncWriteExt};

use crate::{
    packet::{Decoder, Kind, Packet},
    wire::{End, Reader, Writer},
};

/// So many messages may be without a receipt.
const AT_ONCE: usize = 4;

/// So many messages are kept that have not been handed on.
const KEPT: u32 = 8;

/// How long the first attempt may take, and the longest one.
const PATIENCE: (Duration, Duration) = (Duration::from_millis(30), Duration::from_secs(1));

/// How long a receipt may wait for the writer: two ends that both wait for room would else wait for each other.
const BRIEFLY: Duration = Duration::from_millis(10);

/// What a courier does. Those without one of the habits show that the tests notice.
#[derive(Clone, Copy)]
pub(crate) struct Habits {
    /// It sends a message again if no receipt has come.
    pub(crate) repeats: bool,
    /// It forgets which messages it has handed on.
    pub(crate) forgets: bool,
}

impl Habits {
    pub(crate) const GOOD: Self = Self {
        repeats: true,
        forgets: false,
    };
}

/// What the tasks of one courier share.
struct Desk {
    /// Packets stay whole, unless an attempt is cut off.
    writer: Mutex<Writer>,
    /// Who waits for the receipt of which message.
    receipts: Lock<BTreeMap<u32, Arc<Event>>>,
    shelf: Lock<Shelf>,
    /// There may be something to hand on.
    came: Event,
    habits: Habits,
}

/// What has come and was not handed on.
#[derive(Default)]
struct Shelf {
    messages: BTreeMap<u32, Vec<u8>>,
    /// The number of the next one.
    next: u32,
}

/// Opens a courier on the scope: it takes messages at one end, and gives those of the other side at the other one, until the
/// scope ends.
pub(crate) fn carry(
    s: &Scope<io::Error>,
    (reader, writer): End,
    habits: Habits,
) -> (mpsc::Sender<Vec<u8>>, mpsc::Receiver<Vec<u8>>) {
    let desk = Arc::new(Desk {
        writer: Mutex::new(writer),
        receipts: Lock::default(),
        shelf: Lock::default(),
        came: Event::new(),
        habits,
    });
    let (outbox, outgoing) = mpsc::channel(2);
    let (incoming, inbox) = mpsc::channel(2);
    let daemon = |name| s.task().name(name).awaited(false);
    daemon("sender").spawn(send_all(s.clone(), Arc::clone(&desk), outgoing));
    daemon("receiver").spawn(receive_all(Arc::clone(&desk), reader));
    daemon("porter").spawn(hand_on(desk, incoming));
    (outbox, inbox)
}

/// Gives each message a number and a task, so many at a time.
async fn send_all(
    s: Scope<io::Error>,
    desk: Arc<Desk>,
    mut outgoing: mpsc::Receiver<Vec<u8>>,
) -> io::Result<()> {
    let window = Arc::new(Semaphore::new(AT_ONCE));
    let mut number = 0;
    while let Some(body) = outgoing.recv().await {
        let permit = Arc::clone(&window).acquire_owned().await;
        let permit = permit.map_err(io::Error::other)?;
        let (kind, desk) = (Kind::Message, Arc::clone(&desk));
        let packet = Packet { kind, number, body };
        s.task().awaited(false).spawn(async move {
            let sent = desk.send(packet).await;
            drop(permit);
            sent
        });
        number += 1;
    }
    Ok(())
}

impl Desk {
    /// Sends a message until its receipt has come.
    async fn send(&self, packet: Packet) -> io::Result<()> {
        let receipt = Arc::new(Event::new());
        lock(&self.receipts).insert(packet.number, Arc::clone(&receipt));
        let bytes = packet.encode();
        let (mut patience, most) = PATIENCE;
        loop {
            let attempt = async {
                self.write(&bytes).await?;
                receipt.wait().await;
                io::Result::Ok(())
            };
            if let Some(ended) = move_on_after(patience, attempt).await {
                return ended;
            }
            if !self.habits.repeats {
                return Ok(());
            }
            patience = most.min(patience * 2);
        }
    }

    /// Writes a packet. If nobody reads any more, it is as lost as others are.
    async fn write(&self, bytes: &[u8]) -> io::Result<()> {
        match self.writer.lock().await.write_all(bytes).await {
            Err(error) if error.kind() == io::ErrorKind::BrokenPipe => Ok(()),
            written => written,
        }
    }

    /// Answers that a message has come, if that is possible soon.
    async fn answer(&self, number: u32) -> io::Result<()> {
        let (kind, body) = (Kind::Receipt, Vec::new());
        let bytes = Packet { kind, number, body }.encode();
        let answered = move_on_after(BRIEFLY, self.write(&bytes)).await;
        answered.unwrap_or(Ok(()))
    }

    /// The next message, if it has come.
    fn next_message(&self) -> Option<Vec<u8>> {
        let mut shelf = lock(&self.shelf);
        let next = shelf.next;
        let body = shelf.messages.remove(&next)?;
        shelf.next += 1;
        Some(body)
    }

    /// Puts a message on the shelf. Says whether that deserves a receipt: it does if it was there before.
    fn keep(&self, mut number: u32, body: Vec<u8>) -> bool {
        let mut shelf = lock(&self.shelf);
        if self.habits.forgets {
            number = shelf.next + shelf.messages.len() as u32;
        }
        if number >= shelf.next + KEPT {
            return false; // it comes again
        }
        if number >= shelf.next {
            shelf.messages.insert(number, body);
        }
        true
    }
}

/// A test that panicked under the lock has failed; what goes on must not panic, too.
fn lock<T>(locked: &Lock<T>) -> MutexGuard<'_, T> {
    locked.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Takes what comes, until the other end is gone.
async fn receive_all(desk: Arc<Desk>, mut reader: Reader) -> io::Result<()> {
    let (mut decoder, mut buffer) = (Decoder::default(), [0; 48]);
    loop {
        let count = reader.read(&mut buffer).await?;
        if count == 0 {
            return Ok(());
        }
        decoder.push(&buffer[..count]);
        while let Some(Packet { kind, number, body }) = decoder.next() {
            if kind == Kind::Receipt {
                let receipt = lock(&desk.receipts).remove(&number);
                receipt.iter().for_each(|receipt| receipt.set());
            } else if desk.keep(number, body) {
                desk.came.set();
                desk.answer(number).await?;
            }
        }
    }
}

/// Hands on what is on the shelf, until nobody wants it any more.
async fn hand_on(desk: Arc<Desk>, incoming: mpsc::Sender<Vec<u8>>) -> io::Result<()> {
    loop {
        // Whoever comes between the look and the wait sets it again.
        desk.came.clear();
        while let Some(body) = desk.next_message() {
            if incoming.send(body).await.is_err() {
                return Ok(());
            }
        }
        desk.came.wait().await;
    }
}
