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
