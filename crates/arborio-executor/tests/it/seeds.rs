//! What a seed permutes, and what it leaves alone.

use std::{future::poll_fn, task::Poll, thread};

use arborio_executor::{Handle, LoopOptions, skip_ready_cycle, spawn_local};

use crate::world::{Log, World, own_waker};

/// Ten tasks are woken by other threads, one after the other, and ten are sent
/// by one thread, all before the loop looks; the order in which they run.
fn order(seed: Option<u64>) -> (Vec<String>, Vec<String>) {
    let log = Log::default();
    let options = LoopOptions {
        seed,
        ..LoopOptions::default()
    };
    let main = async {
        let (send, receive) = std::sync::mpsc::channel();
        let woken: Vec<_> = (0..10)
            .map(|number| {
                let (log, send) = (log.clone(), send.clone());
                spawn_local(async move {
                    send.send(own_waker().await).unwrap();
                    let mut told = false;
                    poll_fn(|_| match std::mem::replace(&mut told, true) {
                        true => Poll::Ready(()),
                        false => Poll::Pending,
                    })
                    .await;
                    log.note(format!("woken {number}"));
                })
            })
            .collect();
        skip_ready_cycle().await;
        let handle = Handle::current().unwrap();
        let (out, sent) = std::sync::mpsc::channel();
        let teller = thread::spawn(move || {
            receive
                .into_iter()
                .take(10)
                .for_each(std::task::Waker::wake);
            for number in 0..10 {
                let out = out.clone();
                drop(handle.spawn(async move { out.send(format!("sent {number}")).unwrap() }));
            }
        });
        teller.join().unwrap();
        for task in woken {
            task.await.unwrap();
        }
        (sent,)
    };
    let (sent,) = World::default().run_with(options, &|_| {}, main).unwrap();
    (log.read(), sent.into_iter().collect())
}

fn in_order(kind: &str) -> Vec<String> {
    (0..10).map(|number| format!("{kind} {number}")).collect()
}

#[test]
fn without_a_seed_wakes_and_submissions_keep_their_order() {
    assert_eq!(order(None), (in_order("woken"), in_order("sent")));
}

#[test]
fn s10_a_seed_never_permutes_what_one_thread_sends() {
    for seed in 0..50 {
        assert_eq!(order(Some(seed)).1, in_order("sent"));
    }
}

#[test]
fn f01_a_seed_permutes_foreign_wakes_and_always_in_the_same_way() {
    let orders: std::collections::BTreeSet<Vec<String>> = (0..50)
        .map(|seed| {
            let (first, again) = (order(Some(seed)).0, order(Some(seed)).0);
            assert_eq!(first, again);
            let mut sorted = first.clone();
            sorted.sort();
            assert_eq!(sorted, in_order("woken"), "none is lost");
            first
        })
        .collect();
    assert!(orders.len() > 40, "{} orders of fifty seeds", orders.len());
}
