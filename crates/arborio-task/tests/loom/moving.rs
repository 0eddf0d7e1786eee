//! Tasks on their way from one loop to another, against what other threads do to them meanwhile (M1 to M4 of
//! `src/moving.rs`).
//!
//! The loop that a task leaves runs on the model's thread, the other one on a second, and a third has a waker and the
//! handle. The task changes a tracked value in each poll: so each must see what the one before it did, on whichever loop
//! that was.

use std::{future::poll_fn, pin::Pin, sync::Mutex, task::Poll, task::Waker};

use arborio_task::{Interrupt, Running, SpawnOptions, Submitter, Task, try_spawn_sent};
use loom::sync::mpsc;

use crate::world::{Abroad, Count, Sign, Value, World, assert_gone, model, turn};

type Outcome = Result<Value, Interrupt>;

/// What the third thread does.
type Act = fn(&Abroad, Sign, Waker, Task<Value>);

/// A task that changes `value` in each poll, shows its waker in the first one and is ready again after it, and ends with
/// `value` once `sign` is given.
fn rover(
    value: Value,
    sign: Option<Sign>,
    show: impl FnOnce(Waker) + Send + 'static,
) -> Task<Value> {
    rover_with(value, sign, show, |value| value)
}

/// The same, which ends with what `output` makes of the value.
fn rover_with<T: Send + 'static>(
    value: Value,
    sign: Option<Sign>,
    show: impl FnOnce(Waker) + Send + 'static,
    output: fn(Value) -> T,
) -> Task<T> {
    let (mut value, mut show) = (Some(value), Some(show));
    let future = poll_fn(move |cx| {
        value.as_ref().unwrap().change();
        if let Some(show) = show.take() {
            show(cx.waker().clone());
            cx.waker().wake_by_ref();
            return Poll::Pending;
        }
        if sign.as_ref().is_some_and(|sign| !sign.is_given()) {
            return Poll::Pending;
        }
        Poll::Ready(output(value.take().unwrap()))
    });
    try_spawn_sent(future, SpawnOptions::new()).ok().unwrap()
}

/// A task that is ready twice, so that the one behind it is the second in the queue.
fn first() {
    drop(try_spawn_sent(turn(), SpawnOptions::new()));
}

/// What the other loop does at first.
type Begin = fn(&Running<'_>, &dyn Fn(&Running<'_>), &Submitter);

fn nothing(_: &Running<'_>, _: &dyn Fn(&Running<'_>), _: &Submitter) {}

/// Sends what comes back to where it came from, once.
fn send_back(running: &Running<'_>, sleep: &dyn Fn(&Running<'_>), from: &Submitter) {
    while running.take_arrivals() == 0 {
        if !running.has_submitters() {
            return; // it has stayed
        }
        running.take_mail();
        sleep(running);
    }
    running.give(from, 1); // `main` is the first one
}

/// Moves a task while the third thread acts. `waits`: it ends only when its sign is given.
fn moves_while(world: &World, waits: bool, begin: Begin, act: Act) {
    let count = Count::default();
    let tasks = world.tasks();
    let from = world.submitter(&tasks);
    let (tell, hear) = mpsc::channel();
    world.spawn(move |abroad| {
        abroad.run_loop(
            |submitter| tell.send(submitter).unwrap(),
            move |running, sleep| {
                begin(running, sleep, &from);
                drop(from);
            },
        );
    });
    let to = hear.recv().unwrap();
    let value = count.value();
    let main = async {
        first();
        let sign = Sign::default();
        let given = sign.clone();
        let shown = std::sync::Arc::new(Mutex::new(None));
        let show = std::sync::Arc::clone(&shown);
        let task = rover(value, waits.then_some(sign), move |waker| {
            *show.lock().unwrap() = Some(waker);
        });
        turn().await;
        let waker = shown.lock().unwrap().take().unwrap();
        world.spawn(move |abroad| act(abroad, given, waker, task));
    };
    let ((), ended) = tasks.run_main(main, |running| {
        for _ in 0..4 {
            assert!(running.run_next()); // main, the first, the second, main
        }
        world.step();
        running.give(&to, 1);
        drop(to);
        world.drive_until(running, || {
            running.pending() == 0 && !running.has_submitters()
        });
    });
    ended.unwrap();
    world.join_all();
    assert_gone(&count);
}

fn wake(abroad: &Abroad, sign: Sign, waker: Waker, task: Task<Value>) {
    sign.give();
    abroad.step();
    waker.wake();
    abroad.step();
    drop(task);
}

fn wake_by_ref(abroad: &Abroad, sign: Sign, waker: Waker, task: Task<Value>) {
    drop(task);
    abroad.step();
    sign.give();
    waker.wake_by_ref();
    abroad.step();
    drop(waker);
}

fn clone_and_drop(abroad: &Abroad, _: Sign, waker: Waker, task: Task<Value>) {
    let clone = waker.clone();
    drop(waker);
    abroad.step();
    drop(clone);
    drop(task);
}

fn join(abroad: &Abroad, _: Sign, waker: Waker, task: Task<Value>) {
    drop(waker);
    let outcome: Outcome = abroad.block_on(task);
    match outcome {
        Ok(value) => value.touch(),
        Err(end) => assert!(matches!(end, Interrupt::Stopped), "{end:?}"),
    }
}

fn poll_and_drop(abroad: &Abroad, _: Sign, waker: Waker, mut task: Task<Value>) {
    drop(waker);
    if let Some(Ok(value)) = abroad.poll_once(Pin::new(&mut task)) {
        value.touch();
    }
    abroad.step();
    drop(task);
}

/// Nobody gives the sign: if the request is lost, its loop waits for ever.
fn abort(abroad: &Abroad, _: Sign, waker: Waker, task: Task<Value>) {
    task.abort();
    abroad.step();
    drop(waker);
    drop(task);
}

/// The same.
fn cancel(abroad: &Abroad, _: Sign, waker: Waker, task: Task<Value>) {
    task.cancel();
    abroad.step();
    drop(task);
    drop(waker);
}

macro_rules! models {
    ($($name:ident: $preemptions:expr, $waits:expr, $begin:expr, $act:expr;)*) => {$(
        #[test]
        fn $name() {
            model(stringify!($name), $preemptions, |world| moves_while(world, $waits, $begin, $act));
        }
    )*};
}

models! {
    move_against_wake: 2, true, nothing, wake;
    move_against_wake_by_ref: 1, true, nothing, wake_by_ref;
    move_against_clone_and_drop: 2, false, nothing, clone_and_drop;
    move_against_join: 1, false, nothing, join;
    move_against_poll_and_detach: 1, false, nothing, poll_and_drop;
    move_against_abort: 1, true, nothing, abort;
    move_against_cancel: 1, true, nothing, cancel;
    there_and_back_against_wake: 1, true, send_back, wake;
    there_and_back_against_clone_and_drop: 1, false, send_back, clone_and_drop;
    there_and_back_against_poll_and_detach: 0, false, send_back, poll_and_drop;
    there_and_back_against_abort: 0, true, send_back, abort;
}

/// The other loop ends while the task comes: it comes back, or it ends there.
fn to_a_loop_that_ends(world: &World, act: Act) {
    let count = Count::default();
    let (tell, hear) = mpsc::channel();
    world.spawn(move |abroad| {
        let tasks = arborio_task::Tasks::new(std::sync::Arc::new(arborio_task::NoNotify));
        tell.send(tasks.submitter()).unwrap();
        abroad.step();
        drop(tasks);
    });
    let to = hear.recv().unwrap();
    let value = count.value();
    let sign = Sign::default();
    let main = async {
        first();
        let given = sign.clone();
        let shown = std::sync::Arc::new(Mutex::new(None));
        let show = std::sync::Arc::clone(&shown);
        let task = rover(value, Some(sign), move |waker| {
            *show.lock().unwrap() = Some(waker);
        });
        turn().await;
        let waker = shown.lock().unwrap().take().unwrap();
        world.spawn(move |abroad| act(abroad, given, waker, task));
    };
    let ((), ended) = world.tasks().run_main(main, |running| {
        for _ in 0..4 {
            assert!(running.run_next()); // main, the first, the second, main
        }
        world.step();
        running.give(&to, 1);
        drop(to);
        world.settle(running);
    });
    ended.unwrap();
    world.join_all();
    assert_gone(&count);
}

fn wake_and_join(abroad: &Abroad, sign: Sign, waker: Waker, task: Task<Value>) {
    sign.give();
    waker.wake();
    let outcome: Outcome = abroad.block_on(task);
    match outcome {
        Ok(value) => value.touch(),
        Err(end) => assert!(matches!(end, Interrupt::Stopped), "{end:?}"),
    }
}

#[test]
fn move_to_a_loop_that_ends_against_wake() {
    model("move_to_a_loop_that_ends_against_wake", 2, |world| {
        to_a_loop_that_ends(world, wake);
    });
}

#[test]
fn move_to_a_loop_that_ends_against_wake_and_join() {
    model(
        "move_to_a_loop_that_ends_against_wake_and_join",
        1,
        |world| {
            to_a_loop_that_ends(world, wake_and_join);
        },
    );
}

#[test]
fn move_to_a_loop_that_ends_against_abort() {
    model("move_to_a_loop_that_ends_against_abort", 1, |world| {
        to_a_loop_that_ends(world, abort);
    });
}

/// The one who waits for a task moves away, and the task ends where it was (M4). It has been polled, and is ready once
/// more, when it goes; the third thread has what the task waits for.
fn awaiter_moves(world: &World, by_value: bool) {
    let count = Count::default();
    let (tell, hear) = mpsc::channel();
    world.spawn(move |abroad| {
        abroad.run_loop(|submitter| tell.send(submitter).unwrap(), |_, _| {});
    });
    let to = hear.recv().unwrap();
    let value = count.value();
    let main = async {
        let sign = Sign::default();
        let given = sign.clone();
        let shown = std::sync::Arc::new(Mutex::new(None));
        let show = std::sync::Arc::clone(&shown);
        let task = rover_with(
            value,
            Some(sign),
            move |waker| *show.lock().unwrap() = Some(waker),
            drop,
        );
        let waits = async move {
            if by_value {
                ready_once_more(task).await.unwrap();
            } else {
                ready_once_more(std::pin::pin!((&task).into_future()))
                    .await
                    .unwrap();
            }
        };
        drop(try_spawn_sent(waits, SpawnOptions::new()));
        turn().await;
        let waker = shown.lock().unwrap().take().unwrap();
        world.spawn(move |abroad| {
            given.give();
            abroad.step();
            waker.wake();
        });
    };
    let ((), ended) = world.tasks().run_main(main, |running| {
        for _ in 0..4 {
            assert!(running.run_next()); // main, the task, who waits for it, main
        }
        world.step();
        assert_eq!(running.give(&to, 1), 1, "who waits is the second one");
        drop(to);
        world.settle(running);
    });
    ended.unwrap();
    world.join_all();
    assert_gone(&count);
}

/// Awaits `future`, which is pending at first, and wakes its task once without need.
async fn ready_once_more<F: Future + Unpin>(mut future: F) -> F::Output {
    let mut is_first = true;
    poll_fn(|cx| {
        let polled = Pin::new(&mut future).poll(cx);
        if std::mem::take(&mut is_first) {
            assert!(polled.is_pending());
            cx.waker().wake_by_ref();
        }
        polled
    })
    .await
}

#[test]
fn awaiter_moves_against_end() {
    model("awaiter_moves_against_end", 0, |world| {
        awaiter_moves(world, true)
    });
}

#[test]
fn sharing_awaiter_moves_against_end() {
    model("sharing_awaiter_moves_against_end", 0, |world| {
        awaiter_moves(world, false)
    });
}
