//! The channel without a bound, whose receiver takes over all that came at once.

use std::sync::{
    Mutex as StdMutex,
    atomic::{AtomicBool, AtomicUsize, Ordering::Relaxed},
};

use arborio_sync::mpsc::{self, TryRecvError};

use crate::{
    pairs::{Operation, Subject, explore},
    world::{Value, World},
};

#[test]
fn y09_pairs_of_the_unbounded_channel() {
    explore::<Stream>();
}

/// A channel with one message in the receiver's own queue, and one that the
/// witness sends.
struct Stream {
    sender: StdMutex<Option<mpsc::UnboundedSender<Value>>>,
    senders: [mpsc::WeakUnboundedSender<Value>; 1],
    receiver: StdMutex<Option<mpsc::UnboundedReceiver<Value>>>,
    /// How many were sent; they are named so.
    sent: AtomicUsize,
    received: StdMutex<Vec<usize>>,
    /// The receiver was dropped before it could look.
    lossy: AtomicBool,
}

impl Stream {
    fn send(&self, world: &World, sender: &mpsc::UnboundedSender<Value>) {
        let value = world.value(self.sent.fetch_add(1, Relaxed));
        if let Err(refused) = sender.send(value) {
            self.lossy.store(true, Relaxed);
            drop(refused);
        }
    }

    fn receive(&self, mut value: Value) {
        value.change();
        self.received.lock().unwrap().push(value.name());
    }

    fn with_receiver<V>(&self, code: impl FnOnce(&mut mpsc::UnboundedReceiver<Value>) -> V) -> V {
        let receiver = self.receiver.lock().unwrap().take();
        let mut receiver = receiver.expect("one operation has it");
        let value = code(&mut receiver);
        *self.receiver.lock().unwrap() = Some(receiver);
        value
    }
}

impl Subject for Stream {
    const NAME: &'static str = "unbounded mpsc";
    const PREEMPTIONS: usize = 3;

    fn new(world: &World) -> Self {
        let (sender, mut receiver) = mpsc::unbounded();
        for name in 0..3 {
            assert!(sender.send(world.value(name)).is_ok());
        }
        let first = receiver.try_recv().expect("it was sent just now");
        Self {
            senders: [sender.downgrade()],
            sender: StdMutex::new(Some(sender)),
            receiver: StdMutex::new(Some(receiver)),
            sent: AtomicUsize::new(3),
            received: StdMutex::new(vec![first.name()]),
            lossy: AtomicBool::new(false),
        }
    }

    fn operations() -> Vec<Operation<Self>> {
        let can = Operation::<Self>::new;
        let receives = |name, run| can(name, run).owns("receiver");
        vec![
            can("send", |it, world| {
                if let Some(sender) = it.senders[0].upgrade() {
                    it.send(world, &sender);
                }
            }),
            can("len", |it, _| {
                if let Some(sender) = it.senders[0].upgrade() {
                    assert!(sender.len() <= it.sent.load(Relaxed), "counted twice");
                }
            }),
            can("upgrade", |it, _| drop(it.senders[0].upgrade())),
            receives("recv to the end", |it, world| {
                while let Some(value) = it.with_receiver(|receiver| world.block_on(receiver.recv()))
                {
                    it.receive(value);
                }
            }),
            receives("recv, polled in vain", |it, world| {
                while let Some(value) =
                    it.with_receiver(|receiver| world.impatient(receiver.recv()))
                {
                    it.receive(value);
                }
            }),
            receives("recv, dropped", |it, world| {
                for _ in 0..3 {
                    let polled = it.with_receiver(|receiver| world.glance(receiver.recv()));
                    polled
                        .flatten()
                        .into_iter()
                        .for_each(|value| it.receive(value));
                }
            }),
            receives("recv_many", |it, world| {
                let mut values = Vec::new();
                it.with_receiver(|receiver| world.block_on(receiver.recv_many(&mut values, 8)));
                values.into_iter().for_each(|value| it.receive(value));
            }),
            receives("try_recv", |it, _| {
                for _ in 0..3 {
                    let received = it.with_receiver(mpsc::UnboundedReceiver::try_recv);
                    received.into_iter().for_each(|value| it.receive(value));
                }
            }),
            receives("close", |it, _| {
                it.with_receiver(mpsc::UnboundedReceiver::close);
            }),
            receives("receiver dropped", |it, _| {
                it.lossy.store(true, Relaxed);
                let receiver = it.receiver.lock().unwrap().take();
                drop(receiver);
            }),
        ]
    }

    fn witness(&self, world: &World, start: &mut dyn FnMut()) {
        let sender = self.sender.lock().unwrap().take();
        let sender = sender.expect("it is taken once");
        start();
        self.send(world, &sender);
        world.step();
    }

    fn settle(mut self, _: &World) {
        let receiver = self.receiver.get_mut().unwrap().take();
        if let Some(mut receiver) = receiver {
            let end = loop {
                match receiver.try_recv() {
                    Ok(value) => self.receive(value),
                    Err(end) => break end,
                }
            };
            assert_eq!(end, TryRecvError::Disconnected, "somebody is counted still");
            assert_eq!(receiver.len(), 0);
        }
        let mut received = self.received.into_inner().unwrap();
        let (count, sent) = (received.len(), self.sent.into_inner());
        received.sort_unstable();
        received.dedup();
        assert_eq!(received.len(), count, "received twice");
        assert!(
            count == sent || self.lossy.into_inner(),
            "a message was lost"
        );
    }
}
