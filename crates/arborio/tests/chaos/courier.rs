//! Carries messages over a wire: each one once, and in the order in which they were sent.
//!
//! Each message has a number and a task of its own, which writes it again and again, with pauses that grow, until its
//! receipt has come. Whoever receives answers every packet with a receipt, keeps what is early, and hands on what is
//! next. The limits that end an attempt end it anywhere: while it waits for the lock of the writer, and in the middle
//! of a packet.

use std::{
    collections::BTreeMap,
    io,
    sync::{Arc, Mutex as Lock, PoisonError},
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

/// Messages that are so far ahead of the next are not kept.
const AHEAD: u32 = 8;

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
    habits: Habits,
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
        habits,
    });
    let (outbox, outgoing) = mpsc::channel(2);
    let (incoming, inbox) = mpsc::channel(2);
    let daemon = |name| s.task().name(name).awaited(false);
    daemon("sender").spawn(send_all(s.clone(), Arc::clone(&desk), outgoing));
    daemon("receiver").spawn(receive_all(desk, reader, incoming));
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
        self.receipts().insert(packet.number, Arc::clone(&receipt));
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

    fn receipts(&self) -> std::sync::MutexGuard<'_, BTreeMap<u32, Arc<Event>>> {
        self.receipts.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Takes what comes, until the other end is gone, or nobody wants the messages any more.
async fn receive_all(
    desk: Arc<Desk>,
    mut reader: Reader,
    incoming: mpsc::Sender<Vec<u8>>,
) -> io::Result<()> {
    let (mut decoder, mut early, mut next) = (Decoder::default(), BTreeMap::new(), 0);
    let mut buffer = [0; 48];
    loop {
        let count = reader.read(&mut buffer).await?;
        if count == 0 {
            return Ok(());
        }
        decoder.push(&buffer[..count]);
        while let Some(Packet { kind, number, body }) = decoder.next() {
            if kind == Kind::Receipt {
                if let Some(receipt) = desk.receipts().remove(&number) {
                    receipt.set();
                }
                continue;
            }
            if desk.habits.forgets {
                next = number;
                early.insert(number, body);
            } else if number >= next + AHEAD {
                continue; // without a receipt it comes again
            } else if number >= next {
                early.insert(number, body);
            }
            desk.answer(number).await?;
            while let Some(body) = early.remove(&next) {
                if incoming.send(body).await.is_err() {
                    return Ok(());
                }
                next += 1;
            }
        }
    }
}
