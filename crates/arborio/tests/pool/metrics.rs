//! What `Handle::metrics` says of a pool.

use std::sync::Arc;

use arborio::{
    Handle, Pool, spawn,
    time::{Duration, sleep},
};

use crate::meeting::Meeting;

#[test]
fn every_worker_has_its_figures_and_any_handle_has_all_of_them() {
    let handle = Pool::builder().workers(3).run(async {
        let barrier = Arc::new(Meeting::new(3));
        let meet = |barrier: Arc<Meeting>| async move {
            barrier.wait(); // each on a worker of its own, or never
            Handle::current().unwrap().metrics().workers.len()
        };
        let others: Vec<_> = (0..2).map(|_| spawn(meet(Arc::clone(&barrier)))).collect();
        let here = spawn(meet(barrier));
        for met in others.into_iter().chain([here]) {
            assert_eq!(met.await.unwrap(), 3);
        }
        let handle = Handle::current().unwrap();
        let metrics = handle.metrics();
        assert_eq!(metrics.workers.len(), 3);
        assert!(
            metrics.workers.iter().all(|worker| worker.polls > 0),
            "{metrics:?}"
        );
        let moved = metrics.total();
        assert!(moved.given + moved.rescued >= 2, "{metrics:?}");
        handle
    });
    assert_eq!(handle.metrics().workers.len(), 1, "the pool has ended");
}

fn turns() -> u64 {
    Handle::current().unwrap().metrics().total().turns
}

#[test]
fn s03_workers_that_sleep_do_not_wake_each_other() {
    let turns = Pool::builder().workers(3).run(async {
        sleep(Duration::from_millis(300)).await; // they look again for a while, and then no more
        let before = turns();
        sleep(Duration::from_millis(300)).await;
        turns() - before
    });
    assert!(turns < 40, "{turns} turns in 300 ms without work");
}
