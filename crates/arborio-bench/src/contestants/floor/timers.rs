//! Timers of the floor: a binary heap, an epoll and a timerfd.

use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::future::Future;
use std::os::fd::OwnedFd;
use std::pin::Pin;
use std::task::{Context, Poll, Waker};
use std::time::{Duration, Instant};

use pin_project_lite::pin_project;
use rustix::event::{EventfdFlags, epoll, eventfd};
use rustix::time::{
    Itimerspec, TimerfdClockId, TimerfdFlags, TimerfdTimerFlags, Timespec, timerfd_create,
    timerfd_settime,
};

use super::task::with_loop;

/// A loop that woke this recently waits this many nanoseconds at least: with many timers, one wake of the
/// kernel then serves a batch, and a lone timer, which has nobody before it, is still on time.
const BATCH: u64 = 50_000;

/// A place in the slab: who waits, or which place is free next.
struct Slot {
    waker: Option<Waker>,
    /// Told apart from the earlier users of the same place.
    generation: u32,
}

/// Every armed timer of a loop.
pub(super) struct Timers {
    epoll: OwnedFd,
    /// What a foreign thread would wake the loop with; nobody does here.
    _event: OwnedFd,
    timerfd: Option<OwnedFd>,
    /// Deadlines in nanoseconds since `epoch`, with place and generation.
    heap: BinaryHeap<Reverse<(u64, u32, u32)>>,
    slots: Vec<Slot>,
    free: Vec<u32>,
    /// Entries of the heap whose timer is gone.
    dead: usize,
    epoch: Instant,
    last_wake: u64,
}

impl Timers {
    pub(super) fn new() -> Timers {
        let epoll = epoll::create(epoll::CreateFlags::CLOEXEC).expect("an epoll");
        let event = eventfd(0, EventfdFlags::CLOEXEC | EventfdFlags::NONBLOCK).expect("an eventfd");
        epoll::add(
            &epoll,
            &event,
            epoll::EventData::new_u64(0),
            epoll::EventFlags::IN,
        )
        .expect("room in the epoll");
        Timers {
            epoll,
            _event: event,
            timerfd: None,
            heap: BinaryHeap::new(),
            slots: Vec::new(),
            free: Vec::new(),
            dead: 0,
            epoch: Instant::now(),
            last_wake: 0,
        }
    }

    /// Nanoseconds since this was made.
    fn now(&self) -> u64 {
        self.epoch.elapsed().as_nanos() as u64
    }

    fn arm(&mut self, deadline: u64, waker: Waker) -> (u32, u32) {
        let index = self.free.pop().unwrap_or_else(|| {
            self.slots.push(Slot {
                waker: None,
                generation: 0,
            });
            self.slots.len() as u32 - 1
        });
        let slot = &mut self.slots[index as usize];
        slot.waker = Some(waker);
        self.heap.push(Reverse((deadline, index, slot.generation)));
        (index, slot.generation)
    }

    fn cancel(&mut self, (index, generation): (u32, u32)) {
        let slot = &mut self.slots[index as usize];
        if slot.generation != generation {
            return;
        }
        slot.generation += 1;
        slot.waker = None;
        self.free.push(index);
        self.dead += 1;
        if self.dead > 64 && self.dead > self.heap.len() / 2 {
            let slots = &self.slots;
            self.heap.retain(|Reverse((_, index, generation))| {
                slots[*index as usize].generation == *generation
            });
            self.dead = 0;
        }
    }

    /// Wakes whoever is due; what is left in the heap's head is alive.
    fn fire(&mut self, now: u64) -> usize {
        let mut fired = 0;
        while let Some(&Reverse((deadline, index, generation))) = self.heap.peek() {
            let slot = &mut self.slots[index as usize];
            if slot.generation != generation {
                self.dead -= 1;
            } else if deadline <= now {
                slot.generation += 1;
                self.free.push(index);
                if let Some(waker) = slot.waker.take() {
                    waker.wake();
                }
                fired += 1;
            } else {
                break;
            }
            self.heap.pop();
        }
        fired
    }

    /// Fires what is due; if nothing is, sleeps until something is, and fires that.
    pub(super) fn wait(&mut self) {
        let now = self.now();
        if self.fire(now) == 0 {
            let &Reverse((deadline, ..)) = self.heap.peek().expect("someone can still wake main");
            let sleep = deadline.max(self.last_wake + BATCH).saturating_sub(now);
            if sleep != 0 {
                self.sleep(Duration::from_nanos(sleep));
            }
            self.last_wake = self.now();
            self.fire(self.last_wake);
        }
    }

    fn sleep(&mut self, duration: Duration) {
        let epoll = &self.epoll;
        let timerfd = self.timerfd.get_or_insert_with(|| {
            let timerfd = timerfd_create(TimerfdClockId::Monotonic, TimerfdFlags::NONBLOCK)
                .expect("a timerfd");
            let edge = epoll::EventFlags::IN | epoll::EventFlags::ET;
            epoll::add(epoll, &timerfd, epoll::EventData::new_u64(1), edge)
                .expect("room in the epoll");
            timerfd
        });
        let once = Itimerspec {
            it_interval: Timespec {
                tv_sec: 0,
                tv_nsec: 0,
            },
            it_value: Timespec {
                tv_sec: duration.as_secs() as i64,
                tv_nsec: i64::from(duration.subsec_nanos()),
            },
        };
        timerfd_settime(timerfd, TimerfdTimerFlags::empty(), &once).expect("a sound duration");
        let mut events = [epoll::Event {
            flags: epoll::EventFlags::empty(),
            data: epoll::EventData::new_u64(0),
        }; 4];
        // An interrupted wait fires what is due and waits again.
        let _ = epoll::wait(&self.epoll, &mut events, None);
    }
}

/// Ends at a deadline; armed at its first poll.
pub(super) struct Sleep {
    deadline: u64,
    armed: Option<(u32, u32)>,
}

impl Sleep {
    pub(super) fn new(duration: Duration) -> Sleep {
        let now = with_loop(|current| current.timers.borrow().now());
        Sleep {
            deadline: now + duration.as_nanos() as u64,
            armed: None,
        }
    }
}

impl Future for Sleep {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        with_loop(|current| {
            let mut timers = current.timers.borrow_mut();
            match self.armed {
                Some((index, generation)) => {
                    let slot = &mut timers.slots[index as usize];
                    if slot.generation != generation {
                        return Poll::Ready(());
                    }
                    slot.waker
                        .as_mut()
                        .expect("an armed timer")
                        .clone_from(cx.waker());
                }
                None => self.armed = Some(timers.arm(self.deadline, cx.waker().clone())),
            }
            Poll::Pending
        })
    }
}

impl Drop for Sleep {
    fn drop(&mut self) {
        if let Some(armed) = self.armed {
            with_loop(|current| current.timers.borrow_mut().cancel(armed));
        }
    }
}

pin_project! {
    /// A future and a limit that is armed only when the future was pending.
    pub(super) struct Timeout<F> {
        #[pin]
        future: F,
        limit: Duration,
        sleep: Option<Sleep>,
    }
}

impl<F> Timeout<F> {
    pub(super) fn new(limit: Duration, future: F) -> Timeout<F> {
        Timeout {
            future,
            limit,
            sleep: None,
        }
    }
}

impl<F: Future> Future for Timeout<F> {
    type Output = Option<F::Output>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<F::Output>> {
        let this = self.project();
        if let Poll::Ready(output) = this.future.poll(cx) {
            return Poll::Ready(Some(output));
        }
        let sleep = this.sleep.get_or_insert_with(|| Sleep::new(*this.limit));
        Pin::new(sleep).poll(cx).map(|()| None)
    }
}
