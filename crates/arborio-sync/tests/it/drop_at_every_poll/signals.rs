//! What tells tasks that something has happened.

use std::{cell::Cell, rc::Rc};

use arborio_sync::flavour::{Barrier, Event, Flavour, Notify, OnceCell, Promise, oneshot};
use futures_lite::FutureExt;

use super::shared::Owners;
use crate::{
    harness::{Make, Scenario, Victim, pause},
    support::{Census, Counted, poll_idle},
};

pub(super) fn y01_a_wait_for_an_event<F: Flavour>() -> Scenario<(Event<F>, Cell<usize>)> {
    Scenario {
        name: "an event that is set, cleared and set again",
        world: || (Event::new(), Cell::new(0)),
        victim: |world| Box::pin(async move { world.0.wait().await }),
        others: &[
            |world| {
                Box::pin(async move {
                    world.0.set();
                    world.0.clear();
                    pause().await;
                    world.0.set();
                })
            },
            |world: Rc<(Event<F>, Cell<usize>)>| {
                Box::pin(async move {
                    world.0.wait().await;
                    world.1.set(world.1.get() + 1);
                })
            },
        ],
        runs_on: true,
        check: |(event, told), _victim| {
            assert!(event.is_set());
            assert_eq!(told.get(), 1);
        },
    }
}

/// Whether exactly one notification is kept.
fn one_is_kept<F: Flavour>(notify: &Notify<F>) {
    assert!(
        poll_idle(&mut Box::pin(notify.notified())).is_ready(),
        "it was lost"
    );
    assert!(
        poll_idle(&mut Box::pin(notify.notified())).is_pending(),
        "there are two"
    );
}

/// One notification, which everybody who gets it hands on.
pub(super) fn y01_y04_a_notification_that_is_handed_on<F: Flavour>() -> Scenario<Notify<F>> {
    Scenario {
        name: "one notification for all",
        world: Notify::new,
        victim: |notify| {
            Box::pin(async move {
                notify.notified().await;
                notify.notify_one();
            })
        },
        others: &[
            |notify| Box::pin(async move { notify.notify_one() }),
            |notify| {
                Box::pin(async move {
                    notify.notified().await;
                    pause().await;
                    notify.notify_one();
                })
            },
        ],
        runs_on: true,
        check: |notify, _| one_is_kept(&notify),
    }
}

/// The same with a future that stands in line before it is awaited.
pub(super) fn y01_y04_an_enabled_notification_that_is_handed_on<F: Flavour>() -> Scenario<Notify<F>>
{
    Scenario {
        name: "one notification for all, enabled",
        victim: |notify| {
            Box::pin(async move {
                let mut notified = std::pin::pin!(notify.notified());
                if !notified.as_mut().enable() {
                    pause().await;
                    notified.await;
                }
                notify.notify_one();
            })
        },
        ..y01_y04_a_notification_that_is_handed_on()
    }
}

pub(super) fn y01_y04_an_owned_notification_that_is_handed_on<F: Owners>()
-> Scenario<F::Shared<Notify<F>>> {
    Scenario {
        name: "one notification for all, owned",
        world: || F::share(Notify::new()),
        victim: |notify| {
            Box::pin(async move {
                F::notified_owned((*notify).clone()).await;
                notify.notify_one();
            })
        },
        others: &[
            |notify| Box::pin(async move { notify.notify_one() }),
            |notify| {
                Box::pin(async move {
                    F::notified_owned((*notify).clone()).await;
                    notify.notify_one();
                })
            },
        ],
        runs_on: true,
        check: |notify, _| one_is_kept(&notify),
    }
}

/// All that wait are told, and nothing is kept.
pub(super) fn y01_a_wait_that_all_are_notified_of<F: Flavour>() -> Scenario<(Notify<F>, Cell<bool>)>
{
    Scenario {
        name: "all are notified",
        world: || (Notify::new(), Cell::new(false)),
        victim: |world| {
            Box::pin(async move {
                // Either waits, or comes too late.
                let notified = world.0.notified();
                if !world.1.get() {
                    notified.await;
                }
            })
        },
        others: &[
            |world| {
                Box::pin(async move {
                    pause().await;
                    world.1.set(true);
                    world.0.notify_waiters();
                })
            },
            |world| {
                Box::pin(async move {
                    let notified = world.0.notified();
                    if !world.1.get() {
                        notified.await;
                    }
                })
            },
        ],
        runs_on: true,
        check: |(notify, _), _| {
            assert!(poll_idle(&mut Box::pin(notify.notified())).is_pending());
        },
    }
}

/// Two at a time pass, and one comes again and again until the other has passed.
pub(super) fn y01_a_wait_at_a_barrier<F: Flavour>() -> Scenario<(Barrier<F>, Event<F>)> {
    Scenario {
        name: "a barrier for two",
        world: || (Barrier::new(2), Event::new()),
        victim: |world| {
            Box::pin(async move {
                world.0.wait().await;
            })
        },
        others: &[
            |world| {
                Box::pin(async move {
                    world.0.wait().await;
                    world.1.set();
                })
            },
            |world| {
                Box::pin(async move {
                    let passed = async {
                        world.1.wait().await;
                        true
                    };
                    let mut passed = Box::pin(passed);
                    let again = async || {
                        world.0.wait().await;
                        false
                    };
                    while !again().or(passed.as_mut()).await {}
                })
            },
        ],
        runs_on: false,
        check: |(barrier, _), _| {
            let shown = format!("{barrier:?}");
            assert!(
                shown.contains("arrived: 0"),
                "who has gone is not counted: {shown}"
            );
        },
    }
}

/// A cell, and how many values live.
type Filled<F> = (OnceCell<Counted, F>, Census);

async fn initialise<F: Flavour>((cell, census): &Filled<F>, number: usize) -> usize {
    let init = async || {
        pause().await;
        let value = census.value(number);
        pause().await;
        value
    };
    cell.get_or_init(init).await.number
}

/// The cell has the value of one of those who came, and no other value lives.
fn has_one_value<F: Flavour>((cell, census): Filled<F>) {
    assert!(cell.get().is_some());
    assert_eq!(census.alive(), 1);
    drop(cell);
    assert_eq!(census.alive(), 0);
}

pub(super) fn y01_y18_an_initialisation_among_others<F: Flavour>() -> Scenario<Filled<F>> {
    Scenario {
        name: "three initialise one cell",
        world: || (OnceCell::new(), Census::default()),
        victim: |world| {
            Box::pin(async move {
                initialise(&world, 1).await;
            })
        },
        others: &[
            |world| {
                Box::pin(async move {
                    let number = initialise(&world, 2).await;
                    assert_eq!(world.0.get().unwrap().number, number);
                })
            },
            |world| {
                Box::pin(async move {
                    initialise(&world, 3).await;
                })
            },
        ],
        runs_on: true,
        check: |world, _| has_one_value(world),
    }
}

pub(super) fn y01_y18_an_initialisation_that_fails<F: Flavour>() -> Scenario<Filled<F>> {
    Scenario {
        name: "an initialisation fails",
        victim: |world| {
            Box::pin(async move {
                let init = async || {
                    pause().await;
                    Err(())
                };
                let filled = world.0.get_or_try_init(init).await;
                assert_eq!(filled.is_ok(), world.0.is_initialized());
            })
        },
        ..y01_y18_an_initialisation_among_others()
    }
}

pub(super) fn y01_a_wait_for_a_cell<F: Flavour>() -> Scenario<Filled<F>> {
    Scenario {
        name: "a wait for the value of a cell",
        victim: |world| {
            Box::pin(async move {
                assert!(world.0.wait().await.number > 1);
            })
        },
        others: &[
            |world| {
                Box::pin(async move {
                    initialise(&world, 2).await;
                })
            },
            |world| {
                Box::pin(async move {
                    assert_eq!(world.0.wait().await.number, 2);
                })
            },
        ],
        ..y01_y18_an_initialisation_among_others()
    }
}

/// A channel for one message: the ends, what became of it, and the census.
pub(super) struct OneMessage<F: Flavour> {
    sender: Cell<Option<oneshot::Sender<Counted, F>>>,
    receiver: Cell<Option<oneshot::Receiver<Counted, F>>>,
    accepted: Cell<Option<bool>>,
    received: Cell<bool>,
    census: Census,
}

impl<F: Flavour> OneMessage<F> {
    fn new() -> Self {
        let (sender, receiver) = oneshot::channel();
        Self {
            sender: Cell::new(Some(sender)),
            receiver: Cell::new(Some(receiver)),
            accepted: Cell::new(None),
            received: Cell::new(false),
            census: Census::default(),
        }
    }

    fn send(&self) {
        let sender = self.sender.take().expect("one sends");
        let sent = sender.send(self.census.value(1));
        self.accepted.set(Some(sent.is_ok()));
    }

    fn check(self) {
        if self.received.get() {
            assert_eq!(self.accepted.get(), Some(true));
        }
        assert_eq!(
            self.census.alive(),
            0,
            "a message that nobody wants is dropped"
        );
    }
}

pub(super) fn y01_y13_a_receiver_of_one_message<F: Flavour>() -> Scenario<OneMessage<F>> {
    Scenario {
        name: "a receiver of one message",
        world: OneMessage::new,
        victim: |world| {
            let receiver = world.receiver.take().expect("one receives");
            Box::pin(async move {
                assert_eq!(receiver.await.expect("it is sent").number, 1);
                world.received.set(true);
            })
        },
        others: &[|world| {
            Box::pin(async move {
                pause().await;
                world.send();
            })
        }],
        runs_on: true,
        check: |world, victim| {
            assert_eq!(world.received.get(), victim == Victim::Ended);
            world.check();
        },
    }
}

pub(super) fn y01_a_sender_of_one_message_that_waits_for_the_close<F: Flavour>()
-> Scenario<OneMessage<F>> {
    Scenario {
        name: "a sender that waits until nobody wants its message",
        world: OneMessage::new,
        victim: |world| {
            Box::pin(async move {
                let mut sender = world.sender.take().expect("one sends");
                sender.closed().await;
                world.sender.set(Some(sender));
                world.send();
                assert_eq!(world.accepted.get(), Some(false));
            })
        },
        others: &[|world| {
            let mut receiver = world.receiver.take().expect("one receives");
            Box::pin(async move {
                pause().await;
                receiver.close();
                assert!(receiver.await.is_err(), "and it learns that nothing comes");
            })
        }],
        runs_on: true,
        check: |world, _| world.check(),
    }
}

/// A promise, and how many values live.
type Promised<F> = (Promise<Counted, F>, Census);

fn promising<F: Flavour>(name: &'static str, victim: Make<Promised<F>>) -> Scenario<Promised<F>> {
    Scenario {
        name,
        world: || (Promise::new(), Census::default()),
        victim,
        others: &[
            |world| {
                Box::pin(async move {
                    pause().await;
                    world.0.set(world.1.value(1)).unwrap();
                })
            },
            |world| {
                Box::pin(async move {
                    assert_eq!(world.0.wait().await.unwrap().number, 1);
                })
            },
        ],
        runs_on: true,
        check: |(promise, census), _| {
            assert!(promise.is_done());
            assert_eq!(census.alive(), 1);
            drop(promise);
            assert_eq!(census.alive(), 0);
        },
    }
}

pub(super) fn y01_a_wait_for_a_promise<F: Flavour>() -> Scenario<Promised<F>> {
    promising("a wait for a promise", |world| {
        Box::pin(async move {
            assert_eq!(world.0.wait().await.unwrap().number, 1);
        })
    })
}

pub(super) fn y01_a_promise_that_is_awaited_itself<F: Flavour>() -> Scenario<Promised<F>> {
    promising("a promise awaited by value", |world| {
        let promise = world.0.clone();
        Box::pin(async move {
            assert_eq!(promise.await.unwrap().number, 1);
        })
    })
}

/// Two want to move the value out: one of them gets it.
pub(super) fn y01_y13_a_value_that_two_would_take<F: Flavour>() -> Scenario<Promised<F>> {
    Scenario {
        others: &[
            |world| {
                Box::pin(async move {
                    pause().await;
                    world.0.set(world.1.value(1)).unwrap();
                })
            },
            |world| {
                Box::pin(async move {
                    let taken = world.0.take().await;
                    assert!(taken.is_ok() || world.1.alive() == 0, "it was lost");
                })
            },
        ],
        check: |(promise, census), _| {
            assert_eq!(census.alive(), 0, "somebody took it");
            assert!(promise.is_done());
        },
        ..promising("two would take the value", |world| {
            Box::pin(async move {
                drop(world.0.take().await);
            })
        })
    }
}
