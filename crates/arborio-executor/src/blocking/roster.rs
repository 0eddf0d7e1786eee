//! Who works in a pool, who is ready to, and what waits for somebody: plain data under the
//! pool's lock.
//!
//! # A thread's way
//! ```text
//! place ── starts ──► at work ── ended: nothing to do ──► ready ── idle_is_over ──► gone
//!   │                  │ ▲  │ ▲                             │ └─── close, step_back ►┘
//!   │                  │ │  │ └────────── place ────────────┘                        │
//!   │                  │ └──┴ ended: another order                                   │
//!   │                  └───── ended: surplus, closed ───────────────────────────────►┘
//!   └─ refused ─► gone        step_aside, step_back: at work, but it does not count
//! ```
//!
//! # Invariants
//! * R1: an order is in one place: the backlog, or the seat of the thread that is to run it.
//! * R2: while a thread is ready and none is coming, the backlog is empty. A thread is *coming* from
//!   when it was called or started until it says that it begins; then it calls the next one. One
//!   at a time: a burst of short jobs is done by the few threads that come in its time, and jobs
//!   that block all have a thread as soon as they can come one after the other.
//! * R3: while there is a backlog, somebody is *active*: at work and not aside. So it is
//!   looked at again. Whoever would leave a backlog to nobody is told so (`Nobody`).
//!   A thread that is told to leave does not count from that moment on: it would leave a
//!   backlog that came to be while it was on its way.
//! * R4: no more threads are active than allowed, but for those that come back from aside: then
//!   a ready one leaves, or else the next one that has run its order.
//! * R5: the mailbox of a ready thread is empty, and only who takes the thread off the list of
//!   the ready writes to it. So sending never blocks, and a thread that is not on the list any
//!   more can count on a letter.

use std::collections::VecDeque;

use crossbeam_channel::{Receiver, Sender, bounded};

/// What a ready thread waits for.
pub(super) enum Letter<O> {
    /// Run this.
    Order(O),
    /// End; the roster does not know you any more.
    Leave,
}

/// The number of a thread within its pool. Used again when the thread is gone.
pub(super) type Number = usize;

/// Tells one order of a thread from the next one. Never used again.
pub(super) type Turn = u64;

/// What has to be done, without the lock, for the oldest order of the backlog.
#[must_use]
pub(super) enum Placed<O> {
    /// There is none, or nobody for it yet.
    Nothing,
    /// Write to the thread that has been taken off the list of the ready.
    Deliver(Sender<Letter<O>>, O),
    /// Start a thread with this number, this order and this mailbox; if the system will not,
    /// call [`Roster::refused`].
    Start(Number, O, Receiver<Letter<O>>),
}

/// What becomes of the order for which the system refused a thread.
#[must_use]
pub(super) enum Refused<O> {
    /// It waits for a thread that works.
    Waits,
    /// Somebody has become ready meanwhile.
    Deliver(Sender<Letter<O>>, O),
    /// There is nobody who could run these.
    Nobody(Vec<O>),
}

/// What a thread does that has run its order.
#[must_use]
pub(super) enum Next<O> {
    /// Run this.
    Order(O),
    /// Wait for a letter.
    Wait,
    /// End.
    Leave,
}

/// Who has to be told that the pool has closed.
#[must_use]
pub(super) struct Closing<O> {
    /// Threads that are ready; they are to be sent `Leave`.
    pub(super) ready: Vec<Sender<Letter<O>>>,
    /// Orders that waited, and those that threads have.
    pub(super) orders: Vec<O>,
}

/// See the head of this file.
pub(super) struct Roster<O> {
    /// How many threads may be active.
    max: usize,
    /// By number; `None` for those that are gone.
    seats: Vec<Option<Seat<O>>>,
    /// The numbers of those that are gone.
    vacant: Vec<Number>,
    /// Who waits for a letter. The last one is taken first: those at the bottom idle long
    /// enough to leave.
    ready: Vec<Number>,
    /// Orders for which there is nobody yet, the oldest first.
    backlog: VecDeque<O>,
    /// Who was given an order and has not begun with it.
    coming: Option<Number>,
    /// How many threads are aside.
    aside: usize,
    /// The last turn that was begun.
    turns: Turn,
    closed: bool,
}

/// A thread that is not gone.
struct Seat<O> {
    mailbox: Sender<Letter<O>>,
    /// What the thread runs, or is to run; `None` if it is ready.
    order: Option<O>,
    /// Which turn that is.
    turn: Turn,
    /// How many of the things that its order waits for are jobs of a pool.
    waits: usize,
}

impl<O: Clone> Roster<O> {
    pub(super) fn new(max: usize) -> Self {
        Self {
            max,
            seats: Vec::new(),
            vacant: Vec::new(),
            ready: Vec::new(),
            backlog: VecDeque::new(),
            coming: None,
            aside: 0,
            turns: 0,
            closed: false,
        }
    }

    /// How many threads there are, those that are being started included.
    pub(super) fn threads(&self) -> usize {
        self.seats.len() - self.vacant.len()
    }

    /// How many threads are ready.
    pub(super) fn ready(&self) -> usize {
        self.ready.len()
    }

    pub(super) fn is_closed(&self) -> bool {
        self.closed
    }

    /// Takes an order in. `Err` gives it back: the pool has closed.
    pub(super) fn take_in(&mut self, order: O) -> Result<Placed<O>, O> {
        if self.closed {
            return Err(order);
        }
        self.backlog.push_back(order);
        Ok(self.place())
    }

    /// Finds somebody for the oldest order that waits.
    fn place(&mut self) -> Placed<O> {
        if self.backlog.is_empty() || self.coming.is_some() {
            return Placed::Nothing;
        }
        if let Some(number) = self.ready.pop() {
            self.coming = Some(number);
            let order = self.hand_over(number);
            return Placed::Deliver(self.seat(number).mailbox.clone(), order);
        }
        if self.active() >= self.max {
            return Placed::Nothing;
        }
        let (mailbox, receiver) = bounded(1);
        let number = self.seat_for(mailbox);
        self.coming = Some(number);
        let order = self.hand_over(number);
        Placed::Start(number, order, receiver)
    }

    /// Thread `number` was called or started, and begins with its order.
    pub(super) fn begins(&mut self, number: Number) -> Placed<O> {
        debug_assert_eq!(self.coming, Some(number), "R2");
        self.coming = None;
        self.place()
    }

    /// Thread `number` could not be started.
    pub(super) fn refused(&mut self, number: Number) -> Refused<O> {
        self.coming = None;
        let order = self.vacate(number).order;
        let order = order.expect("a thread is started with an order");
        if let Some(ready) = self.ready.pop() {
            self.backlog.push_front(order);
            self.coming = Some(ready);
            let order = self.hand_over(ready);
            return Refused::Deliver(self.seat(ready).mailbox.clone(), order);
        }
        self.backlog.push_front(order);
        if self.active() > 0 && !self.closed {
            return Refused::Waits;
        }
        Refused::Nobody(self.backlog.drain(..).collect()) // R3
    }

    /// Thread `number` has run its order.
    pub(super) fn ended(&mut self, number: Number) -> Next<O> {
        let seat = self.seat(number);
        seat.order = None;
        seat.turn = 0;
        if std::mem::take(&mut seat.waits) > 0 {
            self.aside -= 1;
        }
        if self.closed || self.active() > self.max {
            self.vacate(number);
            return Next::Leave;
        }
        if !self.backlog.is_empty() {
            return Next::Order(self.hand_over(number));
        }
        self.ready.push(number);
        Next::Wait
    }

    /// Thread `number` has had no letter for long. False if one is on its way.
    #[must_use]
    pub(super) fn idle_is_over(&mut self, number: Number) -> bool {
        let Some(place) = self.ready.iter().position(|&ready| ready == number) else {
            return false; // R5
        };
        self.ready.remove(place);
        self.vacate(number);
        true
    }

    /// The order of thread `number` waits for a job: somebody else may work meanwhile.
    pub(super) fn step_aside(&mut self, number: Number) -> (Turn, Placed<O>) {
        let seat = self.seat(number);
        seat.waits += 1;
        let (turn, first) = (seat.turn, seat.waits == 1);
        if !first {
            return (turn, Placed::Nothing);
        }
        self.aside += 1;
        let placed = self.place();
        (turn, placed)
    }

    /// It waits no longer. Nothing happens if that order has ended. Gives the mailbox of a
    /// thread that has nothing to do and is one too many now: it is to be sent `Leave`.
    #[must_use]
    pub(super) fn step_back(&mut self, number: Number, turn: Turn) -> Option<Sender<Letter<O>>> {
        let seat = self.seats.get_mut(number)?.as_mut()?;
        if seat.turn != turn || seat.waits == 0 {
            return None;
        }
        seat.waits -= 1;
        if seat.waits > 0 {
            return None;
        }
        self.aside -= 1;
        if self.active() <= self.max {
            return None;
        }
        let surplus = self.ready.pop()?;
        Some(self.vacate(surplus).mailbox)
    }

    /// Takes nothing in from now on. Who is ready leaves at once, the others after their order.
    pub(super) fn close(&mut self) -> Closing<O> {
        self.closed = true;
        let ready = std::mem::take(&mut self.ready);
        let ready = ready
            .into_iter()
            .map(|number| self.vacate(number).mailbox)
            .collect();
        let mut orders: Vec<O> = self.backlog.drain(..).collect();
        orders.extend(self.orders_at_work(None));
        Closing { ready, orders }
    }

    /// What threads run, or are to run; but for that of thread `except`.
    pub(super) fn orders_at_work(&self, except: Option<Number>) -> Vec<O> {
        let seats = self.seats.iter().enumerate();
        let others = seats.filter(|&(number, _)| Some(number) != except);
        let orders = others.filter_map(|(_, seat)| seat.as_ref()?.order.clone());
        orders.collect()
    }

    /// Threads that work, and do not wait for jobs. Ready ones count, too.
    fn active(&self) -> usize {
        self.threads() - self.aside
    }

    /// Gives the oldest order of the backlog to thread `number`.
    fn hand_over(&mut self, number: Number) -> O {
        let order = self.backlog.pop_front().expect("somebody has looked");
        self.turns += 1;
        let turn = self.turns;
        let seat = self.seat(number);
        seat.order = Some(order.clone());
        seat.turn = turn;
        order
    }

    /// A seat for one more thread.
    fn seat_for(&mut self, mailbox: Sender<Letter<O>>) -> Number {
        let seat = Some(Seat {
            mailbox,
            order: None,
            turn: 0,
            waits: 0,
        });
        if let Some(number) = self.vacant.pop() {
            self.seats[number] = seat;
            return number;
        }
        self.seats.push(seat);
        self.seats.len() - 1
    }

    fn seat(&mut self, number: Number) -> &mut Seat<O> {
        let seat = self.seats[number].as_mut();
        seat.expect("a thread gives its number away when it leaves, and not before")
    }

    /// Thread `number` is gone, or as good as gone.
    fn vacate(&mut self, number: Number) -> Seat<O> {
        let seat = self.seats[number].take();
        self.vacant.push(number);
        seat.expect("a thread leaves once")
    }
}

#[cfg(test)]
mod tests;
