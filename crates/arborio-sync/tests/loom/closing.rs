//! Channels that close while messages are on their way.

use std::{pin::pin, sync::Arc};

use arborio_sync::{
    mpmc,
    mpsc::{self, SendError, TryRecvError},
};
use loom::thread;

use crate::world::{Value, model};

/// A slot that was reserved before the close is still filled: the receiver is not
/// told the end before.
#[test]
fn y06_a_permit_outlives_the_close() {
    model("mpsc: reserve, close, try_recv, send", 4, |world| {
        let (sender, mut receiver) = mpsc::channel(1);
        let sending = thread::spawn({
            let (permit, world) = (sender.try_reserve_owned().unwrap(), Arc::clone(world));
            move || {
                world.step();
                drop(permit.send(world.value(1)));
            }
        });
        receiver.close();
        loop {
            world.step();
            match receiver.try_recv() {
                Ok(value) => break assert_eq!(value.name(), 1),
                Err(TryRecvError::Empty) => thread::yield_now(),
                Err(TryRecvError::Disconnected) => panic!("a permit is still there"),
            }
        }
        sending.join().unwrap();
        assert_eq!(receiver.try_recv().unwrap_err(), TryRecvError::Disconnected);
    });
    model(
        "mpsc: reserve, close, recv, drop of the permit",
        4,
        |world| {
            let (sender, mut receiver) = mpsc::channel::<()>(1);
            let dropping = thread::spawn({
                let (permit, world) = (sender.try_reserve_owned().unwrap(), Arc::clone(world));
                move || {
                    world.step();
                    permit.release();
                }
            });
            receiver.close();
            assert_eq!(world.block_on(receiver.recv()), None);
            dropping.join().unwrap();
        },
    );
    model("mpmc: reserve, close, two recv, send", 2, |world| {
        let (sender, receiver) = mpmc::channel::<Value>(1);
        let permit = sender.try_reserve_owned().unwrap();
        let others = [receiver.clone(), receiver.clone()].map(|receiver| {
            let world = Arc::clone(world);
            thread::spawn(move || {
                world.step();
                world
                    .block_on(receiver.recv())
                    .map_or(0, |value| value.name())
            })
        });
        receiver.close();
        world.step();
        drop(permit.send(world.value(1)));
        let [first, second] = others.map(|other| other.join().unwrap());
        assert_eq!(
            first + second,
            1,
            "received once, and both are told the end"
        );
    });
}

/// The last sender, the receiver, and a sender that waits for a slot, all end at
/// the same time.
#[test]
fn y13_both_ends_are_dropped_while_a_sender_waits() {
    model("mpsc: drop of both ends, full", 2, |world| {
        let (sender, receiver) = mpsc::channel(1);
        assert!(sender.try_send(world.value(0)).is_ok());
        let waiting = thread::spawn({
            let (sender, world) = (sender.clone(), Arc::clone(world));
            move || {
                world.step();
                let Err(SendError(value)) = world.block_on(sender.send(world.value(1))) else {
                    panic!("nobody makes room");
                };
                assert_eq!(value.name(), 1);
            }
        });
        let dropping = thread::spawn(move || drop(sender));
        world.step();
        drop(receiver);
        dropping.join().unwrap();
        waiting.join().unwrap();
    });
    model("mpmc: drop of both ends, full", 2, |world| {
        let (sender, receiver) = mpmc::channel::<Value>(1);
        assert!(sender.try_send(world.value(0)).is_ok());
        let waiting = thread::spawn({
            let (sender, world) = (sender, Arc::clone(world));
            move || {
                world.step();
                // The message comes back, or was received by the one who stays.
                drop(world.block_on(sender.send(world.value(1))));
            }
        });
        let second = receiver.clone();
        let dropping = thread::spawn(move || drop(second));
        world.step();
        drop(receiver.try_recv());
        drop(receiver);
        dropping.join().unwrap();
        waiting.join().unwrap();
    });
}

/// A slot that was granted to a sender who leaves goes to the next one.
#[test]
fn y05_a_granted_slot_races_the_drop_of_its_sender() {
    model("mpsc: slot granted, sender leaves", 3, |world| {
        let (sender, mut receiver) = mpsc::channel(1);
        assert!(sender.try_send(world.value(0)).is_ok());
        let second = sender.clone();
        let mut behind = pin!(second.send(world.value(2)));
        let receiving = {
            let mut first = pin!(sender.send(world.value(1)));
            assert!(world.poll_once(first.as_mut()).is_pending());
            assert!(world.poll_once(behind.as_mut()).is_pending());
            let receiving = thread::spawn({
                let world = Arc::clone(world);
                move || {
                    world.step();
                    assert_eq!(receiver.try_recv().unwrap().name(), 0);
                    receiver
                }
            });
            world.step();
            receiving // `first` is dropped: its message was not sent
        };
        assert!(world.block_on(behind).is_ok());
        let mut receiver = receiving.join().unwrap();
        assert_eq!(receiver.try_recv().unwrap().name(), 2);
    });
    model("mpmc: message promised, receiver leaves", 3, |world| {
        let (sender, receiver) = mpmc::channel::<Value>(1);
        let mut behind = pin!(receiver.recv());
        let sending = {
            let mut first = pin!(receiver.recv());
            assert!(world.poll_once(first.as_mut()).is_pending());
            assert!(world.poll_once(behind.as_mut()).is_pending());
            let sending = thread::spawn({
                let world = Arc::clone(world);
                move || {
                    world.step();
                    assert!(sender.try_send(world.value(1)).is_ok());
                    sender
                }
            });
            world.step();
            sending
        };
        assert_eq!(world.block_on(behind).unwrap().name(), 1);
        drop(sending.join().unwrap());
    });
}

/// A sender that waits for the end is told it, whatever else happens to the line.
#[test]
fn whoever_waits_for_the_end_is_told_it() {
    model("mpsc: closed, drop of the receiver", 4, |world| {
        let (sender, receiver) = mpsc::channel::<()>(1);
        let dropping = thread::spawn(move || drop(receiver));
        world.block_on(sender.closed());
        dropping.join().unwrap();
    });
    model(
        "mpsc: closed twice, send, drop of the receiver",
        2,
        |world| {
            let (sender, receiver) = mpsc::channel(1);
            assert!(sender.try_send(world.value(0)).is_ok());
            let mut closed = pin!(sender.closed());
            assert!(world.poll_once(closed.as_mut()).is_pending());
            let other = thread::spawn({
                let (sender, world) = (sender.clone(), Arc::clone(world));
                move || {
                    assert!(world.block_on(sender.send(world.value(1))).is_err());
                    world.block_on(sender.closed());
                }
            });
            world.step();
            drop(receiver);
            world.block_on(closed);
            other.join().unwrap();
        },
    );
}

/// Y07: whatever is seen of a channel is within its bounds.
#[test]
fn y07_the_length_stays_within_the_capacity() {
    model("mpsc: len, send, recv", 2, |world| {
        let (sender, mut receiver) = mpsc::channel(1);
        let looking = thread::spawn({
            let (sender, world) = (sender.clone(), Arc::clone(world));
            move || {
                for _ in 0..2 {
                    world.step();
                    assert!(sender.len() <= 1);
                    assert!(sender.capacity() <= 1);
                }
            }
        });
        let sending = thread::spawn({
            let world = Arc::clone(world);
            move || {
                for name in 0..2 {
                    assert!(world.block_on(sender.send(world.value(name))).is_ok());
                }
            }
        });
        for name in 0..2 {
            assert_eq!(world.block_on(receiver.recv()).unwrap().name(), name);
        }
        looking.join().unwrap();
        sending.join().unwrap();
        assert_eq!(receiver.len(), 0);
    });
}
