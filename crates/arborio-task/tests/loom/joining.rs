//! Shared handles abroad: `(&task).into_future()`, which leaves its waker in
//! the side record and takes it back (rows `send` with SUBSCRIBE, `unpin`).

use std::{future::poll_fn, sync::mpsc, task::Poll};

use arborio_task::{SpawnOptions, Task, try_spawn};
use loom::sync::Arc;

use crate::{
    closing::{close_against_handle, is_stopped},
    handles::handle_abroad,
    world::{Abroad, Count, Sign, Value, World, assert_gone, model, turn, waiting_for},
};

/// Waits once through the shared handle, and gives up.
fn look(abroad: &Abroad, task: &Task<Value>) {
    let mut joining = Box::pin(task.into_future());
    if let Some(outcome) = abroad.poll_once(joining.as_mut()) {
        outcome.unwrap().touch();
    }
    abroad.step();
    drop(joining);
    abroad.step();
}

#[test]
fn x03_joining_dropped_abroad_against_completion() {
    model("joining_dropped_abroad_against_completion", 2, |world| {
        handle_abroad(world, Some(0), |abroad, task| {
            look(abroad, &task);
            drop(task);
        });
    });
}

/// The waker is taken back at once, although the task goes on.
#[test]
fn x03_joining_dropped_abroad_takes_its_waker_back() {
    model("joining_dropped_abroad_takes_its_waker_back", 2, |world| {
        handle_abroad(world, None, |abroad, task| {
            look(abroad, &task);
            abroad.assert_forgotten();
            drop(task);
        });
    });
}

/// A waker that was left through the shared handle does not hide the one that
/// is left by value afterwards, nor the other way round.
#[test]
fn x03_polled_by_value_after_shared_polls() {
    model("polled_by_value_after_shared_polls", 2, |world| {
        handle_abroad(world, Some(0), |abroad, mut task| {
            look(abroad, &task);
            abroad.block_on(&mut task).unwrap().touch();
        });
    });
}

#[test]
fn x03_joined_through_the_shared_handle_after_a_poll_by_value() {
    model(
        "joined_through_the_shared_handle_after_a_poll_by_value",
        1,
        |world| {
            handle_abroad(world, Some(0), |abroad, mut task| {
                if let Some(outcome) = abroad.poll_once(&mut task) {
                    return outcome.unwrap().touch();
                }
                abroad.step();
                abroad.block_on((&task).into_future()).unwrap().touch();
            });
        },
    );
}

/// A child with a value, after one turn, on a loop that ends with it.
fn child_of(count: &Count) -> Task<Value> {
    let output = count.value();
    let future = async move {
        turn().await;
        output.change();
        output
    };
    try_spawn(future, SpawnOptions::new()).ok().unwrap()
}

/// Runs `main` and what it spawns to the end, and checks what is left.
fn run<F: Future<Output = ()>>(world: &World, count: &Count, main: F) {
    world
        .tasks()
        .run_main(main, |running| world.settle(running))
        .1
        .unwrap();
    world.join_all();
    assert_gone(count);
}

/// Both clone the output, and whoever is last drops it, or has the owner do so.
#[test]
fn x03_joined_abroad_by_two_threads() {
    model("joined_abroad_by_two_threads", 1, |world| {
        let count = Count::default();
        let main = async {
            let child = Arc::new(child_of(&count));
            for _ in 0..2 {
                let child = Arc::clone(&child);
                world
                    .spawn(move |abroad| abroad.block_on((&*child).into_future()).unwrap().touch());
            }
        };
        run(world, &count, main);
    });
}

/// One of them gives up before the task can end: the other one's waker stays.
#[test]
fn x03_joined_abroad_while_another_thread_gives_up() {
    model("joined_abroad_while_another_thread_gives_up", 1, |world| {
        let count = Count::default();
        let output = count.value();
        let main = async {
            let (send, receive) = mpsc::channel();
            let go = Sign::default();
            let told = go.clone();
            let future = async move {
                waiting_for([told], |waker| send.send(waker.clone()).unwrap()).await;
                output
            };
            let child = Arc::new(try_spawn(future, SpawnOptions::new()).ok().unwrap());
            turn().await;
            let (second, of_child) = (Arc::clone(&child), receive.recv().unwrap());
            world.spawn(move |abroad| {
                look(abroad, &second);
                go.give();
                of_child.wake();
            });
            world.spawn(move |abroad| {
                let joining = (&*child).into_future();
                abroad.block_on(joining).unwrap().touch();
            });
        };
        run(world, &count, main);
    });
}

/// Leaves a waker on the owner's thread, then sends the future away.
fn registered_at_home(
    world: &World,
    then: impl FnOnce(&Abroad, &mut (dyn Future<Output = Value> + Unpin)) + 'static,
) {
    let count = Count::default();
    let main = async {
        let child = child_of(&count);
        let mut joined = Box::pin(async move { (&child).await.unwrap() });
        let first = poll_fn(|cx| Poll::Ready(joined.as_mut().poll(cx).is_ready()));
        assert!(!first.await, "the child has not even started");
        world.spawn(move |abroad| then(abroad, &mut joined));
    };
    run(world, &count, main);
}

/// The waker at home cannot be reached from abroad: it stays until the end.
#[test]
fn x03_registered_at_home_and_dropped_abroad() {
    model("registered_at_home_and_dropped_abroad", 3, |world| {
        registered_at_home(world, |_, _| {});
    });
}

#[test]
fn x03_registered_at_home_then_polled_and_dropped_abroad() {
    model(
        "registered_at_home_then_polled_and_dropped_abroad",
        2,
        |world| {
            registered_at_home(world, |abroad, joined| {
                if let Some(value) = abroad.poll_once(joined) {
                    value.touch();
                }
                abroad.step();
            });
        },
    );
}

#[test]
fn x03_registered_at_home_and_joined_abroad() {
    model("registered_at_home_and_joined_abroad", 2, |world| {
        registered_at_home(world, |abroad, joined| abroad.block_on(joined).touch());
    });
}

#[test]
fn x05_close_against_joining_dropped_abroad() {
    model("close_against_joining_dropped_abroad", 2, |world| {
        close_against_handle(world, false, |abroad, task| {
            let mut joining = Box::pin((&task).into_future());
            if let Some(outcome) = abroad.poll_once(joining.as_mut()) {
                is_stopped(outcome);
            }
            abroad.step();
            drop(joining);
            abroad.step();
            drop(task);
        });
    });
}

#[test]
fn x05_close_against_joining_dropped_abroad_of_a_task_that_ends() {
    model(
        "close_against_joining_dropped_abroad_of_a_task_that_ends",
        2,
        |world| {
            close_against_handle(world, true, |abroad, task| {
                look(abroad, &task);
                drop(task);
            });
        },
    );
}
