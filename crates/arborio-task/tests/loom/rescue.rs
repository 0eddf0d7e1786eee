//! A worker in a long poll, which touches its hub now and then, against another loop that rescues what is ready behind
//! that poll (O1 of `src/current.rs`, M2 and M5 of `src/moving.rs`).
//!
//! What the loop touches with plain accesses is tracked: whoever touches it while the other one does fails the model.

use std::{future::poll_fn, pin::pin, sync::Mutex, task::Poll, task::Waker};

use arborio_task::{SpawnOptions, Task, try_spawn_sent};

use crate::world::{Count, Value, World, assert_gone, model, turn};

/// What the long poll does.
type Act = fn(&Task<Value>, Option<Waker>);

/// A task that changes `value` in each of its two polls, and shows its waker in the first one.
fn twice(value: Value, show: impl FnOnce(Waker) + Send + 'static) -> Task<Value> {
    let (mut value, mut show) = (Some(value), Some(show));
    let future = poll_fn(move |cx| {
        value.as_ref().unwrap().change();
        let Some(show) = show.take() else {
            return Poll::Ready(value.take().unwrap());
        };
        show(cx.waker().clone());
        cx.waker().wake_by_ref();
        Poll::Pending
    });
    try_spawn_sent(future, SpawnOptions::new()).ok().unwrap()
}

/// `main` acts in its first poll, and again after a turn; whichever finds the task ready and itself in a poll, another
/// loop takes it. `main` gets the value wherever the task ends.
fn rescued_while(world: &World, turns: usize, act: Act) {
    let count = Count::default();
    let tasks = world.tasks();
    let stuck = world.submitter(&tasks);
    world.spawn(move |abroad| {
        abroad.run_loop(drop, move |running, _| {
            running.rescue(&stuck, 10);
            drop(stuck);
        });
    });
    let value = count.value();
    let main = async {
        let shown = std::sync::Arc::new(Mutex::new(None));
        let show = std::sync::Arc::clone(&shown);
        let task = twice(value, move |waker| *show.lock().unwrap() = Some(waker));
        for _ in 0..turns {
            turn().await;
        }
        let waker = shown.lock().unwrap().take();
        act(&task, waker);
        if let Ok(value) = task.await {
            value.touch();
        }
    };
    let ((), ended) = tasks.run_main(main, |running| world.settle_as_worker(running));
    ended.unwrap();
    world.join_all();
    assert_gone(&count);
}

/// The other loop has the handle, and says something of the task before it rescues: the task stands in the queue and in the
/// inbox, and is polled to its end once.
fn rescued_with_mail(world: &World, say: fn(Task<Value>)) {
    let count = Count::default();
    let tasks = world.tasks();
    let stuck = world.submitter(&tasks);
    let handle = std::sync::Arc::new(arborio_base::sync::Mutex::new(None));
    let shown = std::sync::Arc::clone(&handle);
    world.spawn(move |abroad| {
        abroad.run_loop(drop, move |running, _| {
            let task = shown.lock().unwrap().take();
            if let Some(task) = task {
                say(task);
            }
            running.rescue(&stuck, 10);
            drop(stuck);
        });
    });
    let value = count.value();
    let main = async {
        let task = twice(value, drop);
        *handle.lock().unwrap() = Some(task);
    };
    let ((), ended) = tasks.run_main(main, |running| world.settle_as_worker(running));
    ended.unwrap();
    world.join_all();
    drop(handle);
    assert_gone(&count);
}

#[test]
fn x12_rescue_of_a_task_whose_handle_was_dropped() {
    model(
        "x12_rescue_of_a_task_whose_handle_was_dropped",
        2,
        |world| {
            rescued_with_mail(world, drop);
        },
    );
}

#[test]
fn x12_rescue_of_a_task_that_was_cancelled() {
    let say = |task: Task<Value>| {
        task.cancel();
    };
    model("x12_rescue_of_a_task_that_was_cancelled", 2, move |world| {
        rescued_with_mail(world, say);
    });
}

fn nothing(_: &Task<Value>, waker: Option<Waker>) {
    drop(waker);
}

fn begin_anyway(task: &Task<Value>, waker: Option<Waker>) {
    task.begin_anyway();
    drop(waker);
}

fn wake(_: &Task<Value>, waker: Option<Waker>) {
    if let Some(waker) = waker {
        waker.wake_by_ref();
        let clone = waker.clone();
        drop(waker);
        clone.wake();
    }
}

fn abort(task: &Task<Value>, _: Option<Waker>) {
    task.abort();
}

fn cancel(task: &Task<Value>, _: Option<Waker>) {
    task.cancel();
}

fn spawn(_: &Task<Value>, waker: Option<Waker>) {
    drop(try_spawn_sent(async {}, SpawnOptions::new()));
    drop(waker);
}

/// The handle by reference: its list of awaiters is entered and left in one poll.
fn peek(task: &Task<Value>, waker: Option<Waker>) {
    let _ = task.info();
    let _ = task.is_finished();
    drop(waker);
    let _ = pin!(turn());
}

macro_rules! models {
    ($($name:ident: $preemptions:expr, $turns:expr, $act:expr;)*) => {$(
        #[test]
        fn $name() {
            model(stringify!($name), $preemptions, |world| rescued_while(world, $turns, $act));
        }
    )*};
}

models! {
    x12_rescue_against_join: 1, 0, nothing;
    x12_rescue_against_begin_anyway: 1, 0, begin_anyway;
    x12_rescue_against_spawn: 1, 0, spawn;
    x12_rescue_against_info: 1, 0, peek;
    x12_rescue_against_abort: 1, 0, abort;
    x12_rescue_against_cancel: 1, 0, cancel;
    x12_rescue_against_wakers: 1, 1, wake;
    x12_rescue_against_join_after_a_turn: 1, 1, nothing;
}
