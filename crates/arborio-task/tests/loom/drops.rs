//! Clones and drops of wakers on both sides against the owner's last drop
//! (rows `clone_abroad`, `drop_abroad`, `take_count`, `settle`).

use std::{
    sync::mpsc,
    task::{Poll, Waker},
};

use arborio_task::{SpawnOptions, Task, try_spawn};
use loom::sync::{Arc, Mutex};

use crate::world::{Count, Sign, World, assert_gone, model, turn, waiting_for};

/// A child that is ready at once, after `start` has seen its waker.
fn child(start: impl FnOnce(&Waker) + 'static) -> Task<usize> {
    let child = waiting_for([], start);
    try_spawn(child, SpawnOptions::new()).ok().unwrap()
}

/// Drives `main`, and a loop that lives on until everybody abroad is through:
/// it gets to know of every last drop, and frees (S3).
fn live_on<F: Future>(world: &World, main: F) {
    let ((), outcome) = world.tasks().run_main(main, |running| {
        world.settle(running);
        world.glance(running);
        world.join_all();
        world.glance(running);
        assert_eq!(world.cells(), 1, "only main is left");
    });
    assert!(outcome.is_ok());
}

/// Runs `start` with the waker of a child that ends and is joined meanwhile:
/// what `start` does with it meets the owner's last drop.
fn against_last_drop(world: &World, start: impl FnOnce(&World, Waker)) {
    let main = async {
        let (send, receive) = mpsc::channel();
        let child = child(move |waker| send.send(waker.clone()).unwrap());
        turn().await;
        start(world, receive.recv().unwrap());
        child.await.unwrap();
    };
    live_on(world, main);
}

#[test]
fn x02_drop_abroad_against_the_owners_last_drop() {
    model("drop_abroad_against_the_owners_last_drop", 3, |world| {
        against_last_drop(world, |world, waker| {
            world.spawn(move |_| drop(waker));
        });
    });
}

#[test]
fn x02_clone_and_drop_abroad_against_the_owners_last_drop() {
    model(
        "clone_and_drop_abroad_against_the_owners_last_drop",
        3,
        |world| {
            against_last_drop(world, |world, waker| {
                world.spawn(move |abroad| {
                    let clone = waker.clone();
                    abroad.step();
                    drop(waker);
                    abroad.step();
                    drop(clone);
                });
            });
        },
    );
}

#[test]
fn x02_wake_and_drop_abroad_against_the_owners_last_drop() {
    model(
        "wake_and_drop_abroad_against_the_owners_last_drop",
        3,
        |world| {
            against_last_drop(world, |world, waker| {
                world.spawn(move |abroad| {
                    let clone = waker.clone();
                    abroad.step();
                    waker.wake();
                    abroad.step();
                    drop(clone);
                });
            });
        },
    );
}

#[test]
fn x02_drops_on_two_threads_against_the_owners_last_drop() {
    model(
        "drops_on_two_threads_against_the_owners_last_drop",
        2,
        |world| {
            against_last_drop(world, |world, waker| {
                let second = waker.clone();
                world.spawn(move |_| drop(waker));
                world.spawn(move |_| {
                    drop(second);
                });
            });
        },
    );
}

/// A waker that was cloned abroad comes home, and its drop there is the last
/// that the owner counts, while the thread abroad still has its own.
#[test]
fn cloned_abroad_and_dropped_at_home() {
    model("cloned_abroad_and_dropped_at_home", 3, |world| {
        let basket: Arc<Mutex<Option<Waker>>> = Arc::new(Mutex::new(None));
        let sign = Sign::default();
        let main = async {
            let (send, receive) = mpsc::channel();
            let child = child(move |waker| send.send(waker.clone()).unwrap());
            turn().await;
            child.await.unwrap();
            let of_child = receive.recv().unwrap();
            let given = sign.clone();
            waiting_for([sign], |waker| {
                let (waker, basket) = (waker.clone(), Arc::clone(&basket));
                world.spawn(move |abroad| {
                    *basket.lock().unwrap() = Some(of_child.clone());
                    given.give();
                    waker.wake();
                    abroad.step();
                    drop(of_child);
                });
            })
            .await;
            let home = basket.lock().unwrap().take();
            drop(home.unwrap());
        };
        live_on(world, main);
    });
}

/// The last reference that the owner counts goes while the task stands in the
/// inbox: it is still pinned.
#[test]
fn woken_abroad_while_the_last_local_reference_goes() {
    model(
        "woken_abroad_while_the_last_local_reference_goes",
        2,
        |world| {
            let basket: Arc<Mutex<Option<Waker>>> = Arc::new(Mutex::new(None));
            let sign = Sign::default();
            let main = async {
                let (send, receive) = mpsc::channel();
                child(move |waker| send.send(waker.clone()).unwrap())
                    .await
                    .unwrap();
                let of_child = receive.recv().unwrap();
                let given = sign.clone();
                waiting_for([sign], |waker| {
                    let (waker, basket) = (waker.clone(), Arc::clone(&basket));
                    world.spawn(move |abroad| {
                        *basket.lock().unwrap() = Some(of_child.clone());
                        given.give();
                        waker.wake();
                        abroad.step();
                        of_child.wake_by_ref();
                        abroad.step();
                        drop(of_child);
                    });
                })
                .await;
                let home = basket.lock().unwrap().take();
                drop(home.unwrap());
            };
            live_on(world, main);
        },
    );
}

/// The same with a message that must still be read: the handle is dropped
/// abroad, and with it the output.
#[test]
fn detached_abroad_while_the_last_local_reference_goes() {
    model(
        "detached_abroad_while_the_last_local_reference_goes",
        2,
        |world| {
            let basket: Arc<Mutex<Vec<Waker>>> = Arc::new(Mutex::new(Vec::new()));
            let (sign, count) = (Sign::default(), Count::default());
            let output = count.value().at_home();
            let main = async {
                let (send, receive) = mpsc::channel();
                let mut output = Some(output);
                let future = std::future::poll_fn(move |cx| {
                    send.send(cx.waker().clone()).unwrap();
                    Poll::Ready(output.take().unwrap())
                });
                let child = try_spawn(future, SpawnOptions::new()).ok().unwrap();
                turn().await;
                let of_child = receive.recv().unwrap();
                let given = sign.clone();
                waiting_for([sign], |waker| {
                    let (waker, basket) = (waker.clone(), Arc::clone(&basket));
                    world.spawn(move |abroad| {
                        *basket.lock().unwrap() = vec![of_child.clone(), of_child.clone()];
                        given.give();
                        waker.wake();
                        abroad.step();
                        drop(child);
                        abroad.step();
                        drop(of_child);
                    });
                })
                .await;
                let home = std::mem::take(&mut *basket.lock().unwrap());
                drop(home);
            };
            live_on(world, main);
            assert_gone(&count);
        },
    );
}

/// The same with the loop's end instead of a free while it runs.
#[test]
fn cloned_abroad_and_dropped_at_home_while_the_loop_closes() {
    model(
        "cloned_abroad_and_dropped_at_home_while_the_loop_closes",
        2,
        |world| {
            let basket: Arc<Mutex<Option<Waker>>> = Arc::new(Mutex::new(None));
            let main = waiting_for([Sign::default()], |waker| {
                let (waker, basket) = (waker.clone(), Arc::clone(&basket));
                world.spawn(move |abroad| {
                    *basket.lock().unwrap() = Some(waker.clone());
                    abroad.step();
                    drop(waker);
                });
            });
            world
                .tasks()
                .run_main(main, |running| {
                    world.glance(running);
                    drop(basket.lock().unwrap().take());
                    world.glance(running);
                })
                .1
                .unwrap_err();
            drop(basket.lock().unwrap().take());
        },
    );
}

/// A waker that was cloned at home, beside one that was cloned abroad: what is
/// counted at home is more than zero and what is counted abroad below it.
#[test]
fn made_at_home_and_dropped_abroad_while_polled_again() {
    model(
        "made_at_home_and_dropped_abroad_while_polled_again",
        3,
        |world| {
            let mut polls = 0;
            let main = std::future::poll_fn(|cx| {
                polls += 1;
                if polls == 3 {
                    return Poll::Ready(());
                }
                let waker = cx.waker().clone();
                if polls == 1 {
                    world.spawn(move |_| drop(waker));
                    cx.waker().wake_by_ref();
                } else {
                    waker.wake();
                }
                Poll::Pending
            });
            live_on(world, main);
        },
    );
}
