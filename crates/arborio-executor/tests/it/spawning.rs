//! Spawning with and without a loop, and from other threads.

use std::{cell::Cell, rc::Rc, thread};
#[cfg(panic = "unwind")]
use std::{
    panic,
    sync::{Arc, Mutex},
};

use arborio_executor::{
    Handle, Interrupt, NoLoop, SkipPollCycle, SkipReadyCycle, Task, skip_poll_cycle,
    skip_ready_cycle, spawn, spawn_local, task, try_spawn, try_spawn_local,
};

use crate::world::World;

#[test]
fn s07_a_future_that_nobody_polls_does_nothing() {
    let ran = Rc::new(Cell::new(false));
    World::default().run(async {
        let inner = Rc::clone(&ran);
        let future = async move { inner.set(true) };
        skip_ready_cycle().await;
        drop(future);
    });
    assert!(!ran.get());
}

#[test]
fn a08_without_a_loop_the_future_comes_back() {
    let refused: NoLoop<_> = try_spawn(async { 5 }).unwrap_err();
    assert_eq!(World::default().run(refused.into_inner()), 5);
    let kept = Rc::new(6);
    let refused = try_spawn_local(async move { *kept }).unwrap_err();
    assert_eq!(World::default().run(refused.into_inner()), 6);
}

#[test]
#[should_panic(expected = "no Arborio loop runs on this thread")]
fn a08_spawn_without_a_loop_panics() {
    drop(spawn(async {}));
}

/// Who calls is told where, whichever way it was spawned.
#[cfg(panic = "unwind")]
#[test]
fn a08_spawn_without_a_loop_panics_in_the_line_that_spawns() {
    let before = Arc::new(panic::take_hook());
    let (here, places) = (thread::current().id(), Arc::new(Mutex::new(Vec::new())));
    let (told, next) = (Arc::clone(&places), Arc::clone(&before));
    panic::set_hook(Box::new(move |info| match thread::current().id() == here {
        true => (told.lock().unwrap()).push(info.location().map(|place| place.file().to_owned())),
        false => next(info),
    }));
    let ways: [fn() -> Task<()>; 4] = [
        || spawn(async {}),
        || spawn_local(async {}),
        || task().spawn(async {}),
        || task().spawn_local(async {}),
    ];
    let ended = ways.map(|way| panic::catch_unwind(way).map(drop));
    drop(panic::take_hook());
    panic::set_hook(Box::new(move |info| before(info)));
    assert!(ended.iter().all(Result::is_err));
    assert_eq!(
        *places.lock().unwrap(),
        [(); 4].map(|()| Some(file!().to_owned()))
    );
}

#[test]
fn s09_a_dropped_handle_detaches_its_task() {
    let ran = Rc::new(Cell::new(false));
    World::default().run(async {
        let inner = Rc::clone(&ran);
        drop(spawn_local(async move {
            skip_ready_cycle().await;
            inner.set(true);
        }));
    });
    assert!(ran.get());
}

#[test]
fn a07_a_task_keeps_its_error_until_somebody_asks() {
    World::default().run(async {
        let failed: Task<Result<(), String>> = spawn(async { Err(String::from("no bread")) });
        for _ in 0..10 {
            skip_ready_cycle().await;
        }
        assert!(failed.is_finished());
        assert_eq!(failed.await.unwrap().unwrap_err(), "no bread");
    });
}

#[test]
fn s10_twenty_tasks_from_one_thread_start_in_order() {
    World::default().run(async {
        let handle = Handle::current().unwrap();
        let (send, receive) = std::sync::mpsc::channel();
        let sender = thread::spawn(move || {
            let tasks: Vec<_> = (0..20)
                .map(|number| {
                    let send = send.clone();
                    handle.spawn(async move { send.send(number).unwrap() })
                })
                .collect();
            tasks
        });
        for task in sender.join().unwrap() {
            task.await.unwrap();
        }
        let order: Vec<i32> = receive.into_iter().collect();
        assert_eq!(order, (0..20).collect::<Vec<_>>());
    });
}

/// Sent by the loop's own thread it is a spawn like any other.
#[test]
fn s10_a_handle_on_its_own_thread_spawns_in_the_order_of_all_spawns() {
    World::default().run(async {
        let handle = Handle::current().unwrap();
        let log = std::sync::Arc::new(std::sync::Mutex::new(Vec::new()));
        let note = |name| {
            let log = std::sync::Arc::clone(&log);
            async move { log.lock().unwrap().push(name) }
        };
        let all = [
            spawn(note("first")),
            handle.spawn(note("second")),
            task().spawn_on(&handle, note("third")),
            spawn(note("fourth")),
        ];
        for task in all {
            task.await.unwrap();
        }
        assert_eq!(*log.lock().unwrap(), ["first", "second", "third", "fourth"]);
    });
}

#[test]
fn s10_a_loop_that_has_ended_stops_what_it_is_sent() {
    let handle = World::default().run(async { Handle::current().unwrap() });
    let mut late = handle.spawn(async {});
    assert!(matches!(late.try_take(), Some(Err(Interrupt::Stopped))));
}

/// Where no loop runs both are a plain yield.
#[test]
fn s25_skipping_cycles_works_under_another_executor() {
    use std::task::{Context, Waker};
    let mut cx = Context::from_waker(Waker::noop());
    let (mut ready, mut poll): (SkipReadyCycle, SkipPollCycle) =
        (skip_ready_cycle(), skip_poll_cycle());
    assert!(std::pin::Pin::new(&mut ready).poll(&mut cx).is_pending());
    assert!(std::pin::Pin::new(&mut ready).poll(&mut cx).is_ready());
    assert!(std::pin::Pin::new(&mut poll).poll(&mut cx).is_pending());
    assert!(std::pin::Pin::new(&mut poll).poll(&mut cx).is_ready());
}

/// Left behind by one loop, the wish is not granted by the next.
#[test]
fn s25_a_wish_to_skip_a_poll_cycle_ends_with_its_loop() {
    let world = World::default();
    world.run(async {
        drop(task().awaited(false).spawn_local(skip_poll_cycle()));
        skip_ready_cycle().await;
    });
    let next = World::default();
    next.run(async {
        next.io().await;
    });
    assert_eq!(next.passes(), [arborio_executor::Wait::Alone]);
}
