//! The barrier.

use std::sync::{
    Arc,
    atomic::{AtomicUsize, Ordering::Relaxed},
};

use arborio_sync::Barrier;
use loom::thread;

use crate::{
    pairs::{Operation, Subject, explore},
    world::{World, join_all, model},
};

#[test]
fn y09_pairs_of_the_barrier() {
    explore::<Gathering>();
}

/// A barrier for two.
struct Gathering(Barrier);

impl Subject for Gathering {
    const NAME: &'static str = "barrier";

    fn new(_: &World) -> Self {
        Self(Barrier::new(2))
    }

    fn operations() -> Vec<Operation<Self>> {
        let can = Operation::<Self>::new;
        vec![
            can("wait", |it, world| {
                world.block_on(it.0.wait());
            })
            .waits(),
            can("wait, dropped", |it, world| {
                world.glance(it.0.wait());
            }),
            can("blocking_wait", |it, _| {
                it.0.blocking_wait();
            })
            .waits(),
        ]
    }

    /// Comes again until nobody waits any more.
    fn release(&self, world: &World, waiting: &dyn Fn() -> usize) {
        while waiting() > 0 {
            world.glance(self.0.wait());
            thread::yield_now();
        }
    }

    fn settle(self, world: &World) {
        let first = world.glance(self.0.wait());
        assert!(first.is_none(), "somebody who left is counted");
    }
}

/// Every round has one leader, and nobody passes two rounds at once.
#[test]
fn a_barrier_opens_for_all_at_once() {
    model("barrier: three, one round", 2, |world| {
        Party::of(world, 3, 1);
    });
    model("barrier: two, two rounds", 3, |world| {
        Party::of(world, 2, 2);
    });
}

/// Threads that meet some times.
struct Party {
    barrier: Barrier,
    rounds: usize,
    arrived: AtomicUsize,
    leaders: AtomicUsize,
}

impl Party {
    fn of(world: &Arc<World>, parties: usize, rounds: usize) {
        let party = Arc::new(Self {
            barrier: Barrier::new(parties),
            rounds,
            arrived: AtomicUsize::new(0),
            leaders: AtomicUsize::new(0),
        });
        let others = (1..parties).map(|_| {
            let (world, party) = (Arc::clone(world), Arc::clone(&party));
            thread::spawn(move || party.take_part(&world))
        });
        let others: Vec<_> = others.collect();
        party.take_part(world);
        join_all(others);
        let leaders = party.leaders.load(Relaxed);
        assert_eq!(leaders, rounds, "one leader for each round");
    }

    fn take_part(&self, world: &World) {
        for round in 1..=self.rounds {
            world.step();
            self.arrived.fetch_add(1, Relaxed);
            let result = world.block_on(self.barrier.wait());
            let due = round * self.barrier.parties();
            assert!(self.arrived.load(Relaxed) >= due, "it opened early");
            self.leaders
                .fetch_add(usize::from(result.is_leader()), Relaxed);
        }
    }
}
