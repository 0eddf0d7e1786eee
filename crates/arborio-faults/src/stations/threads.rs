//! Jobs that block, and parts of tasks that go to other threads.

use std::time::Duration;

use arborio::{
    blocking::{BlockingPool, enter_executor},
    spawn_blocking,
    time::sleep,
};

use super::{LIMIT, on_a_loop};
use crate::notes::check;

/// Jobs in a pool of their own, which is shut down, and in that of the process.
pub(super) fn jobs() {
    on_a_loop(async {
        let pool = BlockingPool::builder().max_threads(2).build();
        let jobs: Vec<_> = (0..6_u32).map(|n| pool.spawn(move || n)).collect();
        let mut sum = 0;
        for job in jobs {
            sum += job.await?;
        }
        assert_eq!(sum, 15);
        check(pool.stop_and_join(LIMIT));
        assert_eq!(spawn_blocking(|| 3).await?, 3);
        Ok(())
    });
}

/// A part of a task that sleeps on a thread of the pool.
pub(super) fn hops() {
    on_a_loop(async {
        let slept = enter_executor(async {
            sleep(Duration::from_millis(1)).await;
            5
        });
        assert_eq!(slept.await?, 5);
        Ok(())
    });
}
