//! What is done at a task's end against who takes the outcome abroad, and against those
//! abroad who want something to be done then (row `send` with ABORT).

use std::sync::{
    Arc, Mutex,
    atomic::{AtomicUsize, Ordering::Relaxed},
};

use arborio_task::{Interrupt, SpawnOptions, Task, try_spawn};

use crate::{
    closing::close_against_handle,
    handles::handle_abroad,
    world::{Abroad, Count, Sign, Value, World, assert_gone, model, turn, waiting_for},
};

/// A child that has ended, with a callback that has its turn while `code` has the handle.
fn late_callback(world: &World, code: impl Fn(&Abroad, Task<Value>) + 'static) {
    let (count, called) = (Count::default(), Arc::new(AtomicUsize::new(0)));
    let note = Arc::clone(&called);
    let main = async {
        let output = count.value();
        let child = async move {
            output.change();
            output
        };
        let child = try_spawn(child, SpawnOptions::new()).ok().unwrap();
        turn().await;
        assert!(child.is_finished());
        child.on_done(move |outcome| {
            outcome.unwrap().touch();
            note.fetch_add(1, Relaxed);
        });
        world.spawn(move |abroad| code(abroad, child));
    };
    world
        .tasks()
        .run_main(main, |running| world.settle(running))
        .1
        .unwrap();
    world.join_all();
    assert_eq!(called.load(Relaxed), 1, "the callback was not called once");
    assert_gone(&count);
}

/// The callback reads what the other thread takes and drops.
#[test]
fn a12_late_callback_against_a_join_abroad() {
    model("late_callback_against_a_join_abroad", 3, |world| {
        late_callback(world, |abroad, child| {
            let value = abroad.block_on(child).unwrap();
            value.change();
        });
    });
}

#[test]
fn a12_late_callback_against_taking_abroad() {
    model("late_callback_against_taking_abroad", 3, |world| {
        late_callback(world, |abroad, mut child| {
            for _ in 0..2 {
                abroad.step();
                if let Some(outcome) = child.try_take() {
                    outcome.unwrap().change();
                    return;
                }
            }
        });
    });
}

/// The handle is dropped abroad: the owner drops the outcome after the callback.
#[test]
fn a12_late_callback_against_a_detach_abroad() {
    model("late_callback_against_a_detach_abroad", 3, |world| {
        late_callback(world, |_, child| drop(child));
    });
}

/// What is attached is made and dropped at home, or not made at all.
#[test]
fn s27_attach_abroad_against_completion() {
    model("attach_abroad_against_completion", 2, |world| {
        let count = Count::default();
        let values = count.clone();
        handle_abroad(world, Some(1), move |abroad, task| {
            task.attach(move |canceller| (values.value().at_home(), canceller));
            abroad.step();
            drop(task);
        });
        assert_gone(&count);
    });
}

/// A limit that is reached at once, applied abroad.
#[test]
fn s27_attach_and_cancel_abroad_against_completion() {
    model("attach_and_cancel_abroad_against_completion", 2, |world| {
        handle_abroad(world, Some(1), |abroad, task| {
            task.attach(|canceller| canceller.cancel_with(Interrupt::TimedOut));
            match abroad.block_on(task) {
                Ok(value) => value.touch(),
                Err(end) => assert!(matches!(end, Interrupt::TimedOut)),
            }
        });
    });
}

/// A canceller is used, and dropped last, where the task never was.
#[test]
fn s27_canceller_abroad_against_completion() {
    model("canceller_abroad_against_completion", 2, |world| {
        let (count, over) = (Count::default(), Sign::default());
        let main = async {
            let output = count.value();
            let child = async move {
                turn().await;
                output
            };
            let child = try_spawn(child, SpawnOptions::new()).ok().unwrap();
            waiting_for([over.clone()], |waker| {
                let (send, receive) = std::sync::mpsc::channel();
                assert!(child.attach(move |canceller| send.send(canceller).unwrap()));
                let (canceller, waker) = (receive.try_recv().unwrap(), waker.clone());
                world.spawn(move |abroad| {
                    canceller.cancel_with(Interrupt::TimedOut);
                    abroad.step();
                    over.give();
                    waker.wake();
                    abroad.step();
                    drop(canceller);
                });
            })
            .await;
            match child.await {
                Ok(value) => value.touch(),
                Err(end) => assert!(matches!(end, Interrupt::TimedOut)),
            }
        };
        world
            .tasks()
            .run_main(main, |running| world.settle(running))
            .1
            .unwrap();
        world.join_all();
        assert_gone(&count);
    });
}

/// The loop ends meanwhile: what was to be attached goes, at the latest with the task.
#[test]
fn x05_close_against_attach_abroad() {
    model("close_against_attach_abroad", 2, |world| {
        let count = Count::default();
        let kept = count.value();
        close_against_handle(world, false, move |abroad, task| {
            let kept = kept;
            task.attach(move |canceller| (kept, canceller));
            abroad.step();
            drop(task);
        });
        world.join_all();
        assert_gone(&count);
    });
}

/// The order holds the handle of the task that holds the order.
#[test]
fn x05_close_against_an_order_that_holds_its_task() {
    model("close_against_an_order_that_holds_its_task", 2, |world| {
        close_against_handle(world, false, |abroad, task| {
            let task = Arc::new(Mutex::new(task));
            let held = Arc::clone(&task);
            task.lock().unwrap().attach(move |_| drop(held));
            abroad.step();
            drop(task);
        });
    });
}

/// How often a callback was called.
#[derive(Clone, Default)]
struct Calls(Arc<AtomicUsize>);

impl Calls {
    /// Registers one that looks at the output, if there is one.
    fn watch(&self, task: &Task<Value>) {
        let calls = self.clone();
        task.on_done(move |outcome| {
            if let Ok(value) = outcome {
                value.touch();
            }
            calls.0.fetch_add(1, Relaxed);
        });
    }

    fn assert_once(&self) {
        assert_eq!(
            self.0.load(Relaxed),
            1,
            "the callback was not called just once"
        );
    }
}

/// The callback is on its way while the task ends: who awaits it waits for that, too.
#[test]
fn a12_callback_abroad_against_completion_and_join() {
    model("callback_abroad_against_completion_and_join", 2, |world| {
        handle_abroad(world, Some(0), |abroad, task| {
            let calls = Calls::default();
            calls.watch(&task);
            abroad.step();
            let value = abroad.block_on(task).unwrap();
            calls.assert_once();
            value.change();
        });
    });
}

#[test]
fn a12_callback_abroad_against_completion_and_taking() {
    model(
        "callback_abroad_against_completion_and_taking",
        2,
        |world| {
            let calls = Calls::default();
            let noted = calls.clone();
            handle_abroad(world, Some(0), move |abroad, mut task| {
                calls.watch(&task);
                for _ in 0..2 {
                    abroad.step();
                    if let Some(outcome) = task.try_take() {
                        calls.assert_once();
                        return outcome.unwrap().change();
                    }
                }
            });
            noted.assert_once();
        },
    );
}

/// The owner drops the outcome, and not before it was called.
#[test]
fn a12_callback_abroad_against_completion_and_detach() {
    model(
        "callback_abroad_against_completion_and_detach",
        2,
        |world| {
            let calls = Calls::default();
            let noted = calls.clone();
            handle_abroad(world, Some(0), move |abroad, task| {
                calls.watch(&task);
                abroad.step();
                drop(task);
            });
            world.join_all();
            noted.assert_once();
        },
    );
}

/// The handle is at home before its order is: there it is awaited, or dropped.
#[test]
fn a12_callback_abroad_of_a_handle_that_goes_home() {
    model("callback_abroad_of_a_handle_that_goes_home", 2, |world| {
        for awaited in [true, false] {
            let (count, calls) = (Count::default(), Calls::default());
            let main = async {
                let output = count.value();
                let child = try_spawn(async move { output }, SpawnOptions::new());
                let child = child.ok().unwrap();
                let (send, receive) = loom::sync::mpsc::channel();
                let calls = calls.clone();
                world.spawn(move |abroad| {
                    calls.watch(&child);
                    abroad.step();
                    send.send(child).ok().unwrap();
                });
                turn().await; // it has ended
                let child = receive.recv().unwrap();
                if awaited {
                    child.await.unwrap().change();
                }
            };
            world
                .tasks()
                .run_main(main, |running| world.settle(running))
                .1
                .unwrap();
            world.join_all();
            calls.assert_once();
            assert_gone(&count);
        }
    });
}

/// The loop ends meanwhile: it is called all the same, and before the outcome is to be had.
#[test]
fn x05_close_against_a_callback_and_a_join_abroad() {
    for ends in [true, false] {
        model(
            "close_against_a_callback_and_a_join_abroad",
            2,
            move |world| {
                close_against_handle(world, ends, move |abroad, task| {
                    let calls = Calls::default();
                    calls.watch(&task);
                    abroad.step();
                    // Woken for the end, and then only when the outcome is to be had.
                    let outcome = abroad.block_on_within(3, task);
                    calls.assert_once();
                    assert_eq!(
                        outcome.is_ok_and(|value| {
                            value.change();
                            true
                        }),
                        ends
                    );
                });
            },
        );
    }
}

#[test]
fn x05_close_against_a_callback_and_a_detach_abroad() {
    model("close_against_a_callback_and_a_detach_abroad", 2, |world| {
        let calls = Calls::default();
        let noted = calls.clone();
        close_against_handle(world, true, move |abroad, task| {
            calls.watch(&task);
            abroad.step();
            drop(task);
        });
        noted.assert_once();
    });
}

/// Somebody else has the PIN, and gives it up when the inbox is closed.
#[test]
fn x05_close_against_a_callback_abroad_and_a_canceller() {
    model(
        "close_against_a_callback_abroad_and_a_canceller",
        2,
        |world| {
            let count = Count::default();
            let calls = Calls::default();
            let main = async {
                let output = count.value();
                let child = try_spawn(async move { output }, SpawnOptions::new());
                let child = child.ok().unwrap();
                let (send, receive) = std::sync::mpsc::channel();
                assert!(child.attach(move |canceller| send.send(canceller).unwrap()));
                let canceller = receive.try_recv().unwrap();
                world.spawn(move |_| {
                    canceller.cancel_with(Interrupt::TimedOut);
                });
                let calls = calls.clone();
                world.spawn(move |abroad| {
                    calls.watch(&child);
                    abroad.step();
                    drop(child);
                });
            };
            world
                .tasks()
                .run_main(main, |running| world.glance(running))
                .1
                .unwrap();
            world.join_all();
            calls.assert_once();
            assert_gone(&count);
        },
    );
}

/// The callback holds the handle of the task that holds the callback.
#[test]
fn x05_close_against_a_callback_that_holds_its_task() {
    model("close_against_a_callback_that_holds_its_task", 2, |world| {
        close_against_handle(world, true, |abroad, task| {
            let task = Arc::new(Mutex::new(task));
            let held = Arc::clone(&task);
            task.lock().unwrap().on_done(move |_| drop(held));
            abroad.step();
            drop(task);
        });
    });
}
