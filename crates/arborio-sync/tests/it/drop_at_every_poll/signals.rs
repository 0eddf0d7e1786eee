//! What tells tasks that something has happened.

use std::{cell::Cell, rc::Rc};

use arborio_sync::flavour::{Event, Flavour};

use crate::harness::{Scenario, pause};

pub(super) fn y01_a_wait_for_an_event<F: Flavour>() -> Scenario<(Event<F>, Cell<usize>)> {
    Scenario {
        name: "an event that is set, cleared and set again",
        world: || (Event::new(), Cell::new(0)),
        victim: |world| Box::pin(async move { world.0.wait().await }),
        others: &[
            |world| {
                Box::pin(async move {
                    world.0.set();
                    world.0.clear();
                    pause().await;
                    world.0.set();
                })
            },
            |world: Rc<(Event<F>, Cell<usize>)>| {
                Box::pin(async move {
                    world.0.wait().await;
                    world.1.set(world.1.get() + 1);
                })
            },
        ],
        runs_on: true,
        check: |(event, told), _victim| {
            assert!(event.is_set());
            assert_eq!(told.get(), 1);
        },
    }
}
