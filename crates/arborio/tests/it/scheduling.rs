//! The order of ready tasks: strictly first in, first out.

use std::{
    cell::{Cell, RefCell},
    future::ready,
    pin::pin,
    rc::Rc,
    task::{Poll, Waker},
};

use arborio::{
    run, spawn, spawn_local,
    task::{skip_poll_cycle, skip_ready_cycle},
    time::{Instant, clock, sleep},
    yield_now,
};

use crate::support::{Gate, Log, ms, secs, simulated, spin_until};

/// A task that writes `line` and ends.
fn writer(log: &Log<&'static str>, line: &'static str) -> impl Future<Output = ()> + 'static {
    let log = log.clone();
    async move { log.add(line) }
}

#[test]
fn s09_a_body_starts_when_its_spawner_suspends_in_the_order_of_spawning() {
    let log = Log::new();
    run(async {
        let tasks = ["a", "b", "c"].map(|line| spawn_local(writer(&log, line)));
        log.add("after spawn");
        for task in tasks {
            task.await.unwrap();
        }
    });
    assert_eq!(log.take(), ["after spawn", "a", "b", "c"]);
}

#[test]
fn d13_no_child_runs_before_its_spawner_suspends_however_long_that_takes() {
    let log = Log::new();
    run(async {
        for _ in 0..3 {
            drop(spawn_local(writer(&log, "child")));
            ready(()).await;
            async { ready(()).await }.await;
            assert_eq!(log.len(), 0);
        }
        yield_now().await;
        assert_eq!(log.len(), 3);
    });
}

#[test]
fn s09_sleeps_of_two_tasks_overlap() {
    let total = simulated().run(async {
        let (one, two) = (spawn(sleep(secs(1))), spawn(sleep(secs(2))));
        one.await.unwrap();
        assert_eq!(clock(), secs(1));
        two.await.unwrap();
        clock()
    });
    assert_eq!(total, secs(2));
}

#[test]
fn s09_dropping_the_handle_lets_the_task_go_on() {
    let log = Log::new();
    simulated().run(async {
        let inside = log.clone();
        drop(spawn_local(async move {
            sleep(secs(1)).await;
            inside.add("done");
        }));
        sleep(secs(2)).await;
    });
    assert_eq!(log.take(), ["done"]);
}

#[test]
fn s09_an_awaited_task_gives_its_value_or_its_error() {
    run(async {
        let good = spawn(async { Ok::<_, String>(1) });
        let bad = spawn(async { Err::<u8, _>(String::from("no")) });
        assert_eq!(good.await.unwrap(), Ok(1));
        assert_eq!(bad.await.unwrap(), Err(String::from("no")));
    });
}

#[test]
fn d11_many_awaiters_get_clones_of_one_output() {
    let log = Log::new();
    simulated().run(async {
        let shared = Rc::new(spawn(async {
            sleep(secs(1)).await;
            String::from("one for all")
        }));
        for number in 0..3 {
            let (shared, log) = (Rc::clone(&shared), log.clone());
            drop(spawn_local(async move {
                log.add((number, (&*shared).await.unwrap()));
            }));
        }
    });
    let expected = [0, 1, 2].map(|number| (number, String::from("one for all")));
    assert_eq!(log.take(), expected);
}

#[test]
fn d12_awaiting_a_task_that_has_ended_does_not_suspend() {
    let log = Log::new();
    run(async {
        let ended = spawn(async { 7 });
        yield_now().await;
        drop(spawn_local(writer(&log, "peer")));
        assert_eq!((&ended).await.unwrap(), 7);
        assert_eq!(ended.await.unwrap(), 7);
        log.add("awaited");
    });
    assert_eq!(log.take(), ["awaited", "peer"]);
}

#[test]
fn a03_awaiting_what_is_ready_lets_nobody_run() {
    let log = Log::new();
    run(async {
        let gate = Gate::default();
        gate.open();
        let past = Instant::now();
        drop(spawn_local(writer(&log, "peer")));
        gate.passed().await;
        arborio::time::sleep_until(past).await;
        assert_eq!(arborio::time::timeout(ms(0), ready(1)).await, Ok(1));
        log.add("main");
    });
    assert_eq!(log.take(), ["main", "peer"]);
}

#[test]
fn a04_awaiting_a_plain_async_function_lets_nobody_run() {
    async fn plain(depth: u32) -> u32 {
        if depth == 0 {
            0
        } else {
            1 + Box::pin(plain(depth - 1)).await
        }
    }
    let log = Log::new();
    run(async {
        drop(spawn_local(writer(&log, "peer")));
        assert_eq!(plain(50).await, 50);
        log.add("main");
    });
    assert_eq!(log.take(), ["main", "peer"]);
}

#[test]
fn s24_the_yielder_goes_behind_who_was_queued_before_and_in_front_of_who_comes_later() {
    let log = Log::new();
    run(async {
        let inside = log.clone();
        drop(spawn_local(async move {
            inside.add("yielder");
            skip_ready_cycle().await;
            inside.add("yielder again");
        }));
        let inside = log.clone();
        drop(spawn_local(async move {
            inside.add("second");
            drop(spawn_local(writer(&inside, "late")));
        }));
        log.add("spawner");
    });
    let expected = ["spawner", "yielder", "second", "yielder again", "late"];
    assert_eq!(log.take(), expected);
}

#[test]
fn s24_a_thousand_rounds_keep_five_tasks_in_turn() {
    let log = Log::new();
    run(async {
        for number in 0..5 {
            let log = log.clone();
            drop(spawn_local(async move {
                for round in 0..1000 {
                    log.add((round, number));
                    skip_ready_cycle().await;
                }
            }));
        }
    });
    let expected = (0..1000).flat_map(|round| (0..5).map(move |number| (round, number)));
    assert!(log.take().into_iter().eq(expected));
}

#[test]
fn s24_one_skipped_cycle_puts_hello_before_world_in_either_order() {
    for second_first in [false, true] {
        let log = Log::new();
        run(async {
            let inside = log.clone();
            let second = async move {
                skip_ready_cycle().await;
                inside.add("world");
            };
            let first = writer(&log, "hello");
            if second_first {
                drop(spawn_local(second));
                drop(spawn_local(first));
            } else {
                drop(spawn_local(first));
                drop(spawn_local(second));
            }
        });
        assert_eq!(log.take(), ["hello", "world"]);
    }
}

#[test]
fn s24_a_skipped_cycle_is_one_pending_poll_and_one_wake() {
    run(async {
        let polls = Cell::new(0);
        let mut skip = pin!(skip_ready_cycle());
        std::future::poll_fn(|cx| {
            polls.set(polls.get() + 1);
            skip.as_mut().poll(cx)
        })
        .await;
        assert_eq!(polls.get(), 2);
    });
}

#[test]
fn s24_wakes_and_spawns_and_yields_share_one_queue() {
    let log = Log::new();
    run(async {
        let gate = Gate::default();
        let (waiter_log, waits_for) = (log.clone(), gate.clone());
        drop(spawn_local(async move {
            waits_for.passed().await;
            waiter_log.add("woken");
        }));
        yield_now().await;
        drop(spawn_local(writer(&log, "spawned before the wake")));
        gate.open();
        drop(spawn_local(writer(&log, "spawned after the wake")));
        yield_now().await;
        log.add("main");
    });
    let expected = [
        "spawned before the wake",
        "woken",
        "spawned after the wake",
        "main",
    ];
    assert_eq!(log.take(), expected);
}

#[test]
fn a10_every_sleep_lets_a_ready_peer_run() {
    let log = Log::new();
    run(async {
        drop(spawn_local(writer(&log, "peer")));
        sleep(ms(0)).await;
        log.add("main");
    });
    assert_eq!(log.take(), ["peer", "main"]);
}

#[test]
fn a05_code_between_two_awaits_is_atomic_for_the_tasks_of_its_loop() {
    let values = Rc::new(Cell::new(0_u32));
    let samples = run(async {
        let shared = Rc::clone(&values);
        let fetcher = spawn_local(async move {
            loop {
                for _ in 0..10 {
                    shared.set(shared.get() + 1);
                }
                skip_ready_cycle().await;
            }
        });
        let mut samples = Vec::new();
        while samples.len() < 1000 {
            samples.push(values.get());
            match samples.len() % 100 {
                0 => skip_poll_cycle().await,
                _ => skip_ready_cycle().await,
            }
        }
        fetcher.abort();
        samples
    });
    assert!(samples.iter().all(|len| len % 10 == 0));
    assert!(samples[999] >= 9_000, "the fetcher was at work");
}

#[test]
fn a06_a_task_that_blocks_delays_the_timers_of_its_loop() {
    run(async {
        let start = std::time::Instant::now();
        let timer = spawn(async move {
            sleep(ms(1)).await;
            start.elapsed()
        });
        yield_now().await;
        spin_until(start + ms(50));
        assert!(timer.await.unwrap() >= ms(50));
    });
}

/// Wakes its partner each time it is polled, for ever.
async fn player(wakers: Rc<RefCell<[Option<Waker>; 2]>>, own: usize, turns: Rc<Cell<u64>>) {
    std::future::poll_fn(|cx| {
        turns.set(turns.get() + 1);
        wakers.borrow_mut()[own] = Some(cx.waker().clone());
        let partner = wakers.borrow_mut()[1 - own].take();
        partner.into_iter().for_each(Waker::wake);
        Poll::Pending
    })
    .await
}

#[test]
fn x13_two_tasks_that_wake_each_other_do_not_starve_a_third() {
    run(async {
        let (turns, wakers) = (Rc::new(Cell::new(0)), Rc::default());
        let [one, two] =
            [0, 1].map(|own| spawn_local(player(Rc::clone(&wakers), own, Rc::clone(&turns))));
        for round in 1..=100 {
            skip_ready_cycle().await;
            assert!(
                turns.get() <= 2 * round,
                "the bystander waits for one turn each"
            );
        }
        assert!(turns.get() >= 100, "the two were at work");
        one.abort();
        two.abort();
    });
}

#[test]
fn s09_a_long_chain_of_tasks_that_await_each_other_ends() {
    let depth = run(async {
        let mut last = spawn(async { 0 });
        for _ in 0..20_000 {
            last = spawn(async { last.await.unwrap() + 1 });
        }
        last.await.unwrap()
    });
    assert_eq!(depth, 20_000);
}
