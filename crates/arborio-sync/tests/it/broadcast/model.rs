//! A broadcast against a list of all that was ever sent, in random orders.

use arborio_sync::flavour::{
    Flavour,
    broadcast::{Receiver, Sender, TryRecvError, channel},
};
use proptest::prelude::*;

use crate::support::{Census, Counted, in_both_flavours};

in_both_flavours![a_broadcast_is_a_list_and_a_place_in_it_for_each];

/// What may happen. Numbers choose among the receivers there are.
#[derive(Clone, Copy, Debug)]
enum Step {
    Send,
    Receive(usize),
    Subscribe,
    Resubscribe(usize),
    Clone(usize),
    Drop(usize),
    Close,
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let which = any::<usize>();
    let step = prop_oneof![
        24 => Just(Step::Send),
        24 => which.prop_map(Step::Receive),
        4 => Just(Step::Subscribe),
        2 => which.prop_map(Step::Resubscribe),
        4 => which.prop_map(Step::Clone),
        6 => which.prop_map(Step::Drop),
        1 => Just(Step::Close),
    ];
    prop::collection::vec(step, 1..200)
}

/// The broadcast, and what it should be.
struct Bench<F: Flavour> {
    sender: Sender<Counted, F>,
    capacity: usize,
    census: Census,
    /// How many messages were sent; each is its own number.
    sent: usize,
    closed: bool,
    /// The receivers, and the message that each wants next.
    receivers: Vec<(Receiver<Counted, F>, usize)>,
}

impl<F: Flavour> Bench<F> {
    fn new(capacity: usize) -> Self {
        let (sender, receiver) = channel(capacity);
        Self {
            sender,
            capacity,
            census: Census::default(),
            sent: 0,
            closed: false,
            receivers: vec![(receiver, 0)],
        }
    }

    /// The oldest message there is room for.
    fn oldest(&self) -> usize {
        self.sent.saturating_sub(self.capacity)
    }

    fn chosen(&mut self, which: usize) -> Option<usize> {
        let count = self.receivers.len();
        (count > 0).then(|| which % count)
    }

    fn send(&mut self) {
        let result = self.sender.send(self.census.value(self.sent));
        if self.closed || self.receivers.is_empty() {
            assert_eq!(result.unwrap_err().0.number, self.sent);
        } else {
            assert_eq!(result.ok(), Some(self.receivers.len()));
            self.sent += 1;
        }
    }

    fn receive(&mut self, which: usize) {
        let (oldest, sent, closed) = (self.oldest(), self.sent, self.closed);
        let (receiver, wants) = &mut self.receivers[which];
        let received = receiver.try_recv().map(|message| message.number);
        let expected = if *wants < oldest {
            let missed = oldest - *wants;
            *wants = oldest;
            Err(TryRecvError::Lagged(missed as u64))
        } else if *wants < sent {
            *wants += 1;
            Ok(*wants - 1)
        } else if closed {
            Err(TryRecvError::Closed)
        } else {
            Err(TryRecvError::Empty)
        };
        assert_eq!(received, expected);
    }

    fn run(&mut self, step: Step) {
        match step {
            Step::Send => self.send(),
            Step::Subscribe => {
                let receiver = self.sender.subscribe();
                self.receivers.push((receiver, self.sent));
            }
            Step::Close => {
                self.sender.close();
                self.closed = true;
            }
            Step::Receive(which)
            | Step::Resubscribe(which)
            | Step::Clone(which)
            | Step::Drop(which) => {
                let Some(which) = self.chosen(which) else {
                    return;
                };
                let (receiver, wants) = &self.receivers[which];
                match step {
                    Step::Receive(_) => self.receive(which),
                    Step::Drop(_) => drop(self.receivers.remove(which)),
                    Step::Clone(_) => {
                        let clone = (receiver.clone(), *wants);
                        self.receivers.push(clone);
                    }
                    _ => {
                        let again = (receiver.resubscribe(), self.sent);
                        self.receivers.push(again);
                    }
                }
            }
        }
    }

    /// What is kept is what somebody still wants, and there is room for.
    fn check(&self) {
        let slowest = self.receivers.iter().map(|(_, wants)| *wants).min();
        let kept = self.sent - slowest.unwrap_or(self.sent).max(self.oldest());
        assert_eq!(self.sender.len(), kept);
        assert_eq!(self.census.alive(), kept);
        assert_eq!(self.sender.receiver_count(), self.receivers.len());
        for (receiver, wants) in &self.receivers {
            assert_eq!(receiver.len(), self.sent - (*wants).max(self.oldest()));
        }
    }
}

fn a_broadcast_is_a_list_and_a_place_in_it_for_each<F: Flavour>() {
    proptest!(|(capacity in 1..6_usize, steps in steps())| {
        let mut bench = Bench::<F>::new(capacity);
        for step in steps {
            bench.run(step);
            bench.check();
        }
    });
}
