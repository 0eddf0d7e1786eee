//! The channels whose messages wait in a queue.
//!
//! # Accounts
//! - What was sent is received once, unless all receivers are gone; what was
//!   refused came back to the sender.
//! - No slot is lost: when all is received, all slots are free.

use std::{
    future::Future,
    sync::{
        Mutex as StdMutex,
        atomic::{AtomicBool, AtomicUsize, Ordering::Relaxed},
    },
};

use arborio_sync::{
    mpmc,
    mpsc::{self, SendError, TryRecvError, TrySendError},
};

use crate::{
    pairs::{Operation, Subject, explore},
    world::{Value, World},
};

#[test]
fn y09_pairs_of_a_bounded_channel_with_one_receiver() {
    explore::<Traffic<mpsc::Receiver<Value>, false>>();
    explore::<Traffic<mpsc::Receiver<Value>, true>>();
}

#[test]
fn y09_pairs_of_a_bounded_channel_with_many_receivers() {
    explore::<Traffic<mpmc::Receiver<Value>, false>>();
    explore::<Traffic<mpmc::Receiver<Value>, true>>();
}

#[test]
fn y09_pairs_of_two_receivers() {
    explore::<Rivals>();
}

/// A sending end.
trait Sends: Clone + Send + 'static {
    type Permit<'a>;

    fn send(&self, value: Value) -> impl Future<Output = Result<(), SendError<Value>>>;
    fn try_send(&self, value: Value) -> Result<(), TrySendError<Value>>;
    fn reserve(&self) -> impl Future<Output = Option<Self::Permit<'_>>>;
    fn fill(permit: Self::Permit<'_>, value: Value);
    fn closed(&self) -> impl Future<Output = ()>;
}

/// A receiving end.
trait Receives: Send + Sized + 'static {
    const NAME: [&'static str; 2];
    type Sender: Sends;

    fn channel() -> (Self::Sender, Self);
    fn recv(&mut self) -> impl Future<Output = Option<Value>>;
    fn try_recv(&mut self) -> Result<Value, TryRecvError>;
    fn close(&mut self);
    /// How many slots are free.
    fn free(&self) -> usize;
}

macro_rules! ends {
    ($kind:ident, $names:expr, $recv:expr) => {
        impl Sends for $kind::Sender<Value> {
            type Permit<'a> = $kind::Permit<'a, Value>;

            fn send(&self, value: Value) -> impl Future<Output = Result<(), SendError<Value>>> {
                self.send(value)
            }

            fn try_send(&self, value: Value) -> Result<(), TrySendError<Value>> {
                self.try_send(value)
            }

            async fn reserve(&self) -> Option<$kind::Permit<'_, Value>> {
                self.reserve().await.ok()
            }

            fn fill(permit: $kind::Permit<'_, Value>, value: Value) {
                permit.send(value);
            }

            fn closed(&self) -> impl Future<Output = ()> {
                self.closed()
            }
        }

        impl Receives for $kind::Receiver<Value> {
            const NAME: [&'static str; 2] = $names;
            type Sender = $kind::Sender<Value>;

            fn channel() -> (Self::Sender, Self) {
                $kind::channel(1)
            }

            async fn recv(&mut self) -> Option<Value> {
                $recv($kind::Receiver::recv(self).await)
            }

            fn try_recv(&mut self) -> Result<Value, TryRecvError> {
                $kind::Receiver::try_recv(self)
            }

            fn close(&mut self) {
                $kind::Receiver::close(self);
            }

            fn free(&self) -> usize {
                self.capacity()
            }
        }
    };
}

ends!(mpsc, ["mpsc", "full mpsc"], std::convert::identity);
ends!(mpmc, ["mpmc", "full mpmc"], Result::ok);

/// What was sent and what was received.
#[derive(Default)]
struct Ledger {
    named: AtomicUsize,
    sent: StdMutex<Vec<usize>>,
    received: StdMutex<Vec<usize>>,
    /// A receiver was dropped, so messages may be lost.
    lossy: AtomicBool,
}

impl Ledger {
    fn make(&self, world: &World) -> Value {
        world.value(self.named.fetch_add(1, Relaxed))
    }

    /// Notes that the message `name` was sent, or came back.
    fn sent(&self, name: usize, result: Result<(), Value>) {
        match result {
            Ok(()) => self.sent.lock().unwrap().push(name),
            Err(mut refused) => {
                refused.change();
                assert_eq!(refused.name(), name, "another message came back");
            }
        }
    }

    fn received(&self, value: Option<Value>) {
        if let Some(mut value) = value {
            value.change();
            self.received.lock().unwrap().push(value.name());
        }
    }

    fn balance(self) {
        let mut sent = self.sent.into_inner().unwrap();
        let mut received = self.received.into_inner().unwrap();
        sent.sort_unstable();
        received.sort_unstable();
        if self.lossy.into_inner() {
            assert!(received.iter().all(|name| sent.contains(name)));
            received.dedup_by_key(|name| {
                let at = sent.iter().position(|sent| sent == name);
                sent.remove(at.expect("received twice"))
            });
        } else {
            assert_eq!(received, sent, "a message was lost, or received twice");
        }
    }
}

/// A channel of one slot; `FULL` if a message is in it.
struct Traffic<R: Receives, const FULL: bool> {
    senders: StdMutex<Vec<R::Sender>>,
    receiver: StdMutex<Option<R>>,
    /// Whether an operation that may wait has it.
    receiver_waits: AtomicBool,
    ledger: Ledger,
}

impl<R: Receives, const FULL: bool> Traffic<R, FULL> {
    fn sender(&self) -> R::Sender {
        let sender = self.senders.lock().unwrap().pop();
        sender.expect("one for each operation")
    }

    /// Uses the receiver, and puts it back.
    fn with_receiver<V>(&self, code: impl FnOnce(&mut R) -> V) -> V {
        let mut receiver = self.take_receiver().expect("there is one");
        let value = code(&mut receiver);
        *self.receiver.lock().unwrap() = Some(receiver);
        value
    }

    fn take_receiver(&self) -> Option<R> {
        self.receiver.lock().unwrap().take()
    }

    fn reserve(&self, world: &World, wait: bool, fill: bool) {
        let sender = self.sender();
        let permit = if wait {
            world.block_on(sender.reserve())
        } else {
            world.glance(sender.reserve()).flatten()
        };
        world.step();
        if let Some(permit) = permit
            && fill
        {
            let value = self.ledger.make(world);
            self.ledger.sent(value.name(), Ok(()));
            R::Sender::fill(permit, value);
        }
    }
}

impl<R: Receives, const FULL: bool> Subject for Traffic<R, FULL> {
    const NAME: &'static str = R::NAME[FULL as usize];

    fn new(world: &World) -> Self {
        let (sender, receiver) = R::channel();
        let ledger = Ledger::default();
        if FULL {
            let value = ledger.make(world);
            ledger.sent(value.name(), Ok(()));
            assert!(sender.try_send(value).is_ok());
        }
        Self {
            senders: StdMutex::new(vec![sender]),
            receiver: StdMutex::new(Some(receiver)),
            receiver_waits: AtomicBool::new(false),
            ledger,
        }
    }

    fn operations() -> Vec<Operation<Self>> {
        let can = Operation::<Self>::new;
        vec![
            can("send", |it, world| {
                let (sender, value) = (it.sender(), it.ledger.make(world));
                let name = value.name();
                let sent = world.block_on(sender.send(value));
                it.ledger.sent(name, sent.map_err(|SendError(value)| value));
            })
            .waits(),
            can("send, dropped", |it, world| {
                let (sender, value) = (it.sender(), it.ledger.make(world));
                let name = value.name();
                if let Some(sent) = world.glance(sender.send(value)) {
                    it.ledger.sent(name, sent.map_err(|SendError(value)| value));
                }
            }),
            can("try_send", |it, world| {
                let (sender, value) = (it.sender(), it.ledger.make(world));
                let name = value.name();
                let sent = sender.try_send(value);
                it.ledger.sent(name, sent.map_err(TrySendError::into_inner));
            }),
            can("reserve", |it, world| it.reserve(world, true, true)).waits(),
            can("reserve, dropped", |it, world| {
                it.reserve(world, false, true)
            }),
            can("reserve, not used", |it, world| {
                it.reserve(world, true, false)
            })
            .waits(),
            can("closed, dropped", |it, world| {
                world.glance(it.sender().closed());
            }),
            can("recv", |it, world| {
                let received = it.with_receiver(|receiver| world.block_on(receiver.recv()));
                it.ledger.received(received);
            })
            .waits()
            .owns("receiver"),
            can("recv, polled in vain", |it, world| {
                let received = it.with_receiver(|receiver| world.impatient(receiver.recv()));
                it.ledger.received(received);
            })
            .waits()
            .owns("receiver"),
            can("recv, dropped", |it, world| {
                let received = it.with_receiver(|receiver| world.glance(receiver.recv()));
                it.ledger.received(received.flatten());
            })
            .owns("receiver"),
            can("try_recv", |it, _| {
                let received = it.with_receiver(Receives::try_recv);
                it.ledger.received(received.ok());
            })
            .owns("receiver"),
            can("close", |it, _| it.with_receiver(Receives::close)).owns("receiver"),
            can("receiver dropped", |it, _| {
                it.ledger.lossy.store(true, Relaxed);
                drop(it.take_receiver());
            })
            .owns("receiver"),
        ]
    }

    fn enter(&self, operation: &Operation<Self>) {
        if operation.owns.is_none() {
            let mut senders = self.senders.lock().unwrap();
            let sender = senders[0].clone();
            senders.push(sender);
        } else if operation.waits {
            self.receiver_waits.store(true, Relaxed);
        }
    }

    /// Drops a sender.
    fn witness(&self, _: &World, start: &mut dyn FnMut()) {
        let first = self.senders.lock().unwrap().remove(0);
        start();
        drop(first);
    }

    /// Receives whatever comes until nobody sends any more.
    fn release(&self, world: &World, waiting: &dyn Fn() -> usize) {
        if waiting() == 0 || self.receiver_waits.load(Relaxed) {
            return;
        }
        if let Some(mut receiver) = self.take_receiver() {
            while let Some(value) = world.block_on(receiver.recv()) {
                self.ledger.received(Some(value));
            }
            *self.receiver.lock().unwrap() = Some(receiver);
        }
    }

    fn settle(self, _: &World) {
        if let Some(mut receiver) = self.receiver.into_inner().unwrap() {
            let end = loop {
                match receiver.try_recv() {
                    Ok(value) => self.ledger.received(Some(value)),
                    Err(end) => break end,
                }
            };
            assert_eq!(end, TryRecvError::Disconnected, "somebody is counted still");
            assert_eq!(receiver.free(), 1, "a slot was lost");
        }
        self.ledger.balance();
    }
}

/// A channel with two receivers, to which the witness sends one message.
struct Rivals {
    sender: StdMutex<Option<mpmc::Sender<Value>>>,
    receivers: StdMutex<Vec<mpmc::Receiver<Value>>>,
    ledger: Ledger,
}

impl Rivals {
    fn with_receiver<V>(&self, code: impl FnOnce(&mpmc::Receiver<Value>) -> V) -> V {
        let receiver = self.receivers.lock().unwrap().pop();
        let receiver = receiver.expect("one for each operation");
        let value = code(&receiver);
        self.receivers.lock().unwrap().push(receiver);
        value
    }
}

impl Subject for Rivals {
    const NAME: &'static str = "mpmc rivals";

    fn new(_: &World) -> Self {
        let (sender, receiver) = mpmc::channel(2);
        Self {
            sender: StdMutex::new(Some(sender)),
            receivers: StdMutex::new(vec![receiver.clone(), receiver]),
            ledger: Ledger::default(),
        }
    }

    fn operations() -> Vec<Operation<Self>> {
        let can = Operation::<Self>::new;
        vec![
            can("recv", |it, world| {
                let received = it.with_receiver(|receiver| world.block_on(receiver.recv()));
                it.ledger.received(received.ok());
            })
            .waits(),
            can("recv, polled in vain", |it, world| {
                let received = it.with_receiver(|receiver| world.impatient(receiver.recv()));
                it.ledger.received(received.ok());
            })
            .waits(),
            can("recv, dropped", |it, world| {
                let received = it.with_receiver(|receiver| world.glance(receiver.recv()));
                it.ledger.received(received.and_then(Result::ok));
            }),
            can("try_recv", |it, _| {
                let received = it.with_receiver(mpmc::Receiver::try_recv);
                it.ledger.received(received.ok());
            }),
            can("close", |it, _| {
                it.with_receiver(mpmc::Receiver::close);
            }),
            can("receiver dropped", |it, _| {
                it.ledger.lossy.store(true, Relaxed);
                let receiver = it.receivers.lock().unwrap().pop();
                drop(receiver); // without the lock of the model
            }),
        ]
    }

    fn witness(&self, world: &World, start: &mut dyn FnMut()) {
        start();
        let sender = self.sender.lock().unwrap().take();
        let sender = sender.expect("it is taken once");
        let value = self.ledger.make(world);
        let name = value.name();
        let sent = sender.try_send(value);
        self.ledger
            .sent(name, sent.map_err(TrySendError::into_inner));
        world.step();
    }

    fn settle(self, _: &World) {
        let receivers = self.receivers.into_inner().unwrap();
        for receiver in &receivers {
            assert_eq!(receiver.capacity(), 2 - receiver.len(), "a slot was lost");
            self.ledger.received(receiver.try_recv().ok());
            let end = receiver.try_recv().map(drop).unwrap_err();
            assert_eq!(end, TryRecvError::Disconnected, "somebody is counted still");
        }
        self.ledger.balance();
    }
}
