//! Tasks that are spawned from abroad against the loop's sleep and its end.

use std::{
    sync::{Arc, Mutex as StdMutex},
    task::Waker,
};

use arborio_task::{Interrupt, SpawnOptions};

use crate::world::{Abroad, Count, Sign, World, assert_gone, model, waiting_for};

/// A task that gives `sign` and wakes whoever waits for it.
async fn tell(sign: Sign, waker: Waker) {
    sign.give();
    waker.wake();
}

#[test]
fn submission_against_sleep() {
    model("submission_against_sleep", 3, |world| {
        let tasks = world.tasks();
        let submitter = world.submitter(&tasks);
        let sign = Sign::default();
        let main = waiting_for([sign.clone()], |waker| {
            let waker = waker.clone();
            world.spawn(move |_| {
                drop(submitter.spawn(tell(sign, waker), SpawnOptions::new()));
            });
        });
        tasks
            .run_main(main, |running| world.settle(running))
            .1
            .unwrap();
    });
}

/// The submitter waits for what it sent.
#[test]
fn submission_joined_by_its_submitter() {
    model("submission_joined_by_its_submitter", 2, |world| {
        let tasks = world.tasks();
        let submitter = world.submitter(&tasks);
        let sign = Sign::default();
        let count = Count::default();
        let values = count.clone();
        let main = waiting_for([sign.clone()], |waker| {
            let waker = waker.clone();
            world.spawn(move |abroad| {
                let value = values.value();
                let sent = submitter.spawn(async move { value }, SpawnOptions::new());
                abroad.block_on(sent).unwrap().touch();
                sign.give();
                waker.wake();
            });
        });
        tasks
            .run_main(main, |running| world.settle(running))
            .1
            .unwrap();
        assert_gone(&count);
    });
}

/// What one thread sends starts in the order in which it was sent, also if the
/// loop takes the first while the second is under way.
#[test]
fn s10_two_submissions_keep_their_order() {
    model("two_submissions_keep_their_order", 2, |world| {
        let tasks = world.tasks();
        let submitter = world.submitter(&tasks);
        let log: Arc<StdMutex<Vec<u32>>> = Arc::default();
        let signs = [Sign::default(), Sign::default()];
        let main = waiting_for(signs.clone(), |waker| {
            let (waker, log) = (waker.clone(), Arc::clone(&log));
            world.spawn(move |abroad| {
                for (number, sign) in (0..).zip(signs) {
                    let (waker, log) = (waker.clone(), Arc::clone(&log));
                    let task = async move {
                        log.lock().unwrap().push(number);
                        tell(sign, waker).await;
                    };
                    abroad.step();
                    drop(submitter.spawn(task, SpawnOptions::new()));
                }
            });
        });
        tasks
            .run_main(main, |running| world.settle(running))
            .1
            .unwrap();
        assert_eq!(*log.lock().unwrap(), [0, 1]);
    });
}

/// Submits a task with a value of the user's to a loop that closes at once.
fn submit_to_closing(world: &World, then: impl FnOnce(&Abroad, arborio_task::Task<()>) + 'static) {
    let tasks = world.tasks();
    let submitter = world.submitter(&tasks);
    let count = Count::default();
    let value = count.value();
    world.spawn(move |abroad| {
        let future = async move { value.touch() };
        let sent = submitter.spawn(future, SpawnOptions::new());
        abroad.step();
        drop(submitter);
        then(abroad, sent);
    });
    tasks
        .run_main(async {}, |running| world.glance(running))
        .1
        .unwrap();
    world.join_all();
    assert_gone(&count);
}

#[test]
fn x05_submission_against_close() {
    model("submission_against_close", 3, |world| {
        submit_to_closing(world, |_, sent| drop(sent));
    });
}

/// The handle always gets an outcome: the task ran, or it was stopped.
#[test]
fn x05_submission_against_close_joined_abroad() {
    model("submission_against_close_joined_abroad", 2, |world| {
        submit_to_closing(world, |abroad, sent| match abroad.block_on(sent) {
            Ok(()) | Err(Interrupt::Stopped) => {}
            Err(other) => panic!("{other}"),
        });
    });
}

#[test]
fn x05_submission_against_close_aborted_abroad() {
    model("submission_against_close_aborted_abroad", 2, |world| {
        submit_to_closing(world, |abroad, sent| {
            sent.abort();
            abroad.step();
            drop(sent);
        });
    });
}

/// Two threads submit while the loop closes: both are pinned by their pushes.
#[test]
fn x05_two_submissions_against_close() {
    model("two_submissions_against_close", 2, |world| {
        let tasks = world.tasks();
        let count = Count::default();
        for _ in 0..2 {
            let (submitter, value) = (world.submitter(&tasks), count.value());
            world.spawn(move |_| {
                drop(submitter.spawn(async move { value.touch() }, SpawnOptions::new()));
            });
        }
        tasks
            .run_main(async {}, |running| world.glance(running))
            .1
            .unwrap();
        world.join_all();
        assert_gone(&count);
    });
}

/// The hub goes with the loop or with the last submitter.
#[test]
fn submitters_dropped_against_close() {
    model("submitters_dropped_against_close", 3, |world| {
        let tasks = world.tasks();
        let submitter = world.submitter(&tasks);
        world.spawn(move |abroad| {
            let second = submitter.clone();
            abroad.step();
            drop(submitter);
            abroad.step();
            assert!(!second.is_here());
            drop(second);
        });
        tasks
            .run_main(async {}, |running| {
                world.glance(running);
                running.has_submitters()
            })
            .1
            .unwrap();
    });
}

/// A loop that has nothing to do but wait for what may still be sent hears that
/// nothing will be.
#[test]
fn last_submitter_against_sleep() {
    model("last_submitter_against_sleep", 3, |world| {
        let tasks = world.tasks();
        let submitter = world.submitter(&tasks);
        world.spawn(move |abroad| {
            let second = submitter.clone();
            abroad.step();
            drop(submitter);
            abroad.step();
            drop(second);
        });
        tasks
            .run_main(async {}, |running| {
                world.drive_until(running, || !running.has_submitters());
            })
            .1
            .unwrap();
    });
}

/// A loop that hears that nothing more will be sent has all that was sent.
#[test]
fn last_submission_against_the_last_look() {
    model("last_submission_against_the_last_look", 1, |world| {
        let tasks = world.tasks();
        let submitter = world.submitter(&tasks);
        world.spawn(move |abroad| {
            let sent = submitter.spawn(async {}, SpawnOptions::new());
            abroad.step();
            drop(submitter);
            abroad.block_on(sent).unwrap();
        });
        tasks
            .run_main(async {}, |running| {
                world.drive_until(running, || !running.has_submitters());
                world.glance(running);
            })
            .1
            .unwrap();
    });
}

/// The same with two threads: whoever is last tells the loop.
#[test]
fn last_of_two_submitters_against_sleep() {
    model("last_of_two_submitters_against_sleep", 2, |world| {
        let tasks = world.tasks();
        for _ in 0..2 {
            let submitter = world.submitter(&tasks);
            world.spawn(move |_| drop(submitter));
        }
        tasks
            .run_main(async {}, |running| {
                world.drive_until(running, || !running.has_submitters());
            })
            .1
            .unwrap();
    });
}
