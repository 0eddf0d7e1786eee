//! Many messages from one task to another: over a channel with room for 128, and over one without a limit.
//!
//! Over a bounded channel the two tasks take turns by themselves: the sender waits when the channel is full, the
//! receiver when it is empty. A sender that never waits has to let the receiver run: it waits for its word
//! after every 128 messages, by the same means for everyone (a yield would not do: what a loop runs next
//! differs).

use std::rc::Rc;

use super::channels::{self, Bounded, Success, Unbounded, with_peers};
use crate::measure::{Effort, Meter};
use crate::runtime::Runtime;
use crate::sample::Sample;
use crate::scenarios::ring::Seat;
use crate::scenarios::{NANOSECONDS, Rounds, Scenario};

/// The room of the bounded channel, and what is sent at one go over the other.
const BATCH: u64 = 128;
/// Batches in one unit: enough for the making of the channel to vanish.
const BATCHES: u64 = 8;

pub(in crate::scenarios) const BOUNDED_LOCAL: Scenario = Scenario {
    key: "mpsc-bounded-local",
    what: "messages over a channel with room for 128, for one thread",
    figures: NANOSECONDS,
    entries: with_peers!(bounded:
        "arborio" = Arborio + channels::Local,
        "floor" = Floor + channels::FloorLocal,
        "monoio" = Monoio + channels::LocalSync,
        "monoio@arborio" = Arborio + channels::LocalSync,
    ),
    rounds: Rounds::Timed,
};

pub(in crate::scenarios) const BOUNDED_SEND: Scenario = Scenario {
    key: "mpsc-bounded-send",
    what: "messages over a channel with room for 128, for any threads",
    figures: NANOSECONDS,
    entries: with_peers!(bounded:
        "arborio" = Arborio + channels::Send,
        "floor" = Floor + channels::FloorSend,
    ),
    rounds: Rounds::Timed,
};

pub(in crate::scenarios) const UNBOUNDED_LOCAL: Scenario = Scenario {
    key: "mpsc-unbounded-local",
    what: "messages over a channel without a limit, for one thread",
    figures: NANOSECONDS,
    entries: with_peers!(unbounded:
        "arborio" = Arborio + channels::Local,
        "floor" = Floor + channels::FloorLocal,
        "monoio" = Monoio + channels::LocalSync,
        "monoio@arborio" = Arborio + channels::LocalSync,
    ),
    rounds: Rounds::Timed,
};

pub(in crate::scenarios) const UNBOUNDED_SEND: Scenario = Scenario {
    key: "mpsc-unbounded-send",
    what: "messages over a channel without a limit, for any threads",
    figures: NANOSECONDS,
    entries: with_peers!(unbounded:
        "arborio" = Arborio + channels::Send,
        "floor" = Floor + channels::FloorSend,
    ),
    rounds: Rounds::Timed,
};

fn bounded<R: Runtime, C: Bounded>(effort: Effort) -> Sample {
    R::run(async move {
        let mut meter = Meter::new(effort, BATCH * BATCHES);
        while let Some(units) = meter.next() {
            let messages = units * BATCHES * BATCH;
            let (mut sender, mut receiver) = C::channel(BATCH as usize);
            let producer = R::spawn(async move {
                for message in 0..messages {
                    C::send(&mut sender, message).await.value();
                }
            });
            let consumer = R::spawn(async move {
                let mut sum = 0;
                for _ in 0..messages {
                    sum += C::receive(&mut receiver).await.value();
                }
                sum
            });
            producer.await;
            assert_eq!(consumer.await, sum_below(messages), "all came once");
        }
        meter.sample()
    })
}

fn unbounded<R: Runtime, C: Unbounded>(effort: Effort) -> Sample {
    R::run(async move {
        let mut meter = Meter::new(effort, BATCH * BATCHES);
        while let Some(units) = meter.next() {
            let batches = units * BATCHES;
            let (mut sender, mut receiver) = C::channel();
            let word = Rc::new(Seat::default());
            let go_on = Rc::clone(&word);
            let producer = R::spawn(async move {
                for batch in 0..batches {
                    for message in batch * BATCH..(batch + 1) * BATCH {
                        C::send(&mut sender, message).value();
                    }
                    go_on.take().await;
                }
            });
            let consumer = R::spawn(async move {
                let mut sum = 0;
                for _ in 0..batches {
                    for _ in 0..BATCH {
                        sum += C::receive(&mut receiver).await.value();
                    }
                    word.give();
                }
                sum
            });
            producer.await;
            let all = sum_below(batches * BATCH);
            assert_eq!(consumer.await, all, "all came once");
        }
        meter.sample()
    })
}

/// The sum of all messages: they are numbers, from 0 on.
fn sum_below(messages: u64) -> u64 {
    messages * (messages - 1) / 2
}
