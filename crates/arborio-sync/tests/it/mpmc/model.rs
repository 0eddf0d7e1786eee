//! Channels of one receiver and of many beside a model that keeps its lines in
//! vectors: after every operation both must say the same.

use std::{
    collections::VecDeque,
    pin::Pin,
    task::{Context, Poll, Waker},
};

use arborio_sync::{
    flavour::{
        Flavour, OneThread, Threads,
        channel::{Kind, Permit, Send, Sender},
        mpmc::{self, Recv},
        mpsc,
    },
    mpmc::{TryRecvError, TrySendError},
};
use proptest::{collection::vec, prelude::*};

use crate::support::{Census, Counted, poll_idle};

/// What is done. Numbers choose among those that are there.
#[derive(Clone, Copy, Debug)]
enum Op {
    TrySend,
    NewSend,
    PollSend(usize),
    DropSend(usize),
    TryReserve,
    UsePermit(usize),
    DropPermit(usize),
    TryRecv,
    NewRecv,
    PollRecv(usize),
    DropRecv(usize),
    Close,
}

fn ops() -> impl Strategy<Value = Vec<Op>> {
    let number = 0..4_usize;
    let op = prop_oneof![
        3 => Just(Op::TrySend),
        3 => Just(Op::NewSend),
        6 => number.clone().prop_map(Op::PollSend),
        2 => number.clone().prop_map(Op::DropSend),
        2 => Just(Op::TryReserve),
        2 => number.clone().prop_map(Op::UsePermit),
        1 => number.clone().prop_map(Op::DropPermit),
        4 => Just(Op::TryRecv),
        3 => Just(Op::NewRecv),
        6 => number.clone().prop_map(Op::PollRecv),
        2 => number.prop_map(Op::DropRecv),
    ];
    (vec(op.clone(), 0..60), vec(op, 0..30), any::<bool>()).prop_map(|(mut ops, rest, close)| {
        ops.extend(close.then_some(Op::Close));
        ops.extend(rest);
        ops
    })
}

/// How far a future has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Step {
    New,
    Waits,
    Granted,
    Refused,
}

/// What the channel should be like.
struct Model {
    capacity: usize,
    messages: VecDeque<usize>,
    permits: usize,
    closed: bool,
    /// Each future by its number, in the order in which it came to wait.
    sends: Vec<(usize, Step)>,
    receives: Vec<(usize, Step)>,
}

fn count(futures: &[(usize, Step)], step: Step) -> usize {
    futures.iter().filter(|future| future.1 == step).count()
}

impl Model {
    fn reserved(&self) -> usize {
        self.permits + count(&self.sends, Step::Granted)
    }

    fn free(&self) -> usize {
        self.capacity - self.messages.len() - self.reserved()
    }

    fn is_over(&self) -> bool {
        self.closed && self.reserved() == 0 && self.messages.is_empty()
    }

    fn may_send(&self) -> bool {
        count(&self.sends, Step::Waits) == 0 && self.free() > 0
    }

    fn may_receive(&self) -> bool {
        self.messages.len() > count(&self.receives, Step::Granted)
    }

    /// Answers who can be answered.
    fn settle(&mut self) {
        for at in 0..self.sends.len() {
            if self.sends[at].1 == Step::Waits {
                if self.closed {
                    self.sends[at].1 = Step::Refused;
                } else if self.free() > 0 {
                    self.sends[at].1 = Step::Granted;
                }
            }
        }
        for at in 0..self.receives.len() {
            if self.receives[at].1 == Step::Waits {
                if self.is_over() {
                    self.receives[at].1 = Step::Refused;
                } else if self.may_receive() {
                    self.receives[at].1 = Step::Granted;
                }
            }
        }
    }

    fn try_send(&mut self, message: usize) -> Result<(), TrySendError<()>> {
        if self.closed {
            return Err(TrySendError::Closed(()));
        }
        if !self.may_send() {
            return Err(TrySendError::Full(()));
        }
        self.messages.push_back(message);
        Ok(())
    }

    fn poll_send(&mut self, number: usize) -> Poll<Result<(), ()>> {
        let sent = match take(&mut self.sends, number) {
            Step::New => self.try_send(number),
            Step::Granted => {
                self.messages.push_back(number);
                Ok(())
            }
            Step::Refused => Err(TrySendError::Closed(())),
            Step::Waits => Err(TrySendError::Full(())),
        };
        match sent {
            Err(TrySendError::Full(())) => {
                self.sends.push((number, Step::Waits));
                Poll::Pending
            }
            sent => Poll::Ready(sent.map_err(drop)),
        }
    }

    fn try_receive(&mut self) -> Result<usize, TryRecvError> {
        if self.may_receive() {
            return Ok(self.messages.pop_front().unwrap());
        }
        Err(match self.is_over() {
            true => TryRecvError::Disconnected,
            false => TryRecvError::Empty,
        })
    }

    fn poll_receive(&mut self, number: usize) -> Poll<Option<usize>> {
        let received = match take(&mut self.receives, number) {
            Step::New => self.try_receive(),
            Step::Granted => Ok(self.messages.pop_front().unwrap()),
            Step::Refused => Err(TryRecvError::Disconnected),
            Step::Waits => Err(TryRecvError::Empty),
        };
        match received {
            Err(TryRecvError::Empty) => {
                self.receives.push((number, Step::Waits));
                Poll::Pending
            }
            received => Poll::Ready(received.ok()),
        }
    }
}

/// The step of a future; it is in no line any more, but for one that still waits
/// and is put back where it was.
fn take(futures: &mut Vec<(usize, Step)>, number: usize) -> Step {
    let at = futures.iter().position(|future| future.0 == number);
    futures.remove(at.expect("it is there")).1
}

type Sending<'a, F, K> = Pin<Box<Send<'a, Counted, F, K>>>;
type Receiving<'a, F> = Pin<Box<Recv<'a, Counted, F>>>;

/// The receiving side: of many receivers with futures, or of one without.
enum Side<'a, F: Flavour> {
    Many(
        &'a mpmc::Receiver<Counted, F>,
        Vec<(usize, Receiving<'a, F>)>,
    ),
    One(mpsc::Receiver<Counted, F>),
}

impl<F: Flavour> Side<'_, F> {
    fn try_recv(&mut self) -> Result<Counted, TryRecvError> {
        match self {
            Self::Many(receiver, _) => receiver.try_recv(),
            Self::One(receiver) => receiver.try_recv(),
        }
    }

    fn close(&mut self) {
        match self {
            Self::Many(receiver, _) => drop(receiver.close()),
            Self::One(receiver) => receiver.close(),
        }
    }
}

struct Beside<'a, F: Flavour, K: Kind> {
    model: Model,
    census: &'a Census,
    sender: &'a Sender<Counted, F, K>,
    side: Side<'a, F>,
    sends: Vec<(usize, Sending<'a, F, K>)>,
    permits: Vec<Permit<'a, Counted, F, K>>,
    next: usize,
}

impl<F: Flavour, K: Kind> Beside<'_, F, K> {
    fn number(&mut self) -> usize {
        self.next += 1;
        self.next
    }

    fn step(&mut self, op: Op) {
        match op {
            Op::TrySend => {
                let number = self.number();
                let sent = self.sender.try_send(self.census.value(number));
                let sent = sent.map_err(|error| match error {
                    TrySendError::Full(_) => TrySendError::Full(()),
                    TrySendError::Closed(_) => TrySendError::Closed(()),
                });
                assert_eq!(sent, self.model.try_send(number));
            }
            Op::NewSend => {
                let number = self.number();
                let send = self.sender.send(self.census.value(number));
                self.sends.push((number, Box::pin(send)));
                self.model.sends.push((number, Step::New));
            }
            Op::PollSend(which) => self.poll_send(which),
            Op::DropSend(which) => {
                if let Some(at) = chosen(which, self.sends.len()) {
                    let (number, send) = self.sends.remove(at);
                    drop(send);
                    take(&mut self.model.sends, number);
                }
            }
            Op::TryReserve => {
                let expected = match self.model.closed || !self.model.may_send() {
                    true => 0,
                    false => 1,
                };
                let reserved = self.sender.try_reserve();
                assert_eq!(usize::from(reserved.is_ok()), expected);
                self.model.permits += expected;
                self.permits.extend(reserved);
            }
            Op::UsePermit(which) => {
                if let Some(at) = chosen(which, self.permits.len()) {
                    let number = self.number();
                    self.permits.remove(at).send(self.census.value(number));
                    self.model.permits -= 1;
                    self.model.messages.push_back(number);
                }
            }
            Op::DropPermit(which) => {
                if let Some(at) = chosen(which, self.permits.len()) {
                    drop(self.permits.remove(at));
                    self.model.permits -= 1;
                }
            }
            Op::TryRecv => {
                let received = self.side.try_recv().map(|message| message.number);
                assert_eq!(received, self.model.try_receive());
            }
            Op::NewRecv => self.new_receive(),
            Op::PollRecv(which) => self.poll_receive(which),
            Op::DropRecv(which) => self.drop_receive(which),
            Op::Close => {
                self.side.close();
                self.model.closed = true;
            }
        }
        self.model.settle();
        assert_eq!(self.sender.len(), self.model.messages.len());
        assert_eq!(self.sender.capacity(), self.model.free());
        assert_eq!(self.sender.is_closed(), self.model.closed);
    }

    fn poll_send(&mut self, which: usize) {
        let Some(at) = chosen(which, self.sends.len()) else {
            return;
        };
        let (number, send) = &mut self.sends[at];
        let line: Vec<_> = self.model.sends.clone();
        let sent = poll_idle(send).map(|sent| sent.map_err(drop));
        assert_eq!(sent, self.model.poll_send(*number));
        if sent.is_ready() {
            drop(self.sends.remove(at));
        } else if line.contains(&(*number, Step::Waits)) {
            self.model.sends = line; // it kept its place
        }
    }

    fn new_receive(&mut self) {
        let number = self.number();
        if let Side::Many(receiver, receives) = &mut self.side {
            receives.push((number, Box::pin(receiver.recv())));
            self.model.receives.push((number, Step::New));
        }
    }

    fn poll_receive(&mut self, which: usize) {
        match &mut self.side {
            Side::One(receiver) => {
                let mut cx = Context::from_waker(Waker::noop());
                let received = receiver.poll_recv(&mut cx);
                let expected = match self.model.try_receive() {
                    Err(TryRecvError::Empty) => Poll::Pending,
                    received => Poll::Ready(received.ok()),
                };
                let received = received.map(|received| received.map(|message| message.number));
                assert_eq!(received, expected);
            }
            Side::Many(_, receives) => {
                let Some(at) = chosen(which, receives.len()) else {
                    return;
                };
                let (number, receive) = &mut receives[at];
                let line: Vec<_> = self.model.receives.clone();
                let received = poll_idle(receive);
                let received = received.map(|received| received.map(|message| message.number));
                let received = received.map(Result::ok);
                assert_eq!(received, self.model.poll_receive(*number));
                if received.is_ready() {
                    drop(receives.remove(at));
                } else if line.contains(&(*number, Step::Waits)) {
                    self.model.receives = line;
                }
            }
        }
    }

    fn drop_receive(&mut self, which: usize) {
        if let Side::Many(_, receives) = &mut self.side
            && let Some(at) = chosen(which, receives.len())
        {
            let (number, receive) = receives.remove(at);
            drop(receive);
            take(&mut self.model.receives, number);
        }
    }
}

fn chosen(which: usize, count: usize) -> Option<usize> {
    (count > 0).then(|| which % count)
}

fn run<F: Flavour, K: Kind>(
    sender: &Sender<Counted, F, K>,
    side: Side<'_, F>,
    census: &Census,
    ops: &[Op],
) {
    let model = Model {
        capacity: sender.max_capacity(),
        messages: VecDeque::new(),
        permits: 0,
        closed: false,
        sends: Vec::new(),
        receives: Vec::new(),
    };
    let mut beside = Beside {
        model,
        census,
        sender,
        side,
        sends: Vec::new(),
        permits: Vec::new(),
        next: 0,
    };
    ops.iter().for_each(|op| beside.step(*op));
    let kept = beside.model.messages.len() + beside.sends.len();
    assert_eq!(census.alive(), kept, "no message is lost, and none is kept");
}

fn run_both<F: Flavour>(capacity: usize, ops: &[Op]) {
    let census = Census::default();
    let (sender, receiver) = mpmc::channel::<_, F>(capacity);
    run(&sender, Side::Many(&receiver, Vec::new()), &census, ops);
    drop((sender, receiver));
    assert_eq!(census.alive(), 0);
    let (sender, receiver) = mpsc::channel::<_, F>(capacity);
    run(&sender, Side::One(receiver), &census, ops);
    drop(sender);
    assert_eq!(census.alive(), 0);
}

proptest! {
    #[test]
    fn y07_channels_do_what_their_model_does(capacity in 1..4_usize, ops in ops()) {
        run_both::<OneThread>(capacity, &ops);
        run_both::<Threads>(capacity, &ops);
    }

    #[test]
    fn y07_an_unbounded_channel_keeps_count(ops in vec(any::<bool>(), 0..200)) {
        let (sender, mut receiver) = mpsc::unbounded::<usize, Threads>();
        let mut messages = VecDeque::new();
        for (number, send) in ops.into_iter().enumerate() {
            if send {
                messages.push_back(number);
                sender.send(number).unwrap();
            } else {
                assert_eq!(receiver.try_recv().ok(), messages.pop_front());
            }
            assert_eq!((sender.len(), receiver.len()), (messages.len(), messages.len()));
        }
    }
}
