//! The branches as the run has them: which there are, and which are polled next.
//!
//! A branch has a [`Bell`] and a seat, which has a number, only while somebody may wake
//! it: one bell after the other serves all branches that are ready at once, or that only
//! wake themselves.
//!
//! # Invariants
//! - B1: a branch is in one of `queue`, `later`, `idle`, `polled`, and the seats. A number
//!   is on the list of the wakes at most once, and only while its seat is taken by its
//!   branch.
//! - B2: a turn ends. It polls what was woken before it, and at most [`EXTRA`] times
//!   more; who wakes itself waits for the next turn.
//! - B3: when this is dropped, the branches are, in the order in which they came, and
//!   each handle was told before.

use std::{
    future::Future,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll},
};

use arborio_base::{budget, contain};
use arborio_task::{Interrupt, Payload, Reason, ReasonKind};

use super::{
    cells::{Chain, Owned, Shared},
    spawner::{Bell, Kind, Orders, Place},
    wakes::Wakes,
};

/// How many polls a turn may do for wakes and spawns that come while it lasts. A
/// pair of branches that talk to each other gets so far before the task's neighbours
/// have their turn.
const EXTRA: usize = 64;

/// See the head of the file.
pub(crate) struct Branches<'a, 'env, K: Kind> {
    place: &'a Place<'env, K>,
    /// By number.
    seats: Vec<Seat<'env, K>>,
    /// Numbers of seats that nobody has.
    vacant: Vec<u32>,
    /// How many times branches have come; orders them.
    batch: u64,
    /// How many of them have not ended.
    count: usize,
    /// To be polled, in this order.
    queue: Chain<'env, K>,
    /// Woke themselves: to be polled in the next turn.
    later: Chain<'env, K>,
    /// Nobody has a waker of these: they are not polled any more.
    idle: Chain<'env, K>,
    /// Which is being polled; it stays if the poll panics.
    polled: Option<Owned<'env, K>>,
    /// Polls that are left of this turn (B2).
    left: usize,
    bells: Spare,
    /// What the list of the wakes is swapped with.
    numbers: Vec<u32>,
    /// What the handles are told at the drop, if it is not a request.
    ended_by: Option<Payload>,
    /// There is no body any more that might spawn.
    body_has_ended: bool,
}

/// Of a branch whose waker somebody else has.
struct Seat<'env, K: Kind> {
    /// Nobody while the branch is to be polled.
    branch: Option<Owned<'env, K>>,
    bell: Option<Bell>,
}

/// Bells that nobody else has. The first does without an allocation.
#[derive(Default)]
struct Spare {
    first: Option<Bell>,
    others: Vec<Bell>,
}

impl Spare {
    fn take(&mut self) -> Option<Bell> {
        self.first.take().or_else(|| self.others.pop())
    }

    fn put(&mut self, bell: Bell) {
        match self.first {
            None => self.first = Some(bell),
            Some(_) => self.others.push(bell),
        }
    }
}

impl<'a, 'env, K: Kind> Branches<'a, 'env, K> {
    pub(crate) const fn new(place: &'a Place<'env, K>) -> Self {
        Self {
            place,
            seats: Vec::new(),
            vacant: Vec::new(),
            batch: 0,
            count: 0,
            queue: Chain::new(),
            later: Chain::new(),
            idle: Chain::new(),
            polled: None,
            left: 0,
            bells: Spare {
                first: None,
                others: Vec::new(),
            },
            numbers: Vec::new(),
            ended_by: None,
            body_has_ended: false,
        }
    }

    fn wakes(&self) -> &'a Arc<Wakes<Shared<Orders>>> {
        self.place.wakes()
    }

    /// A turn begins. `numbers` were on the list.
    pub(crate) fn begin(&mut self, numbers: &mut Vec<u32>) {
        self.queue.append(&mut self.later);
        self.rouse(numbers);
        self.collect();
        self.left = self.queue.len() + EXTRA;
    }

    /// Takes what has come since the last look.
    fn collect(&mut self) {
        if self.wakes().has_any() {
            let mut numbers = std::mem::take(&mut self.numbers);
            self.wakes().collect(&mut numbers);
            self.rouse(&mut numbers);
            self.numbers = numbers;
        }
        let arrivals = self.place.collect(self.batch);
        self.admit(arrivals);
    }

    /// Those with these numbers are to be polled.
    fn rouse(&mut self, numbers: &mut Vec<u32>) {
        for number in numbers.drain(..) {
            // Always there (B1).
            if let Some(branch) = self.seats[number as usize].branch.take() {
                self.queue.push_back(branch);
            }
        }
    }

    fn admit(&mut self, mut arrivals: Chain<'env, K>) {
        if arrivals.is_empty() {
            return;
        }
        self.batch += 1;
        self.count += arrivals.len();
        self.queue.append(&mut arrivals);
    }

    /// Nothing comes in from now on; what has come is to be dropped with the others.
    pub(crate) fn close(&mut self) {
        let arrivals = self.place.close(self.batch);
        self.admit(arrivals);
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

    /// A bell that nobody else has.
    pub(crate) fn bell(&mut self) -> Bell {
        (self.bells.take()).unwrap_or_else(|| Bell::new(self.wakes()))
    }

    /// Takes back a bell that nobody else has.
    pub(crate) fn keep(&mut self, bell: Bell) {
        self.bells.put(bell);
    }

    /// One poll; who has a seat has a bell there, and everybody else gets the spare one.
    #[inline]
    fn poll_one(&mut self, branch: Owned<'env, K>) {
        if let Some(number) = branch.number() {
            return self.poll_seated(branch, number);
        }
        let place = self.place;
        let bell = (self.bells.first).get_or_insert_with(|| {
            let another = self.bells.others.pop();
            another.unwrap_or_else(|| Bell::new(place.wakes()))
        });
        let branch = self.polled.insert(branch);
        let polled = branch.poll(&mut Context::from_waker(bell.waker()));
        let is_unshared = bell.is_unshared();
        let was_woken = is_unshared && bell.take_woken();
        match polled {
            Poll::Ready(()) => {
                if !is_unshared {
                    self.bells.first = None; // held for ever
                }
                self.count -= 1;
                self.polled = None; // tells the handle
            }
            Poll::Pending if is_unshared => self.put_aside(was_woken),
            Poll::Pending => self.seat(),
        }
    }

    /// It is pending, and nobody has its waker.
    fn put_aside(&mut self, was_woken: bool) {
        if let Some(branch) = self.polled.take() {
            match was_woken {
                true => self.later.push_back(branch),
                false => self.idle.push_back(branch),
            }
        }
    }

    /// It is pending, and somebody has its waker, which is that of the spare bell.
    fn seat(&mut self) {
        let (Some(mut branch), Some(bell)) = (self.polled.take(), self.bells.first.take()) else {
            return; // never: they were there for the poll
        };
        let number = self.vacant_seat();
        branch.set_number(Some(number));
        self.wait_in(number, branch, bell);
    }

    /// From now on a wake puts the number on the list.
    fn wait_in(&mut self, number: u32, branch: Owned<'env, K>, bell: Bell) {
        let was_woken = bell.release(number);
        let seat = &mut self.seats[number as usize];
        seat.bell = Some(bell);
        match was_woken {
            true => self.later.push_back(branch),
            false => seat.branch = Some(branch),
        }
    }

    fn poll_seated(&mut self, branch: Owned<'env, K>, number: u32) {
        let Some(bell) = self.seats[number as usize].bell.take() else {
            return; // never: it came with the branch
        };
        bell.hold();
        let polled = (self.polled.insert(branch)).poll(&mut Context::from_waker(bell.waker()));
        let is_unshared = bell.is_unshared();
        let was_woken = is_unshared && bell.take_woken();
        if let (Poll::Pending, false) = (polled, is_unshared) {
            if let Some(branch) = self.polled.take() {
                self.wait_in(number, branch, bell);
            }
            return;
        }
        self.vacant.push(number);
        if is_unshared {
            self.bells.put(bell);
        }
        match (polled, &mut self.polled) {
            (Poll::Pending, Some(branch)) => {
                branch.set_number(None);
                self.put_aside(was_woken);
            }
            _ => {
                self.count -= 1;
                self.polled = None; // tells the handle
            }
        }
    }

    /// The number of a seat for who has none.
    fn vacant_seat(&mut self) -> u32 {
        self.vacant.pop().unwrap_or_else(|| {
            self.seats.push(Seat {
                branch: None,
                bell: None,
            });
            u32::try_from(self.seats.len() - 1).expect("memory ends before that")
        })
    }

    /// All that have not ended, in the order in which they came.
    fn take_all(&mut self) -> Vec<Owned<'env, K>> {
        let mut all = Vec::with_capacity(self.count);
        for chain in [&mut self.queue, &mut self.later, &mut self.idle] {
            all.extend(std::iter::from_fn(|| chain.pop_front()));
        }
        all.extend(self.polled.take());
        all.extend(self.seats.iter_mut().filter_map(|seat| seat.branch.take()));
        all.sort_unstable_by_key(Owned::order);
        all
    }
}

impl<K: Kind> Future for Branches<'_, '_, K> {
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
            let Some(branch) = this.queue.pop_front() else {
                break;
            };
            this.left -= 1;
            this.poll_one(branch);
        }
        let is_empty = this.body_has_ended && this.count == 0;
        match is_empty && this.place.shut_if_empty() {
            true => Poll::Ready(()),
            false => Poll::Pending,
        }
    }
}

impl<K: Kind> Drop for Branches<'_, '_, K> {
    fn drop(&mut self) {
        self.close();
        if self.count == 0 {
            return;
        }
        let request = (self.place.is_asked()).then(|| self.place.request());
        let why = match (&self.ended_by, request.flatten()) {
            (Some(_), _) => Interrupt::Cancelled(Reason::new(ReasonKind::ScopeFailed)),
            (None, Some(request)) => Interrupt::Cancelled(request),
            (None, None) => Interrupt::Cancelled(Reason::new(ReasonKind::Abort)),
        };
        if let (Some(branch), Some(payload)) = (&mut self.polled, self.ended_by.take()) {
            contain(|| branch.tell(Interrupt::Panicked(payload)));
        }
        // For ever: nobody hears the wakes of those that are dropped.
        let bells = self.seats.iter().filter_map(|seat| seat.bell.as_ref());
        bells.for_each(Bell::hold);
        for branch in self.take_all() {
            end(branch, why.clone());
        }
    }
}

/// Drops a branch that has not ended; first its handle is told.
pub(crate) fn end<K: Kind>(mut branch: Owned<'_, K>, why: Interrupt) {
    contain(|| branch.tell(why));
    arborio_base::drop_contained(branch);
}
