//! The closing window: the inbox is closed, destructors still run on the
//! owner's thread, and the loop has not yet left its tasks behind (rows `unpin`
//! and `orphan`). What a panic that nobody observes makes of a handle abroad
//! stands here too.

use std::{
    future::{pending, poll_fn},
    panic::resume_unwind,
    sync::mpsc,
    task::{Poll, Waker},
};

use arborio_task::{Interrupt, Running, SpawnOptions, Task, life::UserPanic, try_spawn};
use loom::sync::{Arc, Mutex};

use crate::world::{Count, Sign, Value, World, assert_gone, model, nest, turn, waiting_for};

/// Calls its function when it is dropped.
struct OnDrop(Option<Box<dyn FnOnce()>>);

impl Drop for OnDrop {
    fn drop(&mut self) {
        if let Some(code) = self.0.take() {
            code();
        }
    }
}

/// Has the loop call `code` on its thread after it has closed its inbox: the
/// destructor of an outcome whose handle was given up in the last mail.
fn in_the_window(world: &World, running: &Running<'_>, code: impl FnOnce() + 'static) {
    let last = OnDrop(Some(Box::new(code)));
    let child = try_spawn(async move { last }, SpawnOptions::new()).ok();
    while running.run_next() {}
    world.nested(move || drop(child));
}

/// A child of the running loop that has ended with `output`, and a waker of it.
fn ended(running: &Running<'_>, output: Value) -> (Task<Value>, Waker) {
    let (send, receive) = mpsc::channel();
    let mut output = Some(output);
    let future = poll_fn(move |cx| {
        send.send(cx.waker().clone()).unwrap();
        Poll::Ready(output.take().unwrap())
    });
    let child = try_spawn(future, SpawnOptions::new()).ok().unwrap();
    while running.run_next() {}
    (child, receive.recv().unwrap())
}

/// The handle dropped abroad has left its message on the word, and then the
/// owner drops the last reference that it counts: the task must wait for
/// `orphan`, which drops the outcome.
#[test]
fn x05_detached_abroad_while_the_last_local_reference_goes_in_the_window() {
    model(
        "detached_abroad_while_the_last_local_reference_goes_in_the_window",
        2,
        |world| {
            let count = Count::default();
            let basket: Arc<Mutex<Vec<Waker>>> = Arc::new(Mutex::new(Vec::new()));
            let ((), outcome) = world.tasks().run_main(async {}, |running| {
                let (child, of_child) = ended(running, count.value());
                let home = Arc::clone(&basket);
                in_the_window(world, running, move || {
                    let wakers = std::mem::take(&mut *home.lock().unwrap());
                    drop(wakers);
                });
                world.spawn(move |abroad| {
                    *basket.lock().unwrap() = vec![of_child.clone(), of_child.clone()];
                    abroad.step();
                    drop(of_child);
                    abroad.step();
                    drop(child);
                });
            });
            outcome.unwrap();
            world.join_all();
            assert_gone(&count);
        },
    );
}

/// An outcome that is not `Send` is given up on its own thread, by a loop that
/// runs inside the one that closes, while another thread holds the PIN: that
/// thread leaves the outcome alone.
#[test]
fn x05_detached_at_home_in_the_window_while_another_thread_holds_the_pin() {
    model(
        "detached_at_home_in_the_window_while_another_thread_holds_the_pin",
        3,
        |world| {
            let count = Count::default();
            let ((), outcome) = world.tasks().run_main(async {}, |running| {
                let (child, of_child) = ended(running, count.value().at_home());
                let inner = world.tasks();
                in_the_window(world, running, move || nest(inner, || drop(child)));
                world.spawn(move |abroad| {
                    of_child.wake_by_ref();
                    abroad.step();
                    drop(of_child);
                });
            });
            outcome.unwrap();
            world.join_all();
            assert_gone(&count);
        },
    );
}

/// The same with a loop that closes a little later: the handle is given up
/// while the loop could still read of it.
#[test]
fn x05_detached_at_home_in_a_nested_loop_while_another_thread_holds_the_pin() {
    model(
        "detached_at_home_in_a_nested_loop_while_another_thread_holds_the_pin",
        3,
        |world| {
            let count = Count::default();
            let ((), outcome) = world.tasks().run_main(async {}, |running| {
                let (child, of_child) = ended(running, count.value().at_home());
                world.spawn(move |_| of_child.wake());
                world.step();
                world.nested(move || drop(child));
            });
            outcome.unwrap();
            world.join_all();
            assert_gone(&count);
        },
    );
}

/// An output that no future has made.
struct NeverMade;

impl Drop for NeverMade {
    fn drop(&mut self) {
        panic!("a future is dropped as an output");
    }
}

/// A task that its loop sees only when it closes, while its handle is dropped
/// abroad: whoever acts on that finds an interrupt, never the future.
#[test]
fn x05_handle_of_an_unseen_task_dropped_abroad_in_the_window() {
    model(
        "handle_of_an_unseen_task_dropped_abroad_in_the_window",
        3,
        |world| {
            let count = Count::default();
            let tasks = world.tasks();
            let submitter = world.submitter(&tasks);
            let sent = [(); 2].map(|()| {
                let kept = count.value().at_home();
                let future = async move {
                    pending::<()>().await;
                    drop(kept);
                    NeverMade
                };
                submitter.spawn(future, SpawnOptions::new())
            });
            drop(submitter);
            world.spawn(move |abroad| {
                for task in sent {
                    drop(task);
                    abroad.step();
                }
            });
            tasks.run_main(async {}, |_| {}).1.unwrap_err();
            world.join_all();
            assert_gone(&count);
        },
    );
}

/// The same task, joined: its end is there when the waiter is woken, be it by
/// the owner or by itself.
#[test]
fn x05_unseen_task_joined_abroad_in_the_window() {
    model("unseen_task_joined_abroad_in_the_window", 2, |world| {
        let tasks = world.tasks();
        let submitter = world.submitter(&tasks);
        let sent = submitter.spawn(pending::<()>(), SpawnOptions::new());
        drop(submitter);
        world.spawn(move |abroad| {
            let outcome = abroad.block_on_within(2, sent);
            assert!(matches!(outcome, Err(Interrupt::Stopped)));
        });
        tasks.run_main(async {}, |_| {}).1.unwrap_err();
    });
}

/// A destructor that runs in the window spawns: the task has ended before it
/// began, and is left behind like every other.
#[test]
fn x05_spawned_in_the_window_and_given_away() {
    model("spawned_in_the_window_and_given_away", 3, |world| {
        let basket: Arc<Mutex<Option<Task<()>>>> = Arc::new(Mutex::new(None));
        let ((), outcome) = world.tasks().run_main(async {}, |running| {
            let given = Arc::clone(&basket);
            in_the_window(world, running, move || {
                let child = try_spawn(pending(), SpawnOptions::new()).ok();
                *given.lock().unwrap() = child;
            });
            let taken = Arc::clone(&basket);
            world.spawn(move |abroad| {
                let task = taken.lock().unwrap().take();
                if let Some(task) = task {
                    let outcome = abroad.block_on_within(1, task);
                    assert!(matches!(outcome, Err(Interrupt::Stopped)));
                }
            });
        });
        outcome.unwrap();
        let left = basket.lock().unwrap().take();
        drop(left);
    });
}

/// Somebody abroad polled the handle and gave it up, and the owner may read of
/// both at once: nobody observes the panic that follows.
#[test]
fn polled_and_detached_abroad_before_a_panic() {
    model("polled_and_detached_abroad_before_a_panic", 2, |world| {
        let gone = Sign::default();
        let main = async {
            let (send, receive) = mpsc::channel();
            let told = gone.clone();
            let future = async move {
                waiting_for([told], move |waker| send.send(waker.clone()).unwrap()).await;
                resume_unwind(Box::new(UserPanic))
            };
            let mut child: Task<()> = try_spawn(future, SpawnOptions::new()).ok().unwrap();
            turn().await;
            let of_child = receive.recv().unwrap();
            world.spawn(move |abroad| {
                assert!(abroad.poll_once(&mut child).is_none());
                abroad.step();
                drop(child);
                abroad.step();
                gone.give();
                of_child.wake();
            });
        };
        let (panics, outcome) = world.tasks().run_main(main, |running| {
            world.settle(running);
            running.take_panics()
        });
        outcome.unwrap();
        assert_eq!(panics.len(), 1, "the panic comes up");
    });
}
