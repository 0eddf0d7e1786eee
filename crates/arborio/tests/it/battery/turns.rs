//! Who gets a turn: nobody is kept waiting for ever by those who always have something to do.

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicUsize, Ordering},
    },
    thread,
};

use arborio::{
    Handle, Pool, spawn,
    sync::{Notify, mpsc},
    task, yield_now,
};

use super::{Flavour, flavours};
use crate::support::without_hanging;

flavours! {
    x13_two_tasks_that_wake_each_other_do_not_starve_a_third: two_that_wake_each_other;
    x14_a_task_that_is_always_ready_lets_others_run: one_that_is_always_ready;
    x15_what_another_thread_sends_is_not_starved: work_from_elsewhere;
    x16_every_task_runs_once_however_many_there_are: a_flood;
}

/// Somebody who is at work until this is dropped.
struct Busy(Arc<AtomicBool>);

impl Drop for Busy {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Relaxed);
    }
}

fn two_that_wake_each_other(flavour: Flavour) {
    without_hanging(move || {
        flavour.run(async {
            let (ping, pong) = (Arc::new(Notify::new()), Arc::new(Notify::new()));
            let (over, turns) = (
                Arc::new(AtomicBool::new(false)),
                Arc::new(AtomicUsize::new(0)),
            );
            let busy = Busy(Arc::clone(&over));
            let players = [(&ping, &pong), (&pong, &ping)].map(|(own, others)| {
                let (own, others) = (Arc::clone(own), Arc::clone(others));
                let (over, turns) = (Arc::clone(&over), Arc::clone(&turns));
                spawn(async move {
                    while !over.load(Ordering::Relaxed) {
                        others.notify_one();
                        own.notified().await;
                        turns.fetch_add(1, Ordering::Relaxed);
                    }
                    others.notify_one();
                })
            });
            let bystander = spawn(async move {
                let mut most = 0;
                for _ in 0..100 {
                    let before = turns.load(Ordering::Relaxed);
                    yield_now().await;
                    most = most.max(turns.load(Ordering::Relaxed) - before);
                }
                most
            });
            let most = bystander.await.unwrap();
            // Two workers each go their own way: there it says only that it ended.
            let alone = !matches!(flavour, Flavour::Pool(2..));
            assert!(most <= 64 || !alone, "{most} polls of others in between");
            drop(busy);
            for player in players {
                player.await.unwrap();
            }
        });
    });
}

fn one_that_is_always_ready(flavour: Flavour) {
    without_hanging(move || {
        flavour.run(async {
            let seen = Arc::new(AtomicBool::new(false));
            let sets = Arc::clone(&seen);
            let hog = spawn(async move {
                let (send, mut receive) = mpsc::channel(1);
                let mut count = 0_u32;
                while !seen.load(Ordering::Relaxed) {
                    send.send(count).await.unwrap();
                    assert_eq!(receive.recv().await, Some(count));
                    count += 1;
                }
            });
            let sibling = spawn(async move { sets.store(true, Ordering::Relaxed) });
            sibling.await.unwrap();
            hog.await.unwrap();
        });
    });
}

fn work_from_elsewhere(flavour: Flavour) {
    without_hanging(move || {
        flavour.run(async {
            let over = Arc::new(AtomicBool::new(false));
            // More than there are workers: no queue is ever empty.
            let hogs: Vec<_> = (0..8)
                .map(|_| {
                    let over = Arc::clone(&over);
                    spawn(async move {
                        while !over.load(Ordering::Relaxed) {
                            yield_now().await;
                        }
                    })
                })
                .collect();
            let handle = Handle::current().unwrap();
            let sender = thread::spawn(move || {
                for n in 0..100_u32 {
                    assert_eq!(handle.spawn(async move { n }).wait().unwrap(), n);
                }
                over.store(true, Ordering::Relaxed);
            });
            for hog in hogs {
                hog.await.unwrap();
            }
            sender.join().unwrap();
        });
    });
}

fn a_flood(flavour: Flavour) {
    const TASKS: usize = 20_000;
    let runs: Arc<Vec<AtomicUsize>> = Arc::new((0..TASKS).map(|_| AtomicUsize::new(0)).collect());
    let counts = Arc::clone(&runs);
    without_hanging(move || {
        flavour.run(async {
            for n in 0..TASKS {
                let runs = Arc::clone(&counts);
                drop(spawn(async move {
                    if n % 3 == 0 {
                        yield_now().await;
                    }
                    runs[n].fetch_add(1, Ordering::Relaxed);
                }));
                if n % 1000 == 0 {
                    yield_now().await;
                }
            }
        });
    });
    assert!(runs.iter().all(|runs| runs.load(Ordering::Relaxed) == 1));
}

/// The one case that a single thread cannot have: a worker blocks, and what it had begun goes on elsewhere.
#[test]
fn x12_the_child_of_a_task_that_blocks_its_worker_begins_at_once() {
    without_hanging(|| {
        Pool::builder().workers(2).run(async {
            let (tell, told) = std::sync::mpsc::channel();
            let parent = task().name("parent").spawn(async move {
                let child = spawn(async move { tell.send(7).unwrap() });
                // Not until the child has run.
                let number = told.recv().unwrap();
                child.await.unwrap();
                number
            });
            assert_eq!(parent.await.unwrap(), 7);
        });
    });
}
