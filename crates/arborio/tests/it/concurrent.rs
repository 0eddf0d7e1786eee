//! Branches that borrow, in whatever may poll them: tasks, children of scopes, other
//! executors.

use std::{
    future::Future,
    sync::{
        Mutex,
        atomic::{AtomicUsize, Ordering},
    },
};

use arborio::{
    Concurrent, Interrupt, Scope, concurrent_local, scope, spawn, spawn_local,
    sync::{Semaphore, mpsc},
    time::{Duration, Instant, sleep, timeout},
};

use crate::support::{FOR_EVER, ms, simulated};

/// Branches that borrow, talk to each other, sleep, and are ended.
async fn program() -> (usize, Vec<&'static str>) {
    let words = ["one", "three", "fifteen"];
    let (letters, log) = (AtomicUsize::new(0), Mutex::new(Vec::new()));
    let gate = Semaphore::new(1);
    {
        let c = Concurrent::new();
        for word in &words {
            let (letters, log, gate) = (&letters, &log, &gate);
            c.spawn(async move {
                let _permit = gate.acquire().await;
                sleep(ms(1)).await;
                letters.fetch_add(word.len(), Ordering::Relaxed);
                log.lock().unwrap().push(*word);
            });
        }
        let ticker = c.spawn(sleep(FOR_EVER));
        c.run(async {
            while log.lock().unwrap().len() < words.len() {
                sleep(ms(1)).await;
            }
            c.cancel();
        })
        .await;
        assert!(matches!(ticker.await, Err(Interrupt::Cancelled(_))));
    }
    (letters.into_inner(), log.into_inner().unwrap())
}

fn expected() -> (usize, Vec<&'static str>) {
    (15, vec!["one", "three", "fifteen"])
}

/// Anything that may be sent from thread to thread.
fn sendable<F: Future + Send>(future: F) -> F {
    future
}

#[test]
fn c04_branches_borrow_from_main_and_from_tasks() {
    assert_eq!(arborio::run(program()), expected());
    let ended = arborio::run(async {
        let (one, other) = (spawn(program()), spawn_local(program()));
        (one.await.unwrap(), other.await.unwrap())
    });
    assert_eq!(ended, (expected(), expected()));
}

#[test]
fn c04_branches_borrow_from_a_child_of_a_scope() {
    let ended: Result<_, Interrupt> = arborio::run(scope(async |s: &Scope<Interrupt>| {
        s.spawn(async { Ok(program().await) }).await
    }));
    assert_eq!(ended.unwrap(), expected());
}

#[test]
fn c04_branches_borrow_under_other_executors() {
    assert_eq!(futures_lite::future::block_on(program()), expected());
    assert_eq!(futures_executor::block_on(program()), expected());
    let smol = smol::block_on(async { smol::spawn(sendable(program())).await });
    assert_eq!(smol, expected());
    let tokio = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .build()
        .unwrap();
    let ended = tokio.block_on(async { tokio::spawn(program()).await });
    assert_eq!(ended.unwrap(), expected());
    let alone = tokio::runtime::Builder::new_current_thread();
    let ended = { alone }.build().unwrap().block_on(program());
    assert_eq!(ended, expected());
}

#[test]
fn branches_pass_messages_while_siblings_sleep() {
    let (sum, took) = simulated().run(async {
        let start = Instant::now();
        let (give, mut take) = mpsc::channel(2);
        let sum = AtomicUsize::new(0);
        let c = Concurrent::new();
        c.spawn(async {
            while let Some(number) = take.recv().await {
                sum.fetch_add(number, Ordering::Relaxed);
            }
        });
        for number in 0..100 {
            let give = give.clone();
            c.spawn(async move {
                sleep(Duration::from_secs(number as u64 % 10)).await;
                give.send(number).await.unwrap();
            });
        }
        drop(give);
        c.run(async {}).await;
        (sum.load(Ordering::Relaxed), start.elapsed())
    });
    assert_eq!((sum, took), (4950, Duration::from_secs(9)));
}

#[test]
fn a_limit_on_the_whole_leaves_the_locals_to_whoever_goes_on() {
    let log = simulated().run(async {
        let log = Mutex::new(Vec::new());
        {
            let c = Concurrent::new();
            for number in 1..=5 {
                let log = &log;
                c.spawn(async move {
                    sleep(Duration::from_secs(number)).await;
                    log.lock().unwrap().push(number);
                });
            }
            let limited = timeout(Duration::from_millis(3500), c.run(async {}));
            assert!(limited.await.is_err());
        }
        log.into_inner().unwrap()
    });
    assert_eq!(log, [1, 2, 3]);
}

#[test]
fn a_closure_runs_beside_tasks() {
    let value = arborio::run(async {
        let task = spawn_local(async {
            let mut own = vec![1];
            let last = concurrent_local(async |c| {
                c.spawn(async { own.push(2) });
                let outer = c.spawn(async {
                    sleep(ms(1)).await;
                    let inner = c.spawn(async { 3 });
                    inner.await.unwrap()
                });
                outer.await.unwrap()
            });
            let last = last.await;
            own.push(last);
            own
        });
        task.await.unwrap()
    });
    assert_eq!(value, [1, 2, 3]);
}
