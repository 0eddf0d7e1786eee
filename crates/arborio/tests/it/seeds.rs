//! A seed permutes what has no order by contract, always in the same way, and
//! nothing else.

use std::thread;

use arborio::{
    EventLoop, spawn_local,
    time::{Instant, sleep_until},
    yield_now,
};

use crate::support::{Gate, Log, connected, ms, simulated};

/// The order in which a loop with `seed` runs eight tasks whose wakes from
/// another thread arrive together.
fn order_of_arrivals(seed: u64) -> Vec<usize> {
    let log = Log::new();
    EventLoop::builder().seed(seed).run(async {
        let gates: Vec<_> = (0..8).map(|_| Gate::default()).collect();
        for (number, gate) in gates.iter().cloned().enumerate() {
            let log = log.clone();
            drop(spawn_local(async move {
                gate.passed().await;
                log.add(number);
            }));
        }
        yield_now().await;
        // All eight arrive before the loop looks: it waits for the thread here.
        let opener = thread::spawn(move || gates.iter().for_each(Gate::open));
        opener.join().unwrap();
    });
    log.take()
}

#[test]
fn f01_a_seed_gives_the_same_order_of_arrivals_each_time() {
    let traces: Vec<_> = (0..10).map(order_of_arrivals).collect();
    for _ in 0..20 {
        for (seed, trace) in (0..).zip(&traces) {
            assert_eq!(order_of_arrivals(seed), *trace, "seed {seed}");
        }
    }
    let in_order: Vec<_> = (0..8).collect();
    assert!(
        traces.iter().any(|trace| *trace != in_order),
        "nothing is permuted"
    );
    for mut trace in traces {
        trace.sort_unstable();
        assert_eq!(trace, in_order, "everybody was woken once");
    }
}

#[test]
fn f01_a_seed_permutes_nothing_that_is_first_in_first_out() {
    for seed in 0..50 {
        let log = Log::new();
        EventLoop::builder().seed(seed).run(async {
            for number in 0..8 {
                let log = log.clone();
                drop(spawn_local(async move {
                    log.add(number);
                    yield_now().await;
                    log.add(8 + number);
                }));
            }
        });
        assert_eq!(log.take(), (0..16).collect::<Vec<_>>());
    }
}

/// The order in which eight tasks run whose bytes are found by one pass.
fn order_of_bytes(seed: Option<u64>) -> Vec<usize> {
    let log = Log::new();
    let builder = seed
        .into_iter()
        .fold(EventLoop::builder(), arborio::LoopBuilder::seed);
    builder.run(async {
        let mut clients = Vec::new();
        for number in 0..8 {
            let (client, server) = connected().await.unwrap();
            let log = log.clone();
            drop(spawn_local(async move {
                server.read_exact(&mut [0]).await.unwrap();
                log.add(number);
            }));
            clients.push(client);
        }
        arborio::task::skip_poll_cycle().await; // all eight wait now
        for client in &clients {
            client.write_all(b"x").await.unwrap();
        }
    });
    log.take()
}

#[test]
fn f01_a_seed_gives_the_same_order_of_io_each_time() {
    let in_order: Vec<_> = (0..8).collect();
    assert_eq!(order_of_bytes(None), in_order, "the order of arrival");
    let traces: Vec<_> = (0..10).map(|seed| order_of_bytes(Some(seed))).collect();
    for (seed, trace) in (0..).zip(&traces) {
        for _ in 0..5 {
            assert_eq!(order_of_bytes(Some(seed)), *trace, "seed {seed}");
        }
    }
    assert!(
        traces.iter().any(|trace| *trace != in_order),
        "nothing is permuted"
    );
}

#[test]
fn f01_a_seed_does_not_permute_timers() {
    for seed in 0..50 {
        let log = Log::new();
        simulated().seed(seed).run(async {
            let deadline = Instant::now() + ms(1);
            for number in 0..12 {
                let log = log.clone();
                drop(spawn_local(async move {
                    sleep_until(deadline).await;
                    log.add(number);
                }));
            }
        });
        assert_eq!(log.take(), (0..12).collect::<Vec<_>>());
    }
}
