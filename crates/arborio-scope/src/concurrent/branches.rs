//! The branches as the run has them: which there are, and which are polled next.
//!
//! A branch has a number from the look that finds it at the entrance until its end.
//! It has a [`Bell`] only while somebody may wake it: one bell after the other serves
//! all branches that are ready at once, or that only wake themselves.
//!
//! # Invariants
//! - B1: a number is in `queue`, or in `later`, or on the list of the wakes, at most
//!   once in all, and only while its branch is there.
//! - B2: a turn ends. It polls what was woken before it, and at most [`EXTRA`] times
//!   more; who wakes itself waits for the next turn.
//! - B3: when this is dropped, the branches are, in the order in which they came, and
//!   each handle was told before.

use std::{
    collections::VecDeque,
    future::Future,
    mem::ManuallyDrop,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll},
};

use arborio_base::{budget, contain};
use arborio_task::{Interrupt, Payload, Reason, ReasonKind};

use super::{
    branch::Running,
    spawner::{Boxed, Place},
    wakes::{Bell, Wakes},
};

/// How many polls a turn may do for wakes and spawns that come while it lasts. A
/// pair of branches that talk to each other gets so far before the task's neighbours
/// have their turn.
const EXTRA: usize = 64;

/// See the head of the file.
pub(crate) struct Branches<'a, B: Boxed> {
    place: &'a Place<B>,
    /// By number.
    entries: Vec<Option<Entry<B>>>,
    /// Numbers without a branch.
    vacant: Vec<u32>,
    /// How many branches have come; orders them.
    born: u64,
    /// To be polled, in this order.
    queue: VecDeque<u32>,
    /// Woke themselves: to be polled in the next turn.
    later: Vec<u32>,
    /// Polls that are left of this turn (B2).
    left: usize,
    /// Nobody else has one of these.
    bells: Vec<Bell>,
    /// What the list of the wakes is swapped with.
    numbers: Vec<u32>,
    /// What waits at the entrance is swapped with this.
    arrivals: Vec<ManuallyDrop<B>>,
    /// Which is being polled; it stays if the poll panics.
    polled: Option<u32>,
    /// What the handles are told at the drop, if it is not a request.
    ended_by: Option<Payload>,
    /// There is no body any more that might spawn.
    body_has_ended: bool,
}

struct Entry<B> {
    branch: B,
    /// Somebody else has its waker.
    bell: Option<Bell>,
    born: u64,
}

impl<'a, B: Boxed> Branches<'a, B> {
    pub(crate) fn new(place: &'a Place<B>) -> Self {
        Self {
            place,
            entries: Vec::new(),
            vacant: Vec::new(),
            born: 0,
            queue: VecDeque::new(),
            later: Vec::new(),
            left: 0,
            bells: Vec::new(),
            numbers: Vec::new(),
            arrivals: Vec::new(),
            polled: None,
            ended_by: None,
            body_has_ended: false,
        }
    }

    fn wakes(&self) -> &'a Arc<Wakes> {
        &self.place.wakes
    }

    /// A turn begins. `numbers` were on the list.
    pub(crate) fn begin(&mut self, numbers: &mut Vec<u32>) {
        self.queue.extend(self.later.drain(..));
        self.queue.extend(numbers.drain(..));
        self.collect();
        self.left = self.queue.len() + EXTRA;
    }

    /// Takes what has come since the last look.
    fn collect(&mut self) {
        self.wakes().collect(&mut self.numbers);
        self.queue.extend(self.numbers.drain(..));
        self.place.collect(&mut self.arrivals);
        self.admit();
    }

    /// Gives the arrivals their numbers.
    fn admit(&mut self) {
        let count = self.arrivals.len();
        self.queue.reserve(count);
        self.entries
            .reserve(count.saturating_sub(self.vacant.len()));
        for branch in self.arrivals.drain(..) {
            let entry = Entry {
                branch: ManuallyDrop::into_inner(branch),
                bell: None,
                born: self.born,
            };
            self.born += 1;
            let number = match self.vacant.pop() {
                Some(number) => {
                    self.entries[number as usize] = Some(entry);
                    number
                }
                None => {
                    self.entries.push(Some(entry));
                    u32::try_from(self.entries.len() - 1).expect("memory ends before that")
                }
            };
            self.queue.push_back(number);
        }
    }

    /// Nothing comes in from now on; what has come is to be dropped with the others.
    pub(crate) fn close(&mut self) {
        self.arrivals.append(&mut self.place.close());
        self.admit();
    }

    /// Whether there is something to poll already, for the next turn.
    pub(crate) fn has_more(&self) -> bool {
        !self.queue.is_empty() || !self.later.is_empty()
    }

    /// The body has ended: when the branches have, all has.
    pub(crate) fn body_has_ended(&mut self) {
        self.body_has_ended = true;
    }

    /// A poll has panicked; if it was that of a branch, its handle is told so, and all
    /// others that they were dropped for it.
    pub(crate) fn panicked(&mut self, payload: Payload) {
        self.ended_by = Some(payload);
    }

    fn poll_one(&mut self, number: u32) -> Option<B> {
        let place = self.place;
        let slot = &mut self.entries[number as usize];
        let entry = slot.as_mut()?; // always there (B1)
        let bell = match entry.bell.take() {
            Some(bell) => {
                bell.hold();
                bell
            }
            None => (self.bells.pop()).unwrap_or_else(|| Bell::new(&place.wakes)),
        };
        self.polled = Some(number);
        let polled = (entry.branch.as_pin()).poll(&mut Context::from_waker(bell.waker()));
        self.polled = None;
        let unshared = bell.is_unshared();
        let was_woken = match unshared {
            true => bell.take_woken(),
            false => polled.is_pending() && bell.release(number),
        };
        if polled.is_pending() {
            if was_woken {
                self.later.push(number);
            }
            match unshared {
                true => self.bells.push(bell),
                false => entry.bell = Some(bell),
            }
            return None;
        }
        if unshared {
            self.bells.push(bell);
        }
        self.vacant.push(number);
        slot.take().map(|entry| entry.branch)
    }

    /// How many there are.
    fn count(&self) -> usize {
        self.entries.len() - self.vacant.len()
    }
}

impl<B: Boxed> Future for Branches<'_, B> {
    type Output = ();

    /// Goes on with the turn. Ready when all has ended, and nothing can come.
    fn poll(self: Pin<&mut Self>, _cx: &mut Context<'_>) -> Poll<()> {
        let this = self.get_mut();
        loop {
            if this.queue.is_empty() {
                this.collect();
            }
            if this.left == 0 || !budget::has_budget() {
                break;
            }
            let Some(number) = this.queue.pop_front() else {
                break;
            };
            this.left -= 1;
            drop(this.poll_one(number)); // a destructor that panics is its branch's
        }
        let is_empty = this.body_has_ended && this.count() == 0;
        match is_empty && this.place.close_if_empty() {
            true => Poll::Ready(()),
            false => Poll::Pending,
        }
    }
}

impl<B: Boxed> Drop for Branches<'_, B> {
    fn drop(&mut self) {
        self.close();
        if self.count() == 0 {
            return;
        }
        let why = match (&self.ended_by, self.place.request()) {
            (Some(_), _) => Interrupt::Cancelled(Reason::new(ReasonKind::ScopeFailed)),
            (None, Some(request)) => Interrupt::Cancelled(request),
            (None, None) => Interrupt::Cancelled(Reason::new(ReasonKind::Abort)),
        };
        if let (Some(number), Some(payload)) = (self.polled, self.ended_by.take())
            && let Some(entry) = &mut self.entries[number as usize]
        {
            contain(|| {
                entry
                    .branch
                    .as_pin()
                    .interrupt(Interrupt::Panicked(payload))
            });
        }
        let mut entries: Vec<_> = self.entries.drain(..).flatten().collect();
        entries.sort_unstable_by_key(|entry| entry.born);
        for Entry { branch, bell, .. } in entries {
            if let Some(bell) = bell {
                bell.hold(); // for ever
            }
            end(branch, why.clone());
        }
    }
}

/// Drops a branch that has not ended; first its handle is told.
pub(crate) fn end<B: Boxed>(mut branch: B, why: Interrupt) {
    contain(|| branch.as_pin().interrupt(why));
    arborio_base::drop_contained(branch);
}
