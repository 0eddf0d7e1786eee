//! [`Metrics`]: what is known of a loop or pool by figures.

use arborio_task::WorkerMetrics;

use crate::{Handle, blocking};

/// Figures of a loop or of a pool, as they were at one moment; see [`Handle::metrics`].
///
/// # Examples
/// ```
/// # use arborio_executor::doc::run;
/// use arborio_executor::{Handle, spawn, yield_now};
/// let metrics = run(async {
///     let idle = spawn(std::future::pending::<()>());
///     yield_now().await;
///     idle.abort();
///     Handle::current().unwrap()
/// }).metrics();
/// assert_eq!(metrics.workers.len(), 1);
/// assert!(metrics.total().polls >= 2);
/// ```
#[derive(Clone, Debug, Default)]
#[non_exhaustive]
pub struct Metrics {
    /// Those of each worker, the first worker first. A loop has one.
    pub workers: Vec<WorkerMetrics>,
    /// How many threads of the process there are for jobs that block ([`spawn_blocking`](crate::blocking::spawn_blocking)).
    pub blocking_threads: usize,
    /// How many of them have nothing to do.
    pub blocking_idle: usize,
}

impl Metrics {
    /// The sum over all workers.
    ///
    /// # Examples
    /// ```
    /// assert_eq!(arborio_executor::Metrics::default().total().tasks, 0);
    /// ```
    pub fn total(&self) -> WorkerMetrics {
        let mut total = WorkerMetrics::default();
        for &worker in &self.workers {
            total += worker;
        }
        total
    }
}

impl Handle {
    /// What the loop, or each worker of the pool, has done and has. From any thread, at any time, and without
    /// disturbing anybody: loops write their figures down once a turn, with plain stores, and this reads them.
    ///
    /// The handle of one worker of a pool ([`Handle::current`] in its tasks) gives those of all. When the pool has ended, that
    /// worker's alone are left.
    ///
    /// # Examples
    /// See [`Metrics`].
    pub fn metrics(&self) -> Metrics {
        let workers = self.submitter.team();
        let (blocking_threads, blocking_idle) = blocking::threads_of_the_process();
        Metrics {
            workers: workers.iter().map(|worker| worker.figures()).collect(),
            blocking_threads,
            blocking_idle,
        }
    }
}
