//! Ping-pong: two tasks send each other one message over two channels.
//!
//! A figure is a round trip: two messages, two wakes, two switches. Each channel has room for one message.
//! Where one without room exists, which hands a message over from hand to hand (kanal, flume), it is
//! measured as well, and the faster one counts.

use super::channels::{self, Bounded, Success, with_peers};
use crate::measure::{Effort, Meter};
use crate::runtime::Runtime;
use crate::sample::Sample;
use crate::scenarios::{NANOSECONDS, Rounds, Scenario};

pub(in crate::scenarios) const LOCAL: Scenario = Scenario {
    key: "pingpong-local",
    what: "two tasks play ping-pong over two channels, for one thread, per round trip",
    figures: NANOSECONDS,
    entries: with_peers!(measure:
        "arborio" = Arborio + channels::Local,
        "floor" = Floor + channels::FloorLocal,
        "monoio" = Monoio + channels::LocalSync,
        "monoio@arborio" = Arborio + channels::LocalSync,
    ),
    rounds: Rounds::Timed,
};

pub(in crate::scenarios) const SEND: Scenario = Scenario {
    key: "pingpong-send",
    what: "two tasks play ping-pong over two channels, for any threads, per round trip",
    figures: NANOSECONDS,
    entries: with_peers!(measure:
        "arborio" = Arborio + channels::Send,
        "floor" = Floor + channels::FloorSend,
    ),
    rounds: Rounds::Timed,
};

fn measure<R: Runtime, C: Bounded>(effort: Effort) -> Sample {
    let buffered = play::<R, C>(effort, 1);
    if !C::HANDS_OVER {
        return buffered.sample();
    }
    let handed_over = play::<R, C>(effort, 0);
    let (one, none) = (buffered.median_ns(), handed_over.median_ns());
    let faster = if one <= none { buffered } else { handed_over };
    faster
        .sample()
        .and("_buffered_ns", one)
        .and("_handed_over_ns", none)
}

fn play<R: Runtime, C: Bounded>(effort: Effort, capacity: usize) -> Meter {
    R::run(async move {
        let mut meter = Meter::new(effort, 1);
        while let Some(trips) = meter.next() {
            let (there, arrives) = C::channel(capacity);
            let (back, returns) = C::channel(capacity);
            let echo = R::spawn(echo::<C>(arrives, back, trips));
            R::spawn(serve::<C>(there, returns, trips)).await;
            echo.await;
        }
        meter
    })
}

async fn serve<C: Bounded>(mut there: C::Sender, mut returns: C::Receiver, trips: u64) {
    for trip in 0..trips {
        C::send(&mut there, trip).await.value();
        let back = C::receive(&mut returns).await.value();
        assert_eq!(back, trip + 1, "the answer to this message");
    }
}

async fn echo<C: Bounded>(mut arrives: C::Receiver, mut back: C::Sender, trips: u64) {
    for _ in 0..trips {
        let message = C::receive(&mut arrives).await.value();
        C::send(&mut back, message + 1).await.value();
    }
}
