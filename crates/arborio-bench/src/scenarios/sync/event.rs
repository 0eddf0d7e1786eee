//! One event that a thousand tasks wait for, and that wakes them all, again and again.
//!
//! A figure is one waiter's share of a round: to begin to wait, to be woken and to be switched to.
//! Whoever is woken waits for the next round at once, and the last of them gives the word to go on, so
//! that the order in which a loop runs its tasks does not matter.

use std::cell::Cell;
use std::future::{Future, poll_fn};
use std::rc::Rc;
use std::task::{Poll, Waker};

use super::pairs;
use crate::contestants::floor::sync as floor;
use crate::measure::{Effort, Meter};
use crate::runtime::Runtime;
use crate::sample::Sample;
use crate::scenarios::{NANOSECONDS, Rounds, Scenario};

const WAITERS: usize = 1000;

pub(in crate::scenarios) const LOCAL: Scenario = Scenario {
    key: "event-1000-local",
    what: "an event wakes 1000 waiters, for one thread, per waiter",
    figures: NANOSECONDS,
    entries: pairs!(measure:
        "arborio" = Arborio + arborio::sync::local::Event,
        "floor" = Floor + floor::Event<floor::Alone<floor::Waiters>>,
        "tokio-bare" = TokioBare + tokio::sync::Notify,
        "tokio@arborio" = Arborio + tokio::sync::Notify,
        "smol" = Smol + event_listener::Event,
        "smol@arborio" = Arborio + event_listener::Event,
    ),
    rounds: Rounds::Timed,
};

pub(in crate::scenarios) const SEND: Scenario = Scenario {
    key: "event-1000-send",
    what: "an event wakes 1000 waiters, for any threads, per waiter",
    figures: NANOSECONDS,
    entries: pairs!(measure:
        "arborio" = Arborio + arborio::sync::Event,
        "floor" = Floor + floor::Event<floor::Locked<floor::Waiters>>,
        "tokio-bare" = TokioBare + tokio::sync::Notify,
        "tokio@arborio" = Arborio + tokio::sync::Notify,
        "smol" = Smol + event_listener::Event,
        "smol@arborio" = Arborio + event_listener::Event,
    ),
    rounds: Rounds::Timed,
};

/// Something that wakes everybody who waits for it at this moment.
trait Event: 'static {
    fn new() -> Self;
    fn wait(&self) -> impl Future<Output = ()>;
    fn wake_all(&self);
}

macro_rules! gates {
    ($($event:ty),+) => {$(
        impl Event for $event {
            fn new() -> Self {
                <$event>::new()
            }

            fn wait(&self) -> impl Future<Output = ()> {
                <$event>::wait(self)
            }

            fn wake_all(&self) {
                self.set();
                self.clear();
            }
        }
    )+};
}

gates!(arborio::sync::local::Event, arborio::sync::Event);

impl<K: floor::Keep<floor::Waiters>> Event for floor::Event<K> {
    fn new() -> Self {
        floor::Event::new()
    }

    fn wait(&self) -> impl Future<Output = ()> {
        floor::Event::wait(self)
    }

    fn wake_all(&self) {
        floor::Event::wake_all(self);
    }
}

impl Event for tokio::sync::Notify {
    fn new() -> Self {
        tokio::sync::Notify::new()
    }

    fn wait(&self) -> impl Future<Output = ()> {
        self.notified()
    }

    fn wake_all(&self) {
        self.notify_waiters();
    }
}

impl Event for event_listener::Event {
    fn new() -> Self {
        event_listener::Event::new()
    }

    /// With the listener in the future: `listen()` would allocate it.
    async fn wait(&self) {
        event_listener::listener!(self => listener);
        listener.await;
    }

    fn wake_all(&self) {
        self.notify(usize::MAX);
    }
}

/// The event, and where a round stands.
struct Stage<E> {
    event: E,
    /// How many have not been switched to yet in this round.
    missing: Cell<usize>,
    /// Who waits for the end of the round.
    conductor: Cell<Option<Waker>>,
}

impl<E: Event> Stage<E> {
    /// One more has arrived; the last one wakes the conductor.
    fn arrive(&self) {
        let missing = self.missing.get() - 1;
        self.missing.set(missing);
        if missing == 0
            && let Some(conductor) = self.conductor.take()
        {
            conductor.wake();
        }
    }

    /// Waits until all have arrived.
    async fn all_arrived(&self) {
        poll_fn(|cx| {
            if self.missing.get() == 0 {
                return Poll::Ready(());
            }
            self.conductor.set(Some(cx.waker().clone()));
            Poll::Pending
        })
        .await
    }

    async fn round(&self) {
        self.missing.set(WAITERS);
        self.event.wake_all();
        self.all_arrived().await;
    }
}

fn measure<R: Runtime, E: Event>(effort: Effort) -> Sample {
    R::run(async move {
        let mut meter = Meter::new(effort, WAITERS as u64);
        let stage = Rc::new(Stage {
            event: E::new(),
            missing: Cell::new(WAITERS),
            conductor: Cell::new(None),
        });
        for _ in 0..WAITERS {
            R::detach(wait_for_ever(Rc::clone(&stage)));
        }
        stage.all_arrived().await;
        while let Some(units) = meter.next() {
            for _ in 0..units {
                stage.round().await;
            }
        }
        meter.sample()
    })
}

/// Arrives, and waits in the same poll: when the last one has arrived, all wait.
async fn wait_for_ever<E: Event>(stage: Rc<Stage<E>>) {
    loop {
        stage.arrive();
        stage.event.wait().await;
    }
}
