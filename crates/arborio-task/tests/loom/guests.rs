//! Tasks of a branch that another loop polls to their end, and that come home to end there (G1 to G4 of
//! `src/guests.rs`), against their handle, a rescue, and what they leave behind; and tasks that another thread spawns for
//! a branch that closes (O4 of `src/door.rs`).
//!
//! The home runs on the model's thread.

use std::{future::poll_fn, pin::pin, sync::Arc, sync::Mutex, task::Poll, task::Waker};

use arborio_task::{Branch, Interrupt, Running, SpawnOptions, Submitter, Task, try_spawn_sent};
use loom::sync::mpsc;

use crate::world::{Abroad, Count, Sign, Value, World, assert_gone, model, turn};

/// What happens at home once the task is away.
type AtHome = fn(Task<Value>) -> std::pin::Pin<Box<dyn Future<Output = ()>>>;
/// What the third thread does.
type Act = fn(&Abroad, Sign, Waker);
/// How the other loop begins.
type Begin = fn(&Running<'_>, &dyn Fn(&Running<'_>));

fn spawn_on(
    branch: &Arc<Branch>,
    mut value: Option<Value>,
    show: impl FnOnce(Waker) + Send + 'static,
    sign: Option<Sign>,
    elsewhere: fn(),
) -> Task<Value> {
    let mut show = Some(show);
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
        elsewhere();
        Poll::Ready(value.take().unwrap())
    });
    let task = branch.try_spawn_sent(future, SpawnOptions::new());
    task.ok().expect("the branch is open")
}

/// Leaves `branch` when nothing is pending there.
async fn leave(branch: Arc<Branch>) {
    poll_fn(|cx| {
        branch.wake_on_change(cx.waker());
        match branch.pending() {
            0 => Poll::Ready(()),
            _ => Poll::Pending,
        }
    })
    .await;
    branch.leave();
}

/// One model of a task that goes to another loop and ends there.
struct Guest {
    /// It ends only when its sign is given.
    waits: bool,
    begin: Begin,
    at_home: AtHome,
    act: Option<Act>,
    elsewhere: fn(),
    rescued: bool,
}

impl Guest {
    fn play(&self, world: &World) {
        let count = Count::default();
        let tasks = world.tasks();
        world.may_ring(4); // what comes to the door
        let (tell, hear) = mpsc::channel();
        let begin = self.begin;
        world.spawn(move |abroad| {
            abroad.run_loop(|submitter| tell.send(submitter).unwrap(), begin);
        });
        let to: Submitter = hear.recv().unwrap();
        if self.rescued {
            let stuck = to.clone();
            world.spawn(move |abroad| {
                abroad.run_loop(drop, move |running, _| {
                    running.rescue(&stuck, 10);
                    drop(stuck);
                });
            });
        }
        let value = count.value();
        let main = async {
            drop(try_spawn_sent(turn(), SpawnOptions::new()));
            let branch = Branch::enter(Arc::new(())).unwrap();
            let (sign, shown) = (Sign::default(), Arc::new(Mutex::new(None)));
            let (given, show) = (self.waits.then(|| sign.clone()), Arc::clone(&shown));
            let show = move |waker| *show.lock().unwrap() = Some(waker);
            let task = spawn_on(&branch, Some(value), show, given, self.elsewhere);
            turn().await;
            let waker = shown.lock().unwrap().take().unwrap();
            let mut away = true;
            poll_fn(|_| match std::mem::take(&mut away) {
                true => Poll::Pending, // the driver polls it again
                false => Poll::Ready(()),
            })
            .await;
            if let Some(act) = self.act {
                world.spawn(move |abroad| act(abroad, sign, waker));
            } else {
                drop(waker);
            }
            (self.at_home)(task).await;
            leave(branch).await;
        };
        let mut main = pin!(main);
        let wake_main = Arc::new(Mutex::new(None));
        let kept = Arc::clone(&wake_main);
        let main = poll_fn(move |cx| {
            kept.lock()
                .unwrap()
                .get_or_insert_with(|| cx.waker().clone());
            main.as_mut().poll(cx)
        });
        let ((), ended) = tasks.run_main(main, |running| {
            for _ in 0..4 {
                assert!(running.run_next()); // main, the first, the second, main
            }
            world.step();
            assert_eq!(running.give(&to, 1), 1);
            drop(to);
            wake_main.lock().unwrap().take().unwrap().wake();
            world.drive_until(running, || {
                running.pending() == 0 && !running.has_submitters()
            });
        });
        ended.unwrap();
        world.join_all();
        assert_gone(&count);
    }
}

fn at_once(_: &Running<'_>, _: &dyn Fn(&Running<'_>)) {}

/// As a worker, which lets go of its hub for each poll, with another task behind the guest.
fn as_worker(running: &Running<'_>, sleep: &dyn Fn(&Running<'_>)) {
    while running.take_arrivals() == 0 {
        if !running.has_submitters() {
            return;
        }
        running.take_mail();
        sleep(running);
    }
    drop(try_spawn_sent(turn(), SpawnOptions::new()));
    while running.run_until(1, |_| true) > 0 {}
}

fn awaits(task: Task<Value>) -> std::pin::Pin<Box<dyn Future<Output = ()>>> {
    Box::pin(async {
        match task.await {
            Ok(value) => value.touch(),
            Err(end) => assert!(matches!(end, Interrupt::Cancelled(_)), "{end:?}"),
        }
    })
}

fn detaches(task: Task<Value>) -> std::pin::Pin<Box<dyn Future<Output = ()>>> {
    drop(task);
    Box::pin(async {})
}

fn aborts(task: Task<Value>) -> std::pin::Pin<Box<dyn Future<Output = ()>>> {
    task.abort();
    awaits(task)
}

fn cancels(task: Task<Value>) -> std::pin::Pin<Box<dyn Future<Output = ()>>> {
    task.cancel();
    detaches(task)
}

fn wakes(abroad: &Abroad, sign: Sign, waker: Waker) {
    sign.give();
    abroad.step();
    waker.wake();
}

fn clones_and_drops(abroad: &Abroad, _: Sign, waker: Waker) {
    let clone = waker.clone();
    drop(waker);
    abroad.step();
    drop(clone);
}

fn nothing() {}

/// A branch of the loop where the guest is, which it enters and leaks, with a task that takes a turn.
fn leaks_a_branch() {
    let branch = Branch::enter(Arc::new(())).unwrap();
    let task = branch.try_spawn_sent(turn(), SpawnOptions::new());
    drop(task.ok().unwrap());
}

const PLAIN: Guest = Guest {
    waits: false,
    begin: at_once,
    at_home: awaits,
    act: None,
    elsewhere: nothing,
    rescued: false,
};

macro_rules! models {
    ($($name:ident: $preemptions:expr, $guest:expr;)*) => {$(
        #[test]
        fn $name() {
            model(stringify!($name), $preemptions, |world| $guest.play(world));
        }
    )*};
}

models! {
    guest_against_await_at_home: 2, PLAIN;
    guest_against_detach_at_home: 2, Guest { at_home: detaches, ..PLAIN };
    guest_against_abort_at_home: 1, Guest { at_home: aborts, ..PLAIN };
    guest_that_waits_against_abort_at_home: 1, Guest { at_home: aborts, waits: true, ..PLAIN };
    guest_against_cancel_at_home: 1, Guest { at_home: cancels, ..PLAIN };
    guest_against_wake: 1, Guest { waits: true, act: Some(wakes), ..PLAIN };
    guest_against_clone_and_drop: 1, Guest { act: Some(clones_and_drops), ..PLAIN };
    guest_against_rescue: 1, Guest { begin: as_worker, rescued: true, ..PLAIN };
    guest_against_rescue_and_abort: 0, Guest { begin: as_worker, rescued: true, at_home: aborts, ..PLAIN };
    guest_leaves_something_behind: 1, Guest { elsewhere: leaks_a_branch, ..PLAIN };
    guest_leaves_something_behind_against_detach: 1, Guest { elsewhere: leaks_a_branch, at_home: detaches, ..PLAIN };
}

/// Another thread spawns a task for a branch, which is closed and left meanwhile, or whose loop ends.
fn door_against(world: &World, leaves: bool) {
    let count = Count::default();
    let tasks = world.tasks();
    world.may_ring(2);
    let value = count.value();
    let main = async {
        let branch = Branch::enter(Arc::new(())).unwrap();
        let known = Arc::clone(&branch);
        world.spawn(move |abroad| {
            let mut value = Some(value);
            let future = async move {
                let value = value.take().unwrap();
                value.change();
                value
            };
            let Ok(task) = known.try_spawn_sent(future, SpawnOptions::new()) else {
                return;
            };
            drop(known);
            match abroad.block_on(task) {
                Ok(value) => value.touch(),
                Err(end) => {
                    assert!(
                        matches!(end, Interrupt::Closed | Interrupt::Stopped),
                        "{end:?}"
                    );
                }
            }
        });
        turn().await;
        if leaves {
            leave(branch).await;
        }
    };
    let ((), ended) = tasks.run_main(main, |running| world.settle(running));
    ended.unwrap();
    world.join_all();
    assert_gone(&count);
}

#[test]
fn spawn_at_the_door_against_leave() {
    model("spawn_at_the_door_against_leave", 2, |world| {
        door_against(world, true);
    });
}

#[test]
fn spawn_at_the_door_against_the_end_of_the_loop() {
    model(
        "spawn_at_the_door_against_the_end_of_the_loop",
        2,
        |world| {
            door_against(world, false);
        },
    );
}
