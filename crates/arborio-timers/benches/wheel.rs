//! The wheel beside the standard library's ordered collections, and what the
//! futures cost on top of it.
//!
//! Every measurement keeps a population of armed timers, because that is what
//! the cost of the ordered collections depends on.

use std::{
    cmp::Reverse,
    collections::{BTreeMap, BinaryHeap},
    future::{Future, poll_fn, ready},
    hint::black_box,
    pin::pin,
    task::{Context, Poll, Waker},
    time::Duration,
};

use arborio_base::WakeBatch;
use arborio_timers::{Clock, Timers, Wheel, sleep, timeout};
use criterion::{BatchSize, BenchmarkId, Criterion, criterion_group, criterion_main};

/// How many timers are armed beside the measured one.
const POPULATIONS: [u64; 3] = [0, 1_000, 100_000];

/// Deadlines between 1 and 50 ms after `now`, without a pattern.
struct Deadlines(u64);

impl Deadlines {
    fn next(&mut self, now: u64) -> u64 {
        // The multiplier and increment of Knuth's MMIX generator.
        self.0 = self
            .0
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        now + 1_000_000 + (self.0 >> 33) % 49_000_000
    }
}

/// What the measurements need of a collection of timers.
trait Queue {
    /// Names an entry.
    type Handle;
    fn new() -> Self;
    fn insert(&mut self, deadline: u64) -> Self::Handle;
    fn remove(&mut self, handle: Self::Handle);
    fn next(&mut self) -> Option<u64>;
    fn advance(&mut self, now: u64) -> usize;
}

impl Queue for (Wheel<Waker>, Vec<Waker>) {
    type Handle = arborio_timers::Key;

    fn new() -> Self {
        (Wheel::new(0), Vec::new())
    }

    fn insert(&mut self, deadline: u64) -> Self::Handle {
        self.0.insert(deadline, Waker::noop().clone())
    }

    fn remove(&mut self, handle: Self::Handle) {
        black_box(self.0.remove(handle));
    }

    fn next(&mut self) -> Option<u64> {
        self.0.next_deadline()
    }

    fn advance(&mut self, now: u64) -> usize {
        self.1.clear();
        self.0.advance(now, &mut self.1)
    }
}

/// Ordered by deadline and number; the number also finds an entry.
#[derive(Default)]
struct Tree {
    map: BTreeMap<(u64, u64), Waker>,
    last: u64,
}

impl Queue for Tree {
    type Handle = (u64, u64);

    fn new() -> Self {
        Self::default()
    }

    fn insert(&mut self, deadline: u64) -> Self::Handle {
        self.last += 1;
        self.map
            .insert((deadline, self.last), Waker::noop().clone());
        (deadline, self.last)
    }

    fn remove(&mut self, handle: Self::Handle) {
        black_box(self.map.remove(&handle));
    }

    fn next(&mut self) -> Option<u64> {
        self.map.first_key_value().map(|(key, _)| key.0)
    }

    fn advance(&mut self, now: u64) -> usize {
        let mut fired = 0;
        while let Some(entry) = self.map.first_entry()
            && entry.key().0 <= now
        {
            black_box(entry.remove());
            fired += 1;
        }
        fired
    }
}

/// A heap cannot remove from its middle: removed entries are marked, and
/// thrown away when they surface.
#[derive(Default)]
struct Heap {
    heap: BinaryHeap<Reverse<(u64, usize)>>,
    wakers: Vec<Option<Waker>>,
    free: Vec<usize>,
}

impl Heap {
    fn clean(&mut self) {
        while let Some(&Reverse((_, index))) = self.heap.peek()
            && self.wakers[index].is_none()
        {
            self.heap.pop();
            self.free.push(index);
        }
    }
}

impl Queue for Heap {
    type Handle = usize;

    fn new() -> Self {
        Self::default()
    }

    fn insert(&mut self, deadline: u64) -> usize {
        let index = self.free.pop().unwrap_or_else(|| {
            self.wakers.push(None);
            self.wakers.len() - 1
        });
        self.wakers[index] = Some(Waker::noop().clone());
        self.heap.push(Reverse((deadline, index)));
        index
    }

    fn remove(&mut self, handle: usize) {
        black_box(self.wakers[handle].take());
        self.clean();
    }

    fn next(&mut self) -> Option<u64> {
        self.clean();
        self.heap.peek().map(|next| next.0.0)
    }

    fn advance(&mut self, now: u64) -> usize {
        let mut fired = 0;
        while self.next().is_some_and(|next| next <= now)
            && let Some(Reverse((_, index))) = self.heap.pop()
        {
            black_box(self.wakers[index].take());
            self.free.push(index);
            fired += 1;
        }
        fired
    }
}

/// One queue with `population` timers between 1 and 50 ms.
fn populated<Q: Queue>(population: u64) -> (Q, Deadlines) {
    let mut queue = Q::new();
    let mut deadlines = Deadlines(1);
    for _ in 0..population {
        queue.insert(deadlines.next(0));
    }
    (queue, deadlines)
}

fn measure_queue<Q: Queue>(c: &mut Criterion, name: &str) {
    for population in POPULATIONS {
        let mut group = c.benchmark_group(format!("armed_{population}"));
        let (mut queue, mut deadlines) = populated::<Q>(population);
        group.bench_function(BenchmarkId::new("insert_remove", name), |b| {
            b.iter(|| {
                let handle = queue.insert(deadlines.next(0));
                queue.remove(handle);
            });
        });
        // A timeout of 5 s, far behind all others, as around a request.
        let (mut queue, _) = populated::<Q>(population);
        group.bench_function(BenchmarkId::new("insert_remove_far", name), |b| {
            b.iter(|| {
                let handle = queue.insert(5_000_000_000);
                queue.remove(handle);
            });
        });
        let (mut queue, _) = populated::<Q>(population.max(1));
        group.bench_function(BenchmarkId::new("next_deadline", name), |b| {
            b.iter(|| black_box(queue.next()));
        });
        group.finish();
    }
    // The life of a timer: armed for 1-50 ms, fired by passes that are 50 µs apart.
    let mut group = c.benchmark_group("insert_fire");
    for population in [1_000u64, 100_000] {
        let (mut queue, mut deadlines) = populated::<Q>(population);
        let mut now = 0;
        let step = 50_000;
        group.bench_function(BenchmarkId::new(name, population), |b| {
            b.iter_custom(|timers| {
                let (mut done, mut spent) = (0, Duration::ZERO);
                while done < timers {
                    let start = std::time::Instant::now();
                    now += step;
                    let fired = queue.advance(now);
                    for _ in 0..fired {
                        queue.insert(deadlines.next(now));
                    }
                    black_box(queue.next());
                    spent += start.elapsed();
                    done += fired as u64;
                }
                spent.mul_f64(timers as f64 / done.max(1) as f64)
            });
        });
    }
    group.finish();
}

fn queues(c: &mut Criterion) {
    measure_queue::<(Wheel<Waker>, Vec<Waker>)>(c, "wheel");
    measure_queue::<Heap>(c, "binary_heap");
    measure_queue::<Tree>(c, "btree_map");
}

fn futures(c: &mut Criterion) {
    let mut cx = Context::from_waker(Waker::noop());
    let second = Duration::from_secs(1);
    c.bench_function("loop_without_timers", |b| {
        b.iter(|| {
            let timers = Timers::new(Clock::real(), Waker::noop().clone());
            drop(timers.enter());
        });
    });
    let timers = Timers::new(Clock::real(), Waker::noop().clone());
    let _entered = timers.enter();
    c.bench_function("timeout_ready", |b| {
        b.iter(|| {
            let future = pin!(timeout(black_box(second), ready(black_box(1))));
            black_box(future.poll(&mut cx))
        });
    });
    c.bench_function("timeout_yields_once", |b| {
        b.iter(|| {
            let mut yielded = false;
            let inner = poll_fn(|_| {
                if std::mem::replace(&mut yielded, true) {
                    Poll::Ready(1)
                } else {
                    Poll::Pending
                }
            });
            let mut future = pin!(timeout(black_box(second), inner));
            assert!(future.as_mut().poll(&mut cx).is_pending());
            black_box(future.poll(&mut cx))
        });
    });
    c.bench_function("instant_now", |b| b.iter(arborio_timers::Instant::now));
    c.bench_function("std_instant_now", |b| b.iter(std::time::Instant::now));
    c.bench_function("sleep_poll_drop", |b| {
        b.iter(|| {
            let nap = pin!(sleep(black_box(second)));
            black_box(nap.poll(&mut cx))
        });
    });
    c.bench_function("fire_idle", |b| {
        let mut batch = WakeBatch::new();
        b.iter(|| timers.fire(&mut batch));
    });
    c.bench_function("fallback_sleep_poll_drop", |b| {
        b.iter_batched(
            || (),
            |()| {
                timers_of_nobody(|| {
                    let nap = pin!(sleep(black_box(second)));
                    black_box(nap.poll(&mut Context::from_waker(Waker::noop())))
                })
            },
            BatchSize::SmallInput,
        );
    });
}

/// Runs `f` as on a thread without a loop: on that of a loop that has ended.
fn timers_of_nobody<R>(f: impl FnOnce() -> R) -> R {
    let timers = Timers::new(Clock::real(), Waker::noop().clone());
    let _entered = timers.enter();
    timers.end();
    f()
}

criterion_group! {
    name = benches;
    config = Criterion::default()
        .sample_size(20)
        .warm_up_time(Duration::from_millis(200))
        .measurement_time(Duration::from_millis(600));
    targets = queues, futures
}
criterion_main!(benches);
