//! The semaphore against a counter and a queue, in random orders.

use std::{collections::VecDeque, pin::Pin, task::Poll};

use arborio_sync::flavour::{Acquire, Flavour, Semaphore, SemaphorePermit};
use proptest::prelude::*;

use crate::support::{Log, in_both_flavours, poll};

in_both_flavours![a_semaphore_is_a_counter_and_a_queue];

/// What may happen. Numbers choose among those there are.
#[derive(Clone, Copy, Debug)]
enum Step {
    Acquire(usize),
    TryAcquire(usize),
    Poll(usize),
    Cancel(usize),
    Release(usize),
    ForgetHeld(usize),
    Add(usize),
    Forget(usize),
    Close,
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let which = any::<usize>();
    let step = prop_oneof![
        6 => (0..5_usize).prop_map(Step::Acquire),
        2 => (0..5_usize).prop_map(Step::TryAcquire),
        4 => which.prop_map(Step::Poll),
        4 => which.prop_map(Step::Cancel),
        6 => which.prop_map(Step::Release),
        1 => which.prop_map(Step::ForgetHeld),
        2 => (0..4_usize).prop_map(Step::Add),
        1 => (0..3_usize).prop_map(Step::Forget),
    ];
    (prop::collection::vec(step, 1..80), any::<bool>()).prop_map(|(mut steps, close)| {
        if close {
            let late = steps.len() * 3 / 4; // there is little to see afterwards
            steps.insert(late, Step::Close);
        }
        steps
    })
}

/// What the model knows of one that waits.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Fate {
    Waits,
    Granted,
    Closed,
}

/// One that waits, and what the model says of it.
struct Waiter<'a, F: Flavour> {
    number: usize,
    count: usize,
    fate: Fate,
    future: Pin<Box<Acquire<'a, F>>>,
}

/// The semaphore, and what it should be.
struct Bench<'a, F: Flavour> {
    semaphore: &'a Semaphore<F>,
    log: Log,
    free: usize,
    closed: bool,
    /// The numbers of those in line.
    queue: VecDeque<usize>,
    /// Those who must have been woken since the last look.
    woken: Vec<usize>,
    waiters: Vec<Waiter<'a, F>>,
    held: Vec<SemaphorePermit<'a, F>>,
    next: usize,
}

impl<'a, F: Flavour> Bench<'a, F> {
    fn serve(&mut self) {
        while let Some(&first) = self.queue.front() {
            let waiter = self
                .waiters
                .iter_mut()
                .find(|waiter| waiter.number == first);
            let waiter = waiter.expect("who is in line exists");
            waiter.fate = match (self.closed, self.free.checked_sub(waiter.count)) {
                (true, _) => Fate::Closed,
                (false, Some(free)) => {
                    self.free = free;
                    Fate::Granted
                }
                (false, None) => return,
            };
            self.woken.push(first);
            self.queue.pop_front();
        }
    }

    fn may_take(&self, count: usize) -> bool {
        !self.closed && self.queue.is_empty() && self.free >= count
    }

    fn acquire(&mut self, count: usize) {
        let number = self.next;
        self.next += 1;
        let mut future = Box::pin(self.semaphore.acquire_many(count));
        match poll(&mut future, &self.log.waker(number)) {
            Poll::Ready(Ok(permit)) => {
                assert!(self.may_take(count), "it was served out of turn");
                self.free -= count;
                self.held.push(permit);
            }
            Poll::Ready(Err(_)) => assert!(self.closed),
            Poll::Pending => {
                assert!(!self.closed && !self.may_take(count), "it was not served");
                self.queue.push_back(number);
                let fate = Fate::Waits;
                self.waiters.push(Waiter {
                    number,
                    count,
                    fate,
                    future,
                });
            }
        }
    }

    fn try_acquire(&mut self, count: usize) {
        let permit = self.semaphore.try_acquire_many(count);
        assert_eq!(permit.is_ok(), self.may_take(count));
        if let Ok(permit) = permit {
            self.free -= count;
            self.held.push(permit);
        }
    }

    fn poll(&mut self, at: usize) {
        let waiter = &mut self.waiters[at];
        match (
            poll(&mut waiter.future, &self.log.waker(waiter.number)),
            waiter.fate,
        ) {
            (Poll::Pending, Fate::Waits) => return,
            (Poll::Ready(Ok(permit)), Fate::Granted) => self.held.push(permit),
            (Poll::Ready(Err(_)), Fate::Closed) => {}
            (output, fate) => panic!("{output:?} for one that is {fate:?}"),
        }
        self.waiters.remove(at);
    }

    fn cancel(&mut self, at: usize) {
        let waiter = self.waiters.remove(at);
        if waiter.fate == Fate::Granted {
            self.free += waiter.count;
        }
        self.queue.retain(|number| *number != waiter.number);
        drop(waiter);
        self.serve();
    }

    fn step(&mut self, step: Step) {
        let (waiters, held) = (self.waiters.len().max(1), self.held.len().max(1));
        match step {
            Step::Acquire(count) => self.acquire(count),
            Step::TryAcquire(count) => self.try_acquire(count),
            Step::Poll(at) if !self.waiters.is_empty() => self.poll(at % waiters),
            Step::Cancel(at) if !self.waiters.is_empty() => self.cancel(at % waiters),
            Step::Release(at) if !self.held.is_empty() => {
                let permit = self.held.remove(at % held);
                self.free += permit.count();
                drop(permit);
                self.serve();
            }
            Step::ForgetHeld(at) if !self.held.is_empty() => self.held.remove(at % held).forget(),
            Step::Add(count) => {
                self.semaphore.add_permits(count).expect("there are few");
                self.free += count;
                self.serve();
            }
            Step::Forget(count) => {
                assert_eq!(self.semaphore.forget_permits(count), count.min(self.free));
                self.free -= count.min(self.free);
            }
            Step::Close => {
                self.semaphore.close();
                self.closed = true;
                self.serve();
            }
            _ => {} // there is nobody to do it to
        }
        assert_eq!(self.semaphore.available_permits(), self.free);
        assert_eq!(self.semaphore.waiting(), self.queue.len());
        assert_eq!(self.log.take(), std::mem::take(&mut self.woken));
    }
}

fn a_semaphore_is_a_counter_and_a_queue<F: Flavour>() {
    proptest!(|(permits in 1..6_usize, steps in steps())| {
        let semaphore = Semaphore::<F>::new(permits);
        let mut bench = Bench {
            semaphore: &semaphore,
            log: Log::default(),
            free: permits,
            closed: false,
            queue: VecDeque::new(),
            woken: Vec::new(),
            waiters: Vec::new(),
            held: Vec::new(),
            next: 0,
        };
        for step in steps {
            bench.step(step);
        }
    });
}
