//! Channels with one receiver and with many: what was sent is received, once,
//! and what was not sent is not.

use std::{cell::RefCell, rc::Rc};

use arborio_sync::flavour::{
    Flavour, Mutex,
    channel::{Kind, Sender},
    mpmc,
    mpsc::{self, UnboundedSender},
};
use futures_lite::StreamExt;

use crate::{
    harness::{Make, Scenario, pause},
    support::{Census, Counted},
};

/// The ends of a channel, and what went through it.
pub(super) struct Mail<S, R> {
    /// One for each who sends, taken when the actor is made.
    senders: RefCell<Vec<S>>,
    receiver: R,
    sent: RefCell<Vec<usize>>,
    received: RefCell<Vec<usize>>,
    census: Census,
}

impl<S, R> Mail<S, R> {
    fn new(senders: Vec<S>, receiver: R) -> Self {
        Self {
            senders: RefCell::new(senders),
            receiver,
            sent: RefCell::default(),
            received: RefCell::default(),
            census: Census::default(),
        }
    }

    fn sender(&self) -> S {
        self.senders.borrow_mut().pop().expect("one for each")
    }

    fn value(&self, number: usize) -> Counted {
        self.census.value(number)
    }

    fn sent(&self, number: usize) {
        self.sent.borrow_mut().push(number);
    }

    fn received(&self, value: Counted) {
        self.received.borrow_mut().push(value.number);
    }

    /// Everything that was sent was received, in the order of its sender.
    fn check(self) {
        let Self {
            senders,
            receiver,
            sent,
            received,
            census,
        } = self;
        drop((senders, receiver));
        let (mut sent, mut received) = (sent.into_inner(), received.into_inner());
        for sender in 0..3 {
            let of_it = |number: &&usize| **number / 10 == sender;
            assert!(received.iter().filter(of_it).is_sorted(), "{received:?}");
        }
        sent.sort_unstable();
        received.sort_unstable();
        assert_eq!(received, sent, "received, sent");
        assert_eq!(census.alive(), 0);
    }
}

/// A channel with room for one message, and a receiver that one has at a time.
type Mpsc<F> = Mail<mpsc::Sender<Counted, F>, Mutex<mpsc::Receiver<Counted, F>, F>>;

fn one_receiver<F: Flavour>(senders: usize) -> Mpsc<F> {
    let (sender, receiver) = mpsc::channel(1);
    Mail::new(vec![sender; senders], Mutex::new(receiver))
}

/// The same without a bound.
type Unbounded<F> =
    Mail<UnboundedSender<Counted, F>, Mutex<mpsc::UnboundedReceiver<Counted, F>, F>>;

fn unbounded<F: Flavour>(senders: usize) -> Unbounded<F> {
    let (sender, receiver) = mpsc::unbounded();
    Mail::new(vec![sender; senders], Mutex::new(receiver))
}

/// A channel with room for one message and two receivers.
type Mpmc<F> = Mail<mpmc::Sender<Counted, F>, RefCell<Vec<mpmc::Receiver<Counted, F>>>>;

fn many_receivers<F: Flavour>(senders: usize) -> Mpmc<F> {
    let (sender, receiver) = mpmc::channel(1);
    let receivers = RefCell::new(vec![receiver; 2]);
    Mail::new(vec![sender; senders], receivers)
}

impl<F: Flavour> Mpmc<F> {
    fn receiver(&self) -> mpmc::Receiver<Counted, F> {
        self.receiver.borrow_mut().pop().expect("one for each")
    }
}

/// Sends two messages.
async fn send<F: Flavour, K: Kind, R>(
    mail: Rc<Mail<Sender<Counted, F, K>, R>>,
    sender: Sender<Counted, F, K>,
    from: usize,
) {
    for number in [from, from + 1] {
        match sender.send(mail.value(number)).await {
            Ok(()) => mail.sent(number),
            Err(error) => assert_eq!(error.into_inner().number, number, "it comes back"),
        }
    }
}

/// Sends two messages, each with a permit that is kept for a step.
async fn send_reserved<F: Flavour, K: Kind, R>(
    mail: Rc<Mail<Sender<Counted, F, K>, R>>,
    sender: Sender<Counted, F, K>,
    from: usize,
) {
    for number in [from, from + 1] {
        if let Ok(permit) = sender.reserve().await {
            pause().await;
            permit.send(mail.value(number));
            mail.sent(number);
        }
    }
}

/// The same with permits that own the sender.
async fn send_owned<F: Flavour, K: Kind, R>(
    mail: Rc<Mail<Sender<Counted, F, K>, R>>,
    mut sender: Sender<Counted, F, K>,
    from: usize,
) {
    for number in [from, from + 1] {
        let Ok(permit) = sender.reserve_owned().await else {
            return;
        };
        pause().await;
        sender = permit.send(mail.value(number));
        mail.sent(number);
    }
}

/// Receives to the end.
async fn drain<F: Flavour>(mail: Rc<Mpsc<F>>) {
    let mut receiver = mail.receiver.lock().await;
    while let Some(value) = receiver.recv().await {
        mail.received(value);
    }
}

/// A second sender, and one who receives to the end.
fn sender_and_drain<F: Flavour>() -> &'static [Make<Mpsc<F>>] {
    &[
        |mail| Box::pin(send(Rc::clone(&mail), mail.sender(), 20)),
        |mail| Box::pin(drain(mail)),
    ]
}

fn sending<F: Flavour>(name: &'static str, victim: Make<Mpsc<F>>) -> Scenario<Mpsc<F>> {
    Scenario {
        name,
        world: || one_receiver(2),
        victim,
        others: sender_and_drain(),
        runs_on: true,
        check: |mail, _| mail.check(),
    }
}

pub(super) fn y01_y05_a_send_to_a_full_channel<F: Flavour>() -> Scenario<Mpsc<F>> {
    sending("a send", |mail| {
        Box::pin(send(Rc::clone(&mail), mail.sender(), 10))
    })
}

pub(super) fn y01_y05_a_reservation<F: Flavour>() -> Scenario<Mpsc<F>> {
    sending("a reservation", |mail| {
        Box::pin(send_reserved(Rc::clone(&mail), mail.sender(), 10))
    })
}

pub(super) fn y01_y05_an_owned_reservation<F: Flavour>() -> Scenario<Mpsc<F>> {
    sending("an owned reservation", |mail| {
        Box::pin(send_owned(Rc::clone(&mail), mail.sender(), 10))
    })
}

/// The receiver closes the channel after the first message, and receives the
/// rest of what was accepted.
fn closing<F: Flavour>(name: &'static str, victim: Make<Mpsc<F>>) -> Scenario<Mpsc<F>> {
    Scenario {
        others: &[
            |mail| Box::pin(send(Rc::clone(&mail), mail.sender(), 20)),
            |mail| {
                Box::pin(async move {
                    if let Some(value) = mail.receiver.lock().await.recv().await {
                        mail.received(value);
                    }
                    mail.receiver.lock().await.close();
                    drain(mail).await;
                })
            },
        ],
        ..sending(name, victim)
    }
}

pub(super) fn y01_y06_a_send_to_a_channel_that_is_closed<F: Flavour>() -> Scenario<Mpsc<F>> {
    closing("a send, and a close", |mail| {
        Box::pin(send(Rc::clone(&mail), mail.sender(), 10))
    })
}

pub(super) fn y01_y06_a_permit_of_a_channel_that_is_closed<F: Flavour>() -> Scenario<Mpsc<F>> {
    closing("a reservation, and a close", |mail| {
        Box::pin(send_reserved(Rc::clone(&mail), mail.sender(), 10))
    })
}

pub(super) fn y01_a_sender_that_waits_for_the_close<F: Flavour>() -> Scenario<Mpsc<F>> {
    closing("a wait for the close", |mail| {
        let sender = mail.sender();
        Box::pin(async move {
            sender.closed().await;
            assert!(sender.try_send(mail.value(10)).is_err());
        })
    })
}

/// A sender, a victim that receives some, and somebody who receives the rest.
fn receiving<F: Flavour>(name: &'static str, victim: Make<Mpsc<F>>) -> Scenario<Mpsc<F>> {
    Scenario {
        others: &[
            |mail| Box::pin(send(Rc::clone(&mail), mail.sender(), 10)),
            |mail| Box::pin(drain(mail)),
        ],
        world: || one_receiver(1),
        ..sending(name, victim)
    }
}

pub(super) fn y01_y05_a_receive<F: Flavour>() -> Scenario<Mpsc<F>> {
    receiving("a receive", |mail| {
        Box::pin(async move {
            for _ in 0..2 {
                let received = mail.receiver.lock().await.recv().await;
                received.into_iter().for_each(|value| mail.received(value));
            }
        })
    })
}

pub(super) fn y01_y05_a_receive_of_many<F: Flavour>() -> Scenario<Mpsc<F>> {
    receiving("a receive of many", |mail| {
        Box::pin(async move {
            let mut received = Vec::new();
            mail.receiver.lock().await.recv_many(&mut received, 3).await;
            received.drain(..).for_each(|value| mail.received(value));
        })
    })
}

pub(super) fn y01_y05_a_stream_of_messages<F: Flavour>() -> Scenario<Mpsc<F>> {
    receiving("a stream", |mail| {
        Box::pin(async move {
            let received = mail.receiver.lock().await.next().await;
            received.into_iter().for_each(|value| mail.received(value));
        })
    })
}

/// A sender that does not wait, and somebody who receives the rest.
fn receiving_unbounded<F: Flavour>(
    name: &'static str,
    victim: Make<Unbounded<F>>,
) -> Scenario<Unbounded<F>> {
    async fn send<F: Flavour>(mail: Rc<Unbounded<F>>, from: usize) {
        let sender = mail.sender();
        for number in [from, from + 1] {
            sender.send(mail.value(number)).unwrap();
            mail.sent(number);
            pause().await;
        }
    }
    Scenario {
        name,
        world: || unbounded(1),
        victim,
        others: &[
            |mail| Box::pin(send(mail, 10)),
            |mail| {
                Box::pin(async move {
                    let mut receiver = mail.receiver.lock().await;
                    while let Some(value) = receiver.recv().await {
                        mail.received(value);
                    }
                })
            },
        ],
        runs_on: true,
        check: |mail, _| mail.check(),
    }
}

pub(super) fn y01_y05_an_unbounded_receive<F: Flavour>() -> Scenario<Unbounded<F>> {
    receiving_unbounded("an unbounded receive", |mail| {
        Box::pin(async move {
            for _ in 0..2 {
                let received = mail.receiver.lock().await.recv().await;
                received.into_iter().for_each(|value| mail.received(value));
            }
        })
    })
}

pub(super) fn y01_y05_an_unbounded_receive_of_many<F: Flavour>() -> Scenario<Unbounded<F>> {
    receiving_unbounded("an unbounded receive of many", |mail| {
        Box::pin(async move {
            let mut received = Vec::new();
            mail.receiver.lock().await.recv_many(&mut received, 3).await;
            received.drain(..).for_each(|value| mail.received(value));
        })
    })
}

pub(super) fn y01_y05_an_unbounded_stream<F: Flavour>() -> Scenario<Unbounded<F>> {
    receiving_unbounded("an unbounded stream", |mail| {
        Box::pin(async move {
            let received = mail.receiver.lock().await.next().await;
            received.into_iter().for_each(|value| mail.received(value));
        })
    })
}

pub(super) fn y01_an_unbounded_sender_that_waits_for_the_close<F: Flavour>()
-> Scenario<Unbounded<F>> {
    Scenario {
        others: &[
            |mail| {
                let sender = mail.sender();
                Box::pin(async move {
                    sender.send(mail.value(20)).unwrap();
                    mail.sent(20);
                    sender.closed().await;
                })
            },
            |mail| {
                Box::pin(async move {
                    let mut receiver = mail.receiver.lock().await;
                    receiver
                        .recv()
                        .await
                        .into_iter()
                        .for_each(|value| mail.received(value));
                    receiver.close();
                    pause().await;
                    while let Some(value) = receiver.recv().await {
                        mail.received(value);
                    }
                })
            },
        ],
        world: || unbounded(2),
        ..receiving_unbounded("a wait for the close", |mail| {
            let sender = mail.sender();
            Box::pin(async move {
                sender.closed().await;
                assert!(sender.is_closed());
            })
        })
    }
}

/// A sender, a victim that receives some, and another receiver for the rest.
fn receiving_of_many<F: Flavour>(name: &'static str, victim: Make<Mpmc<F>>) -> Scenario<Mpmc<F>> {
    Scenario {
        name,
        world: || many_receivers(1),
        victim,
        others: &[
            |mail| Box::pin(send(Rc::clone(&mail), mail.sender(), 10)),
            |mail| {
                let receiver = mail.receiver();
                Box::pin(async move {
                    while let Ok(value) = receiver.recv().await {
                        mail.received(value);
                    }
                })
            },
        ],
        runs_on: true,
        check: |mail, _| mail.check(),
    }
}

pub(super) fn y01_y05_one_receive_of_many<F: Flavour>() -> Scenario<Mpmc<F>> {
    receiving_of_many("a receive beside another", |mail| {
        let receiver = mail.receiver();
        Box::pin(async move {
            while let Ok(value) = receiver.recv().await {
                mail.received(value);
            }
        })
    })
}

pub(super) fn y01_y05_one_stream_of_many<F: Flavour>() -> Scenario<Mpmc<F>> {
    receiving_of_many("a stream beside a receiver", |mail| {
        let receiver = mail.receiver();
        Box::pin(async move {
            let mut stream = std::pin::pin!(receiver.stream());
            while let Some(value) = stream.next().await {
                mail.received(value);
            }
        })
    })
}

pub(super) fn y01_y05_one_owned_stream_of_many<F: Flavour>() -> Scenario<Mpmc<F>> {
    receiving_of_many("an owned stream beside a receiver", |mail| {
        let receiver = mail.receiver();
        Box::pin(async move {
            let mut stream = std::pin::pin!(receiver.into_stream());
            while let Some(value) = stream.next().await {
                mail.received(value);
            }
        })
    })
}

/// Whoever wants more than one message hands on what it wants no more.
pub(super) fn y01_y05_a_message_that_is_promised<F: Flavour>() -> Scenario<Mpmc<F>> {
    Scenario {
        others: &[
            |mail| Box::pin(send(Rc::clone(&mail), mail.sender(), 10)),
            |mail| {
                let receiver = mail.receiver();
                Box::pin(async move {
                    // Both in line at once, and only one of them is polled again.
                    let mut first = Box::pin(receiver.recv());
                    let early = futures_lite::future::poll_once(&mut first).await;
                    early
                        .into_iter()
                        .flatten()
                        .for_each(|value| mail.received(value));
                    pause().await;
                    drop(first);
                    while let Ok(value) = receiver.recv().await {
                        mail.received(value);
                    }
                })
            },
        ],
        ..y01_y05_one_receive_of_many()
    }
}

pub(super) fn y01_y05_a_send_to_many<F: Flavour>() -> Scenario<Mpmc<F>> {
    Scenario {
        name: "a send to two receivers",
        world: || many_receivers(2),
        victim: |mail| Box::pin(send(Rc::clone(&mail), mail.sender(), 10)),
        others: &[
            |mail| Box::pin(send(Rc::clone(&mail), mail.sender(), 20)),
            |mail| {
                let receivers = [mail.receiver(), mail.receiver()];
                Box::pin(async move {
                    let [one, other] = receivers;
                    while let Ok(value) = one.recv().await {
                        mail.received(value);
                    }
                    assert!(other.try_recv().is_err());
                })
            },
        ],
        runs_on: true,
        check: |mail, _| mail.check(),
    }
}
