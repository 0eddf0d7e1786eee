//! The channel for one message.

use std::sync::{
    Mutex as StdMutex,
    atomic::{AtomicBool, AtomicUsize, Ordering::Relaxed},
};

use arborio_sync::oneshot;

use crate::{
    pairs::{Operation, Subject, explore},
    world::{Value, World},
};

#[test]
fn y09_pairs_of_the_channel_for_one_message() {
    explore::<OneMessage>();
}

struct OneMessage {
    sender: StdMutex<Option<oneshot::Sender<Value>>>,
    receiver: StdMutex<Option<oneshot::Receiver<Value>>>,
    /// How many messages the sender got rid of, and how many arrived.
    sent: AtomicUsize,
    received: AtomicUsize,
    /// The receiver was dropped before it could look.
    lossy: AtomicBool,
}

impl OneMessage {
    fn sender(&self) -> oneshot::Sender<Value> {
        let sender = self.sender.lock().unwrap().take();
        sender.expect("one operation has it")
    }

    fn receiver(&self) -> oneshot::Receiver<Value> {
        let receiver = self.receiver.lock().unwrap().take();
        receiver.expect("one operation has it")
    }

    fn put_back(&self, receiver: oneshot::Receiver<Value>) {
        *self.receiver.lock().unwrap() = Some(receiver);
    }

    fn send(&self, world: &World, sender: oneshot::Sender<Value>) {
        match sender.send(world.value(0)) {
            Ok(()) => {
                self.sent.fetch_add(1, Relaxed);
            }
            Err(mut refused) => refused.change(),
        }
    }

    fn receive(&self, mut value: Value) {
        value.change();
        self.received.fetch_add(1, Relaxed);
    }
}

impl Subject for OneMessage {
    const NAME: &'static str = "oneshot";
    const PREEMPTIONS: usize = 4;

    fn new(_: &World) -> Self {
        let (sender, receiver) = oneshot::channel();
        Self {
            sender: StdMutex::new(Some(sender)),
            receiver: StdMutex::new(Some(receiver)),
            sent: AtomicUsize::new(0),
            received: AtomicUsize::new(0),
            lossy: AtomicBool::new(false),
        }
    }

    fn operations() -> Vec<Operation<Self>> {
        let can = Operation::<Self>::new;
        let sends = |name, run| can(name, run).owns("sender");
        let receives = |name, run| can(name, run).owns("receiver");
        vec![
            sends("send", |it, world| it.send(world, it.sender())),
            sends("sender dropped", |it, _| drop(it.sender())),
            sends("poll_closed, send", |it, world| {
                let mut sender = it.sender();
                world.glance(sender.closed());
                it.send(world, sender);
            }),
            sends("poll_closed, dropped", |it, world| {
                let mut sender = it.sender();
                world.glance(sender.closed());
                drop(sender);
            }),
            receives("recv", |it, world| {
                if let Ok(value) = world.block_on(it.receiver()) {
                    it.receive(value);
                }
            }),
            receives("recv, polled in vain", |it, world| {
                if let Ok(value) = world.impatient(it.receiver()) {
                    it.receive(value);
                }
            }),
            receives("recv, dropped", |it, world| {
                it.lossy.store(true, Relaxed);
                if let Some(Ok(value)) = world.glance(it.receiver()) {
                    it.receive(value);
                }
            }),
            receives("try_recv", |it, _| {
                let mut receiver = it.receiver();
                if let Ok(value) = receiver.try_recv() {
                    it.receive(value);
                }
                it.put_back(receiver);
            }),
            receives("close", |it, _| {
                let mut receiver = it.receiver();
                receiver.close();
                it.put_back(receiver);
            }),
            receives("receiver dropped", |it, _| {
                it.lossy.store(true, Relaxed);
                drop(it.receiver());
            }),
        ]
    }

    fn settle(self, _: &World) {
        if let Some(mut receiver) = self.receiver.lock().unwrap().take()
            && let Ok(value) = receiver.try_recv()
        {
            self.receive(value);
        }
        let (sent, received) = (self.sent.into_inner(), self.received.into_inner());
        assert!(received <= sent, "received twice");
        assert!(received == sent || self.lossy.into_inner(), "lost");
    }
}
