//! Jobs that block, on threads of their own.
//!
//! [`spawn_blocking`] has a closure run on a thread of a pool, and gives a future of what it
//! returns. No loop is needed: any executor may await it. Read `job.rs` (one job, and who may do
//! what with it), `roster.rs` (who works), `crew.rs` (threads), in this order.
//!
//! # Examples
//! ```
//! use arborio_executor::{blocking::spawn_blocking, doc::run};
//! let lines = run(async { spawn_blocking(|| std::fs::read_to_string("Cargo.toml")).await });
//! assert!(lines.unwrap().unwrap().contains("arborio-executor"));
//! ```

mod crew;
mod handle;
mod hold;
mod job;
#[cfg(loom)]
pub mod model;
mod pool;
mod roster;
mod token;

pub use handle::Blocking;
pub use hold::{Hold, set_job_hold};
pub use pool::{BlockingPool, BlockingPoolBuilder, StillRunning};
pub use token::JobToken;

/// Runs `job` on a thread where it may block, and gives a future of what it returns.
///
/// For what has no async form: files, names of hosts, libraries that block, long computations.
/// The threads belong to a pool of the process: at most 512 work at once, jobs beyond that
/// wait in the order in which they came, and a thread that has nothing to do for 10 s ends.
///
/// Dropping the future gives the job up; see [`Blocking`]. The end of the program does not wait
/// for jobs.
///
/// # Errors
/// The future gives [`Interrupt::Panicked`](crate::Interrupt::Panicked) if `job` panics, and
/// [`Interrupt::NoThread`](crate::Interrupt::NoThread) if the system refuses a thread while the pool
/// has none.
///
/// # Examples
/// ```
/// use arborio_executor::{blocking::spawn_blocking, doc::run};
/// let sum = run(async { spawn_blocking(|| (1..=10).sum::<u32>()).await });
/// assert_eq!(sum.unwrap(), 55);
/// ```
pub fn spawn_blocking<T, F>(job: F) -> Blocking<T>
where
    T: Send + 'static,
    F: FnOnce() -> T + Send + 'static,
{
    pool::of_the_process().spawn(job)
}

/// As [`spawn_blocking`]; `job` gets a token that tells whether anybody still waits for it.
///
/// # Examples
/// ```
/// use arborio_executor::{blocking::spawn_blocking_with, doc::run};
/// let found = run(async {
///     let search = spawn_blocking_with(|token| {
///         (1_u32..).take_while(|_| !token.is_cancelled()).find(|n| n % 777 == 0)
///     });
///     search.await
/// });
/// assert_eq!(found.unwrap(), Some(777));
/// ```
pub fn spawn_blocking_with<T, F>(job: F) -> Blocking<T>
where
    T: Send + 'static,
    F: FnOnce(JobToken) -> T + Send + 'static,
{
    pool::of_the_process().spawn_with(job)
}

/// Another name for [`spawn_blocking`], which asyncio's users look for.
///
/// # Examples
/// ```
/// use arborio_executor::{blocking::run_in_executor, doc::run};
/// assert_eq!(run(async { run_in_executor(|| 6 * 7).await }).unwrap(), 42);
/// ```
pub fn run_in_executor<T, F>(job: F) -> Blocking<T>
where
    T: Send + 'static,
    F: FnOnce() -> T + Send + 'static,
{
    spawn_blocking(job)
}

/// Calls `wait`, and meanwhile does not count the thread of a pool on which that happens:
/// another one may be started beyond the number that is allowed.
///
/// For a job that waits, by means of its own, for something that needs the pool. Awaiting or
/// polling a [`Blocking`] in a job does this by itself. On any other thread it only calls
/// `wait`.
///
/// # Examples
/// ```
/// use arborio_executor::{blocking::{BlockingPool, make_room}, doc::run};
/// use std::sync::{Arc, mpsc::channel};
/// let pool = Arc::new(BlockingPool::builder().max_threads(1).build());
/// let other = Arc::clone(&pool);
/// let job = pool.spawn(move || {
///     let (sender, answer) = channel();
///     other.spawn(move || sender.send(5).unwrap()).detach();
///     make_room(|| answer.recv().unwrap())
/// });
/// assert_eq!(run(job).unwrap(), 5);
/// ```
pub fn make_room<R>(wait: impl FnOnce() -> R) -> R {
    let _aside = crew::Aside::step();
    wait()
}
