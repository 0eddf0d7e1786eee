//! The value that is watched.

use std::{
    pin::pin,
    sync::{Arc, Mutex as StdMutex},
};

use arborio_sync::watch;
use loom::thread;

use crate::{
    pairs::{Operation, Subject, explore},
    world::{Value, World, model},
};

#[test]
fn y09_pairs_of_the_watched_value() {
    explore::<Watched>();
}

/// A value with two who watch it; the witness changes it.
struct Watched {
    sender: watch::Sender<Value>,
    first: StdMutex<Option<watch::Receiver<Value>>>,
    second: StdMutex<Option<watch::Receiver<Value>>>,
}

type Seat = StdMutex<Option<watch::Receiver<Value>>>;

fn take_receiver(seat: &Seat) -> watch::Receiver<Value> {
    let receiver = seat.lock().unwrap().take();
    receiver.expect("one operation has it")
}

impl Subject for Watched {
    const NAME: &'static str = "watch";

    fn new(world: &World) -> Self {
        let (sender, first) = watch::channel(world.value(0));
        let second = sender.subscribe();
        Self {
            sender,
            first: StdMutex::new(Some(first)),
            second: StdMutex::new(Some(second)),
        }
    }

    fn operations() -> Vec<Operation<Self>> {
        let can = Operation::<Self>::new;
        vec![
            can("send", |it, world| {
                let sent = it.sender.send(world.value(1));
                sent.unwrap_or_else(|mut refused| refused.0.change());
            }),
            can("send_modify", |it, _| {
                it.sender.send_modify(Value::change);
            }),
            can("get", |it, _| {
                it.sender.get().look();
            }),
            can("subscribe", |it, _| {
                it.sender.subscribe().get().look();
            }),
            can("closed, dropped", |it, world| {
                world.glance(it.sender.closed());
            }),
            can("changed", |it, world| {
                let mut receiver = take_receiver(&it.first);
                assert!(world.block_on(receiver.changed()).is_ok());
                let value = receiver.get_and_update();
                assert!(value.name() + value.look() > 0, "told before it changed");
            })
            .owns("first"),
            can("changed, polled in vain", |it, world| {
                let mut receiver = take_receiver(&it.second);
                assert!(world.impatient(receiver.changed()).is_ok());
                let value = receiver.latest();
                assert!(value.name() + value.look() > 0, "told before it changed");
            })
            .owns("second"),
            can("changed, dropped", |it, world| {
                let mut receiver = take_receiver(&it.first);
                let told = world.glance(receiver.changed()).is_some();
                if !told {
                    assert!(world.block_on(receiver.changed()).is_ok());
                }
            })
            .owns("first"),
            can("wait_for", |it, world| {
                let mut receiver = take_receiver(&it.second);
                let named = world.block_on(receiver.wait_for(|value| value.name() == 3));
                assert!(named.is_ok());
            })
            .waits()
            .owns("second"),
            can("receiver dropped", |it, _| drop(take_receiver(&it.first))).owns("first"),
        ]
    }

    /// The last change: it is seen by all that wait for one.
    fn witness(&self, world: &World, start: &mut dyn FnMut()) {
        start();
        self.sender.send_replace(world.value(3)).look();
    }

    /// Whoever waits for that name may have found another change in its place.
    fn release(&self, world: &World, _: &dyn Fn() -> usize) {
        self.sender.send_replace(world.value(3));
    }

    fn settle(self, _: &World) {
        for seat in [&self.first, &self.second] {
            let receiver = seat.lock().unwrap().take();
            drop(receiver);
        }
        assert_eq!(self.sender.receiver_count(), 0);
        self.sender.get().look();
    }
}

/// The last value is seen before the end is told; and the sender is told that
/// nobody watches.
#[test]
fn whoever_watches_is_told_the_end() {
    model("watch: a change, the end", 3, |world| {
        let (sender, mut receiver) = watch::channel(1);
        let other = thread::spawn({
            let world = Arc::clone(world);
            move || {
                assert!(world.block_on(receiver.changed()).is_ok());
                assert_eq!(*receiver.get(), 2);
                assert!(world.block_on(receiver.changed()).is_err());
            }
        });
        world.step();
        sender.send_replace(2);
        world.step();
        drop(sender);
        other.join().unwrap();
    });
    model("watch: a change, the drop of the receiver", 3, |world| {
        let (sender, mut receiver) = watch::channel(1);
        let mut closed = pin!(sender.closed());
        assert!(world.poll_once(closed.as_mut()).is_pending());
        let other = thread::spawn({
            let world = Arc::clone(world);
            move || {
                assert!(world.block_on(receiver.changed()).is_ok());
                drop(receiver);
            }
        });
        world.step();
        sender.send_replace(2);
        world.block_on(closed);
        other.join().unwrap();
    });
}
