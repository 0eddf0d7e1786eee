//! Wakes from abroad against polls, ends and sleeps (rows `send`, `settle`).

use std::{sync::mpsc, task::Waker};

use arborio_task::{Interrupt, SpawnOptions, try_spawn};

use crate::world::{Sign, World, model, turn, waiting_for};

/// Gives the sign and wakes, by reference or by value.
fn wake_abroad(world: &World, sign: Sign, waker: Waker, by_value: bool) {
    world.spawn(move |abroad| {
        sign.give();
        abroad.step();
        if by_value {
            waker.wake();
        } else {
            waker.wake_by_ref();
            abroad.step();
            drop(waker);
        }
    });
}

/// The loop sleeps, or is about to: the wake must reach it, with what was
/// written before it, and one wake is one poll.
fn wake_against_sleep(world: &World, by_value: bool) {
    let sign = Sign::default();
    let main = waiting_for([sign.clone()], |waker| {
        wake_abroad(world, sign, waker.clone(), by_value);
    });
    let ((), polls) = world
        .tasks()
        .run_main(main, |running| world.settle(running));
    assert!(polls.unwrap() <= 2, "one wake is one more poll");
}

#[test]
fn x01_wake_by_ref_against_sleep() {
    model("wake_by_ref_against_sleep", 3, |world| {
        wake_against_sleep(world, false);
    });
}

#[test]
fn x01_wake_by_value_against_sleep() {
    model("wake_by_value_against_sleep", 3, |world| {
        wake_against_sleep(world, true);
    });
}

/// The task wakes itself as well, so the wake meets its second poll.
fn wake_against_poll(world: &World, by_value: bool) {
    let sign = Sign::default();
    let main = waiting_for([sign.clone()], |waker| {
        wake_abroad(world, sign, waker.clone(), by_value);
        waker.wake_by_ref();
    });
    let ((), polls) = world
        .tasks()
        .run_main(main, |running| world.settle(running));
    assert!(polls.unwrap() <= 3, "two wakes are two more polls");
}

#[test]
fn x01_wake_by_ref_against_poll() {
    model("wake_by_ref_against_poll", 3, |world| {
        wake_against_poll(world, false);
    });
}

#[test]
fn x01_wake_by_value_against_poll() {
    model("wake_by_value_against_poll", 3, |world| {
        wake_against_poll(world, true);
    });
}

/// The task ends while it is woken; its loop goes on for a while.
fn wake_against_completion(world: &World, by_value: bool) {
    let main = waiting_for([], |waker| {
        wake_abroad(world, Sign::default(), waker.clone(), by_value);
    });
    let ((), polls) = world.tasks().run_main(main, |running| {
        world.glance(running);
        world.glance(running);
        world.doze(running);
        world.glance(running);
    });
    assert_eq!(polls.unwrap(), 1);
}

#[test]
fn x02_wake_by_ref_against_completion() {
    model("wake_by_ref_against_completion", 3, |world| {
        wake_against_completion(world, false);
    });
}

#[test]
fn x02_wake_by_value_against_completion() {
    model("wake_by_value_against_completion", 3, |world| {
        wake_against_completion(world, true);
    });
}

/// Both signs must be seen although one wake may carry both (`send`, PIN set).
#[test]
fn coalesced_wakes_from_two_threads() {
    model("coalesced_wakes_from_two_threads", 2, |world| {
        let signs = [Sign::default(), Sign::default()];
        let main = waiting_for(signs.clone(), |waker| {
            for sign in signs {
                let waker = waker.clone();
                wake_abroad(world, sign, waker, false);
            }
        });
        let ((), polls) = world
            .tasks()
            .run_main(main, |running| world.settle(running));
        assert!(polls.unwrap() <= 3);
    });
}

/// The same by value: the second wake gives its reference up as well.
#[test]
fn coalesced_wakes_by_value_from_two_threads() {
    model("coalesced_wakes_by_value_from_two_threads", 2, |world| {
        let signs = [Sign::default(), Sign::default()];
        let main = waiting_for(signs.clone(), |waker| {
            for sign in signs {
                wake_abroad(world, sign, waker.clone(), true);
            }
        });
        world
            .tasks()
            .run_main(main, |running| world.settle(running))
            .1
            .unwrap();
    });
}

/// Two tasks in one inbox: a push meets another push and the take.
#[test]
fn wakes_of_two_tasks_from_two_threads() {
    model("wakes_of_two_tasks_from_two_threads", 2, |world| {
        let signs = [Sign::default(), Sign::default()];
        let main = async {
            let [of_child, of_main] = signs;
            let (send, receive) = mpsc::channel();
            let told = of_child.clone();
            let child = waiting_for([told], move |waker| send.send(waker.clone()).unwrap());
            let child = try_spawn(child, SpawnOptions::new()).ok().unwrap();
            turn().await;
            wake_abroad(world, of_child, receive.recv().unwrap(), true);
            let told = of_main.clone();
            waiting_for([told], |waker| {
                wake_abroad(world, of_main, waker.clone(), true);
            })
            .await;
            child.await.unwrap();
        };
        let ((), outcome) = world
            .tasks()
            .run_main(main, |running| world.settle(running));
        outcome.unwrap();
    });
}

/// A wake that comes while the loop sleeps for another reason too: the token
/// is taken, the loop wakes by itself, and the ring comes late.
#[test]
fn wake_against_a_sleep_that_ends_by_itself() {
    model("wake_against_a_sleep_that_ends_by_itself", 3, |world| {
        let sign = Sign::default();
        let main = waiting_for([sign.clone()], |waker| {
            wake_abroad(world, sign, waker.clone(), false);
        });
        let ((), outcome) = world.tasks().run_main(main, |running| {
            world.glance(running);
            world.doze(running);
            world.glance(running);
        });
        assert!(matches!(outcome, Ok(1..=2) | Err(Interrupt::Stopped)));
    });
}

/// The loop's first drain finds nothing, its second finds the silent drop, and
/// the wake must not be lost with it (one inbox for both: row `send`, PIN set
/// by a drop).
#[test]
fn silent_drop_meets_a_wake() {
    model("silent_drop_meets_a_wake", 2, |world| {
        let sign = Sign::default();
        let main = waiting_for([sign.clone()], |waker| {
            let dropped = waker.clone();
            world.spawn(move |_| {
                drop(dropped);
            });
            wake_abroad(world, sign, waker.clone(), true);
        });
        world
            .tasks()
            .run_main(main, |running| world.settle(running))
            .1
            .unwrap();
    });
}
