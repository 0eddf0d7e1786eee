//! What a message costs, without any executor: both ends are polled by hand, on
//! one thread, with a waker that does nothing.
//!
//! Each figure is the time of one message from `send` to `recv`. *Batches* send
//! 128 and then receive 128, as two tasks of one loop do that take turns; *turns*
//! send one and receive one; *ping-pong* sends one there and one back, over two
//! channels, and both ends find nothing once before.

use std::{
    future::Future,
    hint::black_box,
    pin::{Pin, pin},
    task::{Context, Poll, Waker},
    time::{Duration, Instant},
};

use arborio_sync::flavour::{Flavour, OneThread, Threads, mpmc, mpsc, oneshot};
use criterion::{Criterion, criterion_group, criterion_main};

/// Messages between two turns, and the room of the bounded channels.
const BATCH: u64 = 128;

/// One channel, as the measurements use it.
trait Pipe {
    /// Sends; there is room.
    fn send(&mut self, cx: &mut Context<'_>, message: u64);
    /// Receives, if there is a message.
    fn receive(&mut self, cx: &mut Context<'_>) -> Poll<u64>;
}

fn now<T>(polled: Poll<T>) -> T {
    match polled {
        Poll::Ready(value) => value,
        Poll::Pending => panic!("it need not wait"),
    }
}

struct Bounded<F: Flavour>(mpsc::Sender<u64, F>, mpsc::Receiver<u64, F>);

impl<F: Flavour> Pipe for Bounded<F> {
    #[inline(always)]
    fn send(&mut self, cx: &mut Context<'_>, message: u64) {
        let sent = now(pin!(self.0.send(message)).poll(cx));
        sent.expect("the receiver is there");
    }

    #[inline(always)]
    fn receive(&mut self, cx: &mut Context<'_>) -> Poll<u64> {
        let received = pin!(self.1.recv()).poll(cx);
        received.map(|message| message.expect("the sender is there"))
    }
}

struct Unbounded<F: Flavour>(
    mpsc::UnboundedSender<u64, F>,
    mpsc::UnboundedReceiver<u64, F>,
);

impl<F: Flavour> Pipe for Unbounded<F> {
    #[inline(always)]
    fn send(&mut self, _: &mut Context<'_>, message: u64) {
        self.0.send(message).expect("the receiver is there");
    }

    #[inline(always)]
    fn receive(&mut self, cx: &mut Context<'_>) -> Poll<u64> {
        let received = pin!(self.1.recv()).poll(cx);
        received.map(|message| message.expect("the sender is there"))
    }
}

struct Many<F: Flavour>(mpmc::Sender<u64, F>, mpmc::Receiver<u64, F>);

impl<F: Flavour> Pipe for Many<F> {
    #[inline(always)]
    fn send(&mut self, cx: &mut Context<'_>, message: u64) {
        let sent = now(pin!(self.0.send(message)).poll(cx));
        sent.expect("the receiver is there");
    }

    #[inline(always)]
    fn receive(&mut self, cx: &mut Context<'_>) -> Poll<u64> {
        let received = pin!(self.1.recv()).poll(cx);
        received.map(|message| message.expect("the sender is there"))
    }
}

fn bounded<F: Flavour>(capacity: u64) -> Bounded<F> {
    let (sender, receiver) = mpsc::channel(capacity as usize);
    Bounded(sender, receiver)
}

fn unbounded<F: Flavour>() -> Unbounded<F> {
    let (sender, receiver) = mpsc::unbounded();
    Unbounded(sender, receiver)
}

fn many<F: Flavour>(capacity: u64) -> Many<F> {
    let (sender, receiver) = mpmc::channel(capacity as usize);
    Many(sender, receiver)
}

fn batches(pipe: &mut impl Pipe, messages: u64) -> Duration {
    let mut cx = Context::from_waker(Waker::noop());
    let start = Instant::now();
    let mut left = messages;
    while left > 0 {
        let batch = left.min(BATCH);
        (0..batch).for_each(|number| pipe.send(&mut cx, black_box(number)));
        (0..batch).for_each(|_| {
            black_box(now(pipe.receive(&mut cx)));
        });
        left -= batch;
    }
    start.elapsed()
}

fn turns(pipe: &mut impl Pipe, messages: u64) -> Duration {
    let mut cx = Context::from_waker(Waker::noop());
    let start = Instant::now();
    for number in 0..messages {
        pipe.send(&mut cx, black_box(number));
        black_box(now(pipe.receive(&mut cx)));
    }
    start.elapsed()
}

fn ping_pong(there: &mut impl Pipe, back: &mut impl Pipe, rounds: u64) -> Duration {
    let mut cx = Context::from_waker(Waker::noop());
    let start = Instant::now();
    for number in 0..rounds {
        assert!(there.receive(&mut cx).is_pending());
        there.send(&mut cx, black_box(number));
        assert!(back.receive(&mut cx).is_pending());
        let arrived = now(there.receive(&mut cx));
        back.send(&mut cx, arrived);
        black_box(now(back.receive(&mut cx)));
    }
    start.elapsed()
}

fn once<F: Flavour>(messages: u64) -> Duration {
    let mut cx = Context::from_waker(Waker::noop());
    let start = Instant::now();
    for number in 0..messages {
        let (sender, mut receiver) = oneshot::channel::<_, F>();
        assert!(Pin::new(&mut receiver).poll(&mut cx).is_pending());
        sender
            .send(black_box(number))
            .expect("the receiver is there");
        black_box(now(Pin::new(&mut receiver).poll(&mut cx))).expect("it was sent");
    }
    start.elapsed()
}

fn of_flavour<F: Flavour>(criterion: &mut Criterion, flavour: &str) {
    let mut group = criterion.benchmark_group(flavour);
    let mut measure = |name: &str, mut run: Box<dyn FnMut(u64) -> Duration>| {
        group.bench_function(name, |bencher| bencher.iter_custom(&mut *run));
    };
    measure(
        "mpsc bounded 128, batches",
        Box::new(|n| batches(&mut bounded::<F>(BATCH), n)),
    );
    measure(
        "mpsc bounded 128, turns",
        Box::new(|n| turns(&mut bounded::<F>(BATCH), n)),
    );
    measure(
        "mpsc unbounded, batches",
        Box::new(|n| batches(&mut unbounded::<F>(), n)),
    );
    measure(
        "mpsc unbounded, turns",
        Box::new(|n| turns(&mut unbounded::<F>(), n)),
    );
    measure(
        "mpmc bounded 128, batches",
        Box::new(|n| batches(&mut many::<F>(BATCH), n)),
    );
    measure(
        "mpmc unbounded, batches",
        Box::new(|n| batches(&mut many::<F>(usize::MAX as u64), n)),
    );
    measure(
        "ping-pong, mpsc bounded 1",
        Box::new(|n| ping_pong(&mut bounded::<F>(1), &mut bounded::<F>(1), n)),
    );
    measure(
        "ping-pong, mpsc unbounded",
        Box::new(|n| ping_pong(&mut unbounded::<F>(), &mut unbounded::<F>(), n)),
    );
    measure("oneshot, with a wait", Box::new(once::<F>));
}

fn channels(criterion: &mut Criterion) {
    of_flavour::<OneThread>(criterion, "one thread");
    of_flavour::<Threads>(criterion, "threads");
}

criterion_group! {
    name = benches;
    config = Criterion::default()
        .warm_up_time(Duration::from_millis(300))
        .measurement_time(Duration::from_secs(1));
    targets = channels
}
criterion_main!(benches);
