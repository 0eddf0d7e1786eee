//! The loop's end against everything that can be underway abroad, and handles
//! and wakers that outlive it (rows `orphan`, `unpin`, ORPHAN).

use std::{
    future::pending,
    sync::mpsc,
    task::{Poll, Waker},
};

use arborio_task::{Interrupt, SpawnOptions, Task, try_spawn};

use crate::world::{Abroad, Count, Sign, Value, World, assert_gone, model, waiting_for};

/// A loop that closes after one look, while `code` has main's waker.
fn close_against_waker(world: &World, code: impl FnOnce(&Abroad, Waker) + 'static) {
    let count = Count::default();
    let kept = count.value().at_home();
    let main = async {
        let kept = kept;
        waiting_for([Sign::default()], |waker| {
            let waker = waker.clone();
            world.spawn(move |abroad| {
                code(abroad, waker);
            });
        })
        .await;
        kept.touch();
    };
    let ((), outcome) = world.tasks().run_main(main, |running| {
        world.glance(running);
    });
    assert!(matches!(outcome, Err(Interrupt::Stopped)));
    assert_gone(&count);
}

#[test]
fn x05_close_against_wake_by_ref() {
    model("close_against_wake_by_ref", 3, |world| {
        close_against_waker(world, |abroad, waker| {
            waker.wake_by_ref();
            abroad.step();
            waker.wake_by_ref();
            abroad.step();
            drop(waker);
        });
    });
}

#[test]
fn x05_close_against_wake_by_value() {
    model("close_against_wake_by_value", 3, |world| {
        close_against_waker(world, |_, waker| waker.wake());
    });
}

#[test]
fn x05_close_against_clone_and_drop() {
    model("close_against_clone_and_drop", 3, |world| {
        close_against_waker(world, |abroad, waker| {
            let clone = waker.clone();
            abroad.step();
            drop(waker);
            abroad.step();
            drop(clone);
        });
    });
}

#[test]
fn x05_close_against_two_wakers() {
    model("close_against_two_wakers", 2, |world| {
        let main = waiting_for([Sign::default()], |waker| {
            for by_value in [false, true] {
                let waker = waker.clone();
                world.spawn(move |_| {
                    if by_value {
                        waker.wake();
                    } else {
                        waker.wake_by_ref();
                    }
                });
            }
        });
        let ((), outcome) = world
            .tasks()
            .run_main(main, |running| world.glance(running));
        assert!(matches!(outcome, Err(Interrupt::Stopped)));
    });
}

/// The loop closes while it is about to be rung out of its sleep.
#[test]
fn x05_close_against_a_ring() {
    model("close_against_a_ring", 3, |world| {
        let main = waiting_for([Sign::default()], |waker| {
            let waker = waker.clone();
            world.spawn(move |_| waker.wake());
        });
        let ((), outcome) = world.tasks().run_main(main, |running| {
            world.glance(running);
            world.doze(running);
        });
        assert!(matches!(outcome, Err(Interrupt::Stopped)));
    });
}

/// A loop that closes after one look, while `code` has the handle of a child
/// that is ready with a value if `ends`.
pub(crate) fn close_against_handle(
    world: &World,
    ends: bool,
    code: impl FnOnce(&Abroad, Task<Value>) + 'static,
) {
    let count = Count::default();
    let (kept, output) = (count.value().at_home(), count.value());
    let main = async {
        let future = async move {
            let kept = kept;
            if !ends {
                pending::<()>().await;
            }
            kept.touch();
            output.change();
            output
        };
        let child = try_spawn(future, SpawnOptions::new()).ok().unwrap();
        world.spawn(move |abroad| {
            code(abroad, child);
        });
    };
    world
        .tasks()
        .run_main(main, |running| world.glance(running))
        .1
        .unwrap();
    world.join_all();
    assert_gone(&count);
}

pub(crate) fn is_stopped(outcome: Result<Value, Interrupt>) {
    assert!(matches!(outcome, Err(Interrupt::Stopped)));
}

#[test]
fn x05_close_against_join_abroad() {
    model("close_against_join_abroad", 3, |world| {
        close_against_handle(world, false, |abroad, task| {
            // Whoever wakes the waiter has seen the end, and shows it to him.
            is_stopped(abroad.block_on_within(2, task));
        });
    });
}

#[test]
fn x05_close_against_join_abroad_of_a_task_that_ends() {
    model(
        "close_against_join_abroad_of_a_task_that_ends",
        2,
        |world| {
            close_against_handle(world, true, |abroad, task| {
                abroad.block_on(task).unwrap().touch();
            });
        },
    );
}

#[test]
fn x05_close_against_detach_abroad() {
    model("close_against_detach_abroad", 3, |world| {
        close_against_handle(world, false, |_, task| drop(task));
    });
}

/// Whoever is last drops the output, once.
#[test]
fn x05_close_against_detach_abroad_of_a_task_that_ends() {
    model(
        "close_against_detach_abroad_of_a_task_that_ends",
        3,
        |world| {
            close_against_handle(world, true, |_, task| drop(task));
        },
    );
}

#[test]
fn x05_close_against_poll_and_detach_abroad() {
    model("close_against_poll_and_detach_abroad", 2, |world| {
        close_against_handle(world, true, |abroad, mut task| {
            if let Some(outcome) = abroad.poll_once(&mut task) {
                outcome.unwrap().touch();
            }
            abroad.step();
            drop(task);
        });
    });
}

#[test]
fn x05_close_against_abort_abroad() {
    model("close_against_abort_abroad", 3, |world| {
        close_against_handle(world, false, |abroad, task| {
            task.abort();
            abroad.step();
            drop(task);
        });
    });
}

#[test]
fn x05_close_against_abort_and_join_abroad() {
    model("close_against_abort_and_join_abroad", 2, |world| {
        close_against_handle(world, false, |abroad, task| {
            task.abort();
            match abroad.block_on(task) {
                Err(Interrupt::Stopped | Interrupt::Cancelled(_)) => {}
                _ => panic!("it was stopped or cancelled"),
            }
        });
    });
}

/// The handle and a waker of a task that has ended with a value, and its loop
/// after it.
fn outliving(world: &World, count: &Count) -> (Task<Value>, Waker) {
    let output = count.value();
    let (send, receive) = mpsc::channel();
    let main = async {
        let mut output = Some(output);
        let future = std::future::poll_fn(move |cx| {
            send.send(cx.waker().clone()).unwrap();
            Poll::Ready(output.take().unwrap())
        });
        (try_spawn(future, SpawnOptions::new()).ok().unwrap(),)
    };
    let ((), outcome) = world
        .tasks()
        .run_main(main, |running| world.glance(running));
    let (child,) = outcome.unwrap();
    assert!(child.is_finished());
    (child, receive.recv().unwrap())
}

/// A handle that is taken after the loop's end, against wakes.
#[test]
fn handle_and_waker_outlive_the_loop() {
    model("handle_and_waker_outlive_the_loop", 3, |world| {
        let count = Count::default();
        let (mut child, waker) = outliving(world, &count);
        world.spawn(move |abroad| {
            waker.wake_by_ref();
            abroad.step();
            drop(waker);
        });
        world.step();
        child.try_take().unwrap().unwrap().touch();
        world.join_all();
        assert_gone(&count);
    });
}

/// A handle that is dropped untaken after the loop's end, against a wake.
#[test]
fn handle_dropped_after_the_loop_against_a_wake() {
    model("handle_dropped_after_the_loop_against_a_wake", 3, |world| {
        let count = Count::default();
        let (child, waker) = outliving(world, &count);
        world.spawn(move |_| waker.wake());
        world.step();
        drop(child);
        world.join_all();
        assert_gone(&count);
    });
}
