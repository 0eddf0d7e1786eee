//! What the models of `tests/loom.rs` need: a job without a pool.

use std::sync::Arc;

use arborio_task::Interrupt;

use super::{
    Blocking, JobToken,
    job::{Job, Order, Outcome},
};

/// What a pool has of a job.
#[derive(Clone)]
pub struct PoolSide(Arc<dyn Order>);

impl PoolSide {
    /// What a thread of the pool does.
    pub fn run(self) {
        self.0.run();
    }

    /// What a pool does with every job when it closes.
    pub fn close(&self) {
        self.0.close();
    }

    /// What a pool does when the grace of a running job is over.
    pub fn give_up(&self) -> bool {
        self.0.end(Interrupt::Stopped)
    }
}

/// A job and its handle.
pub fn job<T, F>(closure: F) -> (PoolSide, Blocking<T>)
where
    T: Send + 'static,
    F: FnOnce(JobToken) -> T + Send + 'static,
{
    let job = Arc::new(Job::new(closure, None));
    let handle = Blocking::new(Arc::clone(&job) as Arc<dyn Outcome<T>>);
    (PoolSide(job), handle)
}
