//! Which of many futures in one task were woken, so that only those are polled.
//!
//! Each future has a number, and a waker that puts the number into a queue and wakes the
//! task. All of it lies behind one lock; no waker is cloned, called or dropped under it.
//!
//! # Invariants
//! - W1: a number lies in the queue at most once.
//! - W2: a number leaves the queue before its future is polled, so that a wake during the
//!   poll brings it back.
//! - W3: the task's waker is put in before the queue is looked at; whoever puts a number
//!   into the queue later finds it.

use std::{
    collections::VecDeque,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    task::{Context, Poll, Wake, Waker},
};

/// See the head of this file.
#[derive(Debug)]
pub(crate) struct WakeSet {
    queue: Arc<Mutex<Queue>>,
    /// One for each number.
    wakers: Vec<Waker>,
}

#[derive(Debug, Default)]
struct Queue {
    woken: VecDeque<usize>,
    /// Whether a number is among them (W1).
    is_woken: Vec<bool>,
    task: Option<Waker>,
}

/// Wakes one number.
struct Number {
    number: usize,
    queue: Arc<Mutex<Queue>>,
}

fn lock(queue: &Mutex<Queue>) -> MutexGuard<'_, Queue> {
    queue.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Queue {
    fn put(&mut self, number: usize) -> bool {
        let fresh = !std::mem::replace(&mut self.is_woken[number], true);
        if fresh {
            self.woken.push_back(number);
        }
        fresh
    }
}

impl Wake for Number {
    fn wake(self: Arc<Self>) {
        self.wake_by_ref();
    }

    fn wake_by_ref(self: &Arc<Self>) {
        let mut queue = lock(&self.queue);
        let task = if queue.put(self.number) {
            queue.task.take()
        } else {
            None
        };
        drop(queue);
        if let Some(task) = task {
            task.wake();
        }
    }
}

impl WakeSet {
    pub(crate) fn new() -> Self {
        Self {
            queue: Arc::default(),
            wakers: Vec::new(),
        }
    }

    /// Another number, which is to be polled.
    pub(crate) fn add(&mut self) -> usize {
        let number = self.wakers.len();
        let queue = Arc::clone(&self.queue);
        self.wakers
            .push(Waker::from(Arc::new(Number { number, queue })));
        let mut queue = lock(&self.queue);
        queue.is_woken.push(false);
        queue.put(number);
        number
    }

    /// The number is to be polled.
    pub(crate) fn mark(&self, number: usize) {
        lock(&self.queue).put(number);
    }

    /// Calls `poll` for each number that was woken, with its own waker, until one is
    /// ready. Those that are woken meanwhile have their turn in the next poll of the task,
    /// so a future that always wakes itself holds nobody up.
    pub(crate) fn poll_woken<R>(
        &self,
        cx: &mut Context<'_>,
        mut poll: impl FnMut(usize, &mut Context<'_>) -> Poll<R>,
    ) -> Poll<R> {
        let fresh = cx.waker().clone(); // foreign code: before the lock
        let mut queue = lock(&self.queue);
        let old = queue.task.replace(fresh); // W3
        let round = queue.woken.len();
        drop(queue);
        drop(old); // foreign code: after the lock
        for _ in 0..round {
            let Some(number) = self.take() else { break };
            let ready = poll(number, &mut Context::from_waker(&self.wakers[number]));
            if ready.is_ready() {
                return ready;
            }
        }
        if !lock(&self.queue).woken.is_empty() {
            cx.waker().wake_by_ref();
        }
        Poll::Pending
    }

    fn take(&self) -> Option<usize> {
        let mut queue = lock(&self.queue);
        let number = queue.woken.pop_front()?;
        queue.is_woken[number] = false; // W2
        Some(number)
    }
}

impl Drop for WakeSet {
    /// Wakers that are kept wake nobody any more, and hold no task.
    fn drop(&mut self) {
        let task = lock(&self.queue).task.take();
        drop(task);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn poll_all(set: &WakeSet) -> Vec<usize> {
        let mut polled = Vec::new();
        let mut cx = Context::from_waker(Waker::noop());
        let pending = set.poll_woken(&mut cx, |number, _| {
            polled.push(number);
            Poll::<()>::Pending
        });
        assert!(pending.is_pending());
        polled
    }

    #[test]
    fn each_number_is_polled_once_and_then_when_it_is_woken() {
        let mut set = WakeSet::new();
        for _ in 0..5 {
            set.add();
        }
        assert_eq!(poll_all(&set), [0, 1, 2, 3, 4]);
        assert!(poll_all(&set).is_empty());
        let three = set.wakers[3].clone();
        three.wake_by_ref();
        set.mark(1);
        three.wake();
        assert_eq!(poll_all(&set), [3, 1]);
    }

    #[test]
    fn one_that_wakes_itself_is_polled_once_in_each_round() {
        let mut set = WakeSet::new();
        set.add();
        let mut polls = 0;
        let mut cx = Context::from_waker(Waker::noop());
        for _ in 0..3 {
            let pending = set.poll_woken(&mut cx, |_, cx| {
                polls += 1;
                cx.waker().wake_by_ref();
                Poll::<()>::Pending
            });
            assert!(pending.is_pending());
        }
        assert_eq!(polls, 3);
    }

    #[test]
    fn wakes_from_many_threads_are_not_lost() {
        const ROUNDS: usize = 1000;
        let mut set = WakeSet::new();
        for _ in 0..4 {
            set.add();
        }
        let mut left = [ROUNDS; 4];
        let (asks, answers): (Vec<_>, Vec<_>) = (0..4).map(|_| std::sync::mpsc::channel()).unzip();
        std::thread::scope(|scope| {
            for answer in answers {
                scope.spawn(move || answer.into_iter().for_each(Waker::wake));
            }
            let all = std::future::poll_fn(|cx| {
                let _ = set.poll_woken(cx, |number, cx| {
                    if left[number] > 0 {
                        left[number] -= 1;
                        asks[number].send(cx.waker().clone()).unwrap();
                    }
                    Poll::<()>::Pending
                });
                if left == [0; 4] {
                    Poll::Ready(())
                } else {
                    Poll::Pending
                }
            });
            futures_lite::future::block_on(all);
            drop(asks);
        });
        assert_eq!(left, [0; 4]);
    }
}
