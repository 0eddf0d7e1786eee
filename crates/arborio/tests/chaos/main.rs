//! An echo over a wire on which everything goes wrong, by a seed and on a simulated clock.
//!
//! [`wire`] delays, loses, doubles, reorders and cuts in pieces what two ends send each other; [`courier`] carries
//! messages over it by numbers, acknowledgements and repetition, with the scopes, limits, channels and locks of Arborio;
//! the test sends messages to an echo and back. Whatever the weather: both sides get every message once, in order,
//! nothing is left afterwards, and the same seed does the same again.
//!
//! A seed that fails is named. `ARBORIO_SEED=17 cargo test -p arborio --test chaos f02_every -- --nocapture` runs that one
//! alone and prints what happened on the wire; with `ARBORIO_DEEP=1` there are a hundred thousand seeds.

mod courier;
mod packet;
mod random;
mod wire;

use std::{io, sync::Arc, time::Duration};

use arborio::{
    EventLoop, Scope, scope,
    sync::mpsc,
    time::{Clock, TimedOut, clock, timeout},
};

use courier::{Habits, carry};
use random::Random;
use wire::{End, Event, Weather, Wire};

/// Time on the simulated clock in which every message must have come back. A wire that is cut is cut for two seconds at
/// most, and every second packet or so gets through.
const LIMIT: Duration = Duration::from_secs(3600);

/// Seeds of a usual run, and of a deep one.
const SEEDS: (u64, u64) = (300, 100_000);

/// What came of one seed.
#[derive(Debug, PartialEq)]
struct Ending {
    sent: Vec<Vec<u8>>,
    outcome: Result<Both, String>,
    /// How long it took, on the simulated clock.
    took: Duration,
    /// All that happened on the wire.
    trace: Vec<Event>,
}

/// What the echo was given, and what came back from it.
type Both = (Vec<Vec<u8>>, Vec<Vec<u8>>);

impl Ending {
    /// Whether both sides got every message once, in order.
    fn is_exactly_once(&self) -> bool {
        let both = self.outcome.as_ref();
        both.is_ok_and(|(served, echoed)| *served == self.sent && *echoed == self.sent)
    }
}

/// The messages of a seed: up to a dozen, of up to forty bytes; many are alike.
fn messages(random: &mut Random) -> Vec<Vec<u8>> {
    let count = 1 + random.below(12);
    let message = |_| {
        let length = random.below(41);
        (0..length).map(|_| random.below(4) as u8).collect()
    };
    (0..count).map(message).collect()
}

/// Sends the messages of the seed through its weather and back.
fn play(seed: u64, habits: Habits) -> Ending {
    let mut random = Random::new(seed);
    let sent = messages(&mut random);
    let (near, far, wire) = Wire::new(Weather::new(&mut random), random);
    let builder = EventLoop::builder().clock(Clock::simulated()).seed(seed);
    let ended = builder.try_run(async {
        let both = timeout(LIMIT, converse(near, far, habits, sent.clone())).await;
        (flatten(both), clock())
    });
    let (outcome, took) = ended.unwrap_or_else(|error| (Err(error.to_string()), Duration::ZERO));
    let left_over = Arc::strong_count(&wire) > 1;
    Ending {
        sent,
        outcome: match left_over {
            true => Err(format!("an end of the wire is left over: {outcome:?}")),
            false => outcome,
        },
        took,
        trace: wire::take_trace(&wire),
    }
}

fn flatten(both: Result<io::Result<Both>, TimedOut>) -> Result<Both, String> {
    both.map_err(|late| format!("the echo is not back: {late}"))?
        .map_err(|error| error.to_string())
}

/// Sends everything, and waits until as much has come back; then the echo is asked to end.
async fn converse(near: End, far: End, habits: Habits, sent: Vec<Vec<u8>>) -> io::Result<Both> {
    let (note, mut noted) = mpsc::unbounded();
    let echoed = scope(async |s: &Scope<io::Error>| {
        let echo = s.task().name("echo").awaited(false);
        echo.spawn(serve(far, habits, note));
        let (outbox, mut inbox) = carry(s, near, habits);
        let count = sent.len();
        s.spawn(async move {
            for message in sent {
                outbox.send(message).await.map_err(io::Error::other)?;
            }
            io::Result::Ok(())
        });
        let mut echoed = Vec::new();
        while echoed.len() < count {
            let message = inbox.recv().await;
            echoed.push(message.ok_or_else(|| io::Error::other("the courier has gone"))?);
        }
        Ok(echoed)
    });
    let echoed = echoed.await?;
    let mut served = Vec::new();
    while let Ok(message) = noted.try_recv() {
        served.push(message);
    }
    Ok((served, echoed))
}

/// Sends back what comes, and notes it.
async fn serve(end: End, habits: Habits, note: mpsc::UnboundedSender<Vec<u8>>) -> io::Result<()> {
    scope(async |s: &Scope<io::Error>| {
        let (outbox, mut inbox) = carry(s, end, habits);
        while let Some(message) = inbox.recv().await {
            note.send(message.clone()).map_err(io::Error::other)?;
            outbox.send(message).await.map_err(io::Error::other)?;
        }
        Ok(())
    })
    .await
}

/// Names the seed if what runs it panics.
struct Named(u64);

impl Drop for Named {
    fn drop(&mut self) {
        if std::thread::panicking() {
            eprintln!("it was seed {}", self.0);
        }
    }
}

/// The seeds to try: one, if somebody wants to see it.
fn seeds() -> std::ops::Range<u64> {
    if let Ok(seed) = std::env::var("ARBORIO_SEED") {
        let seed = seed.parse().expect("ARBORIO_SEED is a number");
        return seed..seed + 1;
    }
    let (usual, deep) = SEEDS;
    0..std::env::var_os("ARBORIO_DEEP").map_or(usual, |_| deep)
}

#[test]
fn f02_every_message_comes_back_exactly_once_whatever_the_wire_does() {
    let alone = seeds().count() == 1;
    let mut met = Event::none_met();
    for seed in seeds() {
        let _named = Named(seed);
        let ending = play(seed, Habits::GOOD);
        if alone {
            println!("{ending:#?}");
        }
        let Ending { sent, outcome, .. } = &ending;
        assert!(
            ending.is_exactly_once(),
            "seed {seed}: {sent:?} was sent, and what came of it is {outcome:?}"
        );
        met.extend(ending.trace.iter().map(Event::kind));
    }
    if !alone {
        assert_eq!(met, Event::all_kinds(), "the weather was not bad enough");
    }
}

#[test]
fn f01_f02_a_seed_does_the_same_again() {
    let mut before = None;
    for seed in seeds().step_by(10) {
        let _named = Named(seed);
        let (one, again) = (play(seed, Habits::GOOD), play(seed, Habits::GOOD));
        assert_eq!(one, again, "seed {seed}");
        assert_ne!(
            before.as_ref(),
            Some(&one.trace),
            "another seed is another weather"
        );
        before = Some(one.trace);
    }
}

/// How many of the first hundred seeds do not end well.
fn failures(habits: Habits) -> usize {
    let ends_well = |seed: &u64| play(*seed, habits).is_exactly_once();
    100 - (0..100).filter(ends_well).count()
}

#[test]
fn f02_a_courier_that_forgets_what_it_had_does_not_pass() {
    let forgets = Habits {
        forgets: true,
        ..Habits::GOOD
    };
    assert!(failures(forgets) > 50, "only {}", failures(forgets));
}

#[test]
fn f02_a_courier_that_does_not_repeat_does_not_pass() {
    let once = Habits {
        repeats: false,
        ..Habits::GOOD
    };
    assert!(failures(once) > 50, "only {}", failures(once));
}
