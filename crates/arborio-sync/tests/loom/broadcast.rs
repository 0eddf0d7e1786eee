//! The channel in which every receiver gets every message.

use std::sync::{
    Arc, Mutex as StdMutex,
    atomic::{AtomicUsize, Ordering::Relaxed},
};

use arborio_sync::broadcast::{self, RecvError, TryRecvError};
use loom::thread;

use crate::{
    pairs::{Operation, Subject, explore},
    world::{Value, World, join_all, model},
};

#[test]
fn y09_pairs_of_the_broadcast() {
    explore::<News>();
}

/// A broadcast that keeps one message, with two receivers that have one message
/// before them; the witness sends another one.
struct News {
    sender: broadcast::Sender<Value>,
    first: StdMutex<Option<broadcast::Receiver<Value>>>,
    second: StdMutex<Option<broadcast::Receiver<Value>>>,
    sent: AtomicUsize,
}

impl News {
    fn send(&self, value: Value) {
        match self.sender.send(value) {
            Ok(_) => {
                self.sent.fetch_add(1, Relaxed);
            }
            Err(mut refused) => refused.0.change(),
        }
    }
}

type Seat = StdMutex<Option<broadcast::Receiver<Value>>>;

fn with_receiver<V>(seat: &Seat, code: impl FnOnce(&mut broadcast::Receiver<Value>) -> V) -> V {
    let mut receiver = take_receiver(seat);
    let value = code(&mut receiver);
    *seat.lock().unwrap() = Some(receiver);
    value
}

fn take_receiver(seat: &Seat) -> broadcast::Receiver<Value> {
    let receiver = seat.lock().unwrap().take();
    receiver.expect("one operation has it")
}

fn see(received: Result<Value, RecvError>) {
    match received {
        Ok(mut value) => value.change(),
        Err(RecvError::Lagged(missed)) => assert!(missed > 0),
        Err(RecvError::Closed) => panic!("there is a message before the end"),
    }
}

/// Receives all that is there; how many messages that are, with those missed.
fn drain(receiver: &mut broadcast::Receiver<Value>) -> usize {
    let mut count = 0;
    loop {
        match receiver.try_recv() {
            Ok(mut value) => {
                value.change();
                count += 1;
            }
            Err(TryRecvError::Lagged(missed)) => count += missed as usize,
            Err(TryRecvError::Empty | TryRecvError::Closed) => return count,
        }
    }
}

impl Subject for News {
    const NAME: &'static str = "broadcast";

    fn new(world: &World) -> Self {
        let (sender, first) = broadcast::channel(1);
        let second = sender.subscribe();
        let news = Self {
            sender,
            first: StdMutex::new(Some(first)),
            second: StdMutex::new(Some(second)),
            sent: AtomicUsize::new(0),
        };
        news.send(world.value(0));
        news
    }

    fn operations() -> Vec<Operation<Self>> {
        let can = Operation::<Self>::new;
        vec![
            can("send", |it, world| it.send(world.value(1))),
            can("close", |it, _| {
                it.sender.close();
            }),
            can("subscribe", |it, _| {
                drain(&mut it.sender.subscribe());
            }),
            can("recv", |it, world| {
                with_receiver(&it.first, |receiver| see(world.block_on(receiver.recv())));
            })
            .owns("first"),
            can("recv, polled in vain", |it, world| {
                let receiver = take_receiver(&it.second);
                let mut clone = receiver.clone();
                drop(receiver);
                see(world.impatient(clone.recv()));
            })
            .owns("second"),
            can("recv, dropped", |it, world| {
                with_receiver(&it.first, |receiver| {
                    for _ in 0..2 {
                        world.glance(receiver.recv());
                    }
                });
            })
            .owns("first"),
            can("first dropped", |it, _| drop(take_receiver(&it.first))).owns("first"),
            can("second dropped", |it, _| drop(take_receiver(&it.second))).owns("second"),
            can("clone, drain", |it, _| {
                with_receiver(&it.second, |receiver| {
                    drain(&mut receiver.clone());
                    drain(receiver);
                });
            })
            .owns("second"),
        ]
    }

    fn witness(&self, world: &World, start: &mut dyn FnMut()) {
        start();
        self.send(world.value(2));
    }

    fn settle(self, _: &World) {
        for seat in [&self.first, &self.second] {
            let receiver = seat.lock().unwrap().take();
            if let Some(mut receiver) = receiver {
                let sent = self.sent.load(Relaxed);
                assert!(drain(&mut receiver) <= sent, "a message came twice");
            }
        }
        assert!(self.sender.is_empty(), "a message was kept for nobody");
        assert_eq!(self.sender.receiver_count(), 0);
    }
}

/// Two who wait are told the same message, and then the end.
#[test]
fn everybody_who_waits_for_a_broadcast_gets_it() {
    model(
        "broadcast: two wait for a message and the end",
        2,
        |world| {
            let (sender, first) = broadcast::channel::<Value>(2);
            let second = sender.subscribe();
            let others = [first, second].map(|mut receiver| {
                let world = Arc::clone(world);
                thread::spawn(move || {
                    world.block_on(receiver.recv()).unwrap().change();
                    let end = world.block_on(receiver.recv());
                    assert!(matches!(end, Err(RecvError::Closed)));
                })
            });
            world.step();
            assert!(sender.send(world.value(1)).is_ok());
            world.step();
            drop(sender);
            join_all(others);
        },
    );
}
