//! Random histories of a roster, against what must hold in each of them.

use std::collections::BTreeMap;

use super::*;
use crate::random::Random;

/// A thread that the test plays.
struct Played {
    mailbox: Receiver<Letter<u32>>,
    /// What it runs; `None` while it waits for a letter.
    runs: Option<u32>,
    /// It has to say that it begins.
    comes: bool,
    /// For which turns it is aside.
    aside: Vec<Turn>,
}

impl Played {
    fn at_work(&self) -> bool {
        self.runs.is_some() && !self.comes
    }
}

/// A pool whose threads are moved by hand.
struct Play {
    roster: Roster<u32>,
    threads: BTreeMap<Number, Played>,
    max: usize,
    /// How often each order was run, or ended without.
    settled: BTreeMap<u32, u32>,
    random: Random,
    /// Whether the system starts threads now.
    willing: bool,
}

impl Play {
    fn new(seed: u64) -> Self {
        let mut random = Random::new(seed);
        let max = 1 + random.below(3);
        Self {
            roster: Roster::new(max),
            threads: BTreeMap::new(),
            max,
            settled: BTreeMap::new(),
            random,
            willing: true,
        }
    }

    fn settle(&mut self, order: u32) {
        *self.settled.entry(order).or_default() += 1;
    }

    fn deliver(mailbox: &Sender<Letter<u32>>, letter: Letter<u32>) {
        assert!(mailbox.try_send(letter).is_ok(), "R5: its mailbox is empty");
    }

    /// Tells a thread to leave. It reads that at once: its number may be used again.
    fn send_away(&mut self, surplus: Option<Sender<Letter<u32>>>) {
        let Some(mailbox) = surplus else { return };
        Self::deliver(&mailbox, Letter::Leave);
        self.threads
            .retain(|_, thread| match thread.mailbox.try_recv() {
                Ok(Letter::Order(order)) => {
                    thread.runs = Some(order);
                    thread.comes = true;
                    true
                }
                Ok(Letter::Leave) => false,
                Err(_) => true,
            });
    }

    fn carry_out(&mut self, placed: Placed<u32>) {
        match placed {
            Placed::Nothing => {}
            Placed::Deliver(mailbox, order) => Self::deliver(&mailbox, Letter::Order(order)),
            Placed::Start(number, order, mailbox) if self.willing => {
                let thread = Played {
                    mailbox,
                    runs: Some(order),
                    comes: true,
                    aside: Vec::new(),
                };
                assert!(self.threads.insert(number, thread).is_none());
            }
            Placed::Start(number, ..) => match self.roster.refused(number) {
                Refused::Waits => {}
                Refused::Deliver(mailbox, order) => Self::deliver(&mailbox, Letter::Order(order)),
                Refused::Nobody(orders) => orders.into_iter().for_each(|order| self.settle(order)),
            },
        }
    }

    /// One of the threads.
    fn some_thread(&mut self, fits: impl Fn(&Played) -> bool) -> Option<Number> {
        let fitting: Vec<_> = self
            .threads
            .iter()
            .filter(|(_, thread)| fits(thread))
            .map(|(&number, _)| number)
            .collect();
        (!fitting.is_empty()).then(|| fitting[self.random.below(fitting.len())])
    }

    fn begin_one(&mut self) {
        let Some(number) = self.some_thread(|thread| thread.comes) else {
            return;
        };
        self.threads.get_mut(&number).unwrap().comes = false;
        let placed = self.roster.begins(number);
        self.carry_out(placed);
    }

    fn end_one(&mut self) {
        self.end_one_of(|_| true);
    }

    fn end_one_of(&mut self, fits: impl Fn(&Played) -> bool) {
        let Some(number) = self.some_thread(|thread| thread.at_work() && fits(thread)) else {
            return;
        };
        let thread = self.threads.get_mut(&number).unwrap();
        let order = thread.runs.take().unwrap();
        let turns = std::mem::take(&mut thread.aside);
        let late = self.random.below(2) == 0;
        if !late {
            for &turn in &turns {
                let surplus = self.roster.step_back(number, turn);
                self.send_away(surplus);
            }
        }
        let next = self.roster.ended(number);
        // A guard that is dropped after its job speaks of a turn that is over.
        for turn in turns {
            assert!(self.roster.step_back(number, turn).is_none());
        }
        match next {
            Next::Order(order) => self.threads.get_mut(&number).unwrap().runs = Some(order),
            Next::Wait => assert!(self.roster.active() <= self.max, "R4"),
            Next::Leave => drop(self.threads.remove(&number)),
        }
        self.settle(order);
    }

    fn read_one(&mut self) {
        let Some(number) = self.some_thread(|thread| thread.runs.is_none()) else {
            return;
        };
        match self.threads[&number].mailbox.try_recv() {
            Ok(Letter::Order(order)) => {
                let thread = self.threads.get_mut(&number).unwrap();
                (thread.runs, thread.comes) = (Some(order), true);
            }
            Ok(Letter::Leave) => unreachable!("it was read when it was sent"),
            Err(_) => {
                if self.roster.idle_is_over(number) {
                    self.threads.remove(&number);
                }
            }
        }
    }

    fn step_aside(&mut self) {
        let Some(number) = self.some_thread(Played::at_work) else {
            return;
        };
        let (turn, placed) = self.roster.step_aside(number);
        self.threads.get_mut(&number).unwrap().aside.push(turn);
        self.carry_out(placed);
    }

    fn step_back(&mut self) {
        let Some(number) = self.some_thread(Played::at_work) else {
            return;
        };
        if let Some(turn) = self.threads.get_mut(&number).unwrap().aside.pop() {
            let surplus = self.roster.step_back(number, turn);
            self.send_away(surplus);
            let surplus = self.roster.active() > self.max;
            assert!(!surplus || self.roster.ready.is_empty(), "R4");
        }
    }

    fn close(&mut self) {
        let at_work = self.roster.orders_at_work(None);
        let Closing { ready, orders } = self.roster.close();
        for mailbox in ready {
            self.send_away(Some(mailbox));
        }
        // What a thread has is settled by the thread.
        for order in orders.into_iter().filter(|order| !at_work.contains(order)) {
            self.settle(order);
        }
        assert!(self.roster.take_in(u32::MAX).is_err());
    }

    /// Those who are aside wait for the others: they end when nothing else can happen.
    fn play_out(&mut self) {
        loop {
            for _ in 0..100 {
                self.read_one();
                self.begin_one();
            }
            let active = |thread: &Played| thread.at_work() && thread.aside.is_empty();
            if self.threads.values().any(active) {
                self.end_one_of(|thread| thread.aside.is_empty());
            } else if self.threads.values().any(Played::at_work) {
                assert!(self.roster.backlog.is_empty(), "R3: nobody works for it");
                self.end_one();
            } else {
                return;
            }
            self.check();
        }
    }

    fn check(&self) {
        assert_eq!(self.roster.threads(), self.threads.len());
        let aside = self.threads.values().filter(|t| !t.aside.is_empty());
        let active = self.threads.len() - aside.count();
        assert_eq!(self.roster.active(), active);
        let backlog = !self.roster.backlog.is_empty();
        let comes = self.threads.values().any(|thread| thread.comes);
        let idle = !self.roster.ready.is_empty() && self.roster.coming.is_none();
        assert!(!(backlog && idle), "R2");
        assert!(!comes || self.roster.coming.is_some(), "R2");
        assert!(!backlog || active > 0, "R3");
    }
}

#[test]
fn x26_x27_every_order_is_settled_once_in_every_history() {
    let mut most_active = 0;
    for seed in 0..2000 {
        let mut play = Play::new(seed);
        let mut orders = 0;
        for _ in 0..80 {
            match play.random.below(16) {
                0..5 => {
                    let active = play.roster.active();
                    let placed = play.roster.take_in(orders).ok().unwrap();
                    let starts = matches!(placed, Placed::Start(..));
                    assert!(!starts || active < play.max, "R4");
                    play.carry_out(placed);
                    orders += 1;
                }
                5..9 => play.end_one(),
                9..11 => play.read_one(),
                11 => play.begin_one(),
                12..14 => play.step_aside(),
                14 => play.step_back(),
                _ => play.willing = !play.willing,
            }
            play.check();
            most_active = most_active.max(play.roster.active());
        }
        if seed % 2 == 0 {
            play.close();
        }
        play.play_out();
        let settled: Vec<_> = play.settled.into_iter().collect();
        let once: Vec<_> = (0..orders).map(|order| (order, 1)).collect();
        assert_eq!(settled, once, "seed {seed}");
    }
    assert!(most_active > 3, "some histories come back from aside");
}

/// A pool in which thread 0 works.
fn one_at_work(max: usize) -> Roster<u32> {
    let mut roster = Roster::new(max);
    let placed = roster.take_in(0).ok().unwrap();
    assert!(matches!(placed, Placed::Start(0, 0, _)));
    assert!(matches!(roster.begins(0), Placed::Nothing));
    roster
}

/// As [`one_at_work`], and another one is to be started.
fn one_at_work_one_coming() -> Roster<u32> {
    let mut roster = one_at_work(2);
    let placed = roster.take_in(1).ok().unwrap();
    assert!(matches!(placed, Placed::Start(1, 1, _)));
    roster
}

#[test]
fn x24_an_order_without_a_thread_waits_for_one_that_works() {
    let mut roster = one_at_work_one_coming();
    assert!(matches!(roster.refused(1), Refused::Waits));
    assert!(matches!(roster.ended(0), Next::Order(1)));
}

#[test]
fn x24_an_order_without_a_thread_ends_with_the_pool() {
    let mut roster = one_at_work_one_coming();
    assert_eq!(roster.close().orders, [0, 1]);
    let Refused::Nobody(orders) = roster.refused(1) else {
        panic!("a closed pool keeps it");
    };
    assert_eq!(orders, [1]);
}

/// It may be kept for longer than its job lasts, by whoever was given it.
#[test]
fn x27_who_has_stepped_aside_for_an_order_does_not_come_back_from_the_next_one() {
    let mut roster = one_at_work(1);
    let (first, _) = roster.step_aside(0);
    assert!(matches!(roster.ended(0), Next::Wait));
    assert!(matches!(roster.take_in(1), Ok(Placed::Deliver(_, 1))));
    assert!(matches!(roster.begins(0), Placed::Nothing));
    let (second, _) = roster.step_aside(0);
    assert!(roster.step_back(0, first).is_none());
    assert_eq!(roster.active(), 0, "it waits");
    assert!(roster.step_back(0, second).is_none());
    assert_eq!(roster.active(), 1);
}
