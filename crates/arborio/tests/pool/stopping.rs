//! Pools that are stopped by one of their workers.

use std::{future::pending, sync::Arc, thread};

use arborio::{Handle, Pool, RunError, spawn};

use crate::meeting::Meeting;

/// `main` is not on the worker that is stopped.
#[test]
fn s28_who_stops_a_worker_stops_the_pool() {
    for _ in 0..20 {
        let ended = Pool::builder().workers(2).try_run(async {
            let first = thread::current().id();
            let both = Arc::new(Meeting::new(2));
            for _ in 0..2 {
                let both = Arc::clone(&both);
                drop(spawn(async move {
                    both.wait(); // one on each worker
                    if thread::current().id() != first {
                        Handle::current().unwrap().stop();
                    }
                    pending::<()>().await;
                }));
            }
            pending::<()>().await;
        });
        assert!(matches!(ended, Err(RunError::Stopped)));
    }
}
