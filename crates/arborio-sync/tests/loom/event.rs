//! The event.

use std::pin::pin;

use arborio_sync::Event;

use crate::{
    pairs::{Operation, Subject, explore},
    world::World,
};

#[test]
fn y09_pairs_of_the_event() {
    explore::<Gate>();
}

/// An event for which the witness waits, and which it sets.
struct Gate(Event);

impl Subject for Gate {
    const NAME: &'static str = "event";

    fn new(_: &World) -> Self {
        Self(Event::new())
    }

    fn operations() -> Vec<Operation<Self>> {
        let can = Operation::<Self>::new;
        vec![
            can("set", |gate, _| gate.0.set()),
            can("clear", |gate, _| gate.0.clear()),
            can("wait", |gate, world| world.block_on(gate.0.wait())).waits(),
            can("wait, polled in vain", |gate, world| {
                world.impatient(gate.0.wait());
            })
            .waits(),
            can("wait, dropped", |gate, world| {
                world.glance(gate.0.wait());
            }),
            can("blocking_wait", |gate, _| gate.0.blocking_wait()).waits(),
            can("is_set", |gate, _| {
                gate.0.is_set();
            }),
        ]
    }

    fn witness(&self, world: &World, start: &mut dyn FnMut()) {
        let mut queued = pin!(self.0.wait());
        assert!(world.poll_once(queued.as_mut()).is_pending());
        start();
        self.0.set();
        world.block_on(queued);
    }

    fn release(&self, _: &World, _: &dyn Fn() -> usize) {
        self.0.set();
    }

    fn settle(self, _: &World) {
        assert!(self.0.is_set(), "the last set was lost");
    }
}
