//! Watched values: whoever watches sees the last one.

use std::cell::RefCell;

use arborio_sync::flavour::{
    Flavour,
    watch::{self, Receiver, Sender},
};
use futures_lite::StreamExt;

use crate::{
    harness::{Make, Scenario, pause},
    support::{Census, Counted},
};

/// The last value; the first is 0.
const LAST: usize = 2;

/// The ends that nobody has taken yet.
pub(super) struct Watched<F: Flavour> {
    sender: RefCell<Option<Sender<Counted, F>>>,
    receivers: RefCell<Vec<Receiver<Counted, F>>>,
    census: Census,
}

impl<F: Flavour> Watched<F> {
    fn new() -> Self {
        let census = Census::default();
        let (sender, receiver) = watch::channel(census.value(0));
        Self {
            sender: RefCell::new(Some(sender)),
            receivers: RefCell::new(vec![receiver.clone(), receiver]),
            census,
        }
    }

    fn sender(&self) -> Sender<Counted, F> {
        self.sender.take().expect("one sends")
    }

    fn receiver(&self) -> Receiver<Counted, F> {
        self.receivers.borrow_mut().pop().expect("one for each")
    }
}

/// Sees one change after the other, and in the end the last value.
async fn watch_to_the_end<F: Flavour>(mut receiver: Receiver<Counted, F>) {
    let mut seen = 0;
    while receiver.changed().await.is_ok() {
        let value = receiver.get_and_update().number;
        assert!(value > seen, "{value} after {seen}");
        seen = value;
    }
    assert_eq!(seen, LAST);
}

fn watching<F: Flavour>(name: &'static str, victim: Make<Watched<F>>) -> Scenario<Watched<F>> {
    Scenario {
        name,
        world: Watched::new,
        victim,
        others: &[
            |world| {
                let sender = world.sender();
                Box::pin(async move {
                    for number in 1..=LAST {
                        sender.send_replace(world.census.value(number));
                        pause().await;
                    }
                })
            },
            |world| Box::pin(watch_to_the_end(world.receiver())),
        ],
        runs_on: true,
        check: |world, _| assert_eq!(world.census.alive(), 0),
    }
}

pub(super) fn y01_a_wait_for_a_change<F: Flavour>() -> Scenario<Watched<F>> {
    watching("a wait for a change", |world| {
        Box::pin(watch_to_the_end(world.receiver()))
    })
}

pub(super) fn y01_a_wait_for_a_certain_value<F: Flavour>() -> Scenario<Watched<F>> {
    watching("a wait for the last value", |world| {
        let mut receiver = world.receiver();
        Box::pin(async move {
            let last = receiver.wait_for(|value| value.number == LAST).await;
            assert_eq!(last.unwrap().number, LAST);
        })
    })
}

pub(super) fn y01_a_stream_of_changes<F: Flavour>() -> Scenario<Watched<F>> {
    watching("a stream of changes", |world| {
        let mut receiver = world.receiver();
        Box::pin(async move {
            let mut stream = std::pin::pin!(receiver.stream());
            let mut last = None;
            while let Some(value) = stream.next().await {
                last = Some(value);
            }
            assert_eq!(last.unwrap().number, LAST);
        })
    })
}

pub(super) fn y01_an_owned_stream_of_changes<F: Flavour>() -> Scenario<Watched<F>> {
    watching("an owned stream of changes", |world| {
        let receiver = world.receiver();
        Box::pin(async move {
            let last = receiver.into_stream().last().await;
            assert_eq!(last.unwrap().number, LAST);
        })
    })
}

pub(super) fn y01_a_sender_that_waits_until_nobody_watches<F: Flavour>() -> Scenario<Watched<F>> {
    Scenario {
        others: &[
            |world| {
                let receiver = world.receiver();
                Box::pin(async move {
                    pause().await;
                    drop(receiver);
                })
            },
            |world| {
                let receiver = world.receiver();
                Box::pin(async move {
                    pause().await;
                    drop(receiver);
                })
            },
        ],
        ..watching("a sender that waits until nobody watches", |world| {
            let sender = world.sender();
            Box::pin(async move {
                sender.closed().await;
                assert!(sender.send(world.census.value(9)).is_err());
            })
        })
    }
}
