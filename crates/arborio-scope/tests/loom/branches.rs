//! Branches against other threads: the hand-over of a value, spawns, requests, ends.

use std::{
    future::{Future, poll_fn},
    pin::pin,
    sync::mpsc,
    task::{Context, Poll, Waker},
};

use arborio_scope::Concurrent;

use crate::{
    scenery::hold,
    world::{Abroad, Count, assert_gone, model},
};

/// Polls a handle once, and drops it.
fn glance<F: Future + Unpin>(abroad: &Abroad, mut handle: F) -> Option<F::Output> {
    let value = abroad.poll_once(&mut handle);
    abroad.step();
    drop(handle);
    value
}

/// Who awaits the handle abroad gets the value, and what was written before it.
#[test]
fn a_value_against_the_polls_of_who_waits_abroad() {
    model(
        "a_value_against_the_polls_of_who_waits_abroad",
        3,
        |world| {
            let count = Count::default();
            let c = Concurrent::new();
            let value = count.value();
            let handle = c.spawn(async move { value });
            world.spawn(move |abroad| abroad.block_on(handle).unwrap().touch());
            world.block_on(c.run(async {}));
            world.join_all();
            assert_gone(&count);
        },
    );
}

/// The value is dropped once, by whom it belongs to at the end.
#[test]
fn a_value_against_a_handle_that_is_dropped_abroad() {
    model(
        "a_value_against_a_handle_that_is_dropped_abroad",
        3,
        |world| {
            let count = Count::default();
            let c = Concurrent::new();
            let values = count.clone();
            let (at_once, later) = (
                c.spawn(async move { values.value() }),
                c.spawn(async { vec![1] }),
            );
            world.spawn(move |abroad| {
                drop(at_once);
                if let Some(value) = glance(abroad, later) {
                    assert_eq!(value.unwrap(), [1]);
                }
            });
            world.block_on(c.run(async {}));
            drop(c);
            world.join_all();
            assert_gone(&count);
        },
    );
}

/// A waker that was left is taken back, or called; the run never calls one that is gone.
#[test]
fn a_value_against_a_handle_that_waits_and_is_dropped_abroad() {
    model(
        "a_value_against_a_handle_that_waits_and_is_dropped_abroad",
        3,
        |world| {
            let count = Count::default();
            let c = Concurrent::new();
            let values = count.clone();
            let mut handle = c.spawn(async move { values.value() });
            let polled = pin!(&mut handle).poll(&mut Context::from_waker(Waker::noop()));
            assert!(polled.is_pending());
            world.spawn(move |abroad| {
                if let Some(value) = glance(abroad, handle) {
                    value.unwrap().touch();
                }
            });
            world.block_on(c.run(async {}));
            world.join_all();
            assert_gone(&count);
        },
    );
}

/// The run is dropped: whoever waits is told, and the future is dropped at home.
#[test]
fn an_interruption_against_who_waits_abroad() {
    model("an_interruption_against_who_waits_abroad", 3, |world| {
        let count = Count::default();
        let c = Concurrent::new();
        let handle = c.spawn(hold(count.value().at_home()));
        world.spawn(move |abroad| assert!(abroad.block_on(handle).is_err()));
        let mut whole = Box::pin(c.run(std::future::pending::<()>()));
        let polled = whole.as_mut().poll(&mut Context::from_waker(Waker::noop()));
        assert!(polled.is_pending());
        drop(whole);
        world.join_all();
        assert_gone(&count);
    });
}

/// What is spawned abroad runs, or is dropped and its handle says so: never neither.
#[test]
fn a_spawn_abroad_against_the_end() {
    model("a_spawn_abroad_against_the_end", 3, |world| {
        let count = Count::default();
        let c = Concurrent::new();
        let s = c.spawner();
        let value = count.value();
        world.spawn(move |abroad| {
            let handle = s.spawn(async move {
                value.touch();
                value
            });
            abroad.step();
            if let Ok(value) = abroad.block_on(handle) {
                value.touch();
            }
        });
        world.block_on(c.run(async {}));
        drop(c);
        world.join_all();
        assert_gone(&count);
    });
}

/// A run that lies down hears of a branch that comes.
#[test]
fn a_spawn_abroad_against_a_run_that_lies_down() {
    model("a_spawn_abroad_against_a_run_that_lies_down", 2, |world| {
        let count = Count::default();
        let c = Concurrent::new();
        let s = c.spawner();
        let values = count.clone();
        let (send, receive) = mpsc::channel();
        world.spawn(move |_| {
            s.spawn(async move { send.send(values.value()).unwrap() });
        });
        // Nothing but the branch wakes the run; the body looks after each turn.
        let mut whole = pin!(c.run(std::future::pending::<()>()));
        let value = poll_fn(|cx| {
            assert!(whole.as_mut().poll(cx).is_pending());
            receive.try_recv().map_or(Poll::Pending, Poll::Ready)
        });
        world.block_on(value).touch();
        world.join_all();
        assert_gone(&count);
    });
}

/// Two spawners put their branches in front of each other, and none is lost.
#[test]
fn two_spawns_abroad_against_each_other_and_the_run() {
    model(
        "two_spawns_abroad_against_each_other_and_the_run",
        2,
        |world| {
            let count = Count::default();
            let c = Concurrent::new();
            for _ in 0..2 {
                let (s, value) = (c.spawner(), count.value());
                world.spawn(move |_| drop(s.spawn(async move { value.touch() })));
            }
            world.block_on(c.run(async {}));
            drop(c);
            world.join_all();
            assert_gone(&count);
        },
    );
}

/// A run that lies down hears that its branches are to end.
#[test]
fn a_cancel_abroad_against_a_run_that_lies_down() {
    model("a_cancel_abroad_against_a_run_that_lies_down", 3, |world| {
        let count = Count::default();
        let c = Concurrent::new();
        let s = c.spawner();
        let handle = c.spawn(hold(count.value().at_home()));
        world.spawn(move |_| s.cancel());
        world.block_on(c.run(async {}));
        assert!(world.block_on(handle).is_err());
        world.join_all();
        assert_gone(&count);
    });
}
