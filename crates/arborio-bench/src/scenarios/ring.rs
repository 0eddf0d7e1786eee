//! A thousand tasks in a ring pass one token: each hop is a wake, a switch and a new registration.

use std::cell::{Cell, RefCell};
use std::future::poll_fn;
use std::rc::Rc;
use std::task::{Poll, Waker};

use super::{NANOSECONDS, Rounds, Scenario};
use crate::contestants::everyone;
use crate::measure::{Effort, Meter};
use crate::runtime::Runtime;
use crate::sample::Sample;

const TASKS: usize = 1000;
/// Laps in one unit: enough for the spawning to vanish.
const LAPS: u64 = 50;

pub(super) const SCENARIO: Scenario = Scenario {
    key: "ring-1000",
    what: "a token goes round 1000 tasks, per hop",
    figures: NANOSECONDS,
    entries: everyone!(measure),
    rounds: Rounds::Timed,
};

/// One place in the ring: the token, or who waits for it.
#[derive(Default)]
pub(super) struct Seat {
    token: Cell<bool>,
    waiting: RefCell<Option<Waker>>,
}

impl Seat {
    pub(super) fn give(&self) {
        self.token.set(true);
        if let Some(waker) = self.waiting.take() {
            waker.wake();
        }
    }

    pub(super) async fn take(&self) {
        poll_fn(|cx| {
            if self.token.replace(false) {
                return Poll::Ready(());
            }
            *self.waiting.borrow_mut() = Some(cx.waker().clone());
            Poll::Pending
        })
        .await
    }
}

fn measure<R: Runtime>(effort: Effort) -> Sample {
    R::run(async move {
        let mut meter = Meter::new(effort, TASKS as u64 * LAPS);
        let seats: Rc<[Seat]> = (0..TASKS).map(|_| Seat::default()).collect();
        while let Some(units) = meter.next() {
            let handles: Vec<_> = (0..TASKS)
                .map(|place| R::spawn(sit(Rc::clone(&seats), place, units * LAPS)))
                .collect();
            seats[0].give();
            for handle in handles {
                handle.await;
            }
            assert!(seats[0].token.replace(false), "the token came home");
        }
        meter.sample()
    })
}

async fn sit(seats: Rc<[Seat]>, place: usize, laps: u64) {
    for _ in 0..laps {
        seats[place].take().await;
        seats[(place + 1) % TASKS].give();
    }
}
