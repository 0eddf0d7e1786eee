//! Join handles abroad against the task's polls and its end (rows `send` with
//! SUBSCRIBE, ABORT and DETACH, and the side record).

use std::{future::pending, sync::mpsc, task::Poll};

use arborio_task::{Branch, Interrupt, SpawnOptions, Task, try_spawn};
use loom::sync::Arc;

use crate::world::{Abroad, Count, Sign, World, assert_gone, model, turn, waiting_for};

/// A child on the loop of `world`, whose handle goes to another thread; main
/// waits until that thread is through with it. `polls` is how often the child
/// is polled before it is ready with a value; `None` is never.
pub(crate) fn handle_abroad(
    world: &World,
    polls: Option<usize>,
    code: impl FnOnce(&Abroad, Task<crate::world::Value>) + 'static,
) {
    let count = Count::default();
    let values = count.clone();
    let over = Sign::default();
    let main = async {
        let (kept, output) = (values.value().at_home(), values.value());
        let future = async move {
            for _ in 0..polls.unwrap_or(1) {
                turn().await;
            }
            if polls.is_none() {
                pending::<()>().await;
            }
            kept.touch();
            output.change();
            output
        };
        let child = try_spawn(future, SpawnOptions::new().awaited(false));
        let child = child.ok().unwrap();
        let given = over.clone();
        waiting_for([over], |waker| {
            let waker = waker.clone();
            world.spawn(move |abroad| {
                code(abroad, child);
                given.give();
                waker.wake();
            });
        })
        .await;
    };
    world
        .tasks()
        .run_main(main, |running| world.settle(running))
        .1
        .unwrap();
    assert_gone(&count);
}

/// Poll and subscribe meet the end of the task; the output arrives.
#[test]
fn x03_join_abroad_against_completion() {
    model("join_abroad_against_completion", 2, |world| {
        handle_abroad(world, Some(1), |abroad, task| {
            abroad.block_on(task).unwrap().touch();
        });
    });
}

/// The same through a shared handle, which is kept.
#[test]
fn x03_is_finished_abroad_shows_the_output() {
    model("is_finished_abroad_shows_the_output", 3, |world| {
        handle_abroad(world, Some(0), |abroad, mut task| {
            for _ in 0..2 {
                abroad.step();
                if let Some(outcome) = task.try_take() {
                    outcome.unwrap().touch();
                    return;
                }
            }
        });
    });
}

/// One poll abroad, then the handle is dropped: the waiter is forgotten.
#[test]
fn x03_poll_and_detach_abroad_against_completion() {
    model("poll_and_detach_abroad_against_completion", 2, |world| {
        handle_abroad(world, Some(0), |abroad, mut task| {
            if let Some(outcome) = abroad.poll_once(&mut task) {
                outcome.unwrap().touch();
            }
            abroad.step();
            drop(task);
        });
    });
}

/// The output of a task that was detached abroad dies on the owner's thread,
/// whoever comes first, and the loop gets to know (S3).
#[test]
fn x03_x11_detach_abroad_against_completion() {
    model("detach_abroad_against_completion", 3, |world| {
        let count = Count::default();
        let values = count.clone();
        let gone = Sign::default();
        let main = waiting_for([gone.clone()], |waker| {
            let output = values.value().at_home().telling(gone, waker.clone());
            let child = try_spawn(async move { output }, SpawnOptions::new());
            let child = child.ok().unwrap();
            world.spawn(move |_| {
                drop(child);
            });
        });
        world
            .tasks()
            .run_main(main, |running| world.settle(running))
            .1
            .unwrap();
        assert_gone(&count);
    });
}

/// The detach is settled first, and the end drops the output.
#[test]
fn x03_detach_abroad_before_the_end() {
    model("detach_abroad_before_the_end", 2, |world| {
        let count = Count::default();
        let values = count.clone();
        let (go, gone) = (Sign::default(), Sign::default());
        let main = async {
            let given = go.clone();
            let (send, receive) = mpsc::channel();
            let told = gone.clone();
            let waker = std::future::poll_fn(|cx| Poll::Ready(cx.waker().clone())).await;
            let future = async move {
                waiting_for([go], |waker| send.send(waker.clone()).unwrap()).await;
                values.value().at_home().telling(told, waker)
            };
            let child = try_spawn(future, SpawnOptions::new()).ok().unwrap();
            turn().await;
            let of_child = receive.recv().unwrap();
            world.spawn(move |abroad| {
                drop(child);
                abroad.step();
                given.give();
                of_child.wake();
            });
            waiting_for([gone], |_| {}).await;
        };
        world
            .tasks()
            .run_main(main, |running| world.settle(running))
            .1
            .unwrap();
        assert_gone(&count);
    });
}

/// A future that is not ready by itself, aborted abroad: dropped at home.
#[test]
fn x11_abort_abroad_against_poll() {
    model("abort_abroad_against_poll", 1, |world| {
        handle_abroad(world, None, |abroad, task| {
            abroad.step();
            task.abort();
            match abroad.block_on(task) {
                Err(Interrupt::Cancelled(_)) => {}
                _ => panic!("it was cancelled"),
            }
        });
    });
}

/// The branch of a task asks all of its tasks while another thread aborts it: it ends once, for
/// one of the two reasons.
#[test]
fn x11_abort_abroad_against_a_request_of_the_branch() {
    model("abort_abroad_against_a_request_of_the_branch", 2, |world| {
        let count = Count::default();
        let values = count.clone();
        let over = Sign::default();
        let main = async {
            let branch = Branch::enter(std::sync::Arc::new(())).expect("a loop runs");
            let kept = values.value().at_home();
            let future = async move {
                pending::<()>().await;
                drop(kept);
            };
            let child = branch.try_spawn(future, SpawnOptions::new());
            let child = child.ok().unwrap();
            let given = over.clone();
            waiting_for([over], |waker| {
                let waker = waker.clone();
                world.spawn(move |abroad| {
                    abroad.step();
                    child.abort();
                    match abroad.block_on(child) {
                        Err(Interrupt::Cancelled(_) | Interrupt::TimedOut) => {}
                        _ => panic!("it was asked, or aborted"),
                    }
                    given.give();
                    waker.wake();
                });
                branch.cancel_all(Interrupt::TimedOut);
            })
            .await;
            drop(branch.leave());
        };
        world
            .tasks()
            .run_main(main, |running| world.settle(running))
            .1
            .unwrap();
        assert_gone(&count);
    });
}

/// The child's first turn is still to come: it is in the queue already.
#[test]
fn x11_abort_abroad_against_start() {
    model("abort_abroad_against_start", 2, |world| {
        let count = Count::default();
        let values = count.clone();
        let gone = Sign::default();
        let main = waiting_for([gone.clone()], |waker| {
            let kept = values.value().at_home().telling(gone, waker.clone());
            let future = async move {
                kept.touch();
                pending::<()>().await;
                drop(kept);
            };
            let child = try_spawn(future, SpawnOptions::new().awaited(false));
            let child = child.ok().unwrap();
            world.spawn(move |abroad| {
                child.abort();
                abroad.step();
                drop(child);
            });
        });
        world
            .tasks()
            .run_main(main, |running| world.settle(running))
            .1
            .unwrap();
        assert_gone(&count);
    });
}

/// Abort and end cross: the handle gets one outcome, an output or a reason.
#[test]
fn x03_abort_abroad_against_completion() {
    model("abort_abroad_against_completion", 2, |world| {
        handle_abroad(world, Some(0), |abroad, task| {
            abroad.step();
            task.abort();
            match abroad.block_on(task) {
                Ok(value) => value.touch(),
                Err(Interrupt::Cancelled(_)) => {}
                Err(other) => panic!("{other}"),
            }
        });
    });
}

/// Two threads share a handle; both need the side record first.
#[test]
fn side_record_installed_by_two_threads() {
    model("side_record_installed_by_two_threads", 1, |world| {
        let main = async {
            let child = try_spawn(pending::<u8>(), SpawnOptions::new());
            let child = Arc::new(child.ok().unwrap());
            let second = Arc::clone(&child);
            world.spawn(move |_| child.abort());
            world.spawn(move |abroad| {
                let outcome = abroad.poll_once((&*second).into_future());
                assert!(!matches!(outcome, Some(Ok(_))));
            });
        };
        let ((), outcome) = world
            .tasks()
            .run_main(main, |running| world.glance(running));
        outcome.unwrap();
    });
}

/// A handle that was awaited at home and then sent away.
#[test]
fn awaited_at_home_and_dropped_abroad() {
    model("awaited_at_home_and_dropped_abroad", 2, |world| {
        let main = async {
            let future = async {
                turn().await;
                turn().await;
            };
            let mut child = try_spawn(future, SpawnOptions::new()).ok().unwrap();
            let first = std::future::poll_fn(|cx| {
                Poll::Ready(std::pin::Pin::new(&mut child).poll(cx).is_ready())
            });
            assert!(!first.await, "the child has not even started");
            world.spawn(move |_| {
                drop(child);
            });
        };
        world
            .tasks()
            .run_main(main, |running| world.settle(running))
            .1
            .unwrap();
    });
}
