//! Broadcasts: each receiver gets every message, or is told how many it missed.

use std::cell::RefCell;

use arborio_sync::flavour::{
    Flavour,
    broadcast::{self, Receiver, RecvError, Sender},
};
use futures_lite::StreamExt;

use crate::{
    harness::{Make, Scenario, pause},
    support::{Census, Counted},
};

/// How many messages are sent; two of them are kept.
const SENT: usize = 3;

/// The ends that nobody has taken yet.
pub(super) struct Broadcast<F: Flavour> {
    sender: RefCell<Option<Sender<Counted, F>>>,
    receivers: RefCell<Vec<Receiver<Counted, F>>>,
    census: Census,
}

impl<F: Flavour> Broadcast<F> {
    fn new() -> Self {
        let (sender, receiver) = broadcast::channel(2);
        Self {
            receivers: RefCell::new(vec![receiver, sender.subscribe()]),
            sender: RefCell::new(Some(sender)),
            census: Census::default(),
        }
    }

    fn receiver(&self) -> Receiver<Counted, F> {
        self.receivers.borrow_mut().pop().expect("one for each")
    }
}

/// What one receiver has seen: every message, in order, is received or missed.
#[derive(Default)]
struct Seen(usize);

impl Seen {
    fn received(&mut self, value: &Counted) {
        assert_eq!(value.number, self.0, "the next one, or a lag is told");
        self.0 += 1;
    }

    fn missed(&mut self, count: u64) {
        assert!(count > 0, "a lag of nothing");
        self.0 += count as usize;
    }
}

/// Receives to the end.
async fn receive<F: Flavour>(mut receiver: Receiver<Counted, F>) {
    let mut seen = Seen::default();
    loop {
        match receiver.recv().await {
            Ok(value) => seen.received(&value),
            Err(RecvError::Lagged(count)) => seen.missed(count),
            Err(RecvError::Closed) => break,
        }
    }
    assert_eq!(seen.0, SENT);
}

fn receiving<F: Flavour>(name: &'static str, victim: Make<Broadcast<F>>) -> Scenario<Broadcast<F>> {
    Scenario {
        name,
        world: Broadcast::new,
        victim,
        others: &[
            |world| {
                let sender = world.sender.take().expect("one sends");
                Box::pin(async move {
                    for number in 0..SENT {
                        let receivers = sender.send(world.census.value(number));
                        assert!(receivers.is_ok_and(|count| count == 1 || count == 2));
                        pause().await;
                    }
                })
            },
            |world| Box::pin(receive(world.receiver())),
        ],
        runs_on: true,
        check: |world, _| assert_eq!(world.census.alive(), 0),
    }
}

pub(super) fn y01_a_receive_of_a_broadcast<F: Flavour>() -> Scenario<Broadcast<F>> {
    receiving("a receive of a broadcast", |world| {
        Box::pin(receive(world.receiver()))
    })
}

pub(super) fn y01_a_stream_of_a_broadcast<F: Flavour>() -> Scenario<Broadcast<F>> {
    receiving("a stream of a broadcast", |world| {
        let mut receiver = world.receiver();
        Box::pin(async move {
            let mut seen = Seen::default();
            let mut stream = std::pin::pin!(receiver.stream());
            while let Some(received) = stream.next().await {
                match received {
                    Ok(value) => seen.received(&value),
                    Err(lagged) => seen.missed(lagged.0),
                }
            }
            assert_eq!(seen.0, SENT);
        })
    })
}

pub(super) fn y01_an_owned_stream_of_a_broadcast<F: Flavour>() -> Scenario<Broadcast<F>> {
    receiving("an owned stream of a broadcast", |world| {
        let receiver = world.receiver();
        Box::pin(async move {
            let mut seen = Seen::default();
            let mut stream = std::pin::pin!(receiver.into_stream());
            while let Some(received) = stream.next().await {
                match received {
                    Ok(value) => seen.received(&value),
                    Err(lagged) => seen.missed(lagged.0),
                }
            }
            assert_eq!(seen.0, SENT);
        })
    })
}
