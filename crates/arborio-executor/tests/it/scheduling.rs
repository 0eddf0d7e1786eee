//! In which order tasks run, and when the loop looks outside.

use std::{cell::Cell, cell::RefCell, rc::Rc, thread};

use arborio_executor::{
    DRAIN_BOUND, Drain, Handle, LoopOptions, SLICE, Wait, skip_poll_cycle, skip_ready_cycle,
    spawn_local, yield_now,
};

use crate::world::{Log, World};

#[test]
fn d13_a_child_starts_when_its_spawner_suspends() {
    let log = Log::default();
    World::default().run(async {
        let inner = log.clone();
        let child = spawn_local(async move { inner.note("child") });
        log.note("after spawn");
        async { log.note("inline") }.await;
        child.await.unwrap();
    });
    assert_eq!(log.read(), ["after spawn", "inline", "child"]);
}

#[test]
fn s24_skip_ready_cycle_goes_behind_what_was_queued_before() {
    let log = Log::default();
    World::default().run(async {
        for name in ["f", "second"] {
            let log = log.clone();
            drop(spawn_local(async move {
                log.note(name);
                if name == "f" {
                    let log = log.clone();
                    drop(spawn_local(async move { log.note("late") }));
                }
            }));
        }
        skip_ready_cycle().await;
        log.note("spawner");
    });
    assert_eq!(log.read(), ["f", "second", "spawner", "late"]);
}

#[test]
fn s24_hello_world_in_both_orders_of_spawning() {
    for second_first in [true, false] {
        let log = Log::default();
        World::default().run(async {
            let (one, two) = (log.clone(), log.clone());
            let second = async move {
                skip_ready_cycle().await;
                two.note("world");
            };
            let first = async move { one.note("hello") };
            let both = if second_first {
                let second = spawn_local(second);
                [spawn_local(first), second]
            } else {
                let first = spawn_local(first);
                [first, spawn_local(second)]
            };
            for task in both {
                task.await.unwrap();
            }
        });
        assert_eq!(log.read(), ["hello", "world"]);
    }
}

#[test]
fn s24_a_thousand_rounds_keep_the_order() {
    let turns = Rc::new(RefCell::new(Vec::new()));
    World::default().run(async {
        let tasks: Vec<_> = (0..7)
            .map(|number| {
                let turns = Rc::clone(&turns);
                spawn_local(async move {
                    for _ in 0..1_000 {
                        turns.borrow_mut().push(number);
                        yield_now().await;
                    }
                })
            })
            .collect();
        for task in tasks {
            task.await.unwrap();
        }
    });
    let turns = turns.borrow();
    assert_eq!(turns.len(), 7_000);
    assert!(turns.chunks(7).all(|round| round == [0, 1, 2, 3, 4, 5, 6]));
}

#[test]
fn s25_a_task_that_skips_a_poll_cycle_runs_behind_the_io_of_that_poll() {
    let (log, world) = (Log::default(), World::default());
    world.run(async {
        let skipper = {
            let log = log.clone();
            spawn_local(async move {
                skip_poll_cycle().await;
                log.note("poll-skipper");
            })
        };
        let reader = {
            let (log, world) = (log.clone(), world.clone());
            spawn_local(async move {
                world.io().await;
                log.note("io");
            })
        };
        for _ in 0..1_000 {
            skip_ready_cycle().await;
        }
        assert_eq!(world.count(), 0);
        log.note("1000 ready cycles done");
        skipper.await.unwrap();
        reader.await.unwrap();
    });
    assert_eq!(log.read(), ["1000 ready cycles done", "io", "poll-skipper"]);
    assert_eq!(world.passes()[0], Wait::Never);
}

#[test]
fn s25_skipping_poll_cycles_on_an_idle_loop_never_blocks() {
    let world = World::default();
    world.run(async {
        for passes in 1..=10 {
            skip_poll_cycle().await;
            assert_eq!(world.count(), passes, "one pass for each");
        }
    });
    assert_eq!(world.passes(), [Wait::Never; 10]);
}

#[test]
fn s25_those_that_skip_a_poll_cycle_go_on_in_their_order() {
    let log = Log::default();
    World::default().run(async {
        let tasks: Vec<_> = ["a", "b", "c"]
            .into_iter()
            .map(|name| {
                let log = log.clone();
                spawn_local(async move {
                    skip_poll_cycle().await;
                    log.note(name);
                })
            })
            .collect();
        for task in tasks {
            task.await.unwrap();
        }
    });
    assert_eq!(log.read(), ["a", "b", "c"]);
}

#[test]
fn s26_no_pass_is_made_in_a_thousand_ready_cycles() {
    let world = World::default();
    world.run(async {
        let (io, peer) = (world.clone(), Cell::new(false));
        let reader = spawn_local(async move { io.io().await });
        for _ in 0..1_000 {
            skip_ready_cycle().await;
            assert_eq!(world.count(), 0);
            assert!(!reader.is_finished());
        }
        peer.set(true);
        reader.await.unwrap();
        assert_eq!(world.count(), 1);
    });
}

#[test]
fn s26_what_another_thread_sends_is_seen_within_the_drain() {
    let world = World::default();
    world.run(async {
        let handle = Handle::current().unwrap();
        let sent = thread::spawn(move || handle.spawn(async { 1 }))
            .join()
            .unwrap();
        let mut cycles = 0;
        while !sent.is_finished() {
            skip_ready_cycle().await;
            cycles += 1;
            assert!(cycles <= 130, "mail is looked for every 64 polls");
        }
        assert_eq!(world.count(), 0);
    });
}

/// Yields `cycles` times and notes at which of them a pass had been made.
async fn cycles_with_passes(world: &World, cycles: u32) -> Vec<u32> {
    let mut at = Vec::new();
    let mut seen = 0;
    for cycle in 1..=cycles {
        skip_ready_cycle().await;
        if world.count() != seen {
            seen = world.count();
            at.push(cycle);
        }
    }
    at
}

#[test]
fn d10_a_drain_ends_after_its_bound() {
    let world = World::default();
    let at = world.run(cycles_with_passes(&world, 2 * DRAIN_BOUND + 100));
    assert_eq!(at, [DRAIN_BOUND, 2 * DRAIN_BOUND]);
    assert_eq!(world.passes(), [Wait::Never; 2]);
    // After 64, 128, 256, 512, 1024, 2048 and 3072 polls, and after 64 of the last drain.
    assert_eq!(world.slices_asked(), 2 * 7 + 1);
}

#[test]
fn d10_a_drain_ends_when_its_slice_is_over() {
    let world = World::default();
    world.end_slices();
    let at = world.run(cycles_with_passes(&world, 2 * SLICE + 10));
    assert_eq!(at, [SLICE, 2 * SLICE]);
}

#[test]
fn s26_a_drain_to_empty_makes_no_pass_and_asks_for_no_slice() {
    let world = World::default();
    world.end_slices();
    let options = LoopOptions {
        drain: Drain::ToEmpty,
        ..LoopOptions::default()
    };
    let at = world.run_with(
        options,
        &|_| {},
        cycles_with_passes(&world, 3 * DRAIN_BOUND),
    );
    assert_eq!(at.unwrap(), [0; 0]);
    assert_eq!(world.slices_asked(), 0);
}

#[test]
fn a04_only_awaiting_what_is_pending_lets_others_run() {
    async fn plain(log: &Log) {
        log.note("plain");
    }
    let log = Log::default();
    World::default().run(async {
        let done = spawn_local(async {});
        skip_ready_cycle().await;
        let inner = log.clone();
        let peer = spawn_local(async move { inner.note("peer") });
        plain(&log).await;
        std::future::ready(()).await;
        done.await.unwrap();
        log.note("main");
        peer.await.unwrap();
    });
    assert_eq!(log.read(), ["plain", "main", "peer"]);
}

#[test]
fn a05_code_between_awaits_is_atomic_for_the_tasks_of_one_loop() {
    World::default().run(async {
        let values = Rc::new(RefCell::new(Vec::new()));
        let fetchers: Vec<_> = (0..3)
            .map(|_| {
                let values = Rc::clone(&values);
                spawn_local(async move {
                    for _ in 0..200 {
                        for value in 0..10 {
                            values.borrow_mut().push(value);
                        }
                        skip_ready_cycle().await;
                    }
                })
            })
            .collect();
        for _ in 0..1_000 {
            assert_eq!(values.borrow().len() % 10, 0);
            skip_ready_cycle().await;
        }
        for fetcher in fetchers {
            fetcher.await.unwrap();
        }
        assert_eq!(values.borrow().len(), 6_000);
    });
}

/// Nothing is ready: the loop asks to block once for each thing that happens.
#[test]
fn a06_an_idle_loop_waits_and_does_not_spin() {
    let world = World::default();
    world.run(async {
        for _ in 0..5 {
            world.io().await;
        }
    });
    assert_eq!(world.passes(), [Wait::Alone; 5]);
}

#[test]
fn g14_all_tasks_run_on_the_thread_of_their_loop() {
    let home = thread::current().id();
    World::default().run(async {
        let handle = Handle::current().unwrap();
        let sent = thread::spawn(move || handle.spawn(async { thread::current().id() }));
        let here = spawn_local(async { thread::current().id() });
        assert_eq!(here.await.unwrap(), home);
        assert_eq!(sent.join().unwrap().await.unwrap(), home);
    });
}
